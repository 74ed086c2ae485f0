"""All restore points that a program lists, page by page, up to bounds that are said where they are met.

The first call has no cursor: its argument is left out, and with it an option directly before it. Each next
one gets what the page before named as `next`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from backends.command.answers import OtherShape, PageOfPoints, PrintedPoint, read_page
from backends.command.calls import OPERANDS, ProgramCall, Programs, misprinted
from backends.command.settings import CURSOR
from backends.threads import Threads
from bot.contract import Unreachable

PLACE: Final = f"{{{CURSOR}}}"
MOST_BYTES: Final = 16 * 1024 * 1024  # of all pages together
MOST_POINTS: Final = 50_000  # likewise
MOST_PAGES: Final = 100
LONGEST_CURSOR_CHARACTERS: Final = 4_096

_REST: Final = "what comes after that is left out."
TOO_LONG: Final = f"The points command prints more than 16 MiB: {_REST}"
TOO_MANY_POINTS: Final = f"The points command lists more than {MOST_POINTS:,} points: {_REST}"
TOO_MANY_PAGES: Final = f"The points command has more than {MOST_PAGES} pages: {_REST}"
SAME_PAGE: Final = f"The points command names a page as the next that it has printed already: {_REST}"
NO_CURSOR: Final = (
    "The points command has more points than it prints at once: they are left out. Add {cursor} to its argv."
)


@dataclass(frozen=True, slots=True)
class Listing:
    points: tuple[PrintedPoint, ...]
    left_out: tuple[str, ...] = ()  # a sentence for each bound that was met


async def listed(
    call: ProgramCall, programs: Programs, threads: Threads, most_points: int = MOST_POINTS
) -> Listing:
    """Reads in a thread of its own: many points take a while.

    Raises PermanentError for an answer of another shape, and what asking raises.
    """
    points: list[PrintedPoint] = []
    cursors: list[str] = []
    room, loop = MOST_BYTES, asyncio.get_running_loop()
    deadline = loop.time() + call.timeout
    while True:
        if (left := deadline - loop.time()) <= 0:
            raise Unreachable(
                f"The points command `{call.title}` was stopped: {len(cursors)} pages within "
                f"{call.timeout:g} s, and not the last."
            )
        said = await programs.say("points", call, page_argv(call.argv, cursors[-1:]), left, room)
        try:
            page = await threads.run(read_page, said.out, room, most_points - len(points))
        except OtherShape as problem:
            raise misprinted("points", call, problem) from problem
        points += page.points
        room -= len(said.out)
        if reason := _why_not_on(page, call, cursors, room, most_points - len(points)):
            return Listing(tuple(points), (reason,))
        if page.next is None:
            return Listing(tuple(points))
        cursors.append(str(page.next))


def page_argv(argv: Sequence[str], cursor: Sequence[str]) -> tuple[str, ...]:
    """Returns what prints the page that begins there. `cursor` empty: the first page."""
    if PLACE not in argv:
        return tuple(argv)
    at = list(argv).index(PLACE)
    begin = at
    if not cursor and at > 1 and argv[at - 1].startswith("-") and argv[at - 1] != OPERANDS:
        begin = at - 1
    return (*argv[:begin], *cursor, *argv[at + 1 :])


def _why_not_on(page: PageOfPoints, call: ProgramCall, cursors: Sequence[str], room: int, points: int) -> str:
    """Returns why nothing more is read though there is more; empty: more is read, or there is none."""
    if page.is_too_long:
        return TOO_LONG
    if page.is_too_many:
        return TOO_MANY_POINTS
    if page.next is None:
        return ""
    if PLACE not in call.argv:
        return NO_CURSOR
    if reason := _why_no_cursor(page.next, call.argv[list(call.argv).index(PLACE) - 1] == OPERANDS):
        return f"The points command names a next page that {reason}: {_REST}"
    if str(page.next) in cursors:
        return SAME_PAGE
    if len(cursors) + 1 == MOST_PAGES:
        return TOO_MANY_PAGES
    if points <= 0:
        return TOO_MANY_POINTS
    return TOO_LONG if room <= 0 else ""


def _why_no_cursor(value: object, after_dashes: bool) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return "is neither text nor a number"
    text = str(value)
    if len(text) > LONGEST_CURSOR_CHARACTERS:
        return f"is longer than {LONGEST_CURSOR_CHARACTERS:,} characters"
    if text.startswith("-") and not after_dashes:
        return "looks like an option"
    return None if text.isprintable() else "holds characters that cannot be printed"
