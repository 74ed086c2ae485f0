"""What documents name is there: files, tests, make targets, import contracts, packages."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recipe.carrying_out import copy_of_the_tree
from tests.test_house import CONTRACTS, PACKAGES, PROJECT, ROOT

DOCUMENTS = (
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "DECISIONS.md",
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "deploy/README.md",
    "tests/kinds.md",
    "tests/storage/golden/README.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")),
)
PROMISING = (
    ("SECURITY.md", "What the design promises"),
    ("ARCHITECTURE.md", "What a plan pins"),
    ("ARCHITECTURE.md", "What a run makes beside its target"),
    ("ARCHITECTURE.md", "What was live when"),
    ("ARCHITECTURE.md", "What holds when things break"),
    ("ARCHITECTURE.md", "Events"),
    ("ARCHITECTURE.md", "Invariants, as absences"),
)
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-postgres.lock")
FILE = re.compile(r"[\w.-]+(/[\w.-]+)+/?|[\w.-]+/|[\w.-]+\.(?:json|jsonl|lock|md|py|toml|ya?ml)")
NOT_OURS = {".rollback/", "live.json"}  # beside the data of a target, of the bot and of a tool in a page
MADE = ".venv/"  # by `make setup`
PLACEHOLDER = "NAME"
TEST = re.compile(r"\btest_\w+")
TARGET = re.compile(r"^make (\w+)", re.MULTILINE)


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def quoted(document: str) -> Iterator[str]:
    """Yields what stands in backticks, and the lines of blocks of code."""
    outside, *blocks = re.split(r"^ *```\w*\n", text(document), flags=re.MULTILINE)
    for n, part in enumerate((outside, *blocks)):
        yield from re.findall(r"`([^`]+)`", part) if n % 2 == 0 else part.splitlines()


def named_files(document: str) -> set[str]:
    words = {word for word in quoted(document) if FILE.fullmatch(word)} - NOT_OURS
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", text(document))
    return {word for word in words if not word.startswith(MADE)} | set(links)


def exists(name: str, beside: Path) -> bool:
    """Looks for a path in the tree or beside its document, and for a bare name anywhere."""
    known = name.partition(PLACEHOLDER)[0]  # of `backends/NAME/`: the folder where it will be
    return (ROOT / known).exists() or (beside / known).exists() or known.rstrip("/") in NAMES


NAMES = {
    path.name
    for folder in (*PACKAGES, "benchmarks", "deploy", "docs", "tests")
    for path in (ROOT / folder).rglob("*")
    if "__pycache__" not in path.parts
}
TESTS = {
    name
    for folder in ("tests", "backends/conformance")
    for path in (ROOT / folder).rglob("*.py")
    for name in (path.stem, *re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE))
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_exists(document: str) -> None:
    beside = (ROOT / document).parent
    assert sorted(name for name in named_files(document) if not exists(name, beside)) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_a_document_names_exists(document: str) -> None:
    assert sorted(set(TEST.findall(text(document))) - TESTS) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_make_target_that_a_document_names_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for words in quoted(document) for name in TARGET.findall(words)}
    assert sorted(named - targets) == []


def test_a_file_that_is_not_there_would_be_found() -> None:
    assert exists("bot/machine.py", ROOT)
    assert exists("backends/NAME/", ROOT)
    assert not exists("handlers/sandbox/", ROOT)
    assert not exists("bot/executors/NAME.py", ROOT)
    assert not exists("DECISION.md", ROOT)


def rows(document: str) -> list[list[str]]:
    """Returns the cells of every row of its tables."""
    lines = (line for line in text(document).splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_package_has_a_row_and_every_contract_is_named() -> None:
    first = {row[0].strip("`/ ") for row in rows("ARCHITECTURE.md")}
    assert set(PACKAGES) <= first
    assert set(CONTRACTS) <= set(quoted("ARCHITECTURE.md"))


def section(document: str, title: str) -> str:
    _, _, rest = text(document).partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def promises() -> Iterator[str]:
    """Yields each row of a table but its head, and each point of a list, in the sections that promise."""
    for document, title in PROMISING:
        found = section(document, title)
        yield from re.findall(r"(?<=\n)(?!\|---)\|[^\n]*(?!\n\|---)(?=\n|$)", found)
        yield from re.split(r"^- ", re.sub(r"^\|.*$", "", found, flags=re.MULTILINE), flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("where", PROMISING, ids=" ".join)
def test_a_section_that_promises_is_there(where: tuple[str, str]) -> None:
    assert section(*where)


def test_every_promise_names_a_test_that_holds_it() -> None:
    assert [promise for promise in promises() if not TEST.search(promise)] == []


def test_every_dependency_is_locked_with_a_hash() -> None:
    assert "--require-hashes" in text("Makefile")
    for lock in LOCKS:
        locked = re.split(r"^(?=\S+==)", text(lock), flags=re.MULTILINE)[1:]
        assert [each.splitlines()[0] for each in locked if "--hash=sha256:" not in each] == []


def test_each_line_breaks_its_contract(tmp_path: Path) -> None:
    """All lines at once, in a copy: the linter reads the tree once."""
    table = [[cell.strip("`") for cell in row] for row in rows("CONTRIBUTING.md")]
    breaks = {row[0]: row[1:] for row in table if row[0] in CONTRACTS}
    assert breaks.keys() == CONTRACTS
    tree = copy_of_the_tree(tmp_path)
    for file, line in breaks.values():
        with (tree / file).open("a", encoding="utf-8") as appended:
            appended.write(f"{line}\n")
    argv = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
    said = subprocess.run(argv, cwd=tree, capture_output=True, text=True, env={"COLUMNS": "1000"}).stdout
    names = {each["id"]: each["name"] for each in PROJECT["tool"]["importlinter"]["contracts"]}
    assert [name for name in CONTRACTS if f"{names[name]} BROKEN" not in " ".join(said.split())] == []


def test_the_image_holds_every_package() -> None:
    copied = re.findall(r"^COPY (\w+) (\w+)$", text("deploy/Dockerfile"), re.MULTILINE)
    assert sorted(copied) == sorted((package, package) for package in PACKAGES)
