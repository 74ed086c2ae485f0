"""What the configuration knows of backends: their names, their settings, and what only they can judge.

A `Definition` is light, for every role imports it: what acts is named by `build`, and imported where it acts.
Which definitions there are is found elsewhere, and handed to `load`.
"""

import builtins
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from bot.canonical_json import digest
from bot.configuration.lines import Location
from bot.configuration.settings import NAME, Target
from bot.configuration.values import VARIABLE, Settings
from bot.errors import ConfigurationError

BUILD = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

S = TypeVar("S", bound=Settings)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    location: Location
    words: str


def _none(settings: Settings, target: Target) -> tuple[()]:
    return ()


def _no_program(settings: Settings) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Definition(Generic[S]):
    """One type of executor, or one type of check."""

    type: str  # the word in the file: `executor: {type: git}`
    settings: builtins.type[S]  # with `type: Literal["git"]`
    build: str  # `package.module:function`, called with the settings and a Resolver
    extra: str | None = None  # what pip installs for it, such as `rollback-bot[delta]`; None: nothing more
    faults: Callable[[S, Target], Iterable[Fault]] = _none  # with locations inside the settings
    warnings: Callable[[S, Target], Iterable[str]] = _none  # sentences that name the target
    look_yourself: Callable[[S], str] = _no_program  # what a person can type to see what is live
    changes: tuple[str, ...] = ()  # settings that say what is changed: no two targets may have the same
    saves_in: tuple[str, ...] = ()  # settings that say where undo points go, among the restore points


@dataclass(frozen=True, slots=True)
class Definitions:
    """All that are known here. With a problem nothing is loaded."""

    executors: tuple[Definition[Any], ...]
    checks: tuple[Definition[Any], ...]
    problems: tuple[str, ...] = ()

    def executor(self, name: str) -> Definition[Any] | None:
        """Returns the executor of this type; None: there is none."""
        return next((each for each in self.executors if each.type == name), None)

    def check(self, name: str) -> Definition[Any] | None:
        """Returns the check of this type; None: there is none."""
        return next((each for each in self.checks if each.type == name), None)


def why_not_defined(found: object, base: type[Settings]) -> str | None:
    """Returns what a definition lacks, as the end of a sentence. `base`: what its settings must extend."""
    if not isinstance(found, Definition):
        return f"is no Definition but {type(found).__name__}"
    if not _is_name(found.type):
        return f"has the type {found.type!r}: a type is a word of a-z, 0-9, dot, dash and underscore"
    if not _extends(found.settings, base):
        return f"has no settings: they must be a class that extends {base.__name__}"
    only: Any = Literal[found.type]
    if found.settings.model_fields["type"].annotation != only:
        return f'has settings whose `type` is not Literal["{found.type}"]'
    if not _names_a_function(found.build):
        return f"has the build {found.build!r}: it must name a function, as in `package.module:build`"
    if not (found.extra is None or _is_text(found.extra)):
        return f"has the extra {found.extra!r}: it must be what pip installs, or None"
    for what in ("changes", "saves_in"):
        named = getattr(found, what)
        if not _are_settings(named, found.settings):
            return f"has the {what} {named!r}: they must be a tuple of names of its settings"
    for name in ("faults", "warnings", "look_yourself"):
        if not callable(getattr(found, name)):
            return f"has no {name}: it must be a function"
        if is_async(getattr(found, name)):
            return f"has an async {name}: it must be a plain function"
    return None


# A definition may have been written without a type checker, so nothing about it is taken for granted.


def _is_name(value: object) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def is_async(function: object) -> bool:
    return iscoroutinefunction(function) or isasyncgenfunction(function)


def _are_settings(names: object, settings: builtins.type[Settings]) -> bool:
    return isinstance(names, tuple) and set(names) <= set(settings.model_fields)


def _extends(value: object, base: type[Settings]) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def _names_a_function(value: object) -> bool:
    return isinstance(value, str) and BUILD.fullmatch(value) is not None


# What only a backend can judge. Its code may be somebody else's, so it is asked here and nowhere else. Of an
# exception only the class is told: the words may hold a secret.


def faults_of(definition: Definition[Any], settings: Settings, target: Target) -> tuple[Fault, ...]:
    """Raises ConfigurationError when the definition cannot judge."""
    return _asked(definition, "faults", lambda: tuple(definition.faults(settings, target)), _are_faults)


def warnings_of(definition: Definition[Any], settings: Settings, target: Target) -> tuple[str, ...]:
    """Raises ConfigurationError when the definition cannot judge."""
    return _asked(
        definition, "warnings", lambda: tuple(definition.warnings(settings, target)), _are_sentences
    )


def program_of(definition: Definition[Any], settings: Settings) -> str:
    """Returns what a person can type to see what is live, or nothing. Raises ConfigurationError."""
    return _asked(definition, "look_yourself", lambda: definition.look_yourself(settings), _is_text)


def why_not_read(definition: Definition[Any], values: object) -> str | None:
    """Returns why these values cannot even be looked at. That they may be wrong is no reason."""
    try:
        definition.settings.model_validate(values, by_alias=True, by_name=False)
    except ValidationError:
        return None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - see above
        return _unusable(definition, "settings", f"raised {type(error).__name__}")
    return None


def digest_of(definition: Definition[Any], settings: Settings) -> str:
    """Returns what plans tell these settings by. Raises ConfigurationError when they cannot be written."""
    return _asked(
        definition,
        "settings",
        lambda: digest(settings.model_dump(mode="json", exclude_defaults=True)),
        _is_text,
    )


def _asked(definition: Definition[Any], name: str, ask: Callable[[], T], fits: Callable[[T], bool]) -> T:
    try:
        answer = ask()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - see above
        raise ConfigurationError((_unusable(definition, name, f"raised {type(error).__name__}"),)) from None
    if not fits(answer):
        raise ConfigurationError((_unusable(definition, name, "did not return what it must"),))
    return answer


def _unusable(definition: Definition[Any], name: str, why: str) -> str:
    words = f"Type `{definition.type}` cannot be used: its `{name}` {why}."
    return f"{words} Update the package that it comes from, or uninstall it."


def _are_faults(answer: tuple[object, ...]) -> bool:
    return all(isinstance(each, Fault) and _is_text(each.words) and _is_location(each) for each in answer)


def _is_location(fault: Fault) -> bool:
    location: object = fault.location
    return isinstance(location, tuple) and all(isinstance(part, str | int) for part in location)


def _are_sentences(answer: tuple[object, ...]) -> bool:
    return all(_is_text(each) for each in answer)


def empty_faults(settings: Settings, names: Iterable[str]) -> Iterable[Fault]:
    """Finds those that are empty, and would name the folder of the configuration file."""
    for name in names:
        if getattr(settings, name) == "":
            yield Fault((name,), f"`{name}` is empty. Write a path, {{env: NAME}} or {{file: PATH}}.")


def variable_faults(environment: Iterable[str]) -> Iterable[Fault]:
    """Finds names that no variable can have; for settings with an `environment`."""
    for name in environment:
        if not VARIABLE.fullmatch(name):
            words = f"`{name}` cannot be the name of a variable. Use A-Z, a-z, 0-9 and underscore."
            yield Fault(("environment", name), words)
