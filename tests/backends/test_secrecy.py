"""Values that references became: found in whatever is said, and in every form in which they are said."""

import traceback
from collections.abc import Callable
from html import escape
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from backends.secrecy import SHORTEST_CHARACTERS, Secrets, address_name, without_paths
from bot.contract import Fate, Found, Unreachable
from bot.model import Current, Points, RestorePoint

MIB: Final = 1024 * 1024
H1: Final = "https://h1"


def signs_of_json(text: str) -> str:
    return "".join(each if each.isalnum() or each in "-._" else f"\\u{ord(each):04x}" for each in text)


SPELLINGS: Final[dict[str, Callable[[str], str]]] = {
    "as it is": lambda url: url,
    "in JSON": lambda url: url.replace("/", r"\/"),
    "in JSON in JSON": lambda url: url.replace("/", r"\\\/"),
    "in signs of JSON": signs_of_json,
    "in capital signs of JSON": lambda url: url.replace("/", r"\u002F"),
    "percent-encoded": lambda url: quote(url, safe=""),
    "percent-encoded in small letters": lambda url: url.replace(":", "%3a").replace("/", "%2f"),
    "percent-encoded twice": lambda url: quote(quote(url, safe=""), safe=""),
    "percent-encoded thrice": lambda url: quote(quote(quote(url, safe=""), safe=""), safe=""),
    "percent-encoded by half": lambda url: url.replace("/", "%2F"),
    "in HTML": lambda url: escape(url).replace("/", "&#x2F;"),
    "in numbers of HTML": lambda url: url.replace(":", "&#58;").replace("/", "&#47;").replace("@", "&#64;"),
}
WITH_SPELLED_COLONS: Final = {"in signs of JSON", "in numbers of HTML"}
PLACES: Final = {
    "path": "https://h1/api/{}",
    "path alone": "https://h1/{}",
    "query": "https://h1/api?token={}",
    "query alone": "https://h1?{}",
    "fragment": "https://h1/api#{}",
    "fragment alone": "https://h1#{}",
    "name": "https://{}@h1/api",
    "password": "https://ana:{}@h1:80/api",
    "path behind a name": "https://ana@h1/{}",
}
LEGAL: Final = "abcXYZ0189-._~:/?#[]@!$&'()*+,;=%"


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
            "cannot reach https://host:8: refused",
        ),
        ("fatal: unable to access 'https://host/canary/': no", "fatal: unable to access 'https://host': no"),
        ("see <https://host/canary> and ssh://git@host/canary", "see <https://host> and ssh://host"),
        ("http://h:1/?token=canary", "http://h:1"),
        ("no address at all: a/b?c=d", "no address at all: a/b?c=d"),
        ("no postgresql://ana:p@ss@db1/shop", "no postgresql://db1"),
        ("no postgresql://ana:p/ss@db1/shop here", "no postgresql://… here"),
        ("no postgresql://ana:p'ss@db1/shop here", "no postgresql://… here"),
        ("no postgresql://ana:p?s#s@db1 here", "no postgresql://… here"),
        ("""{"url":"https://ana:pw@shop.example/x?y","n":1}""", """{"url":"https://shop.example}"""),
        ("""{"n":1,"url":"https://shop.example/x?y"}""", """{"n":1,"url":"https://shop.example"}"""),
        ("://h/canary without a scheme", "://h without a scheme"),
        ("no file:///srv/canary here", "no file:// here"),
        ("no https%3A%2F%2Fana%3Acanary%40h1%2Fx here", "no https%3A%2F%2Fh1 here"),
        ("no https%3A%2F%2Fcanary%2Fcanary%40h1 here", "no https%3A%2F%2F… here"),
    ],
)
def test_of_an_address_scheme_and_host_are_told_and_nothing_else(said: str, told: str) -> None:
    assert Secrets().struck(said) == told


@pytest.mark.parametrize(
    "host", ["h.example", "h.example:8080", "[2001:db8::1]", "[::1]:8080", "[fe80::1%25eth0]"]
)
@pytest.mark.parametrize("spelling", sorted(SPELLINGS.keys() - WITH_SPELLED_COLONS))
def test_of_an_address_in_any_spelling_the_host_stays(spelling: str, host: str) -> None:
    spelled = SPELLINGS[spelling]
    told = without_paths(f"POST {spelled(f'https://{host}/services/T0/canary?t=canary#canary')} failed")
    assert told == f"POST {spelled(f'https://{host}')} failed"


@pytest.mark.parametrize("spelling", sorted(WITH_SPELLED_COLONS))
def test_a_port_whose_colon_is_a_sign_goes_with_the_path(spelling: str) -> None:
    told = without_paths(SPELLINGS[spelling]("https://h.example:80/services/T0/canary"))
    assert told == SPELLINGS[spelling]("https://h.example")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_nobodys_name_is_told_in_any_spelling(spelling: str) -> None:
    told = without_paths(f"no {SPELLINGS[spelling]('https://canary:canary@h1/x')} here")
    assert "canary" not in told
    assert told.startswith("no https")
    assert told.endswith(" here")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('see https://h/v41?filename="v41.sql"&Signature=canary now', "see https://h now"),
        ("see https://h/api/it's/canary now", "see https://h now"),
        ("see https://h/a<b>canary now", "see https://h now"),
        ("see https://h/a`b`canary now", "see https://h now"),
        ('see https://h"canary now', "see https://h now"),
    ],
)
def test_no_quote_ends_an_address(said: str, told: str) -> None:
    assert without_paths(said) == told


@pytest.mark.parametrize(
    "end", [".", ",", ";", ":", "!", ")", "]", "}", ">", '"', "'", "`", ").", '"}', "`)!"]
)
@pytest.mark.parametrize(
    "address", ["https://h", "https://h:80", "https://[::1]", "https://h/x(y)", "https://h/?'z'"]
)
def test_what_closes_the_sentence_around_an_address_stays(address: str, end: str) -> None:
    assert without_paths(f"see {address}{end} now") == f"see {without_paths(address)}{end} now"


@pytest.mark.parametrize("path", ["f(x)", "f[x]", "f{x}", "<x>", "?x='y'", '?x="y"', "`x`", "f((x)"])
def test_what_an_address_opened_itself_goes_with_it(path: str) -> None:
    assert without_paths(f"see https://h/{path} now") == "see https://h now"


def test_what_is_too_long_to_close_a_sentence_is_not_told() -> None:
    assert len(without_paths(f"https://h/{'.,;' * 9}")) < len("https://h") + 12


@given(
    before=st.text(),
    after=st.text(),
    secret=st.text(LEGAL, min_size=12, max_size=40),
    place=st.sampled_from(sorted(PLACES)),
    spelling=st.sampled_from(sorted(SPELLINGS)),
)
@example("", "", "." * 12, "path", "as it is")
@example("", "", "@" * 12, "name", "percent-encoded")
@example("", "", "a/b?c#d'e\"f@g", "password", "in JSON")
@example("x://", "", "canary-9d1e-", "name", "in signs of JSON")
def test_no_secret_in_any_place_of_an_address_in_any_spelling_is_told(
    before: str, after: str, secret: str, place: str, spelling: str
) -> None:
    assume(secret not in before + after)
    spelled = SPELLINGS[spelling]
    told = without_paths(before + spelled(PLACES[place].format(secret)) + after)
    assert secret not in told
    assert spelled(secret) not in told


ODD: Final = st.lists(
    st.sampled_from(
        [*"ah1.:/\\@%?#[](){}<>'\"`,;!&* ", "https", "://", r":\/\/", "%3A%2F%2F", "%25", "…", "***"]
    )
).map("".join)


@given(ODD)
def test_what_was_struck_says_the_same_when_it_is_struck_again(said: str) -> None:
    """Otherwise a guard would take it for words that cannot be told."""
    told = without_paths(said)
    assert without_paths(told) == told


def test_a_value_that_an_address_becomes_is_struck_at_once() -> None:
    known = knowing("https://h.example")
    assert known.struck("no https://ana@h.example/x here") == "no *** here"


@pytest.mark.parametrize(
    "url", ["https://h/?t='canary'", "https://h/a'canary", "https://u:p@h/x#canary", "https://h/."]
)
def test_the_name_of_an_address_tells_nothing_behind_its_host(url: str) -> None:
    assert address_name(url) == "https://h"


@pytest.mark.parametrize("host", ["h;canary", "h:canary", "h%2fcanary", "h\\canary"])
def test_what_is_no_host_is_not_told(host: str) -> None:
    assert without_paths(f"no https://{host}/x here") == "no https://… here"


def test_a_long_line_is_looked_through_as_well() -> None:
    """A search from each of its letters to its end would take hours."""
    assert without_paths("f" * 1_000_000 + " http://h/x").endswith("f http://h")


@pytest.mark.parametrize(
    "part",
    [
        *("://", r":\/\/", r":\\/", r":\u002f\u002f", "%3A%2F%2F", "%253A%252F%252F", "&#58;&#47;&#47;"),
        *("f", ":", "/", "\\", "%", "25", "&#0", "@", "%40", "'", ")", r"https:\/\/h\/x "),
    ],
)
@pytest.mark.parametrize("start", ["", ":", "%", "https%3A%2F%2F"])
def test_a_line_of_a_mebibyte_costs_no_more_than_its_length(start: str, part: str) -> None:
    """Any search from each of its characters to its end would take hours."""
    urls, hosts = (" ".join(spelled(url) for spelled in SPELLINGS.values()) for url in (f"{H1}/canary", H1))
    assert without_paths(f"{start}{part * (MIB // len(part))} {urls}").endswith(f" {hosts}")


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


HOOK: Final = (
    "https://hooks.example.com/services/T0/B0/SECRETTOK9/?sig=q1w2e3&mode=require&s%2Fg=a%2Fb-c+d#x-canary"
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("POST /services/T0/B0/SECRETTOK9 404", "POST /*** 404"),
        ("POST /services/T0/B0/SECRETTOK9/?sig=q1w2e3&mode=no 404", "POST /***/?sig=***&mode=no 404"),
        ("no such hook: SECRETTOK9", "no such hook: ***"),
        (r"POST \/services\/T0\/B0\/SECRETTOK9 404", r"POST \/services\/T0\/B0\/*** 404"),
        ("POST %2Fservices%2FSECRETTOK9", "POST %2Fservices%2F***"),
        ("wrong sig q1w2e3, or a%2Fb-c+d, or a/b-c+d, or a/b-c d", "wrong sig ***, or ***, or ***, or ***"),
        ("no x-canary in it", "no *** in it"),
    ],
)
def test_path_and_query_of_an_address_are_secrets_by_themselves(said: str, told: str) -> None:
    assert knowing(HOOK).struck(said) == told


def test_short_parts_of_a_path_are_a_secret_beside_each_other() -> None:
    assert knowing("https://h/hook/a1b2c3/d4").struck("POST /hook/a1b2c3/d4 404") == "POST /*** 404"


def test_an_address_in_a_file_of_several_is_taken_apart_as_well() -> None:
    assert (
        knowing("first https://h/a-canary-1\nhttps://ana:b-canary@h").struck("a-canary-1 b-canary")
        == "*** ***"
    )


def test_words_in_the_path_of_an_address_can_still_be_said() -> None:
    known = knowing("https://h.example/api/v1/services/notifying?mode=require&sslmode=disable&size=1")
    said = "api v1 of the services is notifying: require or disable, size 1, h.example /api/v1"
    assert known.struck(said) == said
    long = "abcdefghijkl"
    assert knowing(f"https://h.example/api/{long}").struck(f"no {long}") == "no ***"


def test_of_no_address_the_parts_stay() -> None:
    assert knowing("services/T0/SECRETTOK9").struck("no SECRETTOK9") == "no SECRETTOK9"


@pytest.mark.parametrize(
    ("known", "said", "told"),
    [
        ("https://h.example", "no https://h.example/x?t=canary here", "no *** here"),
        ("//h.example", "no https://h.example/x?t=canary here", "no https:*** here"),
        ("example/x", "no https://h.example/x?t=canary here", "no https://h.*** here"),
        ("pass@db1", "no https://canarypass@db1/x here", "no https://*** here"),
        ("key https://h/x", "no key https://h/x?canary here", "no *** here"),
        ("/x canary", "no https://h/x canary here", "no https://h*** here"),
        ("canary-9d1e", "no https://h/canary-9d1e here", "no https://h here"),
        ("canary-9d1e", "no https://canary-9d1e.example/x here", "no https://***.example here"),
    ],
)
def test_a_value_and_an_address_that_overlap_are_struck_as_one(known: str, said: str, told: str) -> None:
    assert knowing(known).struck(said) == told
    assert knowing(known).struck(told) == told


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


class StruckOnce(Exception):
    """It does not let whoever goes round in a circle go on for ever."""

    def __setattr__(self, name: str, value: object) -> None:
        if value == self.args:
            raise AssertionError("struck once more")
        super().__setattr__(name, value)


def test_errors_that_came_from_each_other_are_struck_once_each() -> None:
    problem, cause = StruckOnce("no canary-9d1e"), StruckOnce("bad canary-9d1e")
    problem.__cause__, cause.__cause__ = cause, problem
    knowing("canary-9d1e").strike_from(problem)
    assert (str(problem), str(cause)) == ("no ***", "bad ***")


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("canary-9d1e")


@pytest.mark.parametrize(
    "cause",
    [
        FileNotFoundError(2, "No such file or directory", "/srv/canary-9d1e"),
        ExceptionGroup("of canary-9d1e", [ValueError("bad")]),
        ExceptionGroup("two", [ValueError("bad"), PermissionError(13, "no", "/srv/canary-9d1e")]),
        Wordless("canary-9d1e"),
    ],
)
@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_what_cannot_be_struck_is_not_among_what_an_error_came_from(link: str, cause: Exception) -> None:
    problem = Unreachable("no")
    setattr(problem, link, cause)
    knowing("canary-9d1e").strike_from(problem)
    assert "canary" not in "".join(traceback.format_exception(problem))


def test_the_errors_of_a_group_are_struck() -> None:
    problem = Unreachable("no")
    problem.__cause__ = ExceptionGroup("two", [ValueError("bad canary-9d1e"), ValueError("worse")])
    knowing("canary-9d1e").strike_from(problem)
    told = "".join(traceback.format_exception(problem))
    assert "bad ***" in told
    assert "canary" not in told
