import hmac
import json
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.door.guard import (
    AGE_AT_MOST_SECONDS,
    BODY_AT_MOST_BYTES,
    DEPTH_AT_MOST_LEVELS,
    Admitted,
    NotAdmitted,
    admit,
    self_test,
    why_unreadable,
)

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"  # the one of Slack's own example
NOW = 1_531_420_618.0
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def signed(raw: bytes, at: float = NOW, secret: str = SECRET) -> dict[str, str]:
    """As Slack's documentation says, written without the guard's own help."""
    stamp = str(int(at))
    mac = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + raw, sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mac}"}


def sent(raw: bytes, content_type: str = FORM) -> Admitted | NotAdmitted:
    """Signed by Slack just now."""
    return admit({**signed(raw), "Content-Type": content_type}, raw, SECRET, NOW)


def status(answer: Admitted | NotAdmitted) -> int:
    return answer.status if isinstance(answer, NotAdmitted) else 200


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


# Signatures ------------------------------------------------------------------------------------


def test_the_example_of_slacks_documentation_is_admitted() -> None:
    raw = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZ"
        b"RskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    mac = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    headers = {"X-Slack-Request-Timestamp": "1531420618", "X-Slack-Signature": mac, "Content-Type": FORM}
    answer = admit(headers, raw, SECRET, NOW)
    assert isinstance(answer, Admitted)
    assert answer.payload["command"] == "/webhook-collect"


@pytest.mark.parametrize("late", [-AGE_AT_MOST_SECONDS - 1, AGE_AT_MOST_SECONDS + 1])
def test_a_request_from_another_time_is_refused(late: int) -> None:
    raw = b"command=%2Frollback"
    assert status(admit(signed(raw, NOW + late), raw, SECRET, NOW)) == 401


def test_a_request_signed_with_another_secret_is_refused() -> None:
    raw = b"command=%2Frollback"
    assert status(admit(signed(raw, secret="another"), raw, SECRET, NOW)) == 401


def test_a_byte_more_than_was_signed_is_refused() -> None:
    assert status(admit(signed(b"command=a"), b"command=ab", SECRET, NOW)) == 401


def test_what_is_too_large_is_refused_before_anything_is_computed() -> None:
    assert status(admit({}, b"x" * (BODY_AT_MOST_BYTES + 1), SECRET, NOW)) == 413


def test_the_guard_trusts_itself() -> None:
    assert self_test(NOW) is None


# Bodies ----------------------------------------------------------------------------------------


def test_a_command_whose_text_says_payload_is_a_command() -> None:
    fields = {"command": "/rollback", "text": "payload-api to v41", "payload": '{"type": "x"}'}
    answer = sent(urlencode(fields).encode())
    assert isinstance(answer, Admitted)
    assert answer.payload == fields


def test_an_interaction_is_what_its_payload_says() -> None:
    answer = sent(urlencode({"payload": '{"type": "block_actions"}'}).encode())
    assert isinstance(answer, Admitted)
    assert answer.payload == {"type": "block_actions"}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        "1",
        '"x"',
        "",
        "{",
        "{'a': 1}",
        "\ufeff{}",
        '{"a": 1} x',
        "[" * 100_000,
        '{"a":' * 50_000,
    ],
)
def test_json_that_is_no_payload_is_refused(text: str) -> None:
    assert status(sent(text.encode(), JSON)) == 400
    assert status(sent(urlencode({"payload": text}).encode())) == 400


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "1e999", "9" * 5_000, r'"\ud800"', r'"\udc00x"', r'{"\ud800": 1}']
)
def test_what_could_not_be_stored_is_refused(value: str) -> None:
    assert status(sent(f'{{"a": {value}}}'.encode(), JSON)) == 400


def test_a_whole_character_in_two_halves_is_a_character() -> None:
    answer = sent(rb'{"a": "\ud83d\ude80"}', JSON)
    assert isinstance(answer, Admitted)
    assert answer.payload == {"a": "🚀"}


def test_depth_has_a_limit() -> None:
    assert status(sent(json.dumps(nested(DEPTH_AT_MOST_LEVELS - 1)).encode(), JSON)) == 200
    assert status(sent(json.dumps(nested(DEPTH_AT_MOST_LEVELS + 1)).encode(), JSON)) == 400


def test_too_many_fields_are_refused() -> None:
    assert status(sent(b"&".join(b"a=%d" % n for n in range(300)))) == 400


def test_bytes_that_are_no_text_are_refused() -> None:
    assert status(sent(b"command=\xff\xfe")) == 400


# Garbage ---------------------------------------------------------------------------------------

names = st.sampled_from(["X-Slack-Request-Timestamp", "X-Slack-Signature", "Content-Type", "Host"])
stamps = st.one_of(st.text(), st.integers().map(str), st.just(str(int(NOW))))
values = st.one_of(st.text(), stamps, st.sampled_from([FORM, JSON, "v0=", "v0=00"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=30,
)


@settings(max_examples=300)
@given(st.dictionaries(names, values), st.binary(max_size=300))
def test_unsigned_garbage_is_turned_away_and_never_an_error(headers: dict[str, str], raw: bytes) -> None:
    assert status(admit(headers, raw, SECRET, NOW)) == 401


@settings(max_examples=300)
@given(
    st.binary(max_size=300), st.sampled_from([FORM, JSON, "", "text/plain", "application/json; charset=x"])
)
def test_signed_garbage_is_read_or_refused_and_never_an_error(raw: bytes, content_type: str) -> None:
    assert status(sent(raw, content_type)) in {200, 400}


@settings(max_examples=300)
@given(json_values, st.booleans())
def test_signed_json_of_any_shape_is_a_storable_mapping_or_refused(value: Any, as_form: bool) -> None:
    text = json.dumps(value)
    raw = urlencode({"payload": text}).encode() if as_form else text.encode()
    answer = sent(raw, FORM if as_form else JSON)
    if isinstance(answer, Admitted):
        json.dumps(answer.payload, ensure_ascii=False, allow_nan=False).encode()
        assert isinstance(answer.payload, dict)
    else:
        assert answer.status == 400


def test_half_a_character_is_refused() -> None:
    """JSON can write a lone surrogate, but nothing that is stored or hashed can hold it."""
    assert why_unreadable({"a": ["fine \U0001f600"]}) is None
    assert why_unreadable({"a": [{"b": "\ud83d"}]}) == "holds half a character"
    assert why_unreadable({"\udc00": 1}) == "holds half a character"
