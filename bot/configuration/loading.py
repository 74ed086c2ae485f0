"""From the file to a Configuration, or to every problem of it at once, each with its line."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.canonical_json import digest
from bot.configuration.definitions import Definitions, Fault, program_of, why_not_read
from bot.configuration.documents import UNREADABLE, document_of, json_schema, mended_document_of
from bot.configuration.lines import LARGEST_BYTES, Location, Problem, Sheet, read
from bot.configuration.rules import faults
from bot.configuration.sentences import IGNORED, sentence
from bot.configuration.settings import Configuration, Document, Rule, Target, TargetSettings
from bot.errors import ConfigurationError

# What takes the place of something unreadable, so that the rules still see the rest of the file.
IN_PLACE_OF_MISSING: Mapping[str, Any] = {
    "version": 1,
    "targets": {},
    "kind": "system",
    "executor": {"type": UNREADABLE},
    "name": "?",
    "phase": "restore",
}
IN_PLACE_OF_ITEM: Mapping[str, Any] = {
    "people": {"name": "?"},
    "checks": {"type": UNREADABLE},
    "steps": {"phase": "restore"},
}
NAMED = frozenset({"groups", "targets", "procedures"})
MENDED_AT_MOST_TIMES = 10  # each takes at least one level off, and nothing is deeper


def load(path: Path, definitions: Definitions) -> Configuration:
    """Raises ConfigurationError with every problem as `file:line: sentence`.

    A problem of the definitions is told alone: much of what the file names is unknown because of it.
    """
    if definitions.problems:
        raise ConfigurationError(definitions.problems)
    sheet = read(_bytes(path))
    if not isinstance(sheet.values, dict):
        words = "The file must hold settings, each as `name: value`. Start from rollback.example.yaml."
        raise _refusal(path, sheet.problems or [Problem(1, words)])
    errors = _errors(document_of(definitions), sheet.values, definitions)
    problems = [*sheet.problems, *_worded(sheet, errors, definitions)]
    sha = "" if errors else digest(sheet.values)
    broken = {_broken(sheet, error) for error in errors}
    document = _mended(sheet, errors, definitions)
    if document is None:
        raise _refusal(path, problems)
    configuration = _loaded(document, path, sha, definitions)
    problems += _judged(sheet, faults(configuration, definitions), broken)
    if problems:
        raise _refusal(path, problems)
    return configuration


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        words = f"The file cannot be read: {error.strerror}. Start from rollback.example.yaml."
        raise _refusal(path, [Problem(1, words)]) from None
    if len(data) > LARGEST_BYTES:
        raise _refusal(path, [Problem(1, "The file is larger than 1 MB. Is it the right one?")])
    return data


def _refusal(path: Path, problems: Iterable[Problem]) -> ConfigurationError:
    ordered = sorted(set(problems))
    return ConfigurationError(tuple(f"{path}:{each.line}: {each.words}" for each in ordered))


def _loaded(document: Document, path: Path, sha: str, definitions: Definitions) -> Configuration:
    rule = document.defaults.approval
    targets = {name: _target(name, each, rule, definitions) for name, each in document.targets.items()}
    named = {each.document for each in document.procedures.values() if each.document}
    read = {name: found for name in named if (found := _sha256(path.parent / name))}
    return Configuration(**{**dict(document), "targets": targets}, path=path, digest=sha, documents=read)


def _sha256(document: Path) -> str | None:
    """None: it is an address, or cannot be read. A pipe is not waited for."""
    try:
        return hashlib.sha256(document.read_bytes()).hexdigest() if document.is_file() else None
    except (OSError, ValueError):
        return None


def _target(name: str, settings: TargetSettings, default: Rule, definitions: Definitions) -> Target:
    """Leaves unset what is not written down: some settings mean more when somebody has said them."""
    said, rule = _said(settings), _said(settings.approval)
    executor = definitions.executor(settings.executor.type)
    look = program_of(executor, settings.executor) if executor else ""
    return Target(**{**said, "approval": default.model_copy(update=rule)}, name=name, look_yourself=look)


def _said(settings: BaseModel) -> dict[str, Any]:
    return {field: getattr(settings, field) for field in settings.model_fields_set}


# Problems --------------------------------------------------------------------------------------


def _errors(model: type[Document], values: Mapping[str, Any], definitions: Definitions) -> list[ErrorDetails]:
    try:
        _read(model, values, definitions)
    except ValidationError as error:
        return [each for each in error.errors(include_url=False) if each["type"] not in IGNORED]
    return []


def _read(model: type[Document], values: Mapping[str, Any], definitions: Definitions) -> Document:
    """Raises ValidationError, and ConfigurationError when a definition cannot even look at the file."""
    try:
        return model.model_validate(values, by_alias=True, by_name=False)
    except (ValidationError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - a validator of somebody else's; its words may hold a secret
        broken = tuple(dict.fromkeys(_unreadable(values, definitions)))
        words = f"The settings of a backend raised {type(error).__name__}. Update the package it comes from."
        raise ConfigurationError(broken or (words,)) from None


def _unreadable(values: Mapping[str, Any], definitions: Definitions) -> Iterator[str]:
    """Yields a sentence for each backend whose settings break, asked one by one."""
    targets = values.get("targets")
    for target in targets.values() if isinstance(targets, dict) else ():
        named = target if isinstance(target, dict) else {}
        checks = named.get("checks")
        written = [
            (definitions.executor, named.get("executor")),
            *((definitions.check, check) for check in (checks if isinstance(checks, list) else ())),
        ]
        for known, settings in written:
            definition = known(str(settings.get("type"))) if isinstance(settings, dict) else None
            if definition and (reason := why_not_read(definition, settings)):
                yield reason


def _worded(sheet: Sheet, errors: Iterable[ErrorDetails], definitions: Definitions) -> Iterator[Problem]:
    for error in errors:
        place = sheet.place(error["loc"])
        yield Problem(sheet.line(place), sentence(error, place, json_schema(definitions)))


def _judged(sheet: Sheet, found: Iterable[Fault], broken: Collection[Location]) -> Iterator[Problem]:
    """Yields what the rules say, except about things that a broken part stands above or below."""
    for fault in found:
        location = _written(sheet, fault.location)
        if not any(_starts(location, each) or _starts(each, location) for each in broken):
            yield Problem(sheet.line(location), fault.words)


def _written(sheet: Sheet, location: Location) -> Location:
    """Returns where a setting stands: what a target does not say of its approval, the defaults may."""
    match location:
        case ("targets", _, "approval", *rest) if location not in sheet.lines:
            inherited = ("defaults", "approval", *rest)
            return inherited if inherited in sheet.lines else location
    return location


def _broken(sheet: Sheet, error: ErrorDetails) -> Location:
    """Returns what an error is about: a place in the file, or the place where something is missing."""
    if error["type"] == "missing":
        return (*sheet.place(error["loc"][:-1]), error["loc"][-1])
    return sheet.place(error["loc"])


def _starts(location: Location, beginning: Location) -> bool:
    return location[: len(beginning)] == beginning


# Mending ---------------------------------------------------------------------------------------


def _mended(sheet: Sheet, errors: list[ErrorDetails], definitions: Definitions) -> Document | None:
    """The document without what is broken. Changes the sheet's values. None: too broken to go on."""
    model = mended_document_of(definitions) if errors else document_of(definitions)
    for _ in range(MENDED_AT_MOST_TIMES):
        if not errors:
            return _read(model, sheet.values, definitions)
        for error in errors:
            _mend(sheet.values, _broken(sheet, error), error["type"] == "missing")
        errors = _errors(model, sheet.values, definitions)
    return None


def _mend(values: Any, place: Location, missing: bool) -> None:
    if missing and place[-1] not in IN_PLACE_OF_MISSING:
        place, missing = place[:-1], False  # nothing can stand in: the whole around it goes
    *above, last = place
    holder = _at(values, above)
    match holder:
        case dict() if missing:
            holder[last] = deepcopy(IN_PLACE_OF_MISSING[str(last)])
        case dict() if len(place) == 2 and above[0] in NAMED:
            holder[last] = {}
        case dict():
            holder.pop(last, None)
        case list() if isinstance(last, int):
            holder[last] = deepcopy(IN_PLACE_OF_ITEM.get(str(above[-1]), "?"))


def _at(values: Any, place: Iterable[str | int]) -> Any:
    """None when it was taken out already, with something around it."""
    for part in place:
        match values:
            case dict():
                values = values.get(part)
            case list() if isinstance(part, int):
                values = values[part]
            case _:
                return None
    return values
