"""Which backends there are: our own folders, and what other installed packages declare.

One folder is all that a backend of ours needs, so nothing lists them: EXECUTOR and CHECK in its definition.py
are its definitions. Other packages declare theirs as entry points.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import backends
from backends.references import Resolver
from bot.configuration import Target
from bot.configuration.definitions import Definition, Definitions, is_async, why_not_defined
from bot.configuration.documents import why_not_in_a_document
from bot.configuration.settings import CheckSettings, ExecutorSettings
from bot.configuration.values import Settings
from bot.errors import ConfigurationError, PermanentError, TemporaryError, words_of

EXECUTORS, CHECKS = "rollback_bot.executors", "rollback_bot.checks"  # groups of entry points
OUR_NAMES = {EXECUTORS: "EXECUTOR", CHECKS: "CHECK"}  # in a folder's definition.py
PARTS = ("definition.py", "settings.py", "executor.py", "check.py")  # a folder with one of them is a backend
BASES: dict[str, type[Settings]] = {EXECUTORS: ExecutorSettings, CHECKS: CheckSettings}


@dataclass(frozen=True, slots=True)
class FoundDefinition:
    """Something that was found under one name, whether it is of any use or not."""

    group: str
    found: object  # the error, when it could not be imported
    place: str  # begins a sentence
    advice: str  # what to do when it is of no use
    name: str | None = None  # the type that it must have; None: any


class NoReference(Exception):
    """An entry point leads to nothing that could be imported."""


@cache
def definitions() -> Definitions:
    """Returns all that are installed here; what cannot be used is among its problems."""
    return gathered([*in_folders(Path(backends.__path__[0])), *_in_other_packages()])


def gathered(declared: Iterable[FoundDefinition]) -> Definitions:
    """Returns the definitions that can be used. Neither of two for the same type can."""
    usable: dict[str, dict[str, list[FoundDefinition]]] = {EXECUTORS: {}, CHECKS: {}}
    problems = []
    for each in declared:
        if reason := _why_not_used(each):
            problems.append(f"{each.place} {reason}. {each.advice}")
        elif isinstance(each.found, Definition):
            usable[each.group].setdefault(each.found.type, []).append(each)
    for by_type in usable.values():
        problems += [_twice(name, several) for name, several in by_type.items() if len(several) > 1]
    executors, checks = (_alone(usable[group]) for group in (EXECUTORS, CHECKS))
    return Definitions(executors, checks, tuple(problems))


def _why_not_used(declared: FoundDefinition) -> str | None:
    reason = _tried(lambda: _why_of_no_use(declared))
    if isinstance(reason, BaseException):
        return f"cannot be looked at: {type(reason).__name__}"
    return None if reason is None else str(reason)


def _why_of_no_use(declared: FoundDefinition) -> str | None:
    found = declared.found
    if isinstance(found, NoReference):
        return str(found)
    if isinstance(found, BaseException):
        return f"cannot be imported: {_told(found)}"
    if reason := why_not_defined(found, BASES[declared.group]):
        return reason
    assert isinstance(found, Definition)  # `why_not_defined` has looked
    if declared.name is not None and declared.name != found.type:
        return f"defines the type `{found.type}`: both names must be the same"
    if declared.name is not None and (reason := why_not_in_a_document(found.settings)):
        return reason  # ours are tried by the tests, and not at each start
    reason = _why_no_module(found.build.partition(":")[0])
    return reason and f"has the build {found.build!r}: {reason}"


def _why_no_module(module: str) -> str | None:
    """Looks without importing it: that may need what is not installed here. Its packages are imported."""
    spec = _tried(lambda: find_spec(module))
    if isinstance(spec, BaseException) and not isinstance(spec, ModuleNotFoundError):
        return f"{module} cannot be looked for: {_told(spec)}"
    return f"there is no module {module}" if spec is None or isinstance(spec, BaseException) else None


def _twice(name: str, several: Iterable[FoundDefinition]) -> str:
    places = "; ".join(each.place.rstrip(",") for each in several)
    return f"Type `{name}` is defined twice. {places}. Uninstall one of them, or give it another type."


def _alone(by_type: dict[str, list[FoundDefinition]]) -> tuple[Any, ...]:
    return tuple(each[0].found for each in by_type.values() if len(each) == 1)


# Where they are declared -----------------------------------------------------------------------


def in_folders(root: Path) -> Iterator[FoundDefinition]:
    for folder in sorted(root.iterdir()):
        if any((folder / name).is_file() for name in PARTS):
            yield from in_module(f"backends.{folder.name}.definition")


def in_module(module: str) -> Iterator[FoundDefinition]:
    """Yields all that one definition.py of ours declares."""
    loaded = _tried(lambda: import_module(module))
    if isinstance(loaded, BaseException):
        yield FoundDefinition(EXECUTORS, loaded, module, "Mend it.")
        return
    named = {group: getattr(loaded, name, None) for group, name in OUR_NAMES.items()}
    for group, found in named.items():
        if found is not None or not any(named.values()):
            yield FoundDefinition(group, found, f"{OUR_NAMES[group]} of {module}", "Mend it.")


def _in_other_packages() -> Iterator[FoundDefinition]:
    for group in OUR_NAMES:
        for point in entry_points(group=group):
            package = point.dist.name if point.dist else "that declares it"
            place = f"The entry point `{point.name}` of {group}, from the package {package},"
            advice = f"Update the package {package}, or uninstall it."
            yield FoundDefinition(group, _loaded(point), place, advice, point.name)


def _loaded(point: EntryPoint) -> object:
    if point.pattern.match(point.value) is None:
        return NoReference(f"leads nowhere: {point.value!r} is no `package.module:NAME`")
    return _tried(point.load)


def _tried(load: Callable[[], object]) -> object:
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - code of somebody else; it is told as a sentence
        return error


def _told(error: BaseException) -> str:
    """Returns its class and its words, in one line."""
    name = type(error).__name__
    words = _tried(lambda: " ".join(words_of(error).split()).rstrip("."))
    return name if words == name or isinstance(words, BaseException) else f"{name}: {words}"


# What acts -------------------------------------------------------------------------------------


class ExtraMissing(ConfigurationError):
    """A library that only this backend needs is not installed here."""


def builder(definition: Definition[Any]) -> Callable[..., Any]:
    """Imports what acts. Raises ExtraMissing, and ConfigurationError when `build` leads nowhere."""
    module, _, name = definition.build.partition(":")
    loaded = _tried(lambda: import_module(module))
    if isinstance(loaded, BaseException):
        raise _not_imported(definition, loaded)
    found: object = getattr(loaded, name, None)
    if not callable(found):
        words = f"Type `{definition.type}` cannot be built: {module} has no function {name}."
        raise ConfigurationError((f"{words} Mend `build` in its definition.",))
    if is_async(found):
        words = f"Type `{definition.type}` cannot be built: {definition.build} is an async function."
        raise ConfigurationError((f"{words} Mend its package.",))
    return found


def built(definition: Definition[Any], settings: Settings, resolver: Resolver, kind: type[Any]) -> Any:
    """Returns what acts, of this kind. Raises ConfigurationError, and what `build` raises of ours.

    Of anything else that it raises only the class is told: the words may hold a secret that was resolved.
    """
    words = f"Type `{definition.type}` cannot be built:"
    try:
        found: object = builder(definition)(settings, resolver)
        # A class has every name that what it makes has. `kind` looks at properties, which may raise.
        fits = not isinstance(found, type) and isinstance(found, kind)
    except (PermanentError, TemporaryError):
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - code of somebody else; it is told as a sentence
        reason = f"{definition.build} raised {type(error).__name__}."
        raise ConfigurationError((f"{words} {reason} Mend its package.",)) from None
    if not fits:
        told = f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
        reason = f"{definition.build} returned {told}, which is no {kind.__name__}."
        raise ConfigurationError((f"{words} {reason} Mend its package.",))
    return found


def missing_extras(targets: Iterable[Target], known: Definitions) -> tuple[str, ...]:
    """Imports what acts on these targets, and returns what must be installed first, as sentences.

    Raises ConfigurationError with everything that cannot be built for another reason.
    """
    missing: list[str] = []
    problems: list[str] = []
    for definition in _named(tuple(targets), known):
        try:
            builder(definition)
        except ExtraMissing as error:
            missing += error.problems
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(tuple(problems))
    return tuple(missing)


def _named(targets: Collection[Target], known: Definitions) -> Iterator[Definition[Any]]:
    executors = {target.executor.type for target in targets}
    checks = {check.type for target in targets for check in target.checks}
    yield from (each for each in known.executors if each.type in executors)
    yield from (each for each in known.checks if each.type in checks)


def _not_imported(definition: Definition[Any], error: BaseException) -> ConfigurationError:
    told = _told(error).removeprefix("ModuleNotFoundError: ").removeprefix("ImportError: ")
    words = f"Type `{definition.type}` cannot be built: {told}."
    if definition.extra is None or not isinstance(error, ImportError):
        return ConfigurationError((f"{words} Mend {definition.build.partition(':')[0]}.",))
    return ExtraMissing((f"{words} Run: pip install '{definition.extra}'",))
