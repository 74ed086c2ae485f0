"""`python -m benchmarks`: measures, prints a table, keeps the numbers in `results/`. Asserts nothing."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from benchmarks import (
    ack,
    approval,
    cards,
    clone,
    contents,
    drill,
    hanging,
    history,
    process,
    release_folders,
    reminders,
    runs,
    sustained,
    waiting,
)
from benchmarks.figure import Figure
from tests.keeping import keep
from tests.machine import commit, facts

Measure = Callable[[bool], Awaitable[list[Figure]]]  # True: quick

MEASURES: Mapping[str, Measure] = {
    "process": process.measure,
    "approval": approval.measure,
    "runs": runs.measure,
    "waiting": waiting.measure,
    "cards": cards.measure,
    "ack": ack.measure,
    "sustained": sustained.measure,
    "history": history.measure,
    "clone": clone.measure,
    "contents": contents.measure,
    "folders": release_folders.measure,
    "drill": drill.measure,
    "reminders": reminders.measure,
    "hanging": hanging.measure,
}
# An hour in all: ten minutes of commands, a hundred thousand runs, a million entries.
LONG_FORMS: Mapping[str, Measure] = {"sustained": sustained.measure_long, "history": history.measure_long}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=MEASURES, help="one group of figures")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, nothing is kept")
    parser.add_argument("--long", action="store_true", help="the long forms of those that have one")
    given = parser.parse_args()
    measures = LONG_FORMS if given.long else MEASURES
    names = [given.only] if given.only else list(measures)
    about = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "commit": commit(), "machine": facts()}
    figures = [
        figure for name in names for figure in asyncio.run(_measured(name, measures[name], given.quick))
    ]
    Console().print(_table(figures))
    if not given.quick:
        keep("", about, "figures", [asdict(figure) for figure in figures], "name")


async def _measured(name: str, measure: Measure, quick: bool) -> list[Figure]:
    Console(stderr=True).print(f"measuring: {name}")
    return await measure(quick)


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "measured", "gate", "reached")
    for figure in figures:
        table.add_row(figure.name, figure.measured, figure.gate, "yes" if figure.reached else "no")
    return table


if __name__ == "__main__":
    main()
