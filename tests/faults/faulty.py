"""The bot as a real process on a machine that can be made to fail while it runs; see machine.c."""

import asyncio
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from bot.clock import SteadyClock
from bot.model import State
from tests.handlers.killed_world import KilledWorld
from tests.handlers.world import PATIENCE

SOURCE = Path(__file__).with_name("machine.c")
COMPILER = shutil.which("gcc") or shutil.which("cc")  # None: there is none here
NO_COMPILER = "no C compiler here, so no machine can be made to fail"


def compiled(folder: Path) -> Path:
    """The library to be preloaded."""
    assert COMPILER is not None  # whoever asks has looked
    library = folder / "machine.so"
    how = ("-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl")
    subprocess.run([COMPILER, *how], check=True)
    return library


@dataclass
class FaultyWorld(KilledWorld):
    library: Path = field(default_factory=Path)

    @property
    def faults(self) -> Path:
        return self.folder / "faults"

    def environment(self) -> dict[str, str]:
        self.faults.mkdir(exist_ok=True)
        return {
            **super().environment(),
            "LD_PRELOAD": str(self.library),
            "FAULTS": str(self.faults),
            "FAULTS_AT": str(self.folder / "state"),
        }

    def breaks(self, what: str) -> None:
        (self.faults / what).touch()

    def mends(self, what: str) -> None:
        (self.faults / what).unlink()

    def turns_clock(self, seconds: int) -> None:
        """From now on the wall clock is so much ahead of the real one; less than none: behind."""
        new = self.faults / "clock.new"
        new.write_text(str(seconds))
        os.replace(new, self.faults / "clock")

    async def read_card(self) -> None:
        await self.reaches("awaiting_approval")
        await self.shows("Approve")
        await self.read_for_a_second()

    async def is_overdue(self) -> None:
        """Until the time to approve is over, by our own clock."""
        by = (await self.run()).approval.approve_by
        assert by is not None
        await asyncio.sleep(max(0.0, (by - SteadyClock()()).total_seconds()))

    async def approves(self) -> None:
        """As often as it takes to be believed: whatever the clocks say, people read for a second."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while (await self.run()).state is State.AWAITING_APPROVAL:
            assert asyncio.get_running_loop().time() < deadline, "the approval was never taken"
            await self.clicks("ben", "Approve and start")
            await asyncio.sleep(0.2)
