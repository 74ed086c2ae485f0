"""The house is measured from its source: how large its rooms are, and which way its doors open."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grimp

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


def test_no_test_needs_a_benchmark() -> None:
    """Benchmarks play with the worlds of the tests, never the other way round."""
    imports = re.compile(r"^\s*(?:from|import) benchmarks\b", re.MULTILINE)
    assert [path for path in (ROOT / "tests").rglob("*.py") if imports.search(path.read_text())] == []


def test_every_contract_about_imports_is_kept_by_the_linter() -> None:
    assert contracts().keys() == CONTRACTS


def test_every_package_stands_in_the_contract_of_direction() -> None:
    layers = {name.strip() for layer in contracts()["one-way"]["layers"] for name in layer.split("|")}
    assert layers == set(PACKAGES)
