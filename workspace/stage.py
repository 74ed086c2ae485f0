"""The demo put together: the world, the pretend Slack, the bot in its own process, and people's hands.

`demo` shows it on a page and `story` plays it in a terminal; both act as people do, by commands and clicks.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from workspace import configuration, event_reader, observation, processes, world
from workspace.bot_process import BotProcess
from workspace.event_reader import RunRow, StoredHistory
from workspace.observation import Observation, Orders
from workspace.processes import Process
from workspace.slack.nouns import Message, View
from workspace.slack.server import PretendSlack
from workspace.world import PAUSE_BETWEEN_ORDERS_SECONDS, DemoWorld

STOREFRONT: Final = str(configuration.TARGETS / "storefront.py")
CUSTOMERS: Final = str(configuration.TARGETS / "customers.py")
STAGE_LOOKS_EVERY_SECONDS: Final = 0.1
RECONNECTED_WITHIN_SECONDS: Final = 30.0  # the bot's watchdog looks every few
CARD_TOO_YOUNG_SECONDS: Final = 1.3  # the bot takes no approval in the first second of a card

T = TypeVar("T")


class NotSeen(Exception):
    """Something that should have happened by now did not."""


@dataclass
class Stage:
    world: DemoWorld
    shop: str  # the storefront's address
    server: PretendSlack
    bot: BotProcess
    seen: Observation
    told: StoredHistory = field(default_factory=StoredHistory)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    # Looking

    async def look(self) -> None:
        """See the world and read the bot's database again. What cannot be read right now stays as it was."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        seen = await asyncio.to_thread(observation.look, self.world, self.shop)
        if seen.orders.total is None:
            seen = _with_rows_of(seen, self.seen.orders)
        told = await asyncio.to_thread(event_reader.read, self.bot.database)
        changed = (seen, told) != (self.seen, self.told)
        self.seen, self.told = seen, told
        if changed:
            self.server.workspace.changed.touch()

    async def until(self, what: str, condition: Callable[[], T | None], timeout: float = 20.0) -> T:
        """Look until the condition gives something. Raises NotSeen with `what`."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            await self.look()
            if value := condition():
                return value
            if asyncio.get_running_loop().time() > deadline:
                raise NotSeen(f"{what}: not within {timeout:.0f} s")
            await asyncio.sleep(STAGE_LOOKS_EVERY_SECONDS)

    def form(self, user: str) -> View | None:
        """The form in which this person may ask for a rollback, when it is open."""
        views = self.server.workspace.views(user)
        return next((view for view in views if view.callback_id == "start_rollback"), None)

    def card(self, run_id: str) -> Message | None:
        """The card of a run in its channel, as it stands now."""
        for channel in self.server.workspace.channels.values():
            for message in self.server.workspace.messages(channel.id) if channel.im_with is None else ():
                if is_card_of(message, run_id):
                    return message
        return None

    # Acting

    async def ask(self, user: str, channel: str, target: str, wish: str) -> str:
        """`/rollback TARGET WISH`, the wish naming a point, so that no modal opens; the id of the new run."""
        before = {run.id for run in self.told.runs}
        await self.command(user, channel, f"{target} {wish}")
        return await self.until(f"a request for {target}", lambda: self.new_run(target, before))

    async def command(self, user: str, channel: str, text: str) -> None:
        """`/rollback TEXT`, as soon as the bot is connected: it may have been cut off just before."""
        await self.until(
            "the bot is connected", lambda: len(self.server.sockets) > 0, RECONNECTED_WITHIN_SECONDS
        )
        reply = await self.server.slash(user, channel, text)
        if not reply.acked:
            raise NotSeen(f"/rollback {text}: the bot does not take it ({reply.error})")

    def new_run(self, target: str, before: set[str]) -> str | None:
        return next((run.id for run in self.told.runs if run.target == target and run.id not in before), None)

    async def press(self, user: str, run_id: str, action: str) -> None:
        """A button on the card, as soon as it is there and old enough."""
        card = await self.until(f"{action} on the card of {run_id}", lambda: self._ready(run_id, action))
        await self.server.click(user, card, action)

    def _ready(self, run_id: str, action: str) -> Message | None:
        card = self.card(run_id)
        if card is None or self.server.workspace.clock() - card.at < CARD_TOO_YOUNG_SECONDS:
            return None
        return card if self.has_button(run_id, action) else None

    def has_button(self, run_id: str, action: str) -> bool:
        card = self.card(run_id)
        return card is not None and action in (name for _, name, _, _ in card.buttons())

    async def until_settled(self, run_id: str, timeout: float = 60.0) -> RunRow:
        await self.until(f"{run_id} ends or pauses", lambda: self.is_settled(run_id), timeout)
        await self.look()  # at the world as it is now that the run has settled
        run = self.told.run(run_id)
        assert run is not None  # it is settled
        return run

    def is_settled(self, run_id: str) -> bool:
        run = self.told.run(run_id)
        return run is not None and run.settled

    async def until_mid_restore(self, run_id: str) -> float:
        """The share of the restore that is done, when it is about half."""

        def half_way() -> float | None:
            run = self.told.run(run_id)
            return run.share if run and run.share and 0.4 < run.share < 0.9 else None

        return await self.until(f"{run_id} in the middle of its restore", half_way)

    async def reset(self) -> None:
        """The world broken as at the start, empty channels, a bot that remembers nothing."""
        async with self._looking:
            self.bot.kill()  # all that it knows goes anyway
            await self.bot.stop()
            world.empty(self.world.folder)
            await asyncio.to_thread(world.build, self.world.folder, _now())
            configuration.write_configuration(self.world, self.shop)
            self.server.faults.clear()
            self._clear_channels()
            await self.bot.start()
            await self._look()

    def _clear_channels(self) -> None:
        workspace = self.server.workspace
        for channel in workspace.channels:
            for message in workspace.everything(channel):
                workspace.delete(message)
        for user in workspace.users:
            workspace.modals.clear(user)
        workspace.modals.homes.clear()


def is_card_of(message: Message, run_id: str) -> bool:
    metadata = message.metadata or {}
    return metadata.get("event_type") == "rollback_card" and metadata["event_payload"].get("run_id") == run_id


@contextlib.asynccontextmanager
async def set_up(folder: Path, server: PretendSlack) -> AsyncIterator[Stage]:
    """Everything started, and ended afterwards. Raises UserError when the folder is not the demo's."""
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(world.claimed(folder))
        built = await asyncio.to_thread(world.build, folder.resolve(), _now())
        storefront = await _started(stack, STOREFRONT, str(built.storefront))
        pace = str(PAUSE_BETWEEN_ORDERS_SECONDS)
        await _started(stack, CUSTOMERS, str(built.database), str(built.orders_flag), pace)
        shop = f"http://127.0.0.1:{int(await storefront.line())}/"
        configuration.furnish(server.workspace)
        bot = BotProcess(
            built.folder / "bot",
            configuration.write_configuration(built, shop),
            {
                "SLACK_API_URL": server.api_url,
                "SLACK_BOT_TOKEN": server.bot_token,
                "SLACK_APP_TOKEN": server.app_token,
            },
        )
        stack.push_async_callback(bot.stop)
        await bot.start()
        yield Stage(built, shop, server, bot, await asyncio.to_thread(observation.look, built, shop))


async def _started(stack: contextlib.AsyncExitStack, *argv: str) -> Process:
    process = await processes.start(("-I", *argv))
    stack.push_async_callback(process.end)
    return process


def _with_rows_of(seen: Observation, before: Orders) -> Observation:
    rows = replace(before, maintenance=seen.orders.maintenance, newest_backup=seen.orders.newest_backup)
    return replace(seen, orders=rows)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
