"""Which backends there are, and how one that cannot be used is refused in a sentence."""

import sys
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

import grimp
import pytest
from pydantic import Field, field_validator, model_serializer

import backends
from backends.git.settings import GitSettings
from backends.installed import (
    CHECKS,
    EXECUTORS,
    OUR_NAMES,
    ExtraMissing,
    FoundDefinition,
    builder,
    built,
    definitions,
    gathered,
    in_folders,
    in_module,
    missing_extras,
)
from backends.references import Resolver
from backends.surroundings import Surroundings
from bot.configuration import load
from bot.configuration.definitions import Definition, Fault, faults_of, program_of, warnings_of
from bot.configuration.documents import why_not_in_a_document
from bot.configuration.settings import CheckSettings, ExecutorSettings
from bot.contract import Executor
from bot.errors import ConfigurationError
from tests.bot.configured import target

FOLDERS = sorted(path.parent for path in Path(backends.__path__[0]).glob("*/definition.py"))
WORLDS = {EXECUTORS: "EXECUTOR_WORLDS", CHECKS: "CHECK_WORLDS"}
NO_FILE = "has settings that no file can hold: pydantic raises"
HERE = "The entry point `toy` of the package toys"


class ToySettings(ExecutorSettings):
    type: Literal["toy"]


class LooseSettings(ExecutorSettings):
    pass


class ForwardSettings(ExecutorSettings):
    type: Literal["toy"]
    other: "Unwritten"  # type: ignore[name-defined]  # noqa: F821 - that is the point


class RenamedSettings(ExecutorSettings):
    type: Literal["toy"] = Field(alias="kind")


class ToyCheckSettings(CheckSettings):
    type: Literal["toy"]


def build(settings: ToySettings, resolver: Resolver) -> None:
    """Nothing is built of it here."""


async def later(*given: object) -> None:
    """Stands for what should not be async."""


class SilentError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def without_arguments() -> None:
    """Stands for a function with other parameters."""


def toy(**changed: Any) -> Any:
    said = {"type": "toy", "settings": ToySettings, "build": f"{__name__}:build", **changed}
    return Definition(**said)


def declared(
    found: object, group: str = EXECUTORS, name: str | None = "toy", place: str = HERE
) -> FoundDefinition:
    return FoundDefinition(group, found, place, "Update toys, or uninstall it.", name)


# Ours ------------------------------------------------------------------------------------------


def test_all_that_is_installed_can_be_used() -> None:
    assert definitions().problems == ()


@pytest.mark.parametrize(
    "definition", [*definitions().executors, *definitions().checks], ids=lambda each: each.type
)
def test_what_acts_is_where_the_definition_says(definition: Definition[Any]) -> None:
    assert builder(definition).__module__ == definition.build.partition(":")[0]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_definition_of_ours_has_a_world(folder: Path) -> None:
    world = Path(__file__).parent / folder.name / "world.py"
    assert world.exists(), f"{world} is missing: it declares a small real backend for the contract tests."
    for one in in_module(f"backends.{folder.name}.definition"):
        words = f"{world} declares no {WORLDS[one.group]}, and the folder defines {OUR_NAMES[one.group]}."
        assert WORLDS[one.group] in world.read_text(), words


def test_no_backend_imports_another() -> None:
    """As the contract in pyproject.toml, which names those of today; this finds new ones by itself."""
    graph = grimp.build_graph("backends")
    chains = [
        graph.find_shortest_chain(f"backends.{one.name}", f"backends.{other.name}", as_packages=True)
        for one, other in permutations(FOLDERS, 2)
    ]
    assert [chain for chain in chains if chain] == []


# Those that cannot be used ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "is no Definition but NoneType"),
        (ImportError("No module named 'toys'"), "cannot be imported: ImportError: No module named 'toys'"),
        (toy(type="Toy!"), "has the type 'Toy!': a type is a word of a-z, 0-9, dot, dash and underscore"),
        (toy(settings=None), "has no settings: they must be a class that extends ExecutorSettings"),
        (toy(settings=ToyCheckSettings), "has no settings: they must be a class that extends Exec"),
        (toy(settings=LooseSettings), 'has settings whose `type` is not Literal["toy"]'),
        (toy(settings=GitSettings), 'has settings whose `type` is not Literal["toy"]'),
        (toy(build="nowhere"), "has the build 'nowhere': it must name a function, as in `package.module:"),
        (toy(build=None), "has the build None: it must name a function"),
        (toy(build="toys.gone:build"), "has the build 'toys.gone:build': there is no module toys.gone"),
        (toy(build="backends.gone:build"), "has the build 'backends.gone:build': there is no module back"),
        (toy(extra=7), "has the extra 7: it must be what pip installs, or None"),
        (toy(faults=None), "has no faults: it must be a function"),
        (toy(warnings="none"), "has no warnings: it must be a function"),
        (toy(look_yourself=0), "has no look_yourself: it must be a function"),
        (toy(changes=("nothing",)), "has the changes ('nothing',): they must be a tuple of names of its set"),
        (toy(faults=later), "has an async faults: it must be a plain function"),
        (toy(settings=ForwardSettings), f"{NO_FILE} PydanticUndefinedAnnotation"),
        (toy(settings=RenamedSettings), f"{NO_FILE} PydanticUserError"),
        (ImportError("one\ntwo."), "cannot be imported: ImportError: one two"),
        (ValueError(), "cannot be imported: ValueError"),
        (SilentError(), "cannot be imported: SilentError"),
    ],
)
def test_what_lacks_something_is_refused_in_a_sentence(found: object, reason: str) -> None:
    (problem,) = gathered([declared(found)]).problems
    assert problem.startswith(f"{HERE} {reason}")
    assert problem.endswith(". Update toys, or uninstall it.")
    assert ".." not in problem
    assert "\n" not in problem


def test_what_cannot_even_be_looked_at_is_refused_in_a_sentence() -> None:
    (problem,) = gathered([declared(toy(type=Unprintable()))]).problems
    assert problem == f"{HERE} cannot be looked at: ZeroDivisionError. Update toys, or uninstall it."


@pytest.mark.parametrize(
    "definition", [*definitions().executors, *definitions().checks], ids=lambda each: each.type
)
def test_a_file_can_hold_the_settings_of_each_of_ours(definition: Definition[Any]) -> None:
    assert why_not_in_a_document(definition.settings) is None


def test_the_name_of_an_entry_point_is_the_type() -> None:
    (problem,) = gathered([declared(toy(), name="car")]).problems
    assert problem.startswith(f"{HERE} defines the type `toy`: both names must be the same.")


def test_two_definitions_of_one_type_are_both_out_and_both_named() -> None:
    known = gathered([declared(toy()), declared(toy(), place="The entry point of cars"), *in_folder("git")])
    assert [each.type for each in known.executors] == ["git"]
    assert known.problems == (
        f"Type `toy` is defined twice. {HERE}; The entry point of cars. "
        "Uninstall one of them, or give it another type.",
    )


def test_an_executor_and_a_check_may_have_one_type() -> None:
    check = toy(settings=ToyCheckSettings)
    assert gathered([declared(toy()), declared(check, CHECKS)]).problems == ()


def in_folder(name: str) -> list[FoundDefinition]:
    return list(in_module(f"backends.{name}.definition"))


def test_a_definition_file_of_ours_must_define_something() -> None:
    problems = gathered(in_module(__name__.replace("test_installed", "test_choosing"))).problems
    assert "is no Definition but NoneType" in problems[0]


def test_a_folder_that_has_an_executor_and_no_definition_is_named(tmp_path: Path) -> None:
    """Else its type would be unknown, and nothing would say why."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "executor.py").touch()
    (problem,) = gathered(in_folders(tmp_path)).problems
    assert problem.startswith("backends.toy.definition cannot be imported: ModuleNotFoundError")


def test_a_definition_file_of_ours_that_breaks_is_named() -> None:
    assert gathered(in_module("backends.gone.definition")).problems == (
        "backends.gone.definition cannot be imported: ModuleNotFoundError: No module named 'backends.gone'. "
        "Mend it.",
    )


def test_with_a_problem_nothing_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "missing.yaml", gathered([declared(None)]))
    assert caught.value.problems == (f"{HERE} is no Definition but NoneType. Update toys, or uninstall it.",)


def raising(*given: object) -> Any:
    """Stands for code of somebody else."""
    raise ZeroDivisionError("a secret")


class Unprintable:
    """Stands for a value of somebody else's that cannot even be looked at."""

    def __repr__(self) -> str:
        raise ZeroDivisionError

    def __getattr__(self, name: str) -> object:
        raise ZeroDivisionError


def unprintable(*given: object) -> Unprintable:
    return Unprintable()


def leaving(*given: object) -> Any:
    """Stands for code of somebody else that would end the process."""
    sys.exit()


class Stopped(BaseException):
    """Stands for what no `except Exception` holds back."""


def interrupting(*given: object) -> Any:
    """Stands for code of somebody else that would end the process in another way."""
    raise Stopped


def empty(*given: object) -> None:
    """Stands for a function that forgets to return something."""


@pytest.mark.parametrize("name", ["faults", "warnings", "look_yourself"])
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (raising, "raised ZeroDivisionError"),
        (leaving, "raised SystemExit"),
        (lambda *given: [Unprintable()], "did not return what it must"),
        (interrupting, "raised Stopped"),
        (lambda *given: [Fault(None, "boo")], "did not return what it must"),  # type: ignore[arg-type]
        (lambda *given: [Fault((None,), "boo")], "did not return what it must"),  # type: ignore[arg-type]
        (empty, ""),
    ],
    ids=["raises", "leaves", "wrong things", "stops", "no location", "a location of nothing", "nothing"],
)
def test_a_definition_that_cannot_judge_is_told_in_a_sentence(
    name: str, function: Callable[..., Any], said: str
) -> None:
    """Neither a traceback, nor what it raised: that may hold a secret."""
    asked: Any = {"faults": faults_of, "warnings": warnings_of, "look_yourself": program_of}[name]
    given = (ToySettings(type="toy"),) if asked is program_of else (ToySettings(type="toy"), target())
    with pytest.raises(ConfigurationError) as caught:
        asked(toy(**{name: function}), *given)
    (problem,) = caught.value.problems
    assert problem.startswith(f"Type `toy` cannot be used: its `{name}` {said}")
    assert problem.endswith(". Update the package that it comes from, or uninstall it.")
    assert "secret" not in problem


# Their settings --------------------------------------------------------------------------------


class RaisingSettings(ExecutorSettings):
    type: Literal["toy"]
    word: str

    @field_validator("word")
    @classmethod
    def _judged(cls, word: str) -> str:
        raise {"key": KeyError, "run": RuntimeError, "leave": SystemExit}.get(word, ValueError)("a secret\n!")


class RaisingDefaults(ExecutorSettings):
    type: Literal["toy"]
    rate: float = Field(default_factory=lambda: 1 / 0)


class UnwritableSettings(ExecutorSettings):
    type: Literal["toy"]

    @model_serializer
    def _written(self) -> dict[str, Any]:
        raise RuntimeError("a secret")


FILE = """\
version: 1
defaults: {{approval: {{from: [U1]}}}}
targets:
  shop: {{kind: system, executor: {{type: releases, root: shop}}}}
  far: {{kind: system, executor: {settings}}}
"""


@pytest.mark.parametrize(
    ("settings", "written", "error"),
    [
        (RaisingSettings, "{type: toy, word: key}", "KeyError"),
        (RaisingSettings, "{type: toy, word: run}", "RuntimeError"),
        (RaisingSettings, "{type: toy, word: leave}", "SystemExit"),
        (RaisingDefaults, "{type: toy}", "ZeroDivisionError"),
        (UnwritableSettings, "{type: toy}", "PydanticSerializationError"),
    ],
)
def test_settings_that_break_are_told_in_a_sentence(
    settings: type[ExecutorSettings], written: str, error: str, tmp_path: Path
) -> None:
    (tmp_path / "rollback.yaml").write_text(FILE.format(settings=written))
    known = gathered([declared(toy(settings=settings)), *in_folder("releases"), *in_folder("http")])
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "rollback.yaml", known)
    assert [each.partition("used: ")[2] for each in caught.value.problems] == [
        f"its `settings` raised {error}. Update the package that it comes from, or uninstall it."
    ]


def test_a_value_that_a_validator_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text(FILE.format(settings="{type: toy, word: other}"))
    known = gathered([declared(toy(settings=RaisingSettings)), *in_folder("releases"), *in_folder("http")])
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "rollback.yaml", known)
    (problem,) = caught.value.problems
    assert "\n" not in problem
    assert "`targets.far.executor.word`" in problem


# What acts -------------------------------------------------------------------------------------


def toys(**changed: Any) -> Callable[[], tuple[str, ...]]:
    """Returns a call that says what is missing for a target that is such a toy."""
    settings = ToySettings(type="toy")
    known = gathered([declared(toy(**changed))])
    return lambda: missing_extras([target(executor=settings)], known)


def test_a_function_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        toys(build="backends.git.executor:biuld")()
    assert caught.value.problems == (
        "Type `toy` cannot be built: backends.git.executor has no function biuld. "
        "Mend `build` in its definition.",
    )


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("raising", "raised ZeroDivisionError"),
        ("without_arguments", "raised TypeError"),
        ("interrupting", "raised Stopped"),
        ("empty", "returned NoneType, which is no Executor"),
        ("Stopped", "returned Stopped, which is no Executor"),
        ("later", "is an async function"),
        ("unprintable", "raised ZeroDivisionError"),
    ],
)
def test_what_builds_no_executor_is_told_in_a_sentence(function: str, said: str, tmp_path: Path) -> None:
    resolver = Resolver(Surroundings(tmp_path, tmp_path / "spool"), {})
    with pytest.raises(ConfigurationError) as caught:
        built(toy(build=f"{__name__}:{function}"), ToySettings(type="toy"), resolver, Executor)
    path = f"{__name__}:{function}"
    assert caught.value.problems == (f"Type `toy` cannot be built: {path} {said}. Mend its package.",)


@pytest.mark.parametrize("line", ["1 / 0", "raise SystemExit", "raise GeneratorExit"])
def test_a_module_that_fails_when_it_is_imported_is_told_in_a_sentence(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"failing_toy_{len(line)}"
    (tmp_path / f"{name}.py").write_text(f"{line}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=f"Mend {name}"):
        toys(build=f"{name}:build", extra="toys[heavy]")()


@pytest.fixture
def heavy(tmp_path: Path) -> str:
    """A module that needs a library which is not installed."""
    (tmp_path / "heavy_toy.py").write_text("import a_library_that_is_not_installed\n")
    return "heavy_toy:build"


def test_a_missing_extra_is_one_sentence_with_what_pip_installs(
    heavy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    words = "Type `toy` cannot be built: No module named 'a_library_that_is_not_installed'."
    assert toys(build=heavy, extra="toys[heavy]")() == (f"{words} Run: pip install 'toys[heavy]'",)
    with pytest.raises(ExtraMissing):
        builder(toy(build=heavy, extra="toys[heavy]"))


def test_a_module_that_breaks_without_an_extra_is_no_missing_extra(
    heavy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match="Mend heavy_toy"):
        toys(build=heavy)()


def test_what_no_target_names_is_not_imported(
    heavy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    known = gathered([declared(toy(build=heavy)), *in_folder("releases"), *in_folder("http")])
    assert missing_extras([target()], known) == ()
    assert "heavy_toy" not in sys.modules
