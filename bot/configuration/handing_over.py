"""Finds what is wrong with the place that a snapshot is handed over to, as far as the file says."""

from collections.abc import Iterator
from pathlib import PurePath

from bot.configuration.definitions import Fault, variable_faults
from bot.configuration.settings import HANDED_OVER, HandOver


def hand_over_faults(to: HandOver, backend: str) -> Iterator[Fault]:
    if (to.folder is None) == (to.argv is None):
        yield Fault((), "A copy is handed over to one of two: a `folder`, or a program, as `argv`.")
    if to.folder is not None:
        if not PurePath(to.folder).is_absolute() or not to.folder.isprintable() or "{" in to.folder:
            yield Fault(
                ("folder",), "It is a folder of the worker's machine: write it from `/` on, without braces."
            )
        if backend == "command":
            yield Fault(("folder",), "Only your programs know where their copies stand: let one hand over.")
        if to.environment:
            yield Fault(("environment",), "`environment` is of a program. A `folder` has none.")
    elif to.owner is not None:
        yield Fault(("owner",), "`owner` is of the files in a `folder`. A program sets it by itself.")
    if to.owner is not None and not to.owner.isprintable():
        yield Fault(("owner",), "`owner` is no name of an account.")
    for argument in to.argv or ():
        if "{" in argument and argument not in HANDED_OVER:
            known = ", ".join(f"`{place}`" for place in HANDED_OVER)
            yield Fault(("argv",), f"`{argument}` is not filled in. Arguments of their own are: {known}.")
    if to.argv is not None and ("{copy}" not in to.argv[1:] or not to.argv[0].strip() or "{" in to.argv[0]):
        yield Fault(("argv",), "Write the program, and among its arguments `{copy}`: where the copy stands.")
    yield from variable_faults(to.environment)
