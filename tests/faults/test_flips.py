"""One byte of the database changes on the disk: the next start finds it, or it makes no difference.

After a clean stop everything counts. After a crash only what nothing is decided from may go unnoticed.
"""

from pathlib import Path

import pytest

from tests.faults.flips import Noticed, flip_many

SEED = 20261122
FLIPS = 60  # `python -m tests.faults.flips 1000 SEED` is the long form


@pytest.mark.parametrize("crashed", [False, True], ids=["after a clean stop", "after a crash"])
async def test_no_flipped_byte_is_missed(tmp_path: Path, crashed: bool) -> None:
    tally = await flip_many(tmp_path, FLIPS, SEED, crashed=crashed)
    assert tally[Noticed.MISSED] == 0
    assert tally[Noticed.FOUND] > 0


async def test_after_a_clean_stop_every_flipped_byte_is_found(tmp_path: Path) -> None:
    assert await flip_many(tmp_path, FLIPS, SEED, crashed=False) == {Noticed.FOUND: FLIPS}
