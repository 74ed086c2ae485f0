"""`python -m tests.breaks` breaks the rows of `tests/kinds.md` in a copy, one at a time: each test must fail.

A test that stays green while the code lies holds nothing. What fails must fail by an assertion: a break that
only stops the program from starting proves nothing about the test.
"""

import argparse
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.recipe.carrying_out import ROOT, copy_of_the_tree

TABLE = "tests/kinds.md"
ROW = re.compile(
    r"\| (?P<kind>[^`]+) \| `(?P<test>\S+)` \| `(?P<file>\S+)` \| `(?P<old>[^`]+)` → `(?P<new>[^`]+)` \|"
)
MANY = 10
AT_ONCE = 2
TEST_SECONDS = 120
SHOWN_CHARACTERS = 110
BY_ASSERTION = ("assert", "AssertionError", "Failed: ")  # the last: pytest.fail and pytest.raises


@dataclass(frozen=True, slots=True)
class Break:
    """One line of the code made wrong, and the test that says so."""

    kind: str
    test: str  # file::name
    file: str
    old: str
    new: str

    def apply(self, tree: Path) -> None:
        path = tree / self.file
        path.write_text(path.read_text(encoding="utf-8").replace(self.old, self.new), encoding="utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()  # it is told from the source by seconds and bytes, and neither may have moved


def breaks() -> tuple[Break, ...]:
    """Returns the rows of the table. Raises ValueError for one that cannot be read."""
    return tuple(read((ROOT / TABLE).read_text(encoding="utf-8")))


def read(text: str) -> Iterator[Break]:
    """Yields the rows of the table, with `|` for what Markdown wants escaped. Raises ValueError."""
    for line in text.splitlines():
        if not line.startswith("|") or line.startswith(("| kind |", "|---")):
            continue
        found = ROW.fullmatch(line)
        if found is None:
            raise ValueError(f"not a row of kinds: {line}")
        yield Break(**{name: cell.replace(r"\|", "|") for name, cell in found.groupdict().items()})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.breaks", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeats what was printed with it")
    parser.add_argument("--many", type=int, default=MANY, help="how many are drawn")
    parser.add_argument("--all", action="store_true", help="every row")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    rows = breaks()
    drawn = rows if given.all else random.Random(seed).sample(rows, min(given.many, len(rows)))
    print(f"seed {seed}: {len(drawn)} of {len(rows)} breaks", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="breaks-") as folder:
        reds = _try(drawn, Path(folder))
    print(f"{reds} of {len(drawn)} went red, in {time.monotonic() - began:.0f} s (seed {seed})")
    return 0 if reds == len(drawn) else 1


def _try(drawn: Sequence[Break], folder: Path) -> int:
    """Returns how many went red. Nothing is broken before the tests have passed."""
    whole = copy_of_the_tree(folder / "whole")
    tests = tuple(dict.fromkeys(each.test for each in drawn))
    if trouble := _faults(whole, tests):
        print(f"unbroken, these do not pass: {trouble}")
        return 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(lambda n: goes_red(drawn[n], whole, folder / str(n)), range(len(drawn))))


def goes_red(broken: Break, whole: Path, tree: Path) -> bool:
    """Whether its test fails by an assertion in `tree`, a copy of `whole` that is made for it and removed."""
    shutil.copytree(whole, tree, symlinks=True)
    try:
        broken.apply(tree)
        faults = _faults(tree, (broken.test,))
    finally:
        shutil.rmtree(tree)
    other = [fault for fault in faults if not fault.startswith(BY_ASSERTION)]
    is_red = bool(faults) and not other
    said = "red" if is_red else f"NOT BY AN ASSERTION, {other[0]}" if other else "STAYS GREEN"
    line = f"{broken.kind} · {broken.test.rpartition('::')[2]} · {said}"
    print(line if not is_red else line[: SHOWN_CHARACTERS * 2], flush=True)
    return is_red


def _faults(tree: Path, tests: Sequence[str]) -> tuple[str, ...]:
    """Returns a line for each test that fails, in the words of its error; none: all of them pass."""
    report = tree / "report.xml"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    try:
        done = subprocess.run(
            argv,
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TEST_SECONDS * max(1, len(tests) // AT_ONCE),
        )
    except subprocess.TimeoutExpired:
        return (f"no end within {TEST_SECONDS} s",)
    if not report.exists():
        return (f"pytest ended with {done.returncode}: {done.stdout[-1000:]}{done.stderr[-1000:]}",)
    cases = list(ElementTree.parse(report).iter("testcase"))
    if not cases or all(case.find("skipped") is not None for case in cases):
        return ("nothing ran",)
    return tuple(
        f"{(fault.get('message') or 'no words')} "[:SHOWN_CHARACTERS]
        if fault.tag == "failure"
        else f"error: {(fault.get('message') or '')[:SHOWN_CHARACTERS]} in {case.get('name')}"
        for case in cases
        for fault in case
        if fault.tag in {"failure", "error"}
    )


if __name__ == "__main__":
    sys.exit(main())
