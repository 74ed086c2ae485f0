"""The whole file as a model, made from the definitions: they say which executors and checks there are."""

import operator
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from bot.configuration.definitions import Definitions
from bot.configuration.settings import CheckSettings, Document, ExecutorSettings, TargetSettings
from bot.configuration.values import Settings

UNREADABLE = "?"  # the type of what takes the place of an executor or a check that cannot be read


class UnreadableExecutor(ExecutorSettings):
    type: Literal["?"]


class UnreadableCheck(CheckSettings):
    type: Literal["?"]


@cache
def document_of(definitions: Definitions) -> type[Document]:
    """Returns the model of the file with all these types."""
    return _document(
        [each.settings for each in definitions.executors], [each.settings for each in definitions.checks]
    )


@cache
def mended_document_of(definitions: Definitions) -> type[Document]:
    """Returns the model that also takes what stands in for something unreadable."""
    return _document(
        [UnreadableExecutor, *(each.settings for each in definitions.executors)],
        [UnreadableCheck, *(each.settings for each in definitions.checks)],
    )


@cache
def json_schema(definitions: Definitions) -> dict[str, Any]:
    """Returns a JSON Schema 2020-12 for editors: every setting with its type, default and description."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document_of(definitions).model_json_schema(by_alias=True),
        "title": "rollback.yaml",
    }


def why_not_in_a_document(settings: type[Settings]) -> str | None:
    """Returns why no file can hold such settings, as the end of a sentence. Tries it: only pydantic knows."""
    executors: list[type[ExecutorSettings]] = [UnreadableExecutor]
    checks: list[type[CheckSettings]] = [UnreadableCheck]
    if issubclass(settings, ExecutorSettings):
        executors.append(settings)
    if issubclass(settings, CheckSettings):
        checks.append(settings)
    try:
        model = _document(executors, checks)
        model.model_rebuild(force=True)
        model.model_json_schema(by_alias=True)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - code of somebody else; it is told as a sentence
        return f"has settings that no file can hold: pydantic raises {type(error).__name__}"
    return None


def _document(
    executors: Sequence[type[ExecutorSettings]], checks: Sequence[type[CheckSettings]]
) -> type[Document]:
    executor, check = _one_of(executors), _one_of(checks)
    target = create_model(
        "TargetSettings",
        __base__=TargetSettings,
        __doc__=TargetSettings.__doc__,
        executor=(executor, ...),
        checks=(_several(check), ()),
    )
    targets = Document.model_fields["targets"]
    return create_model(
        "Document", __base__=Document, __doc__=Document.__doc__, targets=(Mapping[str, target], targets)
    )


def _several(item: Any) -> Any:
    return tuple[item, ...]


def _one_of(models: Sequence[type[Settings]]) -> Any:
    """Returns the union that is told apart by `type`."""
    return Annotated[reduce(operator.or_, models), Field(discriminator="type")]
