"""How the story tells: a line for each fact, once it was seen, and what ends the story."""

from typing import Any

from workspace.event_reader import EventRow
from workspace.stage import Stage


class Differs(Exception):
    """Says what we expected and what we saw instead."""

    def __init__(self, what: str, expected: object, seen: object) -> None:
        super().__init__(f"{what}: expected {expected}, seen {seen}")


def say(target: str, words: str) -> None:
    print(f"{target:<11} {words}", flush=True)


def expect(what: str, expected: object, seen: object) -> None:
    if seen != expected:
        raise Differs(what, expected, seen)


async def verified(stage: Stage, target: str, run: str) -> None:
    ended = await stage.until_settled(run)
    expect(run, "succeeded", ended.state)
    findings = [finding for entry in stage.told.of(run) for finding in _findings(entry)]
    expect("checks were made", True, bool(findings))
    for finding in findings:
        expect(f"check {finding['name']}", "passed", finding["verdict"])
    say(target, f"{run} succeeded, passed: {', '.join(map(_before_and_after, findings))}")


def _findings(entry: EventRow) -> list[dict[str, Any]]:
    return list(entry.data["findings"]) if entry.kind == "checks_passed" else []


def _before_and_after(finding: dict[str, Any]) -> str:
    """`health 500→200`; the name alone where the two are no numbers."""
    before, value, name = finding["before"], finding["value"], finding["name"]
    numbers = isinstance(before, int | float) and isinstance(value, int | float)
    return f"{name} {before:.0f}→{value:.0f}" if numbers else str(name)
