"""Values that references became: found in whatever is said, and in every form in which they are said."""

import pytest

from backends.secrecy import SHORTEST_CHARACTERS, Secrets, address_name, without_paths
from bot.contract import Fate, Found, Unreachable
from bot.model import Current, Points, RestorePoint


def knowing(*values: str) -> Secrets:
    secrets = Secrets()
    for value in values:
        secrets.add(value)
    return secrets


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "cannot reach https://u:pw@host:8/path/canary?t=canary#f: refused",
            "cannot reach https://host:8 refused",
        ),
        ("fatal: unable to access 'https://host/canary/': no", "fatal: unable to access 'https://host': no"),
        ("see <https://host/canary> and ssh://git@host/canary", "see <https://host> and ssh://host"),
        ("http://h:1/?token=canary", "http://h:1"),
        ("no address at all: a/b?c=d", "no address at all: a/b?c=d"),
        ("no postgresql://ana:p@ss@db1/shop", "no postgresql://db1"),
        ("no postgresql://ana:p/ss@db1/shop here", "no postgresql://… here"),
        ("no postgresql://ana:p'ss@db1/shop here", "no postgresql://… here"),
        ("no postgresql://ana:p?s#s@db1 here", "no postgresql://… here"),
        ("""{"url":"https://ana:pw@shop.example/x?y","n":1}""", """{"url":"https://shop.example","n":1}"""),
    ],
)
def test_of_an_address_scheme_and_host_are_told_and_nothing_else(said: str, told: str) -> None:
    assert Secrets().struck(said) == told


@pytest.mark.parametrize("url", ["https://h/?t='canary'", "https://h/a'canary", "https://u:p@h/x#canary"])
def test_the_name_of_an_address_tells_nothing_behind_its_host(url: str) -> None:
    assert address_name(url) == "https://h"


@pytest.mark.parametrize("host", ["h;canary", "h:canary", "h%2fcanary", "h\\canary"])
def test_what_is_no_host_is_not_told(host: str) -> None:
    assert without_paths(f"no https://{host}/x here") == "no https://… here"


def test_a_long_line_is_looked_through_as_well() -> None:
    """A search from each of its letters to its end would take hours."""
    assert without_paths("f" * 1_000_000 + " http://h/x").endswith("f http://h")


def test_who_knows_none_changes_nothing() -> None:
    assert knowing().struck("token canary-9d1e") == "token canary-9d1e"


def test_a_value_is_struck_wherever_it_stands() -> None:
    assert knowing("canary-9d1e").struck("canary-9d1e, xcanary-9d1ex") == "***, x***x"


def test_of_two_values_the_longer_is_struck_whole() -> None:
    assert knowing("canary", "canary-9d1e").struck("canary-9d1e") == "***"


def test_a_word_too_short_for_a_secret_stays() -> None:
    short, long = "x" * (SHORTEST_CHARACTERS - 1), "y" * SHORTEST_CHARACTERS
    assert knowing(short, long).struck(f"{short} {long}") == f"{short} ***"


def test_each_line_of_a_key_is_a_secret() -> None:
    assert knowing("BEGIN KEY\nabcdef123456\nEND KEY").struck("bad key: abcdef123456") == "bad key: ***"


@pytest.mark.parametrize("said", ["p%40ssword", "p@ssword", "https://ana:p%40ssword@shop.example/x"])
def test_a_password_in_an_address_is_a_secret_by_itself(said: str) -> None:
    assert knowing("https://ana:p%40ssword@shop.example/x").struck(f"no {said}!") == "no ***!"


def test_a_name_in_an_address_is_a_secret_where_no_password_is() -> None:
    assert knowing("https://canary-9d1e@shop.example/x").struck("user canary-9d1e") == "user ***"
    assert knowing("https://robots:canary-9d1e@shop.example/x").struck("user robots") == "user robots"


def test_bytes_that_mean_nothing_stay_around_a_struck_value() -> None:
    assert knowing("canary-9d1e").struck_bytes(b"\xff canary-9d1e \xfe") == b"\xff *** \xfe"


def test_all_words_of_an_answer_are_struck_and_its_handle_stays() -> None:
    found = Found(Fate.IN_FLIGHT, "with canary-9d1e", {"job": "canary-9d1e"})
    assert knowing("canary-9d1e").struck_from(found) == Found(
        Fate.IN_FLIGHT, "with ***", {"job": "canary-9d1e"}
    )


def test_a_label_is_struck_and_the_id_by_which_a_point_is_asked_for_stays() -> None:
    points = Points(
        (RestorePoint("eu-central-1", None, "of eu-central-1"),), Current("eu-central-1", "eu-central-1")
    )
    assert knowing("eu-central-1").struck_from(points) == Points(
        (RestorePoint("eu-central-1", None, "of ***"),), Current("eu-central-1", "eu-central-1")
    )


def test_the_value_of_an_enumeration_stays() -> None:
    assert knowing("in_flight").struck_from(Found(Fate.IN_FLIGHT)).fate is Fate.IN_FLIGHT


def test_an_error_and_what_it_came_from_are_struck() -> None:
    problem, cause = Unreachable("no canary-9d1e"), ValueError("bad canary-9d1e")
    problem.__cause__ = cause
    knowing("canary-9d1e").strike_from(problem)
    assert (str(problem), str(cause)) == ("no ***", "bad ***")
