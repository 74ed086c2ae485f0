"""`python -m benchmarks`: measures, prints a table, keeps the numbers in `results/`. Asserts nothing."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from benchmarks import ack, approval, clone, process
from benchmarks.figure import Figure
from benchmarks.machine import ROOT, commit, facts

MEASURES: Mapping[str, Callable[[bool], Awaitable[list[Figure]]]] = {
    "process": process.measure,
    "approval": approval.measure,
    "ack": ack.measure,
    "clone": clone.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=MEASURES, help="one group of figures")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, nothing is kept")
    given = parser.parse_args()
    names = [given.only] if given.only else list(MEASURES)
    about = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "commit": commit(), "machine": facts()}
    figures = [figure for name in names for figure in asyncio.run(_measured(name, given.quick))]
    Console().print(_table(figures))
    if not given.quick:
        _keep(about, figures)


async def _measured(name: str, quick: bool) -> list[Figure]:
    Console(stderr=True).print(f"measuring: {name}")
    return await MEASURES[name](quick)


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "measured", "gate", "reached")
    for figure in figures:
        table.add_row(figure.name, figure.measured, figure.gate, "yes" if figure.reached else "no")
    return table


def _keep(about: Mapping[str, object], figures: list[Figure]) -> None:
    folder = ROOT / "benchmarks" / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y-%m-%d}-{commit().rstrip('+')}.json"
    path.write_text(json.dumps({**about, "figures": [asdict(figure) for figure in figures]}, indent=1) + "\n")
    print(f"kept in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
