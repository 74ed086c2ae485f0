"""When a verdict is believed: every rule of `looking`, with a clock that only moves when we sleep."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from bot.looking import PatientCheck, look_once, look_until_sure
from bot.model import Finding, Verdict, When

P, F, I = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE  # noqa: E741


class Clock:
    """Everybody who sleeps wakes in the order of time; nobody really waits."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.began = self.now

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        wake = self.now + timedelta(seconds=seconds)
        await asyncio.sleep(0)
        self.now = max(self.now, wake)

    @property
    def passed(self) -> float:
        return (self.now - self.began).total_seconds()


@dataclass
class Scripted:
    """Sees what the script says; the last of it for ever. Each look may take its time."""

    script: str  # P, F or I, one look each
    name: str = "smoke"
    when: When = When.OFFLINE
    stable: int = 1
    every: float = 1.0
    wait: float = 10.0
    looked_at: list[datetime] = field(default_factory=list)

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        seen = self.script[min(len(self.looked_at), len(self.script) - 1)]
        self.looked_at.append(now)
        was = before.value if before else None
        return Finding(self.name, self.when, {"P": P, "F": F, "I": I}[seen], len(self.looked_at), was, seen)


async def sure(check: Scripted, clock: Clock | None = None) -> Finding:
    clock = clock or Clock()
    [finding] = await look_until_sure([check], check.when, {}, clock, clock.sleep)
    return finding


@pytest.mark.parametrize(
    ("script", "stable", "verdict", "looks"),
    [
        ("P", 1, P, 1),
        ("F", 1, F, 1),
        ("P", 3, P, 3),
        ("F", 3, F, 3),
        ("PPF" + "P", 3, P, 6),
        ("FFP", 3, P, 5),
        ("IIIP", 1, P, 4),
        ("IIIF", 1, F, 4),
        ("PPIPPP", 3, P, 6),
        ("I", 1, I, 11),
        ("PF" * 20, 2, I, 11),
        ("IIIIIIIIIPPP", 3, I, 11),
    ],
)
async def test_a_verdict_is_believed_when_it_was_seen_often_enough_in_a_row(
    script: str, stable: int, verdict: Verdict, looks: int
) -> None:
    check = Scripted(script, stable=stable)
    finding = await sure(check)
    assert (finding.verdict, len(check.looked_at)) == (verdict, looks)


async def test_looks_are_apart_by_every() -> None:
    check = Scripted("P", stable=3, every=2.5)
    await sure(check)
    first, *others = check.looked_at
    assert [(at - first).total_seconds() for at in others] == [2.5, 5.0]


async def test_inconclusive_is_given_up_when_wait_is_over() -> None:
    clock = Clock()
    assert (await sure(Scripted("I", wait=180.0), clock)).verdict is I
    assert 179 <= clock.passed <= 180


async def test_without_patience_there_is_one_look() -> None:
    check = Scripted("I", wait=0.0)
    await sure(check)
    assert len(check.looked_at) == 1


async def test_what_was_never_sure_says_how_far_it_came() -> None:
    finding = await sure(Scripted("PF" * 20, stable=3))
    assert finding.words == "passed only 1 of 3 times in a row within 10 s: P"


async def test_the_newest_look_is_the_one_that_is_told() -> None:
    assert (await sure(Scripted("IIP"))).value == 3


async def test_only_the_checks_of_the_phase_are_looked_at() -> None:
    offline, online = Scripted("P", name="inside"), Scripted("P", name="outside", when=When.ONLINE)
    clock = Clock()
    findings = await look_until_sure([offline, online], When.ONLINE, {}, clock, clock.sleep)
    assert ([finding.name for finding in findings], offline.looked_at) == (["outside"], [])


async def test_checks_are_looked_at_side_by_side_and_told_in_their_order() -> None:
    slow, quick = Scripted("P", name="slow", stable=10), Scripted("F", name="quick")
    clock = Clock()
    findings = await look_until_sure([slow, quick], When.OFFLINE, {}, clock, clock.sleep)
    assert [finding.name for finding in findings] == ["slow", "quick"]
    assert quick.looked_at == [slow.looked_at[0]]


async def test_a_check_gets_its_own_value_from_before() -> None:
    checks = [Scripted("P", name="one"), Scripted("P", name="two")]
    before: Mapping[str, Finding] = {"two": Finding("two", When.OFFLINE, None, "what it was")}
    clock = Clock()
    findings = await look_until_sure(checks, When.OFFLINE, before, clock, clock.sleep)
    assert [finding.before for finding in findings] == [None, "what it was"]


async def test_no_checks_find_nothing() -> None:
    clock = Clock()
    assert await look_until_sure([], When.OFFLINE, {}, clock, clock.sleep) == ()


async def test_the_baseline_is_one_look_at_every_check_and_no_verdict() -> None:
    checks = [Scripted("F", name="one", stable=3), Scripted("I", name="two", when=When.ONLINE)]
    findings = await look_once(checks, Clock())
    assert [(finding.name, finding.verdict, finding.value) for finding in findings] == [
        ("one", None, 1),
        ("two", None, 1),
    ]


async def test_who_stops_waiting_stops_every_look() -> None:
    asleep, never = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        asleep.set()
        await never.wait()

    looking = asyncio.create_task(look_until_sure([Scripted("I")], When.OFFLINE, {}, Clock(), sleep))
    await asleep.wait()
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert len(asyncio.all_tasks()) == 1


def test_the_script_is_a_check() -> None:
    check: PatientCheck = Scripted("P")
    assert check.name == "smoke"
