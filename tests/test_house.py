"""The house is measured from its source: how large its rooms are, and which way its doors open."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grimp
import pytest

from bot.contract import Capabilities

ROOT = Path(__file__).parent.parent
PROJECT: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: Sequence[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
FILES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "migrations" not in path.parts  # each is written once and never read as part of the house
}

LINES_AT_MOST = 450  # of a file
FUNCTION_LINES_AT_MOST = 64
WHOLE = {"bot/machine.py"}  # everything about states is one file: cut, it takes longer to follow
CONTRACTS = {
    "one-way",
    "bot-decides",
    "decisions-are-pure",
    "front-holds-no-credentials",
    "pretend-slack-is-a-stranger",
    "backends-are-strangers",
    "for-other-packages",
}


# The only modules that decide: they compute, or they wait. One that reaches further is no part of `bot`.
FOR_BOT = frozenset(
    {
        *("asyncio", "builtins", "collections", "collections.abc", "contextlib", "copy", "dataclasses"),
        *(
            "datetime",
            "difflib",
            "enum",
            "fnmatch",
            "functools",
            "hashlib",
            "inspect",
            "json",
            "math",
            "operator",
        ),
        *("pathlib", "re", "time", "typing", "unicodedata", "zoneinfo"),
        *("pydantic", "pydantic.json_schema", "pydantic_core", "yaml"),
        *("cryptography.exceptions", "cryptography.hazmat.primitives.asymmetric.ed25519"),
    }
)
FOR_STORAGE = frozenset(
    {"aiosqlite", "alembic", "bot", "procrastinate", "psycopg", "pydantic_core", "sqlalchemy", "storage"}
)
SHORT_BODY_CHARACTERS = 30  # less says the same by chance
CONFORMANCE = "conformance/"
RIDDLES = {"As", "By", "For", "Of", "Per", "Those", "What", "Where", "Who", "Whoever", "Whose", "With"}


def lines(file: str) -> int:
    return FILES[file].count("\n")


def contracts() -> Mapping[str, Mapping[str, Any]]:
    return {each["id"]: each for each in PROJECT["tool"]["importlinter"]["contracts"]}


# Sizes -----------------------------------------------------------------------------------------


def test_every_file_but_the_machine_can_be_read_in_one_go() -> None:
    assert {file for file in FILES if lines(file) > LINES_AT_MOST} == WHOLE


def test_no_function_is_longer_than_a_page() -> None:
    longest = max((length, where) for where, length in functions())
    assert longest[0] <= FUNCTION_LINES_AT_MOST, longest


def functions() -> Iterator[tuple[str, int]]:
    for file, source in FILES.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                yield f"{file}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_no_room_holds_more_than_a_third_of_the_house() -> None:
    sizes = {package: sum(map(lines, files_of(package))) for package in PACKAGES}
    assert max(sizes.values()) * 3 <= sum(sizes.values()), sizes


def files_of(package: str) -> list[str]:
    return [file for file in FILES if file.startswith(f"{package}/")]


# Names -----------------------------------------------------------------------------------------


def test_no_two_classes_have_one_name() -> None:
    """Private ones count too: whoever searches for a name finds one thing."""
    assert {name: places for name, places in classes().items() if len(places) > 1} == {}


def classes() -> Mapping[str, list[str]]:
    """Returns the files that define each class outside of functions and other classes."""
    places: dict[str, list[str]] = {}
    for file, source in FILES.items():
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(file)
    return places


def test_the_words_of_an_error_are_found_at_one_place() -> None:
    """Elsewhere the one that says nothing would be forgotten."""
    by_hand = re.compile(r"str\((\w+)\) or type\(\1\).__name__")
    assert [file for file, source in FILES.items() if by_hand.search(source)] == []


def test_no_body_is_written_twice() -> None:
    """But in backends, which are strangers: there the contract makes them alike."""
    places: dict[tuple[str, str], list[str]] = {}
    for file, function in ((file, each) for file, source in FILES.items() for each in bodies(source)):
        if not file.startswith("backends/") and len(function[1]) > SHORT_BODY_CHARACTERS:
            places.setdefault(function, []).append(file)
    assert [files for files in places.values() if len(files) > 1] == []


def bodies(source: str) -> Iterator[tuple[str, str]]:
    """Yields the parameters and the body of each function, without its docstring."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node) is not None :]
            yield ast.unparse(node.args), "\n".join(map(ast.unparse, body))


def test_a_docstring_is_a_sentence_about_what_it_stands_on() -> None:
    assert [where for where, words in docstrings() if words.split()[0] in RIDDLES] == []


def docstrings() -> Iterator[tuple[str, str]]:
    for file, source in FILES.items():
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if words := ast.get_docstring(node):
                yield f"{file}:{node.lineno}: {words.splitlines()[0]}", words


# Doors -----------------------------------------------------------------------------------------


def test_no_module_imports_itself_through_others() -> None:
    assert circles(imports()) == []


def imports() -> Mapping[str, set[str]]:
    """Returns what each module of ours imports of ours, imports for types included."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def circles(graph: Mapping[str, set[str]]) -> list[str]:
    """Returns what is left when every module that imports nothing left is taken away, again and again."""
    left = {module: set(imported) for module, imported in graph.items()}
    while free := {module for module, imported in left.items() if not imported}:
        left = {module: imported - free for module, imported in left.items() if module not in free}
    return sorted(left)


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_bot_imports_only_what_is_on_its_list() -> None:
    """The contract `bot-decides` forbids what somebody has thought of; this allows what is needed."""
    assert outside("bot/", lambda module: module in FOR_BOT or is_in("bot", module)) == {}


def test_bot_starts_no_process_and_opens_no_connection_by_asyncio() -> None:
    reached = re.compile(r"\basyncio\.(create_subprocess\w*|open_\w+|start_\w*server|subprocess)\b")
    assert {
        file: reached.findall(FILES[file]) for file in files_of("bot") if reached.search(FILES[file])
    } == {}


def test_every_capability_that_a_backend_declares_is_read() -> None:
    """One that nobody reads promises something that does not follow."""
    decides = "".join(FILES[file] for file in files_of("bot"))
    read = set(re.findall(r"\bcapabilities(?:\[[^\]]+\])?\.(\w+)", decides))
    assert [field.name for field in fields(Capabilities) if field.name not in read] == []


def test_storage_imports_nothing_but_databases() -> None:
    assert outside("storage/", lambda module: root(module) in {*sys.stdlib_module_names, *FOR_STORAGE}) == {}


def test_the_contract_of_backends_knows_none_of_them() -> None:
    ours = [path.parent.name for path in (ROOT / "backends").glob("*/definition.py")]
    ones = [f"backends.{name}" for name in ours]
    assert outside("backends/", lambda module: not any(is_in(one, module) for one in ones), CONFORMANCE) == {}


@pytest.mark.parametrize(
    "line",
    [
        "import psycopg",
        "import urllib.request",
        "import asyncio.subprocess",
        "from asyncio import subprocess",
        "def later() -> None:\n    from http import client",
        "import importlib",
    ],
)
def test_what_bot_may_not_import_would_be_found(line: str) -> None:
    assert not set(modules_in(line)) <= FOR_BOT


def outside(folder: str, allows: Callable[[str], bool], below: str = "") -> Mapping[str, list[str]]:
    """Returns what each file below the folder imports and may not, wherever in the file it does."""
    found = {
        file: [module for module in modules_in(source) if not allows(module)]
        for file, source in FILES.items()
        if file.startswith(folder + below)
    }
    return {file: modules for file, modules in found.items() if modules}


def modules_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            within = (f"{node.module}.{each.name}" for each in node.names)
            yield from (name for name in within if is_module(name))


def is_module(name: str) -> bool:
    """Whether it is more than a name in a module."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # what it stands in is no package
        return False


def is_in(package: str, module: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def root(module: str) -> str:
    return module.partition(".")[0]


def test_no_test_needs_a_benchmark() -> None:
    """Benchmarks play with the worlds of the tests, never the other way round."""
    imports = re.compile(r"^\s*(?:from|import) benchmarks\b", re.MULTILINE)
    assert [path for path in (ROOT / "tests").rglob("*.py") if imports.search(path.read_text())] == []


def test_every_contract_about_imports_is_kept_by_the_linter() -> None:
    assert contracts().keys() == CONTRACTS


def test_every_package_stands_in_the_contract_of_direction() -> None:
    layers = {name.strip() for layer in contracts()["one-way"]["layers"] for name in layer.split("|")}
    assert layers == set(PACKAGES)
