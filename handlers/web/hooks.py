"""`POST /hooks/changes`: other programs tell what was done to a target without the bot.

Who does not know the token of a source is turned away before its body is read. What is heard at once is kept
in one transaction, and answered once it is stored.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from bot.canonical_json import digest
from bot.changes import asks_for_drill, is_significant
from bot.configuration import Configuration, Hook
from bot.configuration.values import resolve
from bot.errors import ConfigurationError
from bot.outside import OutsideChange
from bot.spelling import did_you_mean
from bot.times import is_of_the_future
from handlers.door.guard import NotAdmitted
from handlers.web.route_state import FRONT
from handlers.web.slack_events import BODY_READ_WITHIN_SECONDS, read_body
from storage.changes import ToldChange

log = structlog.get_logger()

AT_ONCE_CHANGES = 100  # of one request
WAITING_AT_MOST_CHANGES = 10_000  # told and not stored yet: the next one is asked to come again
AGAIN_AFTER_SECONDS = 5
OLDEST = timedelta(days=365)
SHORTEST_TOKEN = 20  # characters
DELIVERY_DIGITS = 40
PATHS_KEPT = 10  # of a change: a rule looks at all of them before
SOURCE = web.RequestKey("source", str)

# No control characters: a database may refuse them, and nobody can read them.
TEXT = r"^[^\x00-\x1f\x7f]*$"
Line = Annotated[str, Field(max_length=200, pattern=TEXT)]


class ChangeForm(BaseModel):
    """One change in the plain form."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    target: Annotated[str, Field(min_length=1, max_length=64)]
    kind: Annotated[str, Field(min_length=1, max_length=40, pattern=TEXT)]
    label: Line = ""
    author: Line = ""
    at: AwareDatetime | None = None
    id: Annotated[str, Field(min_length=1, max_length=100, pattern=TEXT)] | None = None
    paths: Annotated[tuple[Line, ...], Field(max_length=200)] = ()
    size: Annotated[int, Field(ge=0, le=2**53, strict=True)] | None = None


class BadForm(Exception):
    """Says that what was told cannot be kept; the message is one sentence for whoever sent it."""


# The gate --------------------------------------------------------------------------------------


async def told_by_a_source(request: web.Request) -> web.Response | None:
    """The gate: by its token, before anything of the body is read."""
    front = request.app[FRONT]
    configuration = front.context.configuration
    if not configuration.hooks:
        return web.Response(status=404)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    source = _source_of(configuration, token.strip() if scheme.lower() == "bearer" else "")
    if source is not None:
        request[SOURCE] = source
        return None
    front.context.metrics.turned_away.labels("401").inc()
    log.info("turned away", status=401, why="no token of a source")
    return _error(401, "This is no token of a source under `hooks`: send it as `Authorization: Bearer …`.")


def _source_of(configuration: Configuration, token: str) -> str | None:
    """Compares with all of them, each in the same time."""
    given = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
    found = None
    for name, known in tokens(configuration):
        if hmac.compare_digest(given, hashlib.sha256(known.encode()).digest()):
            found = name
    return found


def tokens(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Yields the sources with their tokens as they are now: one that was renewed counts at once."""
    for name, hook in configuration.hooks.items():
        try:
            token = resolve(hook.token, os.environ, configuration.path.parent).strip()
        except ConfigurationError as problem:
            log.warning("no token", source=name, error=str(problem))
            continue
        if len(token) >= SHORTEST_TOKEN:
            yield name, token
        else:
            log.warning("no token", source=name, error=f"it has under {SHORTEST_TOKEN} characters")


# What is told ----------------------------------------------------------------------------------


async def changes(request: web.Request) -> web.Response:
    front, source = request.app[FRONT], request[SOURCE]
    raw = await read_body(request, BODY_READ_WITHIN_SECONDS)
    if isinstance(raw, NotAdmitted):
        return _error(raw.status, f"Nothing was kept: the body {raw.why}.")
    configuration, now = front.context.configuration, front.context.clock()
    try:
        told = tuple(_heard(configuration, source, form, now) for form in _forms(raw))
    except BadForm as bad:
        return _error(400, str(bad))
    if front.inbox.waiting + len(told) > WAITING_AT_MOST_CHANGES:
        return _error(503, "Too much is told at once. Try again.", {"Retry-After": str(AGAIN_AFTER_SECONDS)})
    try:
        await front.inbox.take(told)
    except Exception as problem:  # noqa: BLE001 - whatever the reason, it is not stored
        log.warning("change not kept", source=source, error=type(problem).__name__)
        words = "Nothing was kept: the database does not answer. Try again."
        return _error(503, words, {"Retry-After": str(AGAIN_AFTER_SECONDS)})
    front.context.publish()
    return web.json_response({"heard": len(told)}, status=202)


def _forms(raw: bytes) -> tuple[ChangeForm, ...]:
    """Raises BadForm."""
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadForm("Nothing was kept: the body is no JSON.") from None
    said = said if isinstance(said, list) else [said]
    if not said or len(said) > AT_ONCE_CHANGES:
        raise BadForm(f"Nothing was kept: send one change, or a list of {AT_ONCE_CHANGES} at most.")
    try:
        return tuple(map(ChangeForm.model_validate, said))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        if not first["loc"]:
            raise BadForm(
                "Nothing was kept: each change has to be an object with `target` and `kind`."
            ) from None
        where = ".".join(map(str, first["loc"]))
        raise BadForm(f"Nothing was kept: `{where}`: {first['msg'].lower()}.") from None


def _heard(configuration: Configuration, source: str, form: ChangeForm, now: datetime) -> ToldChange:
    """Raises BadForm."""
    hook: Hook = configuration.hooks[source]
    if form.target not in configuration.targets:
        mean = did_you_mean(form.target, configuration.targets)
        raise BadForm(f"Nothing was kept: there is no target `{form.target}`.{mean}")
    if hook.targets and form.target not in hook.targets:
        raise BadForm(f"Nothing was kept: `{source}` may not tell of `{form.target}`.")
    try:
        at = form.at.astimezone(UTC) if form.at else now
    except OverflowError:
        raise BadForm("Nothing was kept: `at` is no time that there is.") from None
    if is_of_the_future(at, now):
        raise BadForm("Nothing was kept: `at` is in the future. Compare the clocks.")
    if at < now - OLDEST:
        raise BadForm("Nothing was kept: `at` is over a year ago.")
    told = OutsideChange(
        form.target, min(at, now), form.kind, form.label, form.author, source, form.paths, form.size
    )
    is_marked = is_significant(configuration, told)
    change = replace(told, significant=is_marked, paths=told.paths[:PATHS_KEPT])
    delivery = _delivery(source, form) if form.id else None
    return ToldChange(change, delivery, asks_for_drill(configuration, change))


def _delivery(source: str, form: ChangeForm) -> str:
    """Names what was delivered: under one id a source may tell of several things."""
    told = digest([form.id, form.target, form.kind, form.label])
    return f"hook:{source}:{told[:DELIVERY_DIGITS]}"


def _error(status: int, words: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": words}, status=status, headers=headers)
