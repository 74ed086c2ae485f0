"""What is secret is taken out of the output of a program before any of it is on the disk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.programs.supervisor import Strike, printed_id

SECRETS = ["canary-7f3a91", "canary-7f3a91-long", "7f3a91"]


def through(strike: Strike, chunks: list[bytes]) -> bytes:
    return b"".join(map(strike.passed, chunks)) + strike.rest()


def cut(text: bytes, at: list[int]) -> list[bytes]:
    """Returns the text in pieces that end at these places."""
    ends = sorted({min(place, len(text)) for place in at} | {len(text)})
    return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@given(at=st.lists(st.integers(0, 80)))
def test_a_secret_is_struck_wherever_it_is_cut(at: list[int]) -> None:
    said = b"with canary-7f3a91, canary-7f3a91-long and canary-7f3b\nand 7f3a91, the end: cana"
    told = b"with ***, *** and canary-7f3b\nand ***, the end: cana"
    assert through(Strike(SECRETS), cut(said, at)) == told


def test_most_of_a_secret_at_the_end_is_struck_as_well() -> None:
    assert through(Strike(SECRETS), [b"stopped at canary-7f3a9"]) == b"stopped at ***"


def test_a_secret_may_hold_any_bytes() -> None:
    assert through(Strike(["pass\udcffword"]), [b"with pass\xff", b"word"]) == b"with ***"


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        (b'done\n{"id": "orders_copy"}\nprogress 2/2\n\n', "orders_copy"),
        (b'{"id": "orders_copy"}\ndone\n', None),
        (b'{"id": 7}\n', None),
        (b'{"id": "\\ud800"}\n', None),
        (b"[" * 4_000, None),
        (b"", None),
    ],
    ids=["last", "not last", "number", "no text", "deep", "nothing"],
)
def test_the_id_in_the_last_line_is_kept_as_it_was_printed(printed: bytes, found: str | None) -> None:
    assert printed_id(printed) == found


def test_what_begins_no_secret_is_written_at_once() -> None:
    assert Strike(SECRETS).passed(b"progress 1/2 steps\n") == b"progress 1/2 steps\n"


@pytest.mark.parametrize("chunk", [b"canary", b"\xff\xfe", b""])
def test_without_secrets_everything_passes(chunk: bytes) -> None:
    assert Strike([]).passed(chunk) == chunk
