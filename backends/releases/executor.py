"""Release folders: `root/releases/<id>/`, and the symbolic link `root/current` that says which one is live.

Going back is one rename of a link that was prepared beside the marker, or, where that is another disk, beside
the link that it replaces. That rename is the only change, it is atomic, and it uses the prepared link up:
whether the link is still there says whether it happened.
The link is compared with what the plan expected just before; other deployers take no lock of ours, so the
moment between the two is the one thing that cannot be closed here.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path

from backends.choosing import named, point_for
from backends.ended import ended
from backends.examining import about_points
from backends.file_digests import identity_of
from backends.marker import Marker, Markers, MarkerStage, Slot, fate_of
from backends.patience import Readings
from backends.programs.process import printable
from backends.programs.supervisor import sync_folder
from backends.references import Resolver
from backends.releases.layout import LINK, RELEASES, Layout
from backends.releases.links import Live
from backends.releases.manifest import Manifest, Manifests, Unreadable
from backends.releases.obstacles import Disk, obstacles, refusals
from backends.releases.settings import ReleasesSettings
from backends.threads import Threads
from backends.worker_key import WorkerKey
from bot.clock import Clock, utc_now
from bot.contract import (
    Blocked,
    Capabilities,
    Ended,
    Fate,
    Found,
    Handle,
    OutcomeUnknown,
    PointUnavailable,
    Progress,
    StateChanged,
    Taken,
    Trouble,
    UnknownPoint,
    Work,
)
from bot.errors import PermanentError, TemporaryError
from bot.model import (
    Current,
    Do,
    Fence,
    Finding,
    Goal,
    Gone,
    Left,
    Loss,
    LossQuality,
    Points,
    Preview,
    RestorePoint,
    UndoMode,
    Verdict,
    Way,
    When,
)
from bot.times import zone_of

ASKED_AGAIN_AFTER_SECONDS = 0.05  # one rename is over at once


class Releases:
    place = None
    capabilities = Capabilities(Fence.BARRED, does=frozenset({Do.SAVE, Do.RESTORE}))

    def __init__(
        self,
        root: Path,
        key: WorkerKey,
        *,
        ignored: Collection[str] = (),  # paths below each release that do not count as its content
        names_zone: tzinfo = UTC,
        link: str = LINK,  # names in `root`
        releases: str = RELEASES,
        clock: Clock = utc_now,
        disk: Disk = os.statvfs,
    ) -> None:
        self._layout = Layout(root, names_zone, ignored, link, releases)
        self._disk = disk
        self._manifests = Manifests(ignored)
        self._readings = Readings()
        self._ignored = sorted(ignored)
        self._markers = Markers(root, key)
        self._threads = Threads()
        self._clock = clock

    async def where(self) -> tuple[str, ...]:
        return (await self._threads.run(identity_of, self._layout.root),)

    async def points(self, limit: int = 50) -> Points:
        listed = await self._threads.run(self._points)
        more = max(0, len(listed.points) - limit)
        cut = (f"{more:,} more, older than those that are listed.",) if more else ()
        return replace(listed, points=listed.points[:limit], left_out=(*cut, *listed.left_out))

    async def plan(self, goal: Goal, now: datetime) -> Way:
        return await self._threads.run(self._plan, goal)

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        return Loss(LossQuality.NONE)

    async def start(self, work: Work) -> Handle | Taken | Ended:
        return await self._threads.run(self._keep if work.do is Do.SAVE else self._start, work)

    async def find(self, work: Work) -> Found:
        return await self._threads.run(self._find, work)

    async def bar(self, work: Work) -> Found:
        return await self._threads.run(self._bar, work)

    async def poll(self, work: Work) -> Progress | Ended:
        return ended(await self.find(work), self._clock())

    async def cancel(self, work: Work) -> Left | None:
        """A rename is over before anybody could stop it."""
        return None

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        return await self._threads.run(self._verify, work)

    async def examine(self) -> tuple[Trouble, ...]:
        listed = await self._threads.run(self._points)
        return (*about_points(listed, self._clock(), seldom=None), *_few(listed))

    @refusals()
    def _points(self) -> Points:
        return self._layout.points()

    @refusals()
    def _plan(self, goal: Goal) -> Way:
        listed, live = self._layout.points(), self._layout.live()
        point = self._pinned(self._meant(goal, listed))
        blockers = self._blockers(point, live)
        doubts = (point.doubt, self._layout.under_way(live), self._going_along(live))
        return Way(
            point=point,
            current=listed.current,
            loss=Loss(LossQuality.NONE),
            gone=self._leaving(point, listed),
            diff=f"not compared: {', '.join(self._ignored)}" if self._ignored else "",
            preview=Preview.EXACT,
            warnings=(*(each for each in doubts if each and each not in blockers), *self._markers.warnings()),
            blockers=blockers,
            downtime=0.0,
            undo=UndoMode.EXACT if _live_of(listed) else UndoMode.IMPOSSIBLE,
            unlike=self._unlike(point),
        )

    def _meant(self, goal: Goal, listed: Points) -> RestorePoint:
        """Raises as `point_for` does, and says why something with that name is no restore point."""
        try:
            return point_for(goal, listed.points)
        except UnknownPoint:
            why = self._layout.why_left_out(goal.point or "")
            if not why:
                raise
            name = printable(goal.point or "", 60)
            raise PointUnavailable(f"`{name}` is no restore point: it {why}.") from None

    def _blockers(self, point: RestorePoint, live: Live) -> tuple[str, ...]:
        if point.current:
            return (f"{point.id} is live already.",)
        inside = self._layout.why_not_inside(point.id, live)
        return (*filter(None, [inside]), *obstacles(live.link, self._markers.folder, self._disk))

    def _going_along(self, live: Live) -> str:
        if not live.chained:
            return ""
        name, switched = self._layout.link.name, self._layout.told(live.link)
        return (
            f"`{name}` leads through the link `{switched}`: that one is switched, and whatever else leads "
            "through it goes along."
        )

    def _pinned(self, point: RestorePoint) -> RestorePoint:
        """Returns the point with its content, unless it is live: nobody goes there, and it may be writing."""
        if point.current:
            return point
        read = partial(self._manifests.of, self._layout.path_of(point.id))
        return replace(point, fingerprint=self._readings.of(point.id, "paths", read).fingerprint)

    def _unlike(self, point: RestorePoint) -> dict[str, str]:
        folder = self._layout.path_of(point.id)
        known = self._manifests.last(folder)
        return self._manifests.unlike(folder, known) if known is not None else {}

    def _content(self, release: str) -> Manifest:
        return self._manifests.of(self._layout.path_of(release))

    @refusals()
    def _keep(self, work: Work) -> Ended:
        """The release that the plan goes back from: it stays where it is, so there is nothing to save."""
        listed = self._points()
        _refuse_if_moved(work, listed.current)
        return Ended(True, Left.BEFORE, made=_live_of(listed))

    @refusals()
    def _start(self, work: Work) -> Taken | Ended:
        slot = self._markers.take(work.op_id)
        if slot is None:
            return Taken.TAKEN
        with slot:
            if fate_of(work, slot.read(), partial(self._fate, work)).fate is not Fate.ABSENT:
                return Taken.TAKEN
            listed = self._points()
            _refuse_if_moved(work, listed.current)
            named(work.point, listed.points)
            self._refuse_other_content(work)
            live = self._layout.live()
            if reason := self._layout.why_not_inside(work.point, live):
                raise Blocked(reason)
            prepared, taken = self._prepare(work, slot, live)
            _refuse_if_moved(work, self._layout.current())  # reading took its time
            os.replace(prepared, live.link)
            self._record(slot, taken, live)
        return Ended(True, Left.POINT, f"{work.point} is live.{self._switched(live)}")

    def _switched(self, live: Live) -> str:
        return f" The link `{self._layout.told(live.link)}` was switched." if live.chained else ""

    def _refuse_other_content(self, work: Work) -> None:
        if not work.fingerprint:  # an earlier version pinned none
            return
        try:
            found = self._content(work.point)
        except FileNotFoundError:
            raise PointUnavailable(f"{work.point} is gone since the plan was made.") from None
        if found.fingerprint != work.fingerprint:
            raise StateChanged(
                f"{work.point} is not what was approved: {self._difference(work, found)}. Nothing was done."
            )

    def _difference(self, work: Work, found: Manifest) -> str:
        return self._manifests.difference(self._layout.path_of(work.point), work.fingerprint, found)

    def _prepare(self, work: Work, slot: Slot, live: Live) -> tuple[Path, Marker]:
        prepared = self._markers.folder / f"{work.op_id}.link"
        facts: dict[str, str | int] = {}
        if live.chained:
            facts["switched"] = live.link
        if os.lstat(live.link).st_dev != os.lstat(self._markers.folder).st_dev:
            prepared = Path(live.link).with_name(f".{work.op_id}.link")  # no rename goes to another disk
            facts["prepared"] = str(prepared)
        prepared.unlink(missing_ok=True)
        prepared.symlink_to(live.text_for(work.point))
        _give(prepared, os.lstat(live.link))
        facts["link"] = _identity(prepared)
        taken = Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN, facts)
        slot.write(taken)
        return prepared, taken

    def _record(self, slot: Slot, taken: Marker, live: Live) -> None:
        try:
            sync_folder(Path(live.link).parent)
            slot.write(replace(taken, stage=MarkerStage.DONE))
        except OSError as error:
            raise OutcomeUnknown(f"The link was changed, but not durably: {error}") from error

    @refusals()
    def _find(self, work: Work) -> Found:
        return self._markers.find(work, partial(self._fate, work))

    @refusals()
    def _bar(self, work: Work) -> Found:
        return self._markers.bar(work, partial(self._fate, work))

    def _fate(self, work: Work, marker: Marker) -> Found:
        if marker.stage is MarkerStage.FAILED:
            return Found(Fate.FAILED, marker.words, left=Left.BEFORE)
        prepared = marker.facts.get("prepared", str(self._markers.folder / f"{work.op_id}.link"))
        if marker.stage is MarkerStage.TAKEN and os.path.lexists(str(prepared)):
            return Found(Fate.ABSENT, "It was taken, but the link was not changed.")
        if self._is_ours(marker):
            return Found(Fate.DONE, f"{marker.point} is live.")
        return Found(Fate.OVERTAKEN, f"{marker.point} was live; the link was changed again since.")

    def _is_ours(self, marker: Marker) -> bool:
        """Whether the link that we have put there is still the one that says what is live."""
        switched = str(marker.facts.get("switched", self._layout.link))
        if not os.path.lexists(switched) or _identity(switched) != marker.facts["link"]:
            return False
        if "switched" not in marker.facts:
            return True
        try:
            return self._layout.live().link == switched
        except PermanentError:  # it leads nowhere that we know
            return False

    @refusals()
    def _verify(self, work: Work) -> tuple[Finding, ...]:
        listed = self._points()
        live = listed.current.id
        arrived = Finding(
            name="live release",
            when=When.OFFLINE,
            verdict=Verdict.PASSED if live == work.point else Verdict.FAILED,
            value=live,
            before=_release_in(work.expected),
            words=f"The link names {live}, it must name {work.point}.",
            arrived=True,
        )
        return arrived, self._folder_of(work, listed)

    def _folder_of(self, work: Work, listed: Points) -> Finding:
        point = next((point for point in listed.points if point.id == work.point), None)
        verdict, words = self._judged(work, point)
        return Finding("release folder", When.OFFLINE, verdict, work.point, words=words)

    def _judged(self, work: Work, point: RestorePoint | None) -> tuple[Verdict, str]:
        """A release that has written to itself since it is live has neither failed nor passed."""
        if point is None:
            return Verdict.FAILED, f"The folder of {work.point} is gone."
        try:
            found = self._content(point.id)
        except (TemporaryError, Unreadable) as problem:
            return Verdict.INCONCLUSIVE, str(problem)
        if not found.files:
            return Verdict.INCONCLUSIVE, f"The folder of {point.id} is there, with no file in it."
        if work.fingerprint in {"", found.fingerprint}:
            return (
                Verdict.PASSED,
                f"The folder of {point.id} is there{', as approved' * bool(work.fingerprint)}.",
            )
        difference = f"{point.id} is not what was approved: {self._difference(work, found)}."
        if self._manifests.only_grown(self._layout.path_of(point.id), work.fingerprint, found):
            return Verdict.INCONCLUSIVE, f"{difference} What a release writes itself belongs into `ignore`."
        return Verdict.FAILED, difference

    def _leaving(self, point: RestorePoint, listed: Points) -> tuple[Gone, ...]:
        """The releases that go, newest first: everything after the point up to what is live.

        Towards a newer release (an undo) only what is live goes.
        """
        live = _live_of(listed)
        if live is None:
            there = os.path.lexists(self._layout.path_of(listed.current.id))
            return (Gone(listed.current.id, note="" if there else "its folder is gone"),)
        ids = [one.id for one in listed.points]
        first = ids.index(live.id)
        going = listed.points[first : max(ids.index(point.id), first + 1)]
        return tuple(Gone(one.id, _told(one), one.at, one.author or "") for one in going)


def _few(listed: Points) -> Iterator[Trouble]:
    earlier = [point.id for point in listed.points if not point.current]
    if len(earlier) == 1:
        words = f"{earlier[0]} is the only release besides what is live: whoever goes there has no other way."
        yield Trouble(f"{words} Let whatever deploys keep more of them.", serious=False)


def _refuse_if_moved(work: Work, current: Current) -> None:
    """Raises StateChanged when another release is live, or the same name elsewhere."""
    if work.expected == current.token or (work.unsigned and work.expected == current.id):
        return  # an earlier version knew a release by its name alone
    expected = _release_in(work.expected)
    if expected == current.id:
        raise StateChanged(
            "The folder of the target, or the way of its link, is another one than when the plan was made."
        )
    raise StateChanged(f"{current.id} is live now, the plan was made for {expected}.")


def _release_in(token: str) -> str:
    return token.partition("/")[0]


def _give(link: Path, owner: os.stat_result) -> None:
    """Keeps the owner of the link that is replaced: servers may follow a link only to what its owner owns."""
    with suppress(OSError):  # only root gives files away, and not to everybody everywhere
        os.lchown(link, owner.st_uid, owner.st_gid)


def _identity(link: str | Path) -> str:
    """A rename keeps both; whoever makes a new link, even to the same release, gets another time."""
    status = os.lstat(link)
    return f"{status.st_ino}:{status.st_mtime_ns}"


def _live_of(listed: Points) -> RestorePoint | None:
    """None: the link names a release whose folder is gone."""
    return next((one for one in listed.points if one.current), None)


def _told(point: RestorePoint) -> str:
    return "" if point.label == point.id else point.label


def build(settings: ReleasesSettings, resolver: Resolver) -> Releases:
    """Raises ConfigurationError when a reference cannot be resolved."""
    return Releases(
        resolver.path(settings.root),
        resolver.surroundings.key,
        ignored=settings.ignore,
        names_zone=zone_of(settings.names_zone) or UTC,
        link=settings.link,
        releases=settings.releases,
    )
