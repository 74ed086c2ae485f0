"""`python -m tests.chaos`: breaks the bot, prints a table, and keeps the numbers in `benchmarks/results/`."""

import argparse
import asyncio
import json
import secrets
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos import (
    flips,
    hostile,
    kill_points,
    kills,
    pairs,
    postgres_down,
    races,
    recovery,
    takeover,
    zombies,
)
from tests.chaos.options import Options, Result
from tests.keeping import keep
from tests.machine import commit, facts

PARTS: Mapping[str, Callable[[Options], Awaitable[list[Result]]]] = {
    "kill-points": kill_points.run,
    "pairs": pairs.run,
    "flips": flips.run,
    "hostile": hostile.run,
    "recovery": recovery.run,
    "takeover": takeover.run,
    "zombies": zombies.run,
    "postgres-down": postgres_down.run,
    "races": races.run,
    "kills": kills.run,
}
SHOWN_PROBLEMS = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--seed", type=int, help="repeats what was printed with it")
    parser.add_argument("--case", type=int, help="one case of a part, as it was printed")
    parser.add_argument("--database", choices=("sqlite", "postgres"), help="on one kind only")
    parser.add_argument("--minutes", type=float, help="for each part that has no end of its own")
    parser.add_argument("--long", action="store_true", help="the figures of the specification")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    kinds = (given.database,) if given.database else ("sqlite", "postgres")
    options = Options(
        seed, given.long, kinds, given.case, given.minutes, say=lambda words: print(words, flush=True)
    )
    about = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "commit": commit(), "machine": facts()}
    options.say(f"seed {seed}")
    names = [given.only] if given.only else list(PARTS)
    results = [result for name in names for result in asyncio.run(_run(name, options))]
    Console().print(_table(results))
    for result in results:
        for problem in list(result.problems)[:SHOWN_PROBLEMS]:
            print(problem)
    if given.case is None:
        _keep(about, results)
    return 0 if all(result.reached for result in results) else 1


async def _run(name: str, options: Options) -> list[Result]:
    """A part that breaks off costs its own line, not what the others have measured."""
    began = time.monotonic()
    try:
        return await PARTS[name](options)
    except Exception as problem:  # noqa: BLE001 - the outermost edge
        traceback.print_exc()
        words = f"broke off: {type(problem).__name__}: {problem}"[:300]
        return [Result(name, "to its end", words, False, options.seed, time.monotonic() - began)]


def _table(results: Sequence[Result]) -> Table:
    table = Table("figure", "gate", "measured", "reached", "seconds")
    for row in results:
        table.add_row(
            row.figure, row.gate, row.measured, "yes" if row.reached else "no", f"{row.seconds:.0f}"
        )
    return table


def _keep(about: Mapping[str, object], results: Sequence[Result]) -> None:
    path = keep("chaos-", about, "results", [asdict(result) for result in results], "figure")
    path.with_suffix(".md").write_text(_written(about, json.loads(path.read_text())["results"]))


def _written(about: Mapping[str, object], results: Sequence[Mapping[str, Any]]) -> str:
    head = [f"# Chaos, {about['at']}, commit {about['commit']}", ""]
    rows = ["| figure | gate | measured | reached | seed | seconds |", "|---|---|---|---|---|---|"]
    rows += [
        f"| {row['figure']} | {row['gate']} | {row['measured']} | {'yes' if row['reached'] else 'no'} "
        f"| {row['seed']} | {row['seconds']:.0f} |"
        for row in results
    ]
    return "\n".join([*head, *rows, "", f"Machine: {json.dumps(about['machine'])}", ""])


if __name__ == "__main__":
    sys.exit(main())
