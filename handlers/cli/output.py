"""Where things are printed: data on standard output, words beside it on standard error.

Colours only on a terminal, and never in data. What comes from outside has no power over the terminal: control
characters are taken out of everything but data, where JSON escapes them.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from bot.views.limits import clean

NARROW_CHARACTERS = 40  # less than that is no terminal that anybody reads tables on
ENDLESS_CHARACTERS = 10_000  # in a line of a file or a pipe: nothing is folded there


def data(value: Any) -> None:
    """Prints a value for programs."""
    print(json.dumps(value, indent=2, allow_nan=False))


def part(text: str) -> None:
    """Prints for programs a piece of JSON that is too long to be made as a whole."""
    print(text, end="")


def utf8(text: str) -> None:
    """Writes for programs, in one encoding, whatever the terminal's is."""
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))


def say(*lines: str) -> None:
    """Prints for people, where they look for the answer."""
    for line in lines:
        print(_harmless(line), flush=True)  # a pipe must not hold back what people wait for


def aside(*lines: str) -> None:
    """Prints for people, beside the answer or instead of it."""
    for line in lines:
        print(_harmless(line), file=sys.stderr)


def _harmless(line: str) -> str:
    indented = len(line) - len(line.lstrip(" "))
    return " " * indented + clean(line)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # imported only where a table is printed
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(force_terminal=terminal, no_color=not terminal, highlight=False)
    console.width = max(console.width, NARROW_CHARACTERS) if terminal else ENDLESS_CHARACTERS
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(clean(cell, one_line=True)) for cell in row))
    console.print(shown)
