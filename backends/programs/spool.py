"""A command that outlives us, as an operation: started once, found again, asked until it ends.

One folder for each op id, in it one numbered folder for each attempt, in that the files that `supervisor`
explains and `attempts` reads. What makes it safe:

* An attempt's folder appears at once, by rename(2), with the request in it: of several who start, one makes
  it and the others get `taken`.
* Its supervisor takes the attempt by link(2) before it runs anything, and never takes one that was asked for
  longer ago than `begin_within`. So an older attempt that nobody took has changed nothing and never will:
  that, and no folder at all, is `absent`.
* A next attempt may be made only after such a one, or when somebody who can see the backend says that a dead
  attempt changed nothing (`after`).
* A dead supervisor without a word about the end is `unknown`: the command may have done anything.
* An operation that was cleared away is `unknown` from then on, see `clearing`.

All of it holds for those who share the spool, that is for the workers of one machine. A spool therefore has a
name of its own (`name_of`) that intents carry: of what was begun under another name `absent` is never said.
A copy of the folder keeps the name, so it must never be given to a second worker. The service manager must
not end our supervisors with us (systemd: KillMode=process; a container takes them with it: `unknown`).
"""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from backends.programs import attempts, clearing, supervisor
from backends.programs.process import printable
from backends.surroundings import Surroundings
from bot.canonical_json import iso
from bot.clock import Clock, utc_now
from bot.contract import (
    Busy,
    Ended,
    Fate,
    Found,
    Handle,
    OutcomeUnknown,
    Progress,
    Taken,
    Unreachable,
    Work,
)
from bot.errors import PermanentError
from bot.model import Do, Left

BEGIN_WITHIN_SECONDS: Final = 10.0  # from the request until the supervisor must have taken it
NAME: Final = "name"  # the file of the spool that holds it
ELSEWHERE: Final = "It was begun by another worker, whose records this one cannot see."
CLEARED_AWAY: Final = "It was begun here and ended; how it ended was cleared away since."
STOPPED_WITHIN_SECONDS: Final = supervisor.TERM_TO_KILL_SECONDS + 2.0  # that `cancel` waits for the end
LONGEST_VALUE_CHARACTERS: Final = 200
PLACES: Final = ("op", "point", "fingerprint", "expected", "undo", "handle", "keep_until")  # filled in
LONGEST_WORDS_CHARACTERS: Final = 220  # about how it ended, with what it said last

_OP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def name_of(spool: Path, fresh: str) -> str:
    """Returns what this spool is called for ever. `fresh`: a random name, for one that has none yet.

    The second to come, in this process or another, gets the name that the first has given.
    """
    file = spool / NAME
    if not file.exists():
        with tempfile.TemporaryDirectory(prefix=".", dir=spool) as folder, suppress(FileExistsError):
            os.link(supervisor.write_draft(folder, NAME, {"name": fresh}), file)
        supervisor.sync_folder(spool)
    return _Name.model_validate_json(file.read_bytes()).name


class CommandOperation:
    """`argv` may hold each of PLACES, as an argument of its own. `timeout` in seconds."""

    def __init__(
        self,
        argv: Sequence[str],
        timeout: float,
        surroundings: Surroundings,
        *,
        clock: Clock = utc_now,
        begin_within: float = BEGIN_WITHIN_SECONDS,
    ) -> None:
        self._argv = tuple(argv)
        self._timeout = timeout
        self._surroundings = surroundings
        self._clock = clock
        self._begin_within = begin_within
        # Seconds after which the supervisor has said how it ended, whatever the command does.
        self.ends_within = begin_within + timeout + 2 * STOPPED_WITHIN_SECONDS

    @property
    def place(self) -> str | None:
        return self._surroundings.place

    async def start(self, work: Work, after: Handle | None = None) -> Handle | Taken | Ended:
        """`after`: a dead attempt of which the caller knows that it changed nothing.

        Raises Busy and Unreachable when nothing was run, OutcomeUnknown when that cannot be told.
        """
        argv = self._filled(work)
        folder = self._folder(work)
        last = attempts.newest(folder)
        if not _may_follow(self._seen(work, last), after == attempts.handle(last)):
            return Taken.TAKEN
        attempt = folder / str(last + 1)
        try:
            await asyncio.to_thread(_lay_down, attempt, self._request(argv, work))
        except FileExistsError:
            return Taken.TAKEN
        except OSError as error:
            raise Unreachable(f"The spool cannot be written: {error}.") from error
        return await self._begin(attempt)

    async def find(self, work: Work) -> Found:
        """UNKNOWN comes with the handle of the dead attempt, for `start(after=…)`; empty: with none here."""
        return self._found(work, attempts.newest(self._folder(work)))

    def _found(self, work: Work, last: int) -> Found:
        found = self._told(self._seen(work, last))
        begun_here = work.place in (None, self.place)
        return found if begun_here or found.fate is not Fate.ABSENT else Found(Fate.UNKNOWN, ELSEWHERE, {})

    def _seen(self, work: Work, last: int) -> Found:
        if last:
            return attempts.found(self._folder(work) / str(last), work.digest)
        try:
            cleared = clearing.was_cleared(self._surroundings.spool, work.op_id)
        except (OSError, ValueError) as error:
            return Found(Fate.UNKNOWN, f"The spool cannot be read: {type(error).__name__}.")
        return Found(Fate.UNKNOWN, CLEARED_AWAY) if cleared else Found(Fate.ABSENT)

    async def bar(self, work: Work, after: Handle | None = None) -> Found:
        """Takes the next attempt in its supervisor's place, so that none is ever begun after it.

        `after`: a dead attempt of which the caller knows that it changed nothing.
        """
        folder = self._folder(work)
        last = attempts.newest(folder)
        found = self._found(work, last)
        if not _may_follow(found, after == attempts.handle(last)):
            return found
        attempt = folder / str(last + 1)
        try:
            with suppress(FileExistsError):  # somebody else was quicker: `find` says what it is
                await asyncio.to_thread(_lay_down, attempt, self._request(self._argv, work))
                if await asyncio.to_thread(_forestall, attempt):
                    return Found(Fate.ABSENT, found.words)
        except OSError as error:
            raise Unreachable(f"The spool cannot be written: {error}.") from error
        return await self.find(work)

    async def poll(self, work: Work) -> Progress | Ended:
        """Raises OutcomeUnknown when there is nothing left to wait for and nobody said how it ended."""
        attempt = self._attempt(work)
        found = self._told(attempts.found(attempt, work.digest))
        match found.fate:
            case Fate.IN_FLIGHT:
                done, total, unit = attempts.progress(attempts.output(attempt))
                return Progress(self._clock(), found.words, done, total, unit)
            case Fate.DONE:
                return Ended(True, Left.POINT, found.words)
            case Fate.FAILED:
                return Ended(False, found.left, found.words)
            case _:
                raise OutcomeUnknown(found.words)

    def last_said(self, work: Work) -> str:
        """Returns the last line of what it has printed here, progress apart; empty: it said nothing."""
        return attempts.last_said(self._attempt(work))

    async def cancel(self, work: Work) -> Left | None:
        """TERM for the command and all its children, 5 seconds later KILL."""
        attempt = self._attempt(work)
        if attempts.found(attempt, work.digest).fate is Fate.IN_FLIGHT:
            try:
                if await asyncio.to_thread(_forestall, attempt):
                    return Left.BEFORE
                (attempt / supervisor.CANCEL).touch()
            except OSError as error:
                raise Unreachable(f"The spool cannot be written: {error}.") from error
        found = await _found_after_stopping(attempt, work.digest)
        return found.left if found.fate is Fate.FAILED else None

    async def _begin(self, attempt: Path) -> Handle | Taken:
        """The process started here ends as soon as the supervisor behind it has taken the job."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", supervisor.__file__, str(attempt)),
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=DEVNULL,
                env=dict(self._surroundings.environment),
                start_new_session=True,
            )
        except OSError as error:
            raise Unreachable(f"No process could be started: {error}.") from error
        assert process.stdin is not None  # it is a pipe
        process.stdin.write(json.dumps(self._surroundings.secrets.known).encode())
        process.stdin.close()
        match await process.wait():
            case supervisor.BEGAN:
                return attempts.handle(int(attempt.name))
            case supervisor.TAKEN_BEFORE:
                return Taken.TAKEN
            case supervisor.TOO_LATE:
                raise Busy("This machine was too slow to start the command; nothing was run.")
            case rc:
                raise OutcomeUnknown(f"The supervisor ended with {rc} before it said whether it began.")

    def _told(self, found: Found) -> Found:
        """Struck before it is cut: half a secret is told as well."""
        return replace(
            found, words=printable(self._surroundings.secrets.struck(found.words), LONGEST_WORDS_CHARACTERS)
        )

    def _filled(self, work: Work) -> tuple[str, ...]:
        return filled(self._argv, **_values(work))

    def _request(self, argv: Sequence[str], work: Work) -> dict[str, Any]:
        return {
            "op_id": work.op_id,
            "digest": work.digest,
            "argv": list(argv),
            "cwd": str(self._surroundings.base),
            "environment": sorted(self._surroundings.environment),  # names only: values may be secrets
            "timeout": self._timeout,
            "begin_within": self._begin_within,
            "asked_at": supervisor.boot_clock(),
            "boot": supervisor.boot_id(),
        }

    def _folder(self, work: Work) -> Path:
        if not _OP_ID.fullmatch(work.op_id):
            raise PermanentError(f"{work.op_id!r} cannot be the name of an operation.")
        return self._surroundings.spool / work.op_id

    def _attempt(self, work: Work) -> Path:
        folder = self._folder(work)
        return folder / str(int(work.handle["attempt"]) if work.handle else attempts.newest(folder))


async def _found_after_stopping(attempt: Path, digest: str) -> Found:
    for _ in range(round(STOPPED_WITHIN_SECONDS / supervisor.TICK_SECONDS)):
        if attempts.found(attempt, digest).fate is not Fate.IN_FLIGHT:
            break
        await asyncio.sleep(supervisor.TICK_SECONDS)
    return attempts.found(attempt, digest)


def _values(work: Work) -> dict[str, str]:
    """Returns what each place holds for this work; empty: it has none such."""
    handle = work.undo or work.prepared if work.do is Do.DROP else work.prepared
    return {
        "op": work.op_id,
        "point": work.point,
        "fingerprint": work.fingerprint,
        "expected": work.expected,
        "undo": work.undo or "",
        "handle": handle or "",
        "keep_until": iso(work.keep_until) if work.keep_until else "",
    }


def filled(argv: Sequence[str], **values: str) -> tuple[str, ...]:
    """`{name}` replaced where it is a whole argument. A part of an argument is refused: nobody could
    say any more where the value ends."""
    return tuple(_argument(argument, values) for argument in argv)


def _argument(argument: str, values: Mapping[str, str]) -> str:
    for name in PLACES:
        if argument == f"{{{name}}}" and name in values:
            if not values[name]:
                raise PermanentError(f"{{{name}}} cannot be filled in: this operation has none.")
            return _harmless(values[name])
        if f"{{{name}}}" in argument:
            raise PermanentError(f"{{{name}}} cannot be filled in here: {argument!r}.")
    return argument


def _harmless(value: str) -> str:
    if reason := why_not_an_argument(value):
        raise PermanentError(f"{value[:40]!r} {reason}: it is not handed to a command.")
    return value


def why_not_an_argument(value: str) -> str | None:
    """None: a command cannot take it for anything but a value."""
    if not value:
        return "is empty"
    if len(value) > LONGEST_VALUE_CHARACTERS:
        return f"is longer than {LONGEST_VALUE_CHARACTERS} characters"
    if value.startswith("-"):
        return "looks like an option"
    return None if value.isprintable() else "holds characters that cannot be printed"


def _lay_down(attempt: Path, request: Mapping[str, Any]) -> None:
    """The folder appears with the request in it, or FileExistsError: somebody else's did."""
    attempt.parent.mkdir(parents=True, exist_ok=True)
    draft = tempfile.mkdtemp(prefix=".", dir=attempt.parent)
    try:
        supervisor.write(draft, supervisor.REQUEST, request)
        _rename_to_new(draft, attempt)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    supervisor.sync_folder(attempt.parent)
    supervisor.sync_folder(attempt.parent.parent)


def _rename_to_new(draft: str, attempt: Path) -> None:
    """A folder that is not empty is never replaced; this system call says ENOTEMPTY for it."""
    try:
        os.rename(draft, attempt)
    except OSError:
        if attempt.exists():
            raise FileExistsError(str(attempt)) from None
        raise


def _forestall(attempt: Path) -> bool:
    """Takes the attempt in its supervisor's place and ends it, so that nothing is ever run.

    False: it was taken before, or so late that somebody may have begun another one instead.
    """
    if not supervisor.take(str(attempt)):
        return False
    late = supervisor.is_stale(supervisor.read(str(attempt), supervisor.REQUEST))
    why = supervisor.NEVER_RAN if late else supervisor.CALLED_OFF
    supervisor.finish(str(attempt), {"rc": None, "why": why})
    return not late


class _Name(BaseModel):
    name: str


def _may_follow(found: Found, known_without_effect: bool) -> bool:
    """Whether another attempt may be begun after one that was found so."""
    return found.fate is Fate.ABSENT or (found.fate is Fate.UNKNOWN and known_without_effect)
