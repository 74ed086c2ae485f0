"""Release folders: `root/releases/<id>/`, and the symbolic link `root/current` that says which one is live.

Going back is one rename of a link that was prepared beside the marker. That rename is the only change, it
is atomic, and it uses the prepared link up: whether the link is still there says whether it happened.
The link is compared with what the plan expected just before; other deployers take no lock of ours, so the
moment between the two is the one thing that cannot be closed here.
"""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from backends.choosing import named, point_for
from backends.marker import ENDED, Marker, Markers, MarkerStage, Slot, fate_of, file_errors
from backends.programs.supervisor import sync_folder
from backends.references import Resolver
from backends.releases.settings import ReleasesSettings
from bot.clock import Clock, utc_now
from bot.contract import (
    Blocked,
    CancelAnswer,
    Capabilities,
    Fate,
    Found,
    Handle,
    OutcomeUnknown,
    Preview,
    Progress,
    StateChanged,
    Taken,
    TargetMissing,
    Work,
)
from bot.model import Current, Finding, Goal, Loss, Points, RestorePoint, UndoMode, Verdict, Way, When
from bot.times import moment


class Releases:
    place = None
    capabilities = Capabilities(
        fenced=True, preview=Preview.EXACT, compare_and_set=True, undo=UndoMode.EXACT, shortest_poll=0.05
    )

    def __init__(self, root: Path, clock: Clock = utc_now) -> None:
        self._root = root
        self._link = root / "current"
        self._folder = root / "releases"
        self._markers = Markers(root)
        self._clock = clock

    async def restore_points(self, limit: int = 50) -> Points:
        points = await asyncio.to_thread(self._points)
        return Points(points.points[:limit], points.current)

    async def plan(self, goal: Goal, now: datetime) -> Way:
        listed = await asyncio.to_thread(self._points)
        point = point_for(goal, listed.points)
        return Way(
            point=point,
            current=listed.current,
            loss=None,
            changes=_leaving(point, listed),
            blockers=(f"{point.id} is live already.",) if point.current else (),
            downtime=0.0,
            undo=UndoMode.EXACT if _live_of(listed) else UndoMode.IMPOSSIBLE,
        )

    async def measure(self, point: RestorePoint, now: datetime) -> Loss | None:
        return None

    async def undo_point(self, work: Work) -> RestorePoint | None:
        """The release that the plan goes back from: it stays where it is, so there is nothing to save."""
        listed = await asyncio.to_thread(self._points)
        _refuse_if_moved(work, listed.current)
        return _live_of(listed)

    async def start(self, work: Work) -> Handle | Taken:
        return await asyncio.to_thread(self._start, work)

    async def find(self, work: Work) -> Found:
        return await asyncio.to_thread(self._find, work)

    async def poll(self, work: Work, handle: Handle) -> Progress:
        found = await self.find(work)
        if found.fate is Fate.UNKNOWN:
            raise OutcomeUnknown(found.words)
        return Progress(
            ended=ENDED[found.fate],
            observed_at=self._clock(),
            words=found.words,
            retry_after=self.capabilities.shortest_poll,
        )

    async def cancel(self, work: Work, handle: Handle) -> CancelAnswer:
        """A rename is over before anybody could stop it."""
        return CancelAnswer.IMPOSSIBLE

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        return await asyncio.to_thread(self._verify, work)

    @file_errors()
    def _points(self) -> Points:
        live = self._live()
        releases = self._releases()
        points = tuple(
            RestorePoint(id=name, at=at, label=name, current=name == live)
            for name, at in sorted(releases.items(), key=lambda item: (item[1], item[0]), reverse=True)
        )
        return Points(points, Current(id=live, token=live, label=live, at=releases.get(live)))

    def _releases(self) -> dict[str, datetime]:
        """Real folders with plain names only: a link among them could lead anywhere."""
        if not self._folder.is_dir() or self._folder.is_symlink():
            raise TargetMissing(f"{self._folder} is not a folder of releases.")
        with os.scandir(self._folder) as entries:
            return {
                entry.name: datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
                for entry in entries
                if not entry.name.startswith(".")
                and entry.name.isprintable()
                and entry.is_dir(follow_symlinks=False)
            }

    def _live(self) -> str:
        """The id of the release that the link names, whether or not its folder is still there."""
        if not self._link.is_symlink():
            if self._link.exists():
                raise Blocked(f"{self._link} is not a link: make it a link into {self._folder}.")
            raise TargetMissing(f"{self._link} does not exist.")
        release = Path(os.path.normpath(self._root / os.readlink(self._link)))
        if release.parent != Path(os.path.normpath(self._folder)):
            raise Blocked(f"{self._link} leads out of {self._folder}: let it name a release there.")
        return release.name

    @file_errors()
    def _start(self, work: Work) -> Handle | Taken:
        slot = self._markers.take(work.op_id)
        if slot is None:
            return Taken.TAKEN
        with slot:
            if fate_of(work, slot.read(), partial(self._fate, work)).fate is not Fate.ABSENT:
                return Taken.TAKEN
            listed = self._points()
            _refuse_if_moved(work, listed.current)
            named(work.point, listed.points)
            taken = self._prepare(work, slot)
            os.replace(self._prepared(work), self._link)
            self._record(slot, taken)
        return {"op_id": work.op_id}

    def _prepare(self, work: Work, slot: Slot) -> Marker:
        prepared = self._prepared(work)
        prepared.unlink(missing_ok=True)
        prepared.symlink_to(Path("releases") / work.point)
        taken = Marker(
            work.digest, work.point, work.expected, MarkerStage.TAKEN, {"link": _identity(prepared)}
        )
        slot.write(taken)
        return taken

    def _record(self, slot: Slot, taken: Marker) -> None:
        try:
            sync_folder(self._root)
            slot.write(replace(taken, stage=MarkerStage.DONE))
        except OSError as error:
            raise OutcomeUnknown(f"The link was changed, but not durably: {error}") from error

    @file_errors()
    def _find(self, work: Work) -> Found:
        return self._markers.find(work, partial(self._fate, work))

    def _fate(self, work: Work, marker: Marker) -> Found:
        if marker.stage is MarkerStage.TAKEN and os.path.lexists(self._prepared(work)):
            return Found(Fate.ABSENT, "It was taken, but the link was not changed.")
        if os.path.lexists(self._link) and _identity(self._link) == marker.facts["link"]:
            return Found(Fate.DONE, f"{marker.point} is live.")
        return Found(Fate.OVERTAKEN, f"{marker.point} was live; the link was changed again since.")

    def _prepared(self, work: Work) -> Path:
        return self._markers.folder / f"{work.op_id}.link"

    def _verify(self, work: Work) -> tuple[Finding, ...]:
        listed = self._points()
        live = listed.current.id
        there = any(point.id == work.point for point in listed.points)
        return (
            Finding(
                name="live release",
                when=When.OFFLINE,
                verdict=Verdict.PASSED if live == work.point else Verdict.FAILED,
                value=live,
                before=work.expected,
                words=f"The link names {live}, it must name {work.point}.",
            ),
            Finding(
                name="release folder",
                when=When.OFFLINE,
                verdict=Verdict.PASSED if there else Verdict.FAILED,
                value=work.point,
                words=f"The folder of {work.point} {'is there' if there else 'is gone'}.",
            ),
        )


def _refuse_if_moved(work: Work, current: Current) -> None:
    if current.token != work.expected:
        raise StateChanged(f"{current.id} is live now, the plan was made for {work.expected}.")


def _identity(link: Path) -> str:
    """A rename keeps both; whoever makes a new link, even to the same release, gets another time."""
    status = os.lstat(link)
    return f"{status.st_ino}:{status.st_mtime_ns}"


def _leaving(point: RestorePoint, listed: Points) -> tuple[str, ...]:
    """The releases that go, newest first: everything after the point up to what is live.

    Towards a newer release (an undo) only what is live goes.
    """
    live = _live_of(listed)
    if live is None:
        return (f"{listed.current.id} · its folder is gone",)
    ids = [one.id for one in listed.points]
    first = ids.index(live.id)
    return tuple(_line(one) for one in listed.points[first : max(ids.index(point.id), first + 1)])


def _live_of(listed: Points) -> RestorePoint | None:
    """None: the link names a release whose folder is gone."""
    return next((one for one in listed.points if one.current), None)


def _line(point: RestorePoint) -> str:
    return point.id if point.at is None else f"{point.id} · {moment(point.at)}"


def build(settings: ReleasesSettings, resolver: Resolver) -> Releases:
    """Raises ConfigurationError when a reference cannot be resolved."""
    return Releases(resolver.path(settings.root))
