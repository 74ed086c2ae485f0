"""A hand-over as an operation: what became of it where nobody has said so."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from backends.conformance.harness import ended
from backends.hand_over import HandingOver
from backends.programs import supervisor
from backends.surroundings import Surroundings
from bot.configuration import HandOver
from bot.contract import Fate, Work
from bot.model import Do
from tests.backends.test_snapshot_check import database, described

WORK = Work("k7f3a91c.RB-60.3", "RB-60", "ab" * 32, Do.HAND_OVER, "", "")


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    folder = tmp_path / "audit"
    folder.mkdir()
    return folder


@pytest.fixture
async def given(tmp_path: Path, audit: Path) -> HandingOver:
    """It has ended, and the word about its end is lost, as when the host goes down just then."""
    copy, spool = database(tmp_path / "copy.db"), tmp_path / "spool"
    spool.mkdir()
    manifest: dict[str, Any] = {**described(copy), "target": "orders"}
    surroundings = Surroundings(tmp_path, spool)
    operation = HandingOver(HandOver(folder=str(audit)), str(copy), manifest, surroundings)
    await operation.start(WORK)
    await ended(operation, WORK)
    (spool / WORK.op_id / "1" / supervisor.ENDED).unlink()
    async with asyncio.timeout(30):
        while (await operation.find(WORK)).fate is Fate.IN_FLIGHT:  # noqa: ASYNC110 - its supervisor has no event
            await asyncio.sleep(0.02)
    return operation


async def test_what_stands_in_the_folder_was_handed_over_though_nobody_says_so(given: HandingOver) -> None:
    assert (await given.find(WORK)).fate is Fate.DONE


async def test_where_nothing_stands_in_the_folder_nobody_knows(given: HandingOver, audit: Path) -> None:
    (audit / "RB-60").rename(audit / "moved")
    assert (await given.find(WORK)).fate is Fate.UNKNOWN
