"""After authentication: what somebody could send who holds the signing secret, or is in our own workspace.

Every payload that the pretend Slack really made in a story is bent: by a guest, who may nothing, in any way;
by entitled people with a forged essential (another workspace, another app, a button's value that is on no
card of ours or was drawn for another state, another channel, a form's metadata). The real bot answers them,
and whatever they say: nothing runs, nobody's word is counted, nothing is an error of ours.
"""

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from structlog.testing import capture_logs

from handlers.cli.logs import is_bad_http
from handlers.door.deliver import Door
from handlers.web.route_state import FRONT
from storage.tables import run_events, runs
from tests.handlers.world import STANDARD, World
from tests.hostile.result import Result
from tests.hostile.texts import any_text, any_value
from tests.people import CHANNEL, PEOPLE

Payload = dict[str, Any]
SLACK_WAITS = 3.0  # seconds
LOOKED_AT_EVERY = 200  # requests; then what is stored is compared
GUEST, BEN = PEOPLE["guest"], PEOPLE["ben"]
WAITING = (  # for its approval, longer than the longest campaign takes
    STANDARD.replace("from: [managers]", "from: [managers], expires: 23h")
    + """  vault:
    kind: system
    risk: critical
    requesters: [responders]
    loss: {{declared: none, by: vault, because: stateless}}
    executor: *ctl
  stock:
    kind: system
    loss: {{declared: none, by: stock, because: stateless}}
    executor: *ctl
"""
)
FORGED_VALUES = ("", ".", "RB-1", "0" * 12, "0" * 12 + "." + "0" * 10, "../x.y", "%.%", "x" * 3_000)
FORGED_METADATA = ("", "{", "[]", "null", '{"press": "approve"}', '{"press": "reboot", "value": "a.b"}')
SAID_ON_PURPOSE = {"uninstalled"}  # the only error that an event from Slack may log


async def run(
    n: int,
    seed: int,
    folder: Path,
    template: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Result:
    """`folder`: an empty one, for the world. `template`: an empty database, which saves making one."""
    world = World(folder, mode="http")
    await world.open(WAITING, template)
    try:
        return await _run(world, n, seed, progress)
    finally:
        await world.close()


async def _run(world: World, n: int, seed: int, progress: Callable[[int], None]) -> Result:
    result, chance = Result("after authentication", seed), random.Random(seed)
    samples = await story(world)
    door, before = world.bot.runner.app[FRONT].door, await _decided(world)
    began = time.perf_counter()
    for done in range(0, n, LOOKED_AT_EVERY):
        with errors() as found:
            for _ in range(min(LOOKED_AT_EVERY, n - done)):
                await _try(door, make(chance, samples), result)
            await world.front.context.background.drain(SLACK_WAITS)
        for error in found:
            result.violation(f"logged: {error}")
        if (after := await _decided(world)) != before:
            result.violation(f"moved: {before} to {after}, in the {LOOKED_AT_EVERY} before {done}")
            before = after
        if world.backend.effects:
            result.violation(f"had effects: {world.backend.effects}")
        progress(done)
    result.seconds = time.perf_counter() - began
    return result


async def _try(door: Door, payload: Payload, result: Result) -> None:
    began = time.perf_counter()
    try:
        answer = str((await door.deliver(payload)).status)
    except Exception as problem:  # noqa: BLE001 - the property: no payload is an error of ours
        answer = f"raised {problem!r}"
    after = time.perf_counter() - began
    result.answered(answer, after)
    if answer >= "500" or after > SLACK_WAITS:
        result.violation(f"{answer} after {after:.1f} s for {json.dumps(payload)}")


async def _decided(world: World) -> tuple[int, int]:
    """How many runs there are, and how many words of people are kept about them."""
    async with world.store.database.read() as connection:
        people = select(func.count()).select_from(run_events).where(run_events.c.by != "")
        count = select(func.count()).select_from(runs)
        return int(await connection.scalar(count) or 0), int(await connection.scalar(people) or 0)


@contextmanager
def errors() -> Iterator[list[str]]:
    """Every error and traceback that is logged meanwhile, by us or by a library."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not is_bad_http(record):
                found.append(
                    f"{record.name}: {record.getMessage()} {record.exc_info and record.exc_info[1]!r}"
                )

    handler = Keep(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        with capture_logs() as events:
            yield found
    finally:
        logging.getLogger().removeHandler(handler)
    found.extend(
        str(event)
        for event in events
        if (event["log_level"] == "error" or event.get("exc_info")) and event["event"] not in SAID_ON_PURPOSE
    )


# What Slack really sends -----------------------------------------------------------------------


async def story(world: World) -> Sequence[Payload]:
    """Everything that people can do on every surface, and two runs that still wait for their approvals."""
    world.workspace.add_usergroup("S01", "group", [BEN])
    await world.asks("ana", "shop to v41 because totals are broken")
    for label in ("Approve and start", "Reject", "Cancel", "Details"):
        await world.clicks("guest", label)
    await world.says("ana", "vault to v41 because totals are broken")
    await world.shows("vault")
    await world.reaches("awaiting_approval")
    world.later(seconds=2)
    await world.slack.shortcut(PEOPLE["ana"], world.card_message(), "rollback_shortcut")
    await world.slack.shortcut(PEOPLE["ana"], None, "rollback_shortcut")
    await world.says("ana", "shop")
    await world.sees_modal("ana", "v41")
    await world.slack.click(PEOPLE["ana"], world.modal("ana"), "point", selected_option=_option(world))
    await world.fills_in("ana", reason="totals are broken")
    await world.clicks("ben", "Approve and start")
    await world.sees_modal("ben", "first four")
    await world.fills_in("ben", plan_code="none")
    for text in ("status", "points shop", "stock to v40", "cancel RB-1", "undo RB-1", "history shop", "help"):
        await world.says("guest", text)
    await world.slack.say(GUEST, CHANNEL, "@rollback stock to v41 because it is broken")
    await world.slack.open_home(GUEST)
    await world.slack.change_group("S01", [])
    await world.front.context.background.drain(SLACK_WAITS)
    return [deepcopy(delivered.payload) for delivered in world.slack.delivery.log]


def _option(world: World) -> Payload:
    for block in world.modal("ana").blocks:
        element = block.get("element") or block.get("accessory") or {}
        if element.get("action_id") == "point":
            option: Payload = element["options"][0]
            return option
    raise AssertionError("the form offers no point")


# Bending it ------------------------------------------------------------------------------------


def make(chance: random.Random, samples: Sequence[Payload]) -> Payload:
    sample = chance.choice(samples)
    if chance.random() < 0.6:
        return bent(chance, _by(GUEST, sample))
    entitled = _by(BEN, sample)
    return chance.choice(_FORGERIES)(chance, bent(chance, entitled) if chance.random() < 0.3 else entitled)


def bent(chance: random.Random, payload: Payload) -> Payload:
    """In one to three places: another value, another type, missing, twice as much."""
    made = deepcopy(payload)
    for _ in range(chance.randrange(1, 4)):
        places = list(_places(made))
        place, key = chance.choice(places)
        kind = chance.randrange(10)
        if kind == 0:
            del place[key]
        elif kind == 1 and isinstance(place[key], list):
            place[key] = place[key] * 300
        elif kind == 2 and isinstance(place, dict):
            place[any_text(chance)] = any_value(chance)
        else:
            place[key] = any_text(chance) if isinstance(place[key], str) and kind < 8 else any_value(chance)
        if not made:
            return {}
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    for key, inner in tuple(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _by(person: str, payload: Payload) -> Payload:
    text = json.dumps(payload)
    for user in PEOPLE.values():
        text = text.replace(f'"{user}"', f'"{person}"')
    made: Payload = json.loads(text)
    return made


def _other_team(chance: random.Random, payload: Payload) -> Payload:
    other = chance.choice(("T99EVIL", any_text(chance), None, 5))
    return {**payload, "team_id": other, "team": {"id": other}, "enterprise": {"id": other}}


def _other_app(chance: random.Random, payload: Payload) -> Payload:
    return {**payload, "api_app_id": chance.choice(("A99EVIL", "", " ", "a" * 3_000))}


def _other_value(chance: random.Random, payload: Payload) -> Payload:
    """A button of no card of ours, or of ours as it never stood there."""
    try:
        value = str(payload["actions"][0]["value"])
        key, _, draw = value.partition(".")
        forged = (
            *FORGED_VALUES,
            any_text(chance),
            f"{key}.",
            f"{key}.{draw[::-1]}x",
            f".{draw}",
            f"{key}x.{draw}",
        )
        payload["actions"] = [{**payload["actions"][0], "value": chance.choice(forged)}]
    except (KeyError, IndexError, TypeError):
        return _other_team(chance, payload)
    return payload


def _other_channel(chance: random.Random, payload: Payload) -> Payload:
    """The card's own button, pressed where the card does not stand."""
    if payload.get("type") != "block_actions" or "view" in payload:
        return _other_app(chance, payload)
    other = chance.choice(("C99EVIL", any_text(chance)))
    return {**payload, "container": {"type": "message", "channel_id": other}, "channel": {"id": other}}


def _other_form(chance: random.Random, payload: Payload) -> Payload:
    view = payload.get("view")
    if payload.get("type") != "view_submission" or not isinstance(view, dict):
        return _other_value(chance, payload)
    metadata = chance.choice((*FORGED_METADATA, json.dumps({"press": "approve", "value": any_text(chance)})))
    return {**payload, "view": {**view, "id": "V99EVIL", "private_metadata": metadata}}


_FORGERIES = (_other_team, _other_app, _other_value, _other_channel, _other_form)


def main(n: int, seed: int, folder: Path, progress: Callable[[int], None]) -> Result:
    return asyncio.run(run(n, seed, folder, progress=progress))
