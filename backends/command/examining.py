"""What `doctor` wants to know of the programs of one target: are they there, are their answers in order.

What acts is looked for, and never run. `executor` reads the answers; here is what is to be said of them.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from backends.command.answers import PrintedState
from backends.command.calls import ProgramCall, Programs
from backends.examining import about_points
from backends.surroundings import Surroundings
from backends.threads import Threads
from bot.contract import Trouble, Unreachable
from bot.model import Points

NEVER_BEGUN: Final = "doctor.RB-0.0"  # an op id that no run ever has
UNDATED: Final = "No restore point has a `created_at`: nobody can go back to a time. Print it."
NO_FIND: Final = (
    "`find` is not set: what another worker has begun, and what was cut off together with its supervisor, "
    "people have to look up. Add `find` where the tool can tell."
)


async def cannot_run(
    calls: Mapping[str, ProgramCall], programs: Programs, threads: Threads
) -> tuple[Trouble, ...]:
    """Returns one for each program that is not there, that may not be run, or whose credentials are not.

    `calls`: by the name of their setting.
    """
    found: dict[str, list[str]] = {}
    for setting, call in calls.items():
        if why := await _why_not_run(call, programs, threads):
            found.setdefault(why, []).append(f"`{setting}`")
    return tuple(Trouble(f"{', '.join(settings)}: {why}") for why, settings in found.items())


async def _why_not_run(call: ProgramCall, programs: Programs, threads: Threads) -> str:
    try:
        surroundings = await programs.surroundings_of(call)
    except Unreachable as problem:
        return str(problem)
    return await threads.run(_why_not_executable, call, surroundings)


def _why_not_executable(call: ProgramCall, surroundings: Surroundings) -> str:
    program, path = call.argv[0], surroundings.environment.get("PATH", os.defpath)
    if "/" in program:
        program = str(surroundings.base / program)
    if shutil.which(program, path=path):
        return ""
    if shutil.which(program, os.F_OK, path):
        return f"`{call.title}` is there and may not be run by this user. Give it the right to."
    where = "on the PATH of these programs" if program == call.argv[0] else "where argv says"
    return f"`{call.title}` is not {where}. Install it, or correct argv."


def about_answers(points: Points, saves: bool, now: datetime) -> Iterator[Trouble]:
    """Yields what is odd about the points. `saves`: whether the target keeps what is live by a program."""
    yield from about_points(points, now, undated=UNDATED)
    if not saves and not any(point.current for point in points.points):
        words = f"`{points.current.id}` is live and no restore point: going back could not be undone."
        yield Trouble(f"{words} Let `points` list it, or add `save`.", serious=False)


def about_find(call: ProgramCall, state: PrintedState) -> Iterable[Trouble]:
    """Returns what is wrong with what it said of an operation that never was."""
    if state is PrintedState.ABSENT:
        return ()
    who = f"The find command `{call.title}` says {state} of an operation that never was"
    return (Trouble(f"{who}: no rollback would begin. Let it say absent."),)
