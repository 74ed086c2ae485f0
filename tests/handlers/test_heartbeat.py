"""What a worker says every few seconds of its targets: one that hangs keeps the others from nothing."""

from collections.abc import Sequence

import pytest

from bot.errors import ConfigurationError
from bot.pins import Pin
from handlers.heartbeat import pins_of
from tests.bot.configured import configuration, target
from tests.bot.scripted import HandClock, Journal, World, for_ever

ZONE = "main"
KNOWN = configuration(target("orders"), target("stock"))
ROOT = (Pin("`root`", "7c1e" * 16),)


class Files(World):
    """Where the files of a target hang, or a reference of it leads nowhere."""

    def __init__(self) -> None:
        super().__init__(KNOWN, Journal(), HandClock())
        self.pinned = {"orders": ROOT, "stock": ROOT}
        self.hang: set[str] = set()

    async def pins(
        self, target: str, agreed: Sequence[Pin] = (), *, handed_over: bool = False
    ) -> tuple[Pin, ...]:
        if target in self.hang:
            await for_ever()
        if target in self.misconfigured:
            raise ConfigurationError((f"a secret of {target} is missing",))
        return await super().pins(target, agreed)


@pytest.fixture
def files() -> Files:
    return Files()


async def test_a_target_whose_files_hang_keeps_the_others_from_nothing(files: Files) -> None:
    files.hang = {"orders"}
    assert (await pins_of(ZONE, KNOWN, files, within=0.01)()).keys() == {"stock"}


async def test_a_target_whose_files_hang_now_stays_as_it_was_seen_last(files: Files) -> None:
    look = pins_of(ZONE, KNOWN, files, within=0.01)
    before = await look()
    files.hang = {"orders"}
    assert await look() == before


async def test_a_target_that_leads_nowhere_now_is_not_told_as_it_was(files: Files) -> None:
    look = pins_of(ZONE, KNOWN, files, within=0.01)
    await look()
    files.misconfigured = {"orders"}
    assert (await look()).keys() == {"stock"}
