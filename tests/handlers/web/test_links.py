from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.keys import signer_at
from handlers.web.links import GOOD_FOR, Links, links_from

NOW = datetime(2026, 11, 22, 3, 20, tzinfo=UTC)
LINKS = Links(b"k" * 32)


def query_of(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query))


def test_a_link_leads_to_its_page() -> None:
    assert urlsplit(LINKS.make("/runs/RB-42", "U01BEN", NOW)).path == "/runs/RB-42"


def test_a_link_is_good_for_the_person_it_was_made_for() -> None:
    assert LINKS.why_not("/runs/RB-42", query_of(LINKS.make("/runs/RB-42", "U01BEN", NOW)), NOW) is None


def test_a_link_is_over_after_15_minutes() -> None:
    query = query_of(LINKS.make("/runs/RB-42", "U01BEN", NOW))
    assert LINKS.why_not("/runs/RB-42", query, NOW + GOOD_FOR - timedelta(seconds=1)) is None
    assert LINKS.why_not("/runs/RB-42", query, NOW + GOOD_FOR) == "the link is over"


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/runs/RB-43", {}),
        ("/drills", {}),
        ("/runs", {}),
        ("/runs/RB-42", {"person": "U01CY"}),
        ("/runs/RB-42", {"until": "4102444800"}),
        ("/runs/RB-42", {"until": "soon"}),
        ("/runs/RB-42", {"until": "\u0662\u0662"}),  # digits, though not ours
        ("/runs/RB-42", {"proof": ""}),
        ("/runs/RB-42", {"proof": "0" * 64}),
    ],
)
def test_a_link_that_was_changed_is_none_of_ours(path: str, change: dict[str, str]) -> None:
    query = {**query_of(LINKS.make("/runs/RB-42", "U01BEN", NOW)), **change}
    assert LINKS.why_not(path, query, NOW) == "the link is not one of ours"


def test_a_link_of_another_installation_is_none_of_ours() -> None:
    query = query_of(Links(b"x" * 32).make("/runs/RB-42", "U01BEN", NOW))
    assert LINKS.why_not("/runs/RB-42", query, NOW) == "the link is not one of ours"


@given(st.dictionaries(st.sampled_from(["person", "until", "proof", "other"]), st.text()))
def test_whatever_stands_in_a_query_is_refused_quietly(query: dict[str, str]) -> None:
    assert LINKS.why_not("/runs/RB-42", query, NOW) == "the link is not one of ours"


def test_the_key_comes_from_the_front_key_so_that_links_outlive_a_restart(tmp_path: Path) -> None:
    signer_at(tmp_path / "front.key")
    signer_at(tmp_path / "other.key")
    link = links_from(tmp_path / "front.key").make("/runs/RB-42", "U01BEN", NOW)
    assert links_from(tmp_path / "front.key").why_not("/runs/RB-42", query_of(link), NOW) is None
    assert links_from(tmp_path / "other.key").why_not("/runs/RB-42", query_of(link), NOW) is not None


def test_the_key_is_not_shown_when_links_are_printed() -> None:
    assert "kkkk" not in repr(LINKS)
