from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.door.shapes import why_misshapen

Payload = dict[str, Any]
TEAM = {"team": {"id": "T01", "domain": "x"}, "enterprise": None, "api_app_id": "A01"}
COMMAND: Payload = {
    "command": "/rollback",
    "team_id": "T01",
    "user_id": "U01ANA",
    "channel_id": "C01INC",
    "trigger_id": "1.2",
    "text": "",
}
VIEW: Payload = {
    "id": "V01",
    "type": "modal",
    "hash": "1.a",
    "callback_id": "start_rollback",
    "private_metadata": "",
    "state": {
        "values": {
            "b": {"reason": {"type": "plain_text_input", "value": None}, "point": {"selected_option": None}}
        }
    },
}
PRESS: Payload = {
    **TEAM,
    "type": "block_actions",
    "user": {"id": "U01BEN", "name": "ben"},
    "trigger_id": "1.2",
    "container": {"type": "message", "channel_id": "C01INC"},
    "channel": {"id": "C01INC", "name": "inc"},
    "actions": [{"action_id": "approve", "block_id": "acts", "value": "k.d", "action_ts": "1.3"}],
}
CHOICE: Payload = {
    **TEAM,
    "type": "block_actions",
    "user": {"id": "U01ANA"},
    "trigger_id": "1.2",
    "container": {"type": "view", "view_id": "V01"},
    "view": VIEW,
    "actions": [{"action_id": "target", "block_id": "b", "selected_option": {"value": "shop"}}],
}
SUBMISSION: Payload = {**TEAM, "type": "view_submission", "user": {"id": "U01ANA"}, "view": VIEW}
SHORTCUT: Payload = {
    **TEAM,
    "type": "message_action",
    "callback_id": "rollback_shortcut",
    "trigger_id": "1.2",
    "user": {"id": "U01ANA"},
    "channel": {"id": "C01INC"},
    "message": {"ts": "1.1"},
}
MENTION: Payload = {
    "type": "event_callback",
    "team_id": "T01",
    "event_id": "Ev1",
    "event": {
        "type": "app_mention",
        "user": "U01ANA",
        "channel": "C01INC",
        "text": "<@B> status",
        "ts": "1.1",
    },
}
OTHER: Payload = {**MENTION, "event": {"type": "tokens_revoked", "tokens": {}}}
WELL = [COMMAND, PRESS, CHOICE, SUBMISSION, SHORTCUT, MENTION, OTHER]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def changed(payload: Payload, *path: str | int, to: object) -> Payload:
    made = deepcopy(payload)
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return made


@pytest.mark.parametrize("payload", WELL, ids=lambda p: p.get("command") or p["type"])
def test_what_slack_sends_is_let_through(payload: Payload) -> None:
    assert why_misshapen(payload) is None


@pytest.mark.parametrize("payload", WELL, ids=lambda p: p.get("command") or p["type"])
def test_what_slack_adds_next_year_is_let_through(payload: Payload) -> None:
    assert why_misshapen({**payload, "new": [1]}) is None


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (changed(COMMAND, "text", to=5), "text"),
        (changed(COMMAND, "user_id", to="<@U01>"), "user_id"),
        (changed(COMMAND, "user_id", to="U" * 33), "user_id"),
        (changed(COMMAND, "api_app_id", to=[]), "api_app_id"),
        (changed(PRESS, "user", to=None), "user"),
        (changed(PRESS, "actions", to=[]), "actions"),
        (changed(PRESS, "actions", 0, "action_id", to=None), "actions.0.action_id"),
        (changed(PRESS, "container", to="x"), "container"),
        (changed(CHOICE, "view", to=None), "view"),
        (changed(SUBMISSION, "view", "state", to=None), "view.state"),
        (changed(SUBMISSION, "view", "state", "values", "b", to=[]), "view.state.values.b"),
        (changed(SHORTCUT, "message", to={}), "message.ts"),
        (changed(MENTION, "event", to="app_mention"), "event"),
        (changed(MENTION, "event", "user", to={"id": "U01"}), "user"),
    ],
)
def test_what_a_listener_could_not_rely_on_is_named(payload: Payload, said: str) -> None:
    assert (why_misshapen(payload) or "").startswith(f"{said}: ")


@pytest.mark.parametrize("kind", [None, 5, [], {}, "block_suggestion", "hello"])
def test_what_nobody_answers_is_refused(kind: object) -> None:
    assert why_misshapen({**TEAM, "type": kind}) == "of no type that is answered here"


@given(st.sampled_from(WELL), st.data())
def test_any_value_in_any_place_gets_an_answer(payload: Payload, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(payload)))
    assert isinstance(why_misshapen({**payload, field: data.draw(json_values)}), str | None)
