"""A path on a branch of a git repository: GitOps, configuration, content, data sets in files.

The restore point is a commit. Going back adds one commit on top of the branch, in which the path is as it
was; nothing of the history goes away. Its trailers carry the op id and the plan digest, so the branch itself
says what became of an operation. Identity is the last commit that changed the path: other people's commits
elsewhere are no change. How git is spoken to is in `repository`, the copy beside in `beside`.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from backends.choosing import named, point_for, skew
from backends.ended import ended
from backends.examining import about_points
from backends.git.address import Address, Credentials
from backends.git.authorship import USUAL_AUTHORSHIP, Authorship, Signing
from backends.git.beside import CommitCopies
from backends.git.definition import NOT_ON_THE_WEB, TWICE
from backends.git.message import CommitMessage, listed
from backends.git.remote import USUAL_ACCESS, Access
from backends.git.repository import Commit, Push, Repository
from backends.git.settings import CommitSettings, GitSettings, SigningSettings
from backends.marker import Markers
from backends.references import Resolver
from backends.worker_key import WorkerKey
from bot.clock import Clock, utc_now
from bot.configuration.values import Reference
from bot.contents import Contents
from bot.contract import (
    Blocked,
    Busy,
    Capabilities,
    Ended,
    Fate,
    Found,
    Handle,
    PointUnavailable,
    Progress,
    StateChanged,
    Taken,
    TargetMissing,
    Trouble,
    Work,
)
from bot.errors import ConfigurationError
from bot.model import (
    BESIDE,
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
    Unit,
    Verdict,
    Way,
    When,
)
from bot.times import moment

COMMIT = re.compile(r"[0-9a-f]{7,64}")
SETTLES_SECONDS = 30.0  # in which a push may still land that nobody heard the end of
PUSHED_AT_MOST_TIMES = 5  # while others keep pushing to the same branch
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FetchedBranch:
    """The branch as it was fetched: its tip, and the commits that changed the path, newest first."""

    tip: str
    commits: tuple[Commit, ...]

    @property
    def points(self) -> tuple[RestorePoint, ...]:
        return tuple(
            RestorePoint(one.id, one.at, one.subject, one.author, current=n == 0)
            for n, one in enumerate(self.commits)
        )

    @property
    def current(self) -> Current:
        last = self.commits[0]
        return Current(id=last.id, token=last.id, label=last.subject, at=last.at, author=last.author)

    def since(self, point: str) -> tuple[Commit, ...]:
        ids = [one.id for one in self.commits]
        return self.commits[: ids.index(point)]


SAME: Final = "It holds what is live already."
COMPARED_COMMITS: Final = 8  # with what is live, in each list


class Git:
    capabilities = Capabilities(
        Fence.ONCE,
        settles=SETTLES_SECONDS,
        does=frozenset({Do.PREPARE, Do.SAVE, Do.RESTORE}),
        drops=frozenset({Do.PREPARE}),
    )

    def __init__(
        self,
        remote: str,
        branch: str,
        path: str,  # empty: the whole repository
        work: Path,  # a folder of our own, for the cache
        environment: Mapping[str, str] = NOTHING,  # of git: PATH, HOME, what ssh needs
        clock: Clock = utc_now,
        access: Access = USUAL_ACCESS,
        authorship: Authorship = USUAL_AUTHORSHIP,
        markers: Markers | None = None,  # of copies; None: in `work`, under a key that nobody else has
        place: str | None = None,  # where their op ids are taken: those of a restore are in the branch
    ) -> None:
        self.place = place
        self._repository = Repository(remote, branch, path, work, environment, access, authorship)
        self._where = " ".join((remote, branch, self._repository.path))
        self._copies = CommitCopies(markers or Markers(work, WorkerKey.fresh()), place, clock)
        self._clock = clock

    async def where(self) -> tuple[str, ...]:
        return (self._where,)

    async def points(self, limit: int = 50) -> Points:
        seen = await self._look()
        same = await self._same_as_live(seen)
        points = [replace(one, doubt=SAME) if one.id in same else one for one in seen.points[:limit]]
        return Points(tuple(points), seen.current)

    async def _same_as_live(self, seen: FetchedBranch) -> frozenset[str]:
        """Returns the earlier commits that hold what is live, of those that may be suggested.

        After a rollback one does, and going there would change nothing.
        """
        looked_at = [one.id for one in seen.commits[: 1 + COMPARED_COMMITS]]
        live, *held = await asyncio.gather(*map(self._repository.content, looked_at))
        return frozenset(one for one, content in zip(looked_at[1:], held, strict=True) if content == live)

    async def plan(self, goal: Goal, now: datetime) -> Way:
        goal = _in_lower_case(goal)
        _refuse_odd(goal.point)
        seen = await self._look()
        point = _expanded(goal, seen)
        doubt = skew(goal, point, seen.points)
        return Way(
            point=point,
            current=seen.current,
            loss=await self._loss(point, seen, now),
            gone=tuple(Gone(one.id, one.subject, one.at, one.author) for one in seen.since(point.id)),
            preview=Preview.EXACT,
            warnings=(
                *((doubt,) if doubt else ()),
                *await self._warnings(point),
                *await self._repository.warnings(),
            ),
            blockers=await self._blockers(point, seen),
            downtime=0.0,
            undo=UndoMode.EXACT,
        )

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        seen = await self._look()
        return await self._loss(named(point.id, seen.points), seen, now)

    async def start(self, work: Work) -> Handle | Taken | Ended:
        match work.do:
            case Do.PREPARE:
                return await self._copy(work)
            case Do.DROP:
                return await self._copies.drop(work)
            case Do.SAVE:
                return await self._keep(work)
            case _:
                return await self._push(work)

    async def _copy(self, work: Work) -> Handle | Taken:
        """Begins a copy. One for a drill has nothing to do with what is live, and expects nothing of it."""
        if (await self._copies.find(work)).fate is not Fate.ABSENT:
            return Taken.TAKEN  # even when the remote cannot be asked now
        _refuse_odd(work.point)
        seen = await self._look()
        if work.expected:
            _refuse_if_moved(work, seen)
        tree = await self._repository.tree(named(work.point, seen.points).id)
        return await self._copies.start(work, tree, self._repository.contents)

    async def _keep(self, work: Work) -> Ended:
        """The commit that the plan goes back from: history keeps it, so there is nothing to save."""
        seen = await self._look()
        _refuse_if_moved(work, seen)
        return Ended(True, Left.BEFORE, made=named(work.expected, seen.points))

    async def _find_kept(self, work: Work) -> Found:
        try:
            return Found(Fate.DONE, made=(await self._keep(work)).made)
        except StateChanged as moved:
            return Found(Fate.FAILED, str(moved), left=Left.BEFORE)

    async def _push(self, work: Work) -> Taken | Ended:
        """At most one commit lands for an op id, whoever else tries to push one at the same time.

        Before each push the branch is searched for the op id up to `tip`, and the remote takes the
        push only while the branch is exactly there. So of two attempts, a zombie's among them, the
        second finds the branch moved, looks again, and sees what the first has pushed.
        """
        _refuse_odd(work.point)
        for _ in range(PUSHED_AT_MOST_TIMES):
            seen = await self._look()
            if await self._repository.landed(seen.tip, work.op_id) is not None:
                return Taken.TAKEN
            _refuse_if_moved(work, seen)
            point = named(work.point, seen.points)
            await self._refuse_same(point, seen)
            commit = await self._repository.commit(seen.tip, point.id, self._message(point, seen, work))
            if await self._repository.push(commit, seen.tip, work.timeout) is Push.LANDED:
                return Ended(True, Left.POINT, f"Pushed {commit[:8]}.")
        raise Busy(f"Others push to the branch all the time: {PUSHED_AT_MOST_TIMES} tries were overtaken.")

    async def find(self, work: Work) -> Found:
        """A push that the remote is still at, in a hook perhaps, may land after "absent" was said."""
        if work.do in BESIDE:
            return await self._copies.find(work)
        if work.do is Do.SAVE:
            return await self._find_kept(work)
        seen = await self._look()
        landed = await self._repository.landed(seen.tip, work.op_id)
        if landed is None:
            return Found(Fate.ABSENT, "No commit of the branch carries this operation.")
        if landed.plan != work.digest:
            return Found(Fate.UNKNOWN, f"Commit {landed.commit[:8]} carries it under another plan.")
        if seen.current.id != landed.commit:
            return Found(
                Fate.OVERTAKEN, f"Commit {landed.commit[:8]} went back; {seen.current.id[:8]} came after it."
            )
        return Found(Fate.DONE, f"Commit {landed.commit[:8]} went back.")

    async def bar(self, work: Work) -> Found:
        """There is nothing that could be taken apart from the push."""
        return await (self._copies.bar(work) if work.do in BESIDE else self.find(work))

    async def poll(self, work: Work) -> Progress | Ended:
        """`start` waits for the end of its push, so only the branch can tell."""
        if work.do in BESIDE:
            return await self._copies.poll(work)
        return ended(await self.find(work), self._clock())

    async def cancel(self, work: Work) -> Left | None:
        """A push is over before anybody could stop it; a copy is taken back."""
        return await self._copies.cancel(work) if work.do is Do.PREPARE else None

    async def describe(self, work: Work) -> Contents:
        return await self._copies.describe(work)

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        if work.do is Do.PREPARE:
            return (await self._verify_copy(work),)
        seen = await self._look()
        live = await self._repository.content(seen.tip)
        wanted = await self._repository.content(work.point)
        return (
            Finding(
                name="content",
                when=When.OFFLINE,
                verdict=Verdict.PASSED if live == wanted else Verdict.FAILED,
                value=seen.tip,
                before=work.expected,
                words=f"At the tip of the branch it is {'' if live == wanted else 'not '}"
                f"what it was at {work.point[:8]}.",
                arrived=True,
            ),
        )

    async def _verify_copy(self, work: Work) -> Finding:
        missing = self._copies.why_not_there(work)
        if missing is not None:
            return missing
        _refuse_odd(work.point)
        await self._repository.fetch()  # our copy of the repository may have been removed
        return await self._copies.compare(work, await self._repository.tree(work.point))

    async def examine(self) -> tuple[Trouble, ...]:
        seen = await self._look()
        return tuple(about_points(Points(seen.points, seen.current), self._clock(), seldom=None))

    async def _look(self) -> FetchedBranch:
        tip = await self._repository.fetch()
        commits = await self._repository.history(tip)
        if not commits:
            raise TargetMissing(f"Nothing on the branch ever changed `{self._repository.path}`.")
        return FetchedBranch(tip, commits)

    async def _loss(self, point: RestorePoint, seen: FetchedBranch, now: datetime) -> Loss:
        gone = seen.since(point.id)
        files = await self._repository.files_between(point.id, seen.tip)
        return Loss(
            quality=LossQuality.MEASURED,
            since=point.at,
            units=(
                Unit("commits", len(gone)),
                Unit("authors", len({one.author for one in gone}), limits=False),
                Unit("files", files, limits=False),
            ),
            measured_at=now,
        )

    async def _warnings(self, point: RestorePoint) -> tuple[str, ...]:
        if await self._repository.content(point.id):
            return ()
        return (f"At {point.id[:8]} there was no `{self._repository.path}`: it will be removed.",)

    async def _blockers(self, point: RestorePoint, seen: FetchedBranch) -> tuple[str, ...]:
        same = (f"What {point.id[:8]} holds is live already.",) if await self._same(point, seen) else ()
        in_the_way = await self._repository.in_the_way(seen.tip)
        return (*same, *filter(None, [in_the_way]), *await self._repository.why_not_push(seen.tip))

    async def _refuse_same(self, point: RestorePoint, seen: FetchedBranch) -> None:
        if await self._same(point, seen):
            raise Blocked(f"What {point.id[:8]} holds is live already.")

    async def _same(self, point: RestorePoint, seen: FetchedBranch) -> bool:
        return await self._repository.content(point.id) == await self._repository.content(seen.tip)

    def _message(self, point: RestorePoint, seen: FetchedBranch, work: Work) -> str:
        undone = listed([(one.id, one.subject) for one in seen.since(point.id)])
        values = {
            "run": work.run_id,
            "operation": work.op_id,
            "path": self._repository.path or "everything",
            "point": point.id[:8],
            "subject": point.label[:60],
            "undone": undone,
        }
        authorship = self._repository.authorship
        return authorship.message.filled(values, work.op_id, work.digest, authorship.author)


def _refuse_odd(point: str | None) -> None:
    """Nothing but the hexadecimal id of a commit comes near git's command line."""
    if point is not None and not COMMIT.fullmatch(point):
        raise PointUnavailable(
            "A restore point of a git repository is a commit id, 7 or more of 0-9 and a-f."
        )


def _in_lower_case(goal: Goal) -> Goal:
    """Commit ids are: whoever types one in capitals can mean no other."""
    return goal if goal.point is None else replace(goal, point=goal.point.lower())


def _expanded(goal: Goal, seen: FetchedBranch) -> RestorePoint:
    """A short commit id stands for the one listed commit that begins with it."""
    if goal.point is None:
        return point_for(goal, seen.points)
    full = [one for one in seen.points if one.id.startswith(goal.point)]
    return full[0] if len(full) == 1 else named(goal.point, seen.points)


def _refuse_if_moved(work: Work, seen: FetchedBranch) -> None:
    if seen.current.token != work.expected:
        last = seen.commits[0]
        when = f" of {moment(last.at)}" if last.at is not None else ""
        raise StateChanged(f"Commit {last.id[:8]}{when} changed it since the plan was made.")


def build(settings: GitSettings, resolver: Resolver) -> Git:
    """Raises ConfigurationError when a reference cannot be resolved, or leads to what cannot work.

    Credentials are not read yet: they may be other ones when they are used.
    """
    surroundings = resolver.surroundings
    remote, branch = resolver.remote(settings.remote), resolver.text(settings.branch)
    access = Access(
        credentials=_credentials(settings.credentials, resolver),
        push_credentials=_credentials(settings.push_credentials, resolver),
        ca_file=None if settings.ca_file is None else resolver.path(settings.ca_file).absolute(),
        fetch_within=settings.fetch_within,
        runs_hooks=settings.hooks == "run",
    )
    work, path = surroundings.spool / "git", resolver.text(settings.path)
    made = Git(
        remote,
        branch,
        path,
        work,
        surroundings.environment,
        access=access,
        authorship=_authorship(settings.commit, resolver),
        markers=Markers(work, surroundings.key),
        place=surroundings.place,
    )
    if settings.credentials or settings.push_credentials:
        _refuse_useless(Address.of(remote))
    return made


def _refuse_useless(address: Address) -> None:
    if not address.site:
        raise ConfigurationError((NOT_ON_THE_WEB,))
    if address.credentials is not None:
        raise ConfigurationError((TWICE,))


def _credentials(
    given: Mapping[Literal["user", "password"], str | Reference], resolver: Resolver
) -> Callable[[], Credentials] | None:
    if not given:
        return None
    return lambda: Credentials(resolver.text(given.get("user", "")), resolver.text(given["password"]))


def _authorship(commit: CommitSettings, resolver: Resolver) -> Authorship:
    message = CommitMessage(commit.message, tuple(commit.trailers.items()), commit.sign_off)
    signing = None if commit.signing is None else _signing(commit.signing, resolver)
    return Authorship(commit.name, commit.email, message, signing)


def _signing(signing: SigningSettings, resolver: Resolver) -> Signing:
    """The file of a key is git's to read, not ours."""
    keyring = None if signing.keyring is None else resolver.path(signing.keyring).absolute()
    key = signing.key
    if signing.format == "openpgp":
        return Signing("openpgp", resolver.text(key), keyring)
    if isinstance(key, Reference) and key.kind == "file":
        return Signing("ssh", str((resolver.surroundings.base / key.name).absolute()))
    return Signing("ssh", str(resolver.path(key).absolute()))
