"""What the doctor makes of what it saw, as values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import yaml

from bot.model import Loss, LossQuality, Person
from bot.policy import Entitled
from handlers.cli.doctor import people, slack, targets
from handlers.cli.doctor.results import Grade, Result, as_value, exit_code, fail, line, ok, unreachable, warn
from handlers.cli.doctor.slack import ListedChannel
from handlers.cli.endings import Code
from tests.bot.views import examples
from tests.people import ANA, BEN, CY

NOW = datetime(2026, 11, 22, 10, 0, 0, 300_000, UTC)


# All results together --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([], Code.YES),
        ([ok("a", ""), warn("b", "")], Code.YES),
        ([ok("a", ""), fail("b", "")], Code.NO),
        ([fail("a", ""), unreachable("b", "")], Code.UNREACHABLE),
    ],
)
def test_warnings_are_allowed_and_what_is_unreachable_outweighs_a_failure(
    results: list[Result], code: Code
) -> None:
    assert exit_code(results) is code


def test_a_line_begins_with_its_grade() -> None:
    assert line(ok("clock", "within 1 s")) == "ok    clock: within 1 s"
    assert line(fail("clock", "9 s behind")) == "FAIL  clock: 9 s behind"


def test_a_result_for_programs() -> None:
    assert as_value(fail("clock", "9 s behind")) == {"name": "clock", "grade": "fail", "words": "9 s behind"}


# The clock -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "grade"),
    [(-60, Grade.FAIL), (-7, Grade.FAIL), (-4, Grade.OK), (0, Grade.OK), (4, Grade.OK), (7, Grade.FAIL)],
)
def test_a_clock_may_be_five_seconds_off(ahead: int, grade: Grade) -> None:
    date = format_datetime(NOW - timedelta(seconds=ahead), usegmt=True)
    assert slack.clock_offset(date, NOW, NOW + timedelta(seconds=0.2)).grade is grade


def test_a_clock_that_is_off_is_told_in_which_direction() -> None:
    date = format_datetime(NOW - timedelta(seconds=60), usegmt=True)
    assert "ahead of Slack's" in slack.clock_offset(date, NOW, NOW).words
    assert "behind of" not in slack.clock_offset(date, NOW, NOW).words


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_slack_without_a_date_is_a_warning(date: str | None) -> None:
    assert slack.clock_offset(date, NOW, NOW).grade is Grade.WARN


# Scopes ----------------------------------------------------------------------------------------


def test_the_wanted_scopes_are_those_of_the_manifest() -> None:
    manifest = yaml.safe_load(slack.MANIFEST.read_text(encoding="utf-8"))
    assert slack.wanted_scopes(slack.MANIFEST) == frozenset(manifest["oauth_config"]["scopes"]["bot"])


def test_more_scopes_than_wanted_are_fine() -> None:
    assert slack.scopes({"a", "b"}, {"a"}).grade is Grade.OK


def test_a_program_without_its_manifest_says_so(tmp_path: Path) -> None:
    assert slack.scopes({"a"}, slack.wanted_scopes(tmp_path / "manifest.yml")).grade is Grade.WARN


# Channels --------------------------------------------------------------------------------------

INC = ListedChannel("C01INC", "inc-1", private=False, member=True, shared=False, archived=False)


@pytest.mark.parametrize(
    ("glob", "channel", "grade"),
    [
        ("inc-*", INC, Grade.OK),
        ("C01INC", INC, Grade.OK),
        ("incidents", INC, Grade.WARN),
        ("inc-*", replace(INC, archived=True), Grade.WARN),
        ("inc-*", replace(INC, shared=True), Grade.WARN),
    ],
)
def test_an_incident_channel_must_take_cards(glob: str, channel: ListedChannel, grade: Grade) -> None:
    assert slack.incident_channel(glob, [channel]).grade is grade


@pytest.mark.parametrize(
    ("channel", "grade"),
    [
        (INC, Grade.OK),
        (replace(INC, name="other"), Grade.FAIL),
        (replace(INC, archived=True), Grade.FAIL),
        (replace(INC, shared=True), Grade.FAIL),
    ],
)
def test_the_audit_channel_must_take_every_request(channel: ListedChannel, grade: Grade) -> None:
    assert slack.audit_channel("inc-1", [channel]).grade is grade


def test_a_bot_in_no_channel_is_a_warning() -> None:
    assert slack.any_channel([replace(INC, member=False)]).grade is Grade.WARN


# The second person -----------------------------------------------------------------------------


def test_who_is_silent_is_not_counted_and_named() -> None:
    entitled = Entitled((BEN, CY), requesters=frozenset({ANA.id}))
    result = people.judged("shop", people.without(entitled, {CY.id}), [ANA], 1)
    assert result.grade is Grade.WARN
    assert "Not counted: Cy: has left the last messages to practise on unanswered" in result.words
    assert people.judged("shop", people.without(entitled, {BEN.id, CY.id}), [ANA], 1).grade is Grade.FAIL


def judged(approvers: list[Person], requesters: list[Person] | None, needed: int = 1) -> Result:
    ids = None if requesters is None else frozenset(person.id for person in requesters)
    entitled = Entitled(approvers=tuple(approvers), requesters=ids)
    likely = approvers if requesters is None else requesters
    return people.judged("shop", entitled, likely, needed)


def test_an_approver_besides_everybody_who_may_ask_is_well() -> None:
    assert judged([BEN, CY], [ANA, BEN]).grade is Grade.OK


def test_nobody_who_could_approve_fails() -> None:
    assert judged([], [ANA]).grade is Grade.FAIL


def test_fewer_people_than_the_quorum_fail() -> None:
    assert judged([BEN], [ANA], needed=2).grade is Grade.FAIL


def test_two_accounts_of_one_human_are_one_approver() -> None:
    again = replace(BEN, id="U09BEN", marks=BEN.marks | {"U01BEN", "U09BEN"})
    ben = replace(BEN, marks=again.marks)
    assert judged([ben, again], [ANA], needed=2).grade is Grade.FAIL


def test_requesters_of_whom_none_finds_another_fail() -> None:
    assert judged([ANA], [ANA]).grade is Grade.FAIL


def test_a_requester_who_finds_nobody_else_is_a_warning_with_the_name() -> None:
    result = judged([BEN], [ANA, BEN])
    assert result.grade is Grade.WARN
    assert "when Ben asks" in result.words


def test_where_everybody_may_ask_a_single_approver_is_a_warning() -> None:
    assert judged([BEN], None).grade is Grade.WARN


def test_somebody_who_is_barred_does_not_count() -> None:
    guest = replace(BEN, barred="guests may neither ask nor approve")
    assert judged([guest], [ANA]).grade is Grade.FAIL
    assert judged([guest], None).grade is Grade.FAIL
    assert judged([guest, CY], [ANA]).grade is Grade.WARN


# Freshness -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "rpo", "grades"),
    [
        (600.0, 900.0, [Grade.OK]),
        (1_020.0, 900.0, [Grade.WARN]),
        (None, 900.0, [Grade.WARN]),
        (1_020.0, None, []),
    ],
    ids=["within", "beyond", "not known", "no objective"],
)
def test_freshness_is_the_loss_of_now_against_the_rpo(
    seconds: float | None, rpo: float | None, grades: list[Grade]
) -> None:
    since = None if seconds is None else examples.ORDERS.made_at - timedelta(seconds=seconds)
    loss = Loss(LossQuality.MEASURED if seconds else LossQuality.UNKNOWN, since)
    plan = replace(examples.with_loss(examples.ORDERS, loss), rpo=rpo)
    assert [result.grade for result in targets.freshness(plan)] == grades


def test_where_no_data_is_touched_nothing_is_stale() -> None:
    assert targets.freshness(replace(examples.SHOP, rpo=60.0)) == ()
