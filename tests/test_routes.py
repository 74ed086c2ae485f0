"""The route table: whatever can be reached has an entry that says by whom, or it can not be reached."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer
from slack_bolt.app.async_app import AsyncApp

from bot import commands
from bot.model import Person
from bot.presses import PRESSES
from bot.spelling import Misunderstood
from handlers.access import FROM_A_SHELL, FROM_SLACK, OpenTo, way_of, why_not
from handlers.cli.app import app as program
from handlers.context import Context
from handlers.slack.command import ANSWERS
from handlers.slack.listeners import listen
from handlers.web.app import GATES, ROUTES
from tests.handlers.conftest import open_world
from tests.handlers.door.test_shapes import COMMAND, MENTION, PRESS, SHORTCUT, SUBMISSION, TEAM
from tests.handlers.world import World
from tests.people import CHANNEL, PEOPLE

__all__ = ["open_world"]
ANA = Person("U01ANA", "Ana", "Ana")
GUEST = Person("U01GUEST", "Guest", "Guest", barred="guests may neither ask nor approve")


class _Ears:
    """Keeps what `listen` listens to, by the name of Bolt's method."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __getattr__(self, method: str) -> Any:
        def listen_to(what: str) -> Any:
            self.heard.append("command" if method == "command" else f"{method} {what}")
            return lambda listener: listener

        return listen_to


def listened_to() -> list[str]:
    ears = _Ears()
    configuration = SimpleNamespace(command="/rollback")
    listen(cast(AsyncApp, ears), cast(Context, SimpleNamespace(configuration=configuration)))
    return ears.heard


def verbs(of: Any, *before: str) -> list[str]:
    """Every command that can be typed, by the real program's own tree."""
    if not hasattr(of, "commands"):
        return [" ".join(before)]
    return [verb for name, inner in of.commands.items() for verb in verbs(inner, *before, name)]


def helps(of: Any) -> Iterator[str]:
    """Yields what the program's help says about each command, argument and option."""
    yield of.help or ""
    yield from (each.help or "" for each in of.params if hasattr(each, "help"))
    for inner in getattr(of, "commands", {}).values():
        yield from helps(inner)


def test_no_sentence_of_the_help_begins_like_a_riddle() -> None:
    riddle = re.compile(r"(?:^|[.:] )(?:Of|What|Whose|Whoever|\d+:)\b.*")
    assert [said for said in helps(typer.main.get_command(program)) if riddle.search(said)] == []


def test_whatever_is_listened_to_in_slack_has_a_rule_and_nothing_else_has() -> None:
    assert sorted(listened_to()) == sorted(FROM_SLACK)


def test_every_command_that_can_be_typed_in_slack_has_a_rule() -> None:
    assert set(ANSWERS) == {*(verb.yields for verb in commands.VERBS), Misunderstood}


def example(usage: str) -> str:
    """A command as somebody types it who follows this row of the help."""
    needed = usage.partition(" [")[0]
    first = " ".join(words.split("|")[0] for words in needed.split())
    return (
        first.replace("TARGET", "shop")
        .replace("RUN", "RB-1")
        .replace("REASON", "I looked")
        .replace("DATE", "2026-09-30")
    )


def test_every_row_of_the_help_is_read_as_the_command_that_it_belongs_to() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    for verb in commands.VERBS:
        for row in verb.help:
            asked = commands.parse(example(row.typed), ["shop"], now, "UTC")
            assert type(asked) is verb.yields, row.typed


def test_every_command_that_is_another_way_to_a_press_names_one() -> None:
    assert {verb.press for verb in commands.VERBS} - {None} <= set(PRESSES)


def test_every_press_has_a_right() -> None:
    assert all(press.right.roles and press.right.states for press in PRESSES.values())


def test_every_verb_of_the_command_line_has_a_rule_and_nothing_else_has() -> None:
    assert sorted(verbs(typer.main.get_command(program))) == sorted(FROM_A_SHELL)


def test_every_route_of_the_pages_has_a_gate() -> None:
    assert {route.audience for route in ROUTES} <= set(GATES)


@pytest.mark.parametrize(
    ("payload", "way"),
    [
        (COMMAND, "command"),
        (PRESS, "action approve"),
        (SUBMISSION, "view start_rollback"),
        (SHORTCUT, "message_shortcut rollback_shortcut"),
        (MENTION, "event app_mention"),
        ({**SHORTCUT, "type": "shortcut"}, "shortcut"),
        ({**SUBMISSION, "type": "view_closed"}, "view_closed"),
    ],
)
def test_each_payload_has_the_name_of_its_way(payload: dict[str, Any], way: str) -> None:
    assert way_of(payload) == way


@pytest.mark.parametrize("rule", OpenTo)
def test_a_way_that_is_not_in_the_table_is_closed_and_the_others_are_not(rule: OpenTo) -> None:
    assert why_not(None, ANA) is not None
    assert why_not(rule, ANA) is None


def test_what_is_for_members_is_closed_to_guests() -> None:
    assert why_not(OpenTo.MEMBER, GUEST) == "You cannot read this: guests may neither ask nor approve."


# At the door -----------------------------------------------------------------------------------


async def test_what_is_not_in_the_table_reaches_no_listener(open_world: Any) -> None:
    world: World = await open_world()
    team = {"team": {"id": world.workspace.app.team_id}, "api_app_id": world.workspace.app.id}
    for odd in (
        {**PRESS, **team, "actions": [{"action_id": "reboot"}]},
        {**SUBMISSION, **team, "view": {"id": "V1", "type": "modal", "hash": "1", "callback_id": "reboot"}},
        {**SHORTCUT, **team, "type": "shortcut"},
        {**MENTION, **team, "team_id": world.workspace.app.team_id, "event": {"type": "message"}},
    ):
        answer = await world.front.door.deliver({**TEAM, **odd})
        assert (answer.status, answer.body) == (404, "no such way in")


async def test_a_guest_reads_nothing_by_typing(open_world: Any) -> None:
    world: World = await open_world()
    for text in ("points shop", "targets", "status", "history", ""):
        assert "You cannot read this: guests" in ((await world.says("guest", text)).text or "")
    assert "because REASON" in str(await world.slack.slash(PEOPLE["guest"], CHANNEL, "help"))
