"""No input makes an invalid block."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.views import limits
from tests.bot.views.slack_rules import problems_of_message, problems_of_view

# Everything that people and systems can send: control and bidi characters, halves of characters, long texts.
ANYTHING = st.text(alphabet=st.characters(), max_size=400) | st.sampled_from(
    [
        "",
        "<!channel>",
        "<!date^0^{time}|lie>",
        "<@U01ANA> <https://evil.example|Details>",
        "&lt;!here&gt; & < >",
        "x" * 3_500,
        "&" * 3_500,
        "😀" * 2_000,
        "\u202egnp.exe\u202c\u2066\x00\x1b[31m",
        "שלום " * 300,
        "```\n" * 200,
        "a\u2028b\r\nc\td",
    ]
)
MANY = st.lists(ANYTHING, max_size=120)
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
ALLOWED = re.compile(r"&(?:amp|lt|gt);")


# Escaping --------------------------------------------------------------------------------------


@given(ANYTHING, st.integers(1, 3_000))
def test_escaped_text_holds_no_angle_bracket_and_only_whole_entities(text: str, limit: int) -> None:
    markup = limits.escape(text, limit)
    assert not re.search(r"[<>]", markup)
    assert "&" not in ALLOWED.sub("", markup)


@given(ANYTHING, st.integers(1, 3_000))
def test_escaped_text_keeps_its_limit(text: str, limit: int) -> None:
    assert limits.size(limits.escape(text, limit)) <= limit


@given(ANYTHING)
def test_nothing_unseen_is_left(text: str) -> None:
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", limits.clean(text)
    )


@pytest.mark.parametrize(
    "attack", ["<!channel>", "<!here>", "<!subteam^S01>", "<https://x.example|ok>", "<#C01>"]
)
def test_a_sentence_lets_no_mention_of_many_and_no_link_through(attack: str) -> None:
    assert "<" not in limits.sentence(f"`orders` is {attack}")


def test_a_sentence_keeps_mentions_of_people_and_code() -> None:
    assert limits.sentence("<@U01BEN> changed `orders`") == "<@U01BEN> changed `orders`"


def test_a_tilde_and_a_backtick_of_others_have_no_power_over_our_words() -> None:
    assert not set(limits.escape("~~ ``` ~x~")) & {"~", "`"}


@pytest.mark.parametrize(
    "text",
    ["*done*", "_x_", "~y~", "`z`", "> quoted", "a *b", "c_ _d", "__init__", "<@U01BEN>", "<!channel>"],
)
def test_what_others_write_neither_formats_nor_mentions(text: str) -> None:
    assert not re.search(r"[<>*~`]|\b_|_\b|^&gt;", limits.escape(text))


@pytest.mark.parametrize("name", ["orders_total", "GET /healthz", "a-b.c:d", "20261122T024500Z", "v4_1_0"])
def test_a_name_stays_what_people_can_copy(name: str) -> None:
    assert limits.escape(name) == name


@given(ANYTHING)
def test_on_a_plain_page_the_text_of_others_is_unharmed(text: str) -> None:
    shown = limits.unmarked(limits.escape(text, 30_000)).strip("\u2068\u2069")
    assert shown == limits.clean(text, one_line=True)


@pytest.mark.parametrize("text", ["select count(*) from orders", "*.db", "echo `date`", "a <b> & c"])
def test_code_and_our_own_marks_leave_a_plain_page_the_text_itself(text: str) -> None:
    assert (
        limits.unmarked(f"*Look*: {limits.code(text)} and {limits.escape(text)}")
        == f"Look: {text} and {text}"
    )


def test_a_mention_within_code_is_only_what_somebody_typed() -> None:
    assert limits.sentence("`<@U01BEN>` is no run") == "`&lt;@U01BEN&gt;` is no run"


def test_letters_that_run_to_the_left_stay_among_themselves() -> None:
    assert limits.escape("שלום 212") == "\u2068שלום 212\u2069"


def test_persian_and_family_emoji_keep_their_joiners() -> None:
    assert limits.clean("می\u200cخواهم 👨\u200d👩") == "می\u200cخواهم 👨\u200d👩"


# Cutting ---------------------------------------------------------------------------------------


def test_what_fits_is_not_cut() -> None:
    assert limits.cut("a &amp; b", 9) == "a &amp; b"


@pytest.mark.parametrize(("limit", "left"), [(11, "a &amp;…"), (8, "a &amp;…"), (7, "a…"), (2, "a…")])
def test_an_entity_is_never_cut_in_the_middle(limit: int, left: str) -> None:
    assert limits.cut("a &amp;&amp;", limit) == left


def test_a_mention_is_never_cut_in_the_middle() -> None:
    assert limits.cut("ask <@U01BEN> now", 12) == "ask…"


def test_an_id_that_comes_back_to_us_is_refused_when_too_long() -> None:
    with pytest.raises(ValueError, match="2001 characters where Slack takes 2000"):
        limits.button("Go", "go", "x" * 2_001)


def test_a_name_without_room_becomes_its_digest_and_stays_distinct() -> None:
    one, other = limits.fitting("x" * 200 + "1", 150), limits.fitting("x" * 200 + "2", 150)
    assert one != other
    assert limits.size(one) <= 150


def test_a_link_needs_a_web_address() -> None:
    assert limits.link("javascript:alert(1)", "card") == "card"
    assert limits.link("https://x.example/a|b", "card") == "card"
    assert limits.link("https://x.example/?a=1&b=2", "card") == "<https://x.example/?a=1&amp;b=2|card>"


# Builders --------------------------------------------------------------------------------------


@given(MANY)
def test_any_message_is_accepted(texts: list[str]) -> None:
    rows = [limits.escape(text) for text in texts]
    blocks = [limits.section(*rows), *limits.sections(rows), limits.context(*rows)][: len(texts) + 1]
    drawn = limits.message("x" + "".join(rows), blocks)
    assert problems_of_message(drawn.text, drawn.blocks) == []


@given(ANYTHING, MANY)
def test_any_modal_is_accepted(text: str, texts: list[str]) -> None:
    options = [limits.option(one, limits.fitting(one, 150) or "none", one) for one in [*texts, "x"]]
    blocks = [
        limits.header(text),
        limits.section(limits.escape(text)),
        limits.entry(
            f"point {text}", text, limits.select("point", options, chosen=text, placeholder=text), hint=text
        ),
        limits.entry(
            "reason", text, limits.text_input("reason", initial=text, placeholder=text, longest=100)
        ),
        *limits.actions("row", [limits.button(text, "go", ask=limits.confirm(text, text, text, text))]),
        *[limits.section(limits.escape(one)) for one in texts],
    ]
    view = limits.modal(text, blocks, callback_id="start_rollback", submit=text or "Go", close=text)
    assert problems_of_view(view) == []


def test_a_view_over_its_size_ends_with_a_word_about_it() -> None:
    view = limits.modal("Details", [limits.section("ü" * 3_000) for _ in range(90)])
    assert problems_of_view(view) == []
    assert "no more" in view["blocks"][-1]["elements"][0]["text"]


def test_more_than_a_hundred_blocks_end_with_a_word_about_it() -> None:
    view = limits.modal("Details", [limits.section("row")] * 300)
    assert len(view["blocks"]) == 100
    assert "no more" in view["blocks"][-1]["elements"][0]["text"]


def test_a_hundred_blocks_are_all_shown() -> None:
    assert limits.modal("Details", [limits.section("row")] * 100)["blocks"][-1]["type"] == "section"


def test_a_select_without_options_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="without options"):
        limits.select("point", [])


def test_no_button_no_row() -> None:
    assert limits.actions("acts", []) == []
