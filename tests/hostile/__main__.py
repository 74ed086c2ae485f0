"""The long form: `python -m tests.hostile --before 1000000 --after 1000000 --seed 1`.

Ends with 1 when anything was violated.
"""

import argparse
import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.hostile import after, before
from tests.hostile.result import Result


def main() -> int:
    wanted = _arguments()
    print(f"seed {wanted.seed}", flush=True)
    results = [before.run(wanted.before, wanted.seed, _progress("before", wanted.before))]
    with tempfile.TemporaryDirectory() as folder:
        results.append(after.main(wanted.after, wanted.seed, Path(folder), _progress("after", wanted.after)))
    return _report(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--before", type=int, default=1_000_000, help="requests before authentication")
    parser.add_argument("--after", type=int, default=1_000_000, help="payloads after authentication")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    return parser.parse_args()


def _progress(name: str, of: int) -> Callable[[int], None]:
    def say(done: int) -> None:
        if done % 10_000 == 0:
            print(f"{name}: {done:,} of {of:,}", file=sys.stderr, flush=True)

    return say


def _report(results: list[Result]) -> int:
    for result in results:
        print(*result.table(), sep="\n")
    return int(any(result.violated for result in results))


if __name__ == "__main__":
    sys.exit(main())
