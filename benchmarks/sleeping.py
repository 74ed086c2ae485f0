"""Backends that sleep: what a run costs beside them is ours.

Fenced by an op id that this process remembers: each run is driven to its end by one process.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backends.installed import definitions
from bot.configuration import Configuration, Target, load
from bot.contract import (
    Capabilities,
    Ended,
    Fate,
    Found,
    Handle,
    Progress,
    Taken,
    Work,
)
from bot.looking import ChecksOfCopy, PatientCheck
from bot.model import (
    Current,
    Do,
    Fence,
    Finding,
    Goal,
    Left,
    Loss,
    LossQuality,
    Person,
    Points,
    RestorePoint,
    Span,
    Verdict,
    Way,
    When,
)
from bot.pins import Pin
from bot.policy import Entitled

STEP = 0.020  # seconds
STEPS = 6  # maintenance on, undo point, three restores, maintenance off
LIVE = Current("v42", "token-v42", "v42")
CAME, WENT = datetime(2026, 11, 22, 10, tzinfo=UTC), datetime(2026, 11, 22, 11, tzinfo=UTC)
POINT = RestorePoint("v41", CAME, "v41", live=(Span(CAME, WENT),))
ASKS = Person("U00ASK", "asks", "Asks", marks=frozenset({"asks"}))
APPROVES = Person("U00YES", "approves", "Approves", marks=frozenset({"approves"}))


def configured(folder: Path, runs: int) -> Configuration:
    """For each run a target, and two beside it that its procedure takes back as well. Written, and read."""
    path = folder / "rollback.yaml"
    path.write_text(json.dumps({"version": 1, "targets": _targets(runs), "procedures": _procedures(runs)}))
    return load(path, definitions())


def asked_target(n: int) -> str:
    return f"shop-{n}"


def _others(n: int) -> tuple[str, str]:
    return f"stock-{n}", f"search-{n}"


def _targets(runs: int) -> dict[str, Any]:
    described = {
        "kind": "system",
        "executor": {"type": "releases", "root": "nowhere"},
        "approval": {"from": [APPROVES.id]},
    }
    maintenance = {do: {"type": "command", "argv": ["true"]} for do in ("enter", "leave")}
    asked = {
        asked_target(n): {**described, "maintenance": maintenance, "procedure": asked_target(n)}
        for n in range(runs)
    }
    return asked | {name: described for n in range(runs) for name in _others(n)}


def _procedures(runs: int) -> dict[str, Any]:
    """Three restores each."""
    return {
        asked_target(n): {
            "steps": [{"phase": "restore", "target": name} for name in (asked_target(n), *_others(n))]
        }
        for n in range(runs)
    }


class Sleeping:
    """An executor and both directions of maintenance in one."""

    place = None

    def __init__(self, *does: Do) -> None:
        self.capabilities = Capabilities(Fence.BARRED, does=frozenset(does))
        self._done: set[str] = set()

    async def start(self, work: Work) -> Handle | Taken | Ended:
        if work.op_id in self._done:
            return Taken.TAKEN
        self._done.add(work.op_id)
        await asyncio.sleep(STEP)
        return self._end(work)

    def _end(self, work: Work) -> Ended:
        kept = RestorePoint(LIVE.id, None) if work.do is Do.SAVE else None
        return Ended(True, Left.POINT, made=kept)

    async def find(self, work: Work) -> Found:
        return Found(Fate.DONE if work.op_id in self._done else Fate.ABSENT)

    async def bar(self, work: Work) -> Found:
        return await self.find(work)

    async def poll(self, work: Work) -> Progress | Ended:
        return self._end(work)

    async def cancel(self, work: Work) -> Left | None:
        return None

    async def points(self, limit: int = 50) -> Points:
        return Points((POINT,), LIVE)

    async def plan(self, goal: Goal, now: datetime) -> Way:
        return Way(POINT, LIVE, Loss(LossQuality.NONE))

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        return Loss(LossQuality.NONE)

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        return (Finding("arrived", When.OFFLINE, Verdict.PASSED),)


class SleepingWorld:
    """Fulfils the engine's World. Only the target that is asked for has an undo point."""

    def __init__(self) -> None:
        self._asked = Sleeping(Do.SAVE, Do.RESTORE)
        self._other = Sleeping(Do.RESTORE)

    def executor(self, target: str) -> Sleeping:
        return self._asked if target.startswith("shop-") else self._other

    async def pins(
        self, target: str, agreed: Sequence[Pin] = (), *, handed_over: bool = False
    ) -> tuple[Pin, ...]:
        return ()

    async def why_no_hand_over(self, target: str) -> str | None:
        return None

    def maintenance(self, target: str, do: Do) -> Sleeping:
        return self._asked

    def hand_over(self, target: str, copy: str, manifest: Mapping[str, Any]) -> Sleeping:
        return self._other

    def checks(self, targets: Sequence[str]) -> tuple[PatientCheck, ...]:
        return ()

    def checks_of_copy(self, target: str, environment: Mapping[str, str]) -> ChecksOfCopy:
        return ChecksOfCopy((), ())


class TwoPeople:
    """Fulfils the engine's Directory."""

    async def entitled(self, target: Target) -> Entitled:
        return Entitled((APPROVES,))
