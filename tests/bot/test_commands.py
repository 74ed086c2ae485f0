"""The grammar: what people type, what they mean, and what they are asked when it is not clear."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands import (
    HELP_ROWS,
    KEYWORDS,
    LATER,
    LONGEST_REASON_CHARACTERS,
    NOW,
    VERBS,
    Ask,
    Cancel,
    Help,
    History,
    ListPoints,
    ListTargets,
    OpenModal,
    Resolve,
    Status,
    TakeSnapshot,
    TypedCommand,
    Undo,
    parse,
)
from bot.model import Left
from bot.spelling import Misunderstood, nearest
from bot.times import day_and_time_of, time_of, zone_of
from handlers.slack.typed import plain

MORNING = datetime(2026, 11, 22, 9, 12, tzinfo=UTC)  # 10:12 in Berlin
BERLIN = "Europe/Berlin"
TARGETS = frozenset({"orders", "storefront", "payload-api", "checkout.api_2"})


def read(text: str) -> TypedCommand | Misunderstood:
    return parse(plain(text), TARGETS, MORNING, BERLIN)


def misread(text: str) -> Misunderstood:
    answer = read(text)
    assert isinstance(answer, Misunderstood)
    return answer


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def as_of(moment: str, reason: str = "") -> TakeSnapshot:
    return TakeSnapshot("orders", at(moment), reason)


# What is understood ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", OpenModal()),
        ("   \n", OpenModal()),
        ("orders", Ask("orders")),
        ("orders to v41", Ask("orders", point="v41")),
        ("orders to V41-rc.1+b7", Ask("orders", point="V41-rc.1+b7")),
        ("orders because totals are wrong", Ask("orders", reason="totals are wrong")),
        ("orders because", Ask("orders")),
        ("orders because: totals", Ask("orders", reason="totals")),
        ("orders to v41 because bad migration", Ask("orders", point="v41", reason="bad migration")),
        ("orders because it broke to v41", Ask("orders", reason="it broke to v41")),
        ("orders before 08:05 because x", Ask("orders", before=at("2026-11-22 07:05"), reason="x")),
        ("payload-api", Ask("payload-api")),
        ("points orders", ListPoints("orders")),
        ("targets", ListTargets()),
        ("status", Status()),
        ("status RB-42", Status("RB-42")),
        ("history", History()),
        ("history orders", History("orders")),
        ("help", Help()),
        ("help me please", Help()),
        ("cancel RB-42", Cancel("RB-42")),
        ("undo RB-42", Undo("RB-42")),
        ("undo RB-42 because v41 was worse", Undo("RB-42", "v41 was worse")),
        ("resolve RB-42 live v41 because I looked", Resolve("RB-42", Left.POINT, "v41", "I looked")),
        ("resolve RB-42 live unchanged because ctl", Resolve("RB-42", Left.BEFORE, None, "ctl")),
        ("resolve RB-42 live unclear because ctl", Resolve("RB-42", Left.UNKNOWN, None, "ctl")),
        ("resolve RB-42 done because I looked", Resolve("RB-42", Left.POINT, None, "I looked")),
        ("resolve RB-42 unchanged because ctl", Resolve("RB-42", Left.BEFORE, None, "ctl")),
        ("resolve RB-42 unclear because ctl", Resolve("RB-42", Left.UNKNOWN, None, "ctl")),
        ("snapshot orders as of 2026-11-20 because audit", as_of("2026-11-21 00:00", "audit")),
        ("snapshot orders AS OF 22 Nov 2026 08:05 UTC", as_of("2026-11-22 08:05")),
    ],
)
def test_every_form_of_the_command_is_read(text: str, command: TypedCommand) -> None:
    assert read(text) == command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("Orders TO v41 Because Bad Migration", Ask("orders", point="v41", reason="Bad Migration")),
        ("POINTS Orders", ListPoints("orders")),
        ("  orders   to\tv41  ", Ask("orders", point="v41")),
        ('"orders" to "v 41"', Ask("orders", point="v 41")),
        ("“orders” to ‘v41’ because „totals“", Ask("orders", point="v41", reason="totals")),
        ("`orders` to `v41`", Ask("orders", point="v41")),
        ('orders because "a" and "b"', Ask("orders", reason='"a" and "b"')),
        ('orders to "v41', Ask("orders", point="v41")),
        ("orders, because totals", Ask("orders", reason="totals")),
        ("orders because don't know", Ask("orders", reason="don't know")),
        ("status rb-42", Status("RB-42")),
        ("status 42", Status("RB-42")),
        ("status #42", Status("RB-42")),
        ("status RB-0042", Status("RB-42")),
        ("<@U0BOT> status RB-42", Status("RB-42")),
        ("<@U0BOT|rollback>: orders", Ask("orders")),
        ("<http://checkout.api_2|checkout.api_2> to v41", Ask("checkout.api_2", point="v41")),
    ],
)
def test_case_quotes_spacing_and_a_mention_in_front_do_not_matter(text: str, command: TypedCommand) -> None:
    assert read(text) == command


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("<!channel> look", "channel look"),
        ("<!here|@here> look", "here look"),
        ("<!subteam^S01|@payments> knows", "payments knows"),
        ("ask <@U01ANA|ana>", "ask @ana"),
        ("ask <@U01ANA>", "ask @U01ANA"),
        ("see <#C01INC|inc-7>", "see #inc-7"),
        ("see <https://wiki.example/x>", "see https://wiki.example/x"),
        ("see <https://wiki.example|wiki.example>", "see wiki.example"),
        ("see <https://evil.example|your bank>", "see your bank (https://evil.example)"),
        ("<<!x|!channel>>", "!channel"),
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("&amp;lt;", "&lt;"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("ze\u200bro\u00adwidth\ufeff", "zerowidth"),
        ("bell\u0007 and\u2028line", "bell and line"),
        ("half \ud83d", "half"),
    ],
)
def test_markup_and_invisible_characters_in_a_reason_become_plain_text(raw: str, reason: str) -> None:
    assert read(f"orders because {raw}") == Ask("orders", reason=reason)


def test_a_right_to_left_mark_inside_a_target_does_not_hide_it() -> None:
    assert read("\u202eor\u200eders\u202c") == Ask("orders")


def test_a_reason_of_3000_characters_is_shortened_and_says_so() -> None:
    command = read("orders because " + "x" * 3000)
    assert isinstance(command, Ask)
    assert command.reason.endswith("… (shortened from 3000 characters)")
    assert len(command.reason) == LONGEST_REASON_CHARACTERS


def test_a_reason_that_just_fits_is_kept_whole() -> None:
    assert read("orders because " + "x" * LONGEST_REASON_CHARACTERS) == Ask(
        "orders", reason="x" * LONGEST_REASON_CHARACTERS
    )


# What is not ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "example", "suggestion"),
    [
        ("ordrs", "orders", "orders"),
        ("ordrs to v41 because x", "orders to v41 because x", "orders"),
        ("targts", "targets", "targets"),
        ("points ordrs", "points orders", "orders"),
        ("history Ordrs", "history orders", "orders"),
        ("orders becuase it broke", "orders because it broke", "because"),
        ("orders befor 14:05", "orders before 14:05", "before"),
        ("status orders", "history orders", "history"),
    ],
)
def test_what_is_nearly_right_is_asked_and_never_guessed(text: str, example: str, suggestion: str) -> None:
    answer = misread(text)
    assert (answer.example, answer.suggestion) == (example, suggestion)


@pytest.mark.parametrize(
    ("text", "words", "example"),
    [
        ("xyzzy", "I know no target or command `xyzzy`; `targets` lists", "targets"),
        ("points", "Say of which target.", "points TARGET"),
        ("to v41", "Say what to roll back, and then `to`.", "TARGET to v41"),
        ("because it broke", "Say first what to roll back.", "TARGET because it broke"),
        ("orders to", "Say which restore point", "points orders"),
        ("orders to 14:05 because x", "`14:05` looks like a time.", "orders before 14:05 because x"),
        ("orders before", "Say before when.", "orders before 14:05"),
        ("orders it is broken", "A reason comes after `because`.", "orders because it is broken"),
        ("orders to v41 it broke", "A reason comes after", "orders to v41 because it broke"),
        ("undo 7 it is worse", "A reason comes after `because`.", "undo 7 because it is worse"),
        ("targets now", "I do not know what to do with `now`", "targets"),
        ("status because x", "I do not know what to do with `because`", "status"),
        ("cancel RB-42 because x", "I do not know what to do with `because`", "cancel RB-42"),
        ("cancel", "Say which run; they are named like RB-42", "cancel RB-42"),
        ("cancel foo", "`foo` is no run", "cancel RB-42"),
        ("cancel RB-0", "`RB-0` is no run", "cancel RB-42"),
        ("cancel ٤٢", "is no run", "cancel RB-42"),
        ("resolve RB-42", "Say what is live", "resolve RB-42 live unchanged because …"),
        ("resolve 42 dead because x", "Say what is live", "resolve RB-42 live unchanged because …"),
        ("resolve 42 live v41", "Say how you know", "resolve 42 live v41 because …"),
        ("drills now", "I do not know what to do with `now`", "drills because now"),
        (
            "snapshot orders",
            "Say as of when: a day, or a day and a time.",
            "snapshot orders as of 2026-11-20",
        ),
        ("snapshot orders as of soon", "I cannot read `soon` as a day", "snapshot orders as of 2026-11-20"),
        ("break-glass", "`break-glass` does not work yet.", "help"),
        ("orders to " + "x" * 3000, "is too long for a restore point", "points orders"),
    ],
)
def test_what_is_not_clear_gets_a_sentence_and_an_example(text: str, words: str, example: str) -> None:
    answer = misread(text)
    assert words in answer.words
    assert answer.example == example


def test_an_endless_word_is_not_repeated_in_full() -> None:
    assert len(misread("x" * 3000).words) < 200


def test_an_example_names_a_target_only_when_there_is_no_choice() -> None:
    answer = parse("points", {"orders"}, MORNING, BERLIN)
    assert isinstance(answer, Misunderstood)
    assert answer.example == "points orders"


def test_the_nearest_name_does_not_depend_on_case() -> None:
    assert nearest("ANNA", ["Ana", "Ben"]) == "Ana"


def test_help_lists_only_what_works_now() -> None:
    words = {word for row in HELP_ROWS for word in row.typed.split()}
    assert not words & LATER
    assert {verb.name for verb in VERBS} - {""} == NOW


@pytest.mark.parametrize("word", sorted(NOW | LATER | KEYWORDS))
def test_no_reserved_word_can_be_asked_for_as_a_target(word: str) -> None:
    assert not isinstance(parse(word, {word, "orders"}, MORNING, BERLIN), Ask)


# Times ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-09-30", "2026-10-01 04:00"),
        ("20260930", "2026-10-01 04:00"),
        ("30 Sep 2026", "2026-10-01 04:00"),
        ("30 Sept. 2026", "2026-10-01 04:00"),
        ("30. September 2026", "2026-10-01 04:00"),
        ("yesterday", "2026-11-22 05:00"),
        ("2026-11-22", None),
        ("2026-02-30", None),
        ("31 Foo 2026", None),
        ("1 Marble 2026", None),
        ("2026-09-30 22:00", "2026-09-30 20:00"),
        ("2026-09-30 22:00 UTC", "2026-09-30 22:00"),
        ("17 min ago", "2026-11-22 08:55"),
    ],
)
def test_a_day_ends_where_the_configuration_says(text: str, moment: str | None) -> None:
    answer = day_and_time_of(text, MORNING, BERLIN, "America/New_York")
    assert answer == at(moment) if moment else isinstance(answer, Misunderstood)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("08:05", "2026-11-22 07:05"),
        ("8:05", "2026-11-22 07:05"),
        ("at 08:05", "2026-11-22 07:05"),
        ("today 08:05:30", "2026-11-22 07:05:30"),
        ("10:12", "2026-11-22 09:12"),
        ("08:05 UTC", "2026-11-22 08:05"),
        ("08:05z", "2026-11-22 08:05"),
        ("08:05 +01:00", "2026-11-22 07:05"),
        ("08:05-0330", None),
        ("yesterday 23:10", "2026-11-21 22:10"),
        ("Yesterday 23:10 utc", "2026-11-21 23:10"),
        ("2026-11-21 14:05", "2026-11-21 13:05"),
        ("2026-07-01 14:05", "2026-07-01 12:05"),
        ("2026-11-21T14:05:06.789Z", "2026-11-21 14:05:06"),
        ("2026-11-21T14:05:06+02:00", "2026-11-21 12:05:06"),
        ("20261121T024500Z", "2026-11-21 02:45"),
        ("2026-11-22 00:30", "2026-11-21 23:30"),
        ("17 min ago", "2026-11-22 08:55"),
        ("2h ago", "2026-11-22 07:12"),
        ("1h 30m ago", "2026-11-22 07:42"),
        ("1 hour, 30 minutes ago", "2026-11-22 07:42"),
        ("90s ago", "2026-11-22 09:10:30"),
        ("2 days ago", "2026-11-20 09:12"),
        ("0 min ago", "2026-11-22 09:12"),
    ],
)
def test_a_time_is_read_in_the_persons_own_zone(text: str, moment: str | None) -> None:
    answer = time_of(text, MORNING, BERLIN)
    assert answer == at(moment) if moment else isinstance(answer, Misunderstood)


@pytest.mark.parametrize(
    ("text", "words", "example"),
    [
        ("14:05", "`14:05` is still to come: it is 10:12 in Europe/Berlin.", "yesterday 14:05"),
        ("today 14:05", "is still to come", "yesterday 14:05"),
        ("14:05 UTC", "`14:05 UTC` is still to come: it is 09:12 in UTC.", "yesterday 14:05 UTC"),
        ("14:05+02:00", "is still to come: it is 11:12 in UTC+02:00.", "yesterday 14:05 +02:00"),
        ("2027-01-01 00:00", "is still to come", "10 min ago"),
        (
            "2026-10-25 02:30",
            "two `02:30` of 2026-10-25 in Europe/Berlin: at 00:30 UTC and at 01:30 UTC",
            "2026-10-25 00:30 UTC",
        ),
        ("2026-03-29 02:30", "no `02:30` of 2026-03-29 in Europe/Berlin", "2026-03-29 01:30 UTC"),
        ("25:61", "`25:61` is no time that ever was.", "14:05"),
        ("2026-02-30 10:00", "is no time that ever was.", "14:05"),
        ("0000-01-01 10:00", "is no time that ever was.", "14:05"),
        ("0001-01-01 00:00", "is no time that ever was.", "14:05"),
        ("999999 days ago", "is no time that ever was.", "14:05"),
        ("10:00 +99:00", "is no time that ever was.", "14:05"),
        ("2026-11-22", "I cannot read `2026-11-22` as a time.", "14:05"),
        ("10:00 CET", "I cannot read `10:00 CET` as a time.", "14:05"),
        ("5 parsecs ago", "I cannot read", "14:05"),
        ("", "I cannot read", "14:05"),
    ],
)
def test_a_time_to_come_or_that_never_was_or_was_twice_is_refused(
    text: str, words: str, example: str
) -> None:
    answer = time_of(text, MORNING, BERLIN)
    assert isinstance(answer, Misunderstood)
    assert words in answer.words
    assert answer.example == example


def test_what_a_refused_time_proposes_instead_is_accepted() -> None:
    for text in (
        "14:05",
        "14:05 UTC",
        "14:05 +02:00",
        "2026-10-25 02:30",
        "2026-03-29 02:30",
        "2027-01-01 00:00",
    ):
        refused = time_of(text, MORNING, BERLIN)
        assert isinstance(refused, Misunderstood)
        assert isinstance(time_of(refused.example, MORNING, BERLIN), datetime)


def test_a_zone_that_nobody_knows_asks_for_utc() -> None:
    answer = time_of("08:05", MORNING, "Mars/Olympus")
    assert isinstance(answer, Misunderstood)
    assert answer.example == "08:05 UTC"


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 5000]
)
def test_what_is_no_zone_is_none(name: str) -> None:
    assert zone_of(name) is None


def test_a_time_in_utc_needs_no_zone_of_the_person() -> None:
    assert time_of("08:05 UTC", MORNING, "Mars/Olympus") == at("2026-11-22 08:05")


def test_a_refused_time_keeps_the_target_and_the_reason_in_the_example() -> None:
    assert misread("orders before 14:05 because x").example == "orders before yesterday 14:05 because x"


# Anything at all --------------------------------------------------------------------------------

PIECES = (
    *sorted(NOW | LATER | KEYWORDS | TARGETS),
    *("ordrs", "RB-42", "live", "v41", "14:05", "2026-11-22", "3h", "ago", "yesterday", "UTC", "-"),
    *('"', "“", "`", "<", ">", "|", "&lt;", "\u202e", "<!channel>", "<@U1>", "<https://a|b>"),
)
WORDS = st.sampled_from(PIECES)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=())),  # half characters too
    st.lists(WORDS).map(" ".join),
    st.lists(WORDS).map("".join),
)
ZONES = st.sampled_from([BERLIN, "UTC", "Pacific/Apia", "Asia/Kathmandu", "Mars/Olympus", "", "../etc", "\0"])
EARLY, LATE = at("1971-01-01").replace(tzinfo=None), at("2100-01-01").replace(tzinfo=None)
MOMENTS = st.datetimes(EARLY, LATE, timezones=st.just(UTC))


@given(TEXTS, ZONES, MOMENTS)
def test_no_text_whatever_makes_the_parser_fail(text: str, zone: str, now: datetime) -> None:
    answer = parse(plain(text), TARGETS, now, zone)
    if isinstance(answer, Ask):
        assert answer.target in TARGETS
        assert answer.before is None or answer.before <= now


@given(TEXTS)
def test_what_is_kept_of_a_text_can_be_stored_and_calls_nobody(text: str) -> None:
    answer = parse(plain(f"orders because {text.replace('&', '')}"), TARGETS, MORNING, BERLIN)
    assert isinstance(answer, Ask)
    assert "<" not in answer.reason
    assert "\u202e" not in answer.reason
    answer.reason.encode()  # no half characters: evidence is UTF-8


@given(st.text(min_size=1), ZONES, MOMENTS)
def test_no_text_whatever_makes_a_time_fail(text: str, zone: str, now: datetime) -> None:
    answer = time_of(text, now, zone)
    assert isinstance(answer, Misunderstood) or answer <= now


POINTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,60}", fullmatch=True)
RUNS = st.integers(1, 10**9).map("RB-{}".format)
REASONS = st.lists(st.from_regex(r"[A-Za-z0-9äß.:-]{1,20}", fullmatch=True), max_size=8).map(" ".join)
GIVEN = REASONS.filter(bool)
TARGET = st.sampled_from(sorted(TARGETS))
COMMANDS: st.SearchStrategy[TypedCommand] = st.one_of(
    st.builds(Ask, TARGET, point=st.none() | POINTS, reason=REASONS),
    st.builds(
        Ask, TARGET, before=MOMENTS.map(lambda at: min(at, MORNING).replace(microsecond=0)), reason=REASONS
    ),
    st.builds(ListPoints, TARGET),
    st.builds(Status, st.none() | RUNS),
    st.builds(History, st.none() | TARGET),
    st.builds(Cancel, RUNS),
    st.builds(Undo, RUNS, REASONS),
    st.builds(Resolve, RUNS, st.just(Left.POINT), POINTS.filter(lambda p: p.lower()[:3] != "unc"), GIVEN),
    st.builds(Resolve, RUNS, st.sampled_from([Left.BEFORE, Left.UNKNOWN]), st.none(), GIVEN),
)


def written(command: TypedCommand) -> str:
    """A command as somebody would type it."""
    match command:
        case Ask(target, point, before, reason):
            there = f" to {point}" if point else f" before {before.isoformat()}" if before else ""
            return f"{target}{there}{_because(reason)}"
        case ListPoints(target):
            return f"points {target}"
        case Status(run):
            return f"status {run or ''}"
        case History(target_or_none):
            return f"history {target_or_none or ''}"
        case Cancel(run):
            return f"cancel {run}"
        case Undo(run, reason):
            return f"undo {run}{_because(reason)}"
        case Resolve(run, live, point, because):
            answer = {Left.BEFORE: "unchanged", Left.UNKNOWN: "unclear"}.get(live, point or "done")
            return f"resolve {run} {'live ' if point else ''}{answer} because {because}"
    raise AssertionError(command)


def _because(reason: str) -> str:
    return f" because {reason}" if reason else ""


@given(COMMANDS)
def test_a_command_written_down_is_read_back_as_itself(command: TypedCommand) -> None:
    assert read(written(command)) == command


@given(MOMENTS, ZONES)
def test_a_time_shown_in_utc_is_read_back_whatever_the_persons_zone(moment: datetime, zone: str) -> None:
    moment = min(moment, MORNING).replace(second=0, microsecond=0)
    assert time_of(f"{moment:%Y-%m-%d %H:%M} UTC", MORNING, zone) == moment


@given(st.integers(0, 10**5))
def test_minutes_ago_are_counted_back_from_now(minutes: int) -> None:
    assert time_of(f"{minutes} min ago", MORNING, BERLIN) == MORNING - timedelta(minutes=minutes)
