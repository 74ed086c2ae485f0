"""The contract of a check as tests: one that passes them says what it saw, and never more.

A subclass names its `CheckWorld`; see harness.py for what that is.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio

from backends.conformance.harness import CheckWorld
from bot.looking import PatientCheck
from bot.model import Finding, Verdict

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IN_TIME_SECONDS = 5.0  # for a look that gives up after `harness.SHORT_SECONDS`


class CheckContract:
    world_type: ClassVar[type[CheckWorld]]

    @pytest_asyncio.fixture
    async def world(self, tmp_path: Path) -> AsyncIterator[CheckWorld]:
        async with self.world_type.made(tmp_path) as world:
            yield world

    async def test_a_world_as_it_should_be_passes(self, world: CheckWorld) -> None:
        finding = await look(world.passing())
        assert (finding.verdict, finding.value is not None) == (Verdict.PASSED, True)

    async def test_a_world_as_it_should_not_be_fails(self, world: CheckWorld) -> None:
        finding = await look(world.failing())
        assert finding.verdict is Verdict.FAILED
        assert finding.words

    async def test_a_world_that_is_not_there_is_inconclusive_and_says_why(self, world: CheckWorld) -> None:
        finding = await look(world.unreachable())
        assert (finding.verdict, finding.value) == (Verdict.INCONCLUSIVE, None)
        assert finding.words

    async def test_a_world_that_is_too_slow_is_inconclusive_in_time(self, world: CheckWorld) -> None:
        async with asyncio.timeout(IN_TIME_SECONDS):
            finding = await look(world.slow())
        assert (finding.verdict, finding.value) == (Verdict.INCONCLUSIVE, None)

    @pytest.mark.parametrize("kind", ["passing", "failing", "unreachable", "slow"])
    async def test_a_finding_carries_the_check_and_the_value_before(
        self, world: CheckWorld, kind: str
    ) -> None:
        check: PatientCheck = getattr(world, kind)()
        before = Finding(check.name, check.when, None, "what it was")
        finding = await look(check, before)
        assert (finding.name, finding.when, finding.before) == (check.name, check.when, "what it was")

    @pytest.mark.parametrize("kind", ["passing", "unreachable"])
    async def test_looking_leaves_no_descriptors_open(self, world: CheckWorld, kind: str) -> None:
        check: PatientCheck = getattr(world, kind)()
        open_after = []
        for _ in range(6):
            await look(check)
            await asyncio.sleep(0.05)  # the server's own side of a closed connection
            open_after.append(len(os.listdir("/proc/self/fd")))
        assert open_after[-1] <= open_after[0]


async def look(check: PatientCheck, before: Finding | None = None) -> Finding:
    return await check.look(before, NOW)
