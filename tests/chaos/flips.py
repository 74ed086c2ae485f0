"""A byte of the database changes on the disk: the next start finds it, or it can be proven to be harmless."""

import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.options import Options, Result
from tests.faults.flips import Noticed, flip_many

SHORT, LONG = 200, 1_000


async def run(options: Options) -> list[Result]:
    if "sqlite" not in options.databases:
        return []
    count, results = LONG if options.long else SHORT, []
    for crashed, when in ((False, "a clean stop"), (True, "a crash")):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            tally: Counter[Noticed] = await flip_many(Path(folder), count, options.seed, crashed=crashed)
        results.append(
            Result(
                figure=f"bytes flipped in the SQLite file after {when}",
                gate="0 missed",
                measured=", ".join(f"{number} {noticed.value}" for noticed, number in sorted(tally.items())),
                reached=tally[Noticed.MISSED] == 0,
                seed=options.seed,
                seconds=time.monotonic() - began,
            )
        )
    return results
