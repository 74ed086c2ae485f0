"""What is due, whom it is told and when: in the zone of the configuration, through changes of its clocks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.configuration import Configuration, load
from bot.duties import (
    Duty,
    DutyKind,
    late_by,
    latest_put_off,
    may_start,
    opening,
    recipients,
    starts_at,
    tellings,
    told_again_at,
)
from tests.bot.configured import KNOWN

FILE = """
version: 1
timezone: Europe/Berlin
audit_channel: rollback-audit
people:
  - {name: Ana, slack: [U01ANA, U09ANA]}
groups:
  payments: {members: [Ana], channel: payments-team}
  plain: {members: [Ana]}
defaults: {approval: {from: [payments]}}
targets:
  orders: {kind: database, owner: payments, point_of_contact: Ana, executor: &git {type: git, remote: /srv/a}}
  shop: {kind: database, owner: plain, executor: {type: git, remote: /srv/b}}
  web: {kind: database, owner: Ana, executor: {type: git, remote: /srv/c}}
  night:
    kind: database
    executor: {type: git, remote: /srv/d}
    drill: {every: 90d, start: {itself: true, hours: {from: "02:30", until: "05:00"}}}
"""
NOVEMBER = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    path = tmp_path_factory.mktemp("duties") / "rollback.yaml"
    path.write_text(FILE)
    return load(path, KNOWN)


def duty(target: str = "orders", next_at: datetime = NOVEMBER, **more: object) -> Duty:
    return Duty("d1", DutyKind.DRILL, target, next_at, next_at, **more)  # type: ignore[arg-type]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Whom --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("orders", ("payments-team", "U01ANA", "rollback-audit")),
        ("shop", ("rollback-audit",)),
        ("web", ("U01ANA", "rollback-audit")),
        ("gone", ()),
    ],
)
def test_the_channel_of_the_owner_comes_first_and_the_audit_channel_last(
    configuration: Configuration, target: str, told: tuple[str, ...]
) -> None:
    assert recipients(configuration, duty(target)) == told


def test_whom_it_was_handed_to_comes_before_everybody(configuration: Configuration) -> None:
    assert recipients(configuration, duty(handed_to="U01BEN"))[0] == "U01BEN"


def test_what_is_due_for_the_same_people_is_one_message(configuration: Configuration) -> None:
    told, nobody = tellings(configuration, [duty("web"), duty("shop"), duty("web"), duty("gone")])
    assert [(one.recipient, len(one.duties)) for one in told] == [("U01ANA", 2), ("rollback-audit", 1)]
    assert [one.target for one in nobody] == ["gone"]


def test_who_could_not_be_reached_is_passed_over(configuration: Configuration) -> None:
    told, _ = tellings(configuration, [duty(passed_over=1)])
    assert told[0].recipient == "U01ANA"


def test_the_next_week_begins_with_the_first_one_again(configuration: Configuration) -> None:
    told, _ = tellings(configuration, [duty(passed_over=1, card="c1")])
    assert told[0].recipient == "payments-team"


# When --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "began"),
    [
        ("2026-11-22T08:59", None),  # 09:59 in Berlin
        ("2026-11-22T09:00", "2026-11-22T09:00"),
        ("2026-11-22T16:59", "2026-11-22T09:00"),
        ("2026-11-22T17:00", None),
        ("2026-07-22T08:00", "2026-07-22T08:00"),  # in summer the same hour is another one in UTC
    ],
)
def test_people_are_told_only_within_the_hours_of_their_zone(
    configuration: Configuration, now: str, began: str | None
) -> None:
    assert opening(configuration, at(now)) == (at(began) if began else None)


@pytest.mark.parametrize(
    ("told", "again"),
    [
        ("2026-11-22T11:30", "2026-11-29T09:00"),
        ("2026-03-25T11:30", "2026-04-01T08:00"),  # the clocks went forward on the 29th
        ("2026-10-21T11:30", "2026-10-28T09:00"),  # and back on the 25th
    ],
)
def test_a_week_later_is_the_same_hour_on_the_wall(
    configuration: Configuration, told: str, again: str
) -> None:
    assert told_again_at(configuration, at(told)) == at(again)


def test_an_hour_that_the_clocks_skip_is_the_moment_at_which_they_do(tmp_path: Path) -> None:
    path = tmp_path / "rollback.yaml"
    path.write_text(FILE + 'reminders: {from: "02:30", until: "04:00"}\n')
    skipping = load(path, KNOWN)
    assert told_again_at(skipping, at("2026-03-22T02:00")) == at("2026-03-29T01:30")
    assert opening(skipping, at("2026-03-29T01:45")) == at("2026-03-29T01:30")


@pytest.mark.parametrize(
    ("due", "now", "hours"),
    [
        ("2026-11-22T09:00", "2026-11-22T09:01", 0),
        ("2026-11-22T15:00", "2026-11-23T09:01", 0),  # it waited for the morning
        ("2026-11-22T09:00", "2026-11-22T13:00", 4),
        ("2026-11-21T22:00", "2026-11-24T09:00", 48),
    ],
)
def test_a_reminder_says_how_late_it_comes_and_waiting_for_the_hours_is_not_late(
    configuration: Configuration, due: str, now: str, hours: int
) -> None:
    assert late_by(configuration, duty(next_at=at(due)), at(now)) == timedelta(hours=hours)


def test_nothing_is_put_off_for_longer_than_its_cadence() -> None:
    quarterly = duty(every=90 * 86_400.0)
    assert latest_put_off(quarterly, NOVEMBER) == NOVEMBER + timedelta(days=90)
    assert latest_put_off(duty(), NOVEMBER) == NOVEMBER + timedelta(days=14)


# By itself ---------------------------------------------------------------------------------------


def told(configuration: Configuration, on: str, target: str = "night", **more: object) -> Duty:
    """Told then, and to be told again a week later."""
    again = told_again_at(configuration, at(on))
    return Duty("d1", DutyKind.DRILL, target, at(on), again, **{"card": "c1", **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("on", "starts"),
    [
        ("2026-11-22T11:30", "2026-11-23T01:30"),
        ("2026-11-22T16:59", "2026-11-23T01:30"),
        ("2026-07-22T11:30", "2026-07-23T00:30"),  # in summer the same hour is another one in UTC
        ("2026-03-28T11:30", "2026-03-29T01:30"),  # clocks skip it: it is when they do
        ("2026-10-24T11:30", "2026-10-25T00:30"),  # it comes twice: the first one
    ],
)
def test_it_starts_on_the_day_after_it_was_told(configuration: Configuration, on: str, starts: str) -> None:
    assert starts_at(configuration, told(configuration, on), at(on) + timedelta(minutes=1)) == at(starts)


@pytest.mark.parametrize(
    ("now", "may"),
    [
        ("2026-11-22T11:31", False),
        ("2026-11-23T01:29", False),
        ("2026-11-23T01:30", True),
        ("2026-11-23T03:59", True),
        ("2026-11-23T04:00", False),  # 05:00 in Berlin
        ("2026-11-24T02:00", True),  # it could not on the day before
        ("2026-11-29T09:00", False),  # it is to be told again
    ],
)
def test_it_starts_within_its_hours_until_it_is_told_again(
    configuration: Configuration, now: str, may: bool
) -> None:
    assert may_start(configuration, told(configuration, "2026-11-22T11:30"), at(now)) is may


def test_nobody_is_told_at_midnight_of_a_drill_at_midnight(tmp_path: Path) -> None:
    path = tmp_path / "rollback.yaml"
    path.write_text(FILE + 'reminders: {from: "00:00", until: "23:59"}\n')
    always = load(path, KNOWN)
    duty = told(always, "2026-11-22T22:54")
    assert starts_at(always, duty, at("2026-11-22T22:55")) == at("2026-11-24T01:30")  # its hours end at 05:00


@pytest.mark.parametrize(
    "more",
    [
        {"card": None},  # nobody was told of it
        {"put_off_by": "U01ANA"},
        {"target": "orders"},  # whose drills do not start by themselves
        {"target": "gone"},
    ],
)
def test_what_nobody_heard_of_or_was_put_off_does_not_start(
    configuration: Configuration, more: dict[str, object]
) -> None:
    duty = told(configuration, "2026-11-22T11:30", **more)  # type: ignore[arg-type]
    assert starts_at(configuration, duty, at("2026-11-23T02:00")) is None


def test_a_follow_up_starts_nothing(configuration: Configuration) -> None:
    drill = told(configuration, "2026-11-22T11:30")
    assert starts_at(configuration, replace(drill, kind=DutyKind.FOLLOW_UP), at("2026-11-23T02:00")) is None
