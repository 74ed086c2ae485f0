"""A world for conversations: the pretend Slack, the real bot, a real backend, and a clock to turn.

Everything that happens goes in through Slack's own doors and is seen where people would see it.
"""

import asyncio
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select

from bot.clock import SteadyClock
from bot.run import Run
from handlers import serve
from handlers.front import Front
from handlers.settings import read_settings
from storage.runs import Store
from storage.tables import evidence
from tests.people import CHANNEL, PEOPLE
from workspace.slack.acts import SlashReply
from workspace.slack.forms import ClickReply, SubmitReply
from workspace.slack.nouns import Message, View
from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace

PATIENCE = 30.0  # seconds; only a broken bot needs them


class TurnedClock:
    """The steady clock, turned forward by hand."""

    def __init__(self) -> None:
        self._steady = SteadyClock()
        self._turned = timedelta()

    def __call__(self) -> datetime:
        return self._steady() + self._turned

    def turn(self, forward: timedelta) -> None:
        self._turned += forward


@dataclass
class Backend:
    """A small program with an effect a line in `effects`; what it does is steered by files."""

    folder: Path

    def build(self, versions: Sequence[str] = ("v40", "v41", "v42")) -> None:
        self.folder.mkdir()
        (self.folder / "current").write_text(versions[-1])
        (self.folder / "effects").touch()
        self.offer(versions)
        ctl = self.folder / "ctl"
        ctl.write_text(_CTL.format(folder=self.folder))
        ctl.chmod(0o755)

    def offer(self, versions: Sequence[str]) -> None:
        now = SteadyClock()()
        points = [
            {"id": v, "label": v, "created_at": (now - timedelta(hours=n + 1)).isoformat(), "author": "ci"}
            for n, v in enumerate(reversed(versions))
        ]
        (self.folder / "points").write_text(json.dumps(points))
        (self.folder / "since").write_text((now - timedelta(minutes=61)).isoformat())

    def deploy(self, version: str) -> None:
        """Somebody deploys behind our back."""
        (self.folder / "current").write_text(version)

    def will(self, what: Literal["copying", "fail", "hang", "lie", "slow", "unhealthy"]) -> None:
        (self.folder / what).touch()

    def no_longer(self, what: str) -> None:
        (self.folder / what).unlink()

    @property
    def current(self) -> str:
        return (self.folder / "current").read_text().strip()

    @property
    def effects(self) -> list[str]:
        """What was done to the world, in order: `restore v41`, `enter`, `leave`."""
        return (self.folder / "effects").read_text().splitlines()

    @property
    def restored(self) -> list[str]:
        return [effect.split()[1] for effect in self.effects if effect.startswith("restore ")]


_CTL = """#!/bin/sh
cd {folder} || exit 9
case "$1" in
  points)
    while [ -e slow ]; do sleep 0.05; done
    cat points ;;
  current) printf '{{"id": "%s", "since": "%s"}}' "$(cat current)" "$(cat since)" ;;
  restore)
    echo "restore $2" >> effects
    while [ -e hang ]; do sleep 0.05; done
    [ -e fail ] && {{ echo "disk is full" >&2; exit 3; }}
    [ -e lie ] || printf '%s' "$2" > current ;;
  prepare)
    echo "prepare $2" >> effects
    while [ -e copying ]; do sleep 0.05; done
    printf '{{"id": "copy-of-%s"}}' "$2" ;;
  drop) echo "drop $2" >> effects ;;
  enter) echo enter >> effects; touch maintenance ;;
  leave) echo leave >> effects; rm -f maintenance ;;
  healthy) [ ! -e unhealthy ] ;;
  measure) printf '{{"seconds": 1020, "units": [{{"name": "orders", "count": %s}}]}}' "$(cat lost)" ;;
esac
"""


@dataclass
class World:
    folder: Path
    mode: Literal["socket", "http"] = "socket"
    clock: TurnedClock = field(default_factory=TurnedClock)
    workspace: Workspace = field(default_factory=lambda: Workspace(seed=1))

    async def open(self, configuration: str, template: Path | None = None) -> None:
        self.backend = Backend(self.folder / "backend")
        self.backend.build()
        self.configure(configuration)
        for name, user in PEOPLE.items():
            self.workspace.add_user(user, name.title(), guest=name == "guest")
        self.workspace.add_channel(CHANNEL, "inc-1", members=list(PEOPLE.values()))
        self.slack = await PretendSlack.start(self.workspace)
        state = self.folder / "state"
        state.mkdir()
        if template is not None:
            shutil.copy(template, state / "rollback.db")
        await self.start()

    def configure(self, configuration: str) -> None:
        """Counts from the next start."""
        (self.folder / "rollback.yaml").write_text(configuration.format(ctl=self.backend.folder / "ctl"))

    def environment(self) -> dict[str, str]:
        environment = {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_API_URL": self.slack.api_url,
            "ROLLBACK_CONFIG": str(self.folder / "rollback.yaml"),
            "ROLLBACK_STATE_DIR": str(self.folder / "state"),
            "ROLLBACK_HTTP": "127.0.0.1:0",
        }
        if self.mode == "socket":
            environment["SLACK_APP_TOKEN"] = self.slack.app_token
        else:
            environment["SLACK_SIGNING_SECRET"] = self.slack.signing_secret
        return environment

    async def start(self) -> None:
        self.bot = await serve.start(read_settings(self.environment()), self.clock)
        if self.mode == "http":
            self.slack.deliver_over("http", f"{self.bot.url}/slack/events")

    async def close(self) -> None:
        for brake in ("hang", "slow"):
            (self.backend.folder / brake).unlink(missing_ok=True)
        await self.bot.stop()
        await self.slack.stop()

    @property
    def front(self) -> Front:
        assert self.bot.front is not None  # it serves both roles
        return self.bot.front

    @property
    def store(self) -> Store:
        return self.front.context.store

    # What people do

    async def says(self, who: str, text: str, channel: str = CHANNEL) -> SlashReply:
        """Types a slash command, `/rollback` in front or not."""
        return await self.slack.slash(PEOPLE[who], channel, text.removeprefix("/rollback").strip())

    async def clicks(self, who: str, label: str, message: Message | None = None) -> ClickReply:
        """Presses the button that reads `label`, on the card or on `message`."""
        message = message or self.card_message()
        for text, action, value, _ in message.buttons():
            if text == label:
                return await self.slack.click(PEOPLE[who], message, action, value=value)
        raise AssertionError(f"no {label} on the card, only {[b[0] for b in message.buttons()]}")

    async def fills_in(self, who: str, **values: str) -> SubmitReply:
        """Sends the modal on top, its inputs by action id."""
        return await self.slack.submit(PEOPLE[who], self.modal(who), values)

    def later(self, **forward: float) -> None:
        self.clock.turn(timedelta(**forward))

    async def asks(self, who: str = "ana", text: str = "shop to v41 because totals are broken") -> Run:
        """A request whose card has been read."""
        await self.says(who, text)
        run = await self.reaches("awaiting_approval")
        await self.shows("Approve")
        self.later(seconds=2)
        return run

    # What people see

    def card_message(self, channel: str = CHANNEL) -> Message:
        cards = [m for m in self.workspace.messages(channel) if m.metadata and not m.thread_ts]
        assert cards, "there is no card in the channel"
        return cards[-1]

    def card(self) -> str:
        return self.card_message().plain()

    def thread(self) -> list[str]:
        ts = self.card_message().ts
        return [m.plain() for m in self.workspace.messages(CHANNEL, thread_ts=ts) if m.ts != ts]

    def direct(self, who: str) -> list[Message]:
        return self.workspace.messages(self.workspace.direct(PEOPLE[who]))

    def modal(self, who: str) -> View:
        views = self.workspace.views(PEOPLE[who])
        assert views, f"{who} sees no modal"
        return views[-1]

    async def sees_modal(self, who: str, words: str) -> str:
        """The text of the modal on top, when it shows `words`."""

        def shown() -> str | None:
            views = self.workspace.views(PEOPLE[who])
            text = json.dumps(views[-1].blocks, ensure_ascii=False) if views else ""
            return text if words in text else None

        return str(await self.until(shown, f"a modal with {words!r}"))

    async def shows(self, words: str) -> str:
        """The card's text, when it shows `words`."""

        def shown() -> str | None:
            try:
                text = self.card()
            except AssertionError:
                return None
            return text if words in text else None

        return str(await self.until(shown, f"a card with {words!r}"))

    # What is stored

    async def run(self, run_id: str | None = None) -> Run:
        """The newest run, or this one."""
        store = self.store
        return await store.load(run_id or (await store.summaries(limit=1))[0].id)

    async def reaches(self, state: str, run_id: str | None = None) -> Run:
        """The run when it is in this state and its card shows it."""
        store = self.store
        deadline = asyncio.get_running_loop().time() + PATIENCE
        seen = "no run"
        while asyncio.get_running_loop().time() < deadline:
            summaries = await store.summaries(limit=1)
            if summaries:
                run = await store.load(run_id or summaries[0].id)
                seen = f"{run.state}: {run.why}"
                if run.state.value == state and run.id not in await store.to_show():
                    return run
            await asyncio.sleep(0.01)
        raise AssertionError(f"waited for {state}, saw {seen}")

    async def ends(self) -> Run:
        """The newest run when it is final."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not (run := await self.run()).state.final:
            assert asyncio.get_running_loop().time() < deadline, f"{run.id} is still {run.state}"
            await asyncio.sleep(0.01)
        return run

    async def until_run(self, seen: Callable[[Run], bool]) -> Run:
        """The newest run when this is seen of it."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not seen(run := await self.run()):
            assert asyncio.get_running_loop().time() < deadline, f"{run.id} stays as it is"
            await asyncio.sleep(0.01)
        return run

    async def settled(self) -> None:
        """Every card shows what is stored."""
        store = self.store
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            if not await store.to_show():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the cards never caught up")

    async def evidence(self) -> list[dict[str, Any]]:
        async with self.store.database.read() as connection:
            rows = await connection.execute(select(evidence).order_by(evidence.c.n))
            return [dict(row._mapping) for row in rows]

    async def until(self, found: Callable[[], Any], what: str) -> Any:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            if result := found():
                return result
            await asyncio.sleep(0.01)
        raise AssertionError(f"waited for {what}")


STANDARD = """
version: 1
people:
  - {{name: Ana, slack: [U01ANA]}}
groups:
  responders: {{members: [U01ANA, U01BEN, U01GUEST]}}
  managers: {{members: [U01ANA, U01BEN, U01CY]}}
defaults:
  approval: {{from: [managers]}}
targets:
  shop:
    kind: system
    owner: U01DORA
    requesters: [responders]
    loss: {{declared: none, by: shop, because: stateless}}
    executor: &ctl
      type: command
      points: {{argv: ["{ctl}", points]}}
      current: {{argv: ["{ctl}", current]}}
      restore: {{argv: ["{ctl}", restore, "{{point}}"]}}
    checks:
      - {{type: command, name: health, argv: ["{ctl}", healthy], every: 10ms, wait: 0s}}
"""

CAREFUL = (
    STANDARD
    + """    maintenance:
      enter: {{type: command, argv: ["{ctl}", enter]}}
      leave: {{type: command, argv: ["{ctl}", leave]}}
    procedure: careful
procedures:
  careful:
    steps:
      - {{phase: prepare, confirm: "Is traffic drained?"}}
      - {{phase: restore, target: shop}}
"""
)
IN_MAINTENANCE = CAREFUL.replace('      - {{phase: prepare, confirm: "Is traffic drained?"}}\n', "")
COPIED = IN_MAINTENANCE.replace(
    "    checks:",
    """      prepare: {{argv: ["{ctl}", prepare, "{{point}}"]}}
      drop: {{argv: ["{ctl}", drop, "{{handle}}"]}}
    checks:""",
)
CRITICAL = STANDARD.replace("    kind: system\n", "    kind: system\n    risk: critical\n")
COUNTED = (
    STANDARD.replace("kind: system", "kind: database").replace(
        "    loss: {{declared: none, by: shop, because: stateless}}\n", ""
    )
).replace(
    "      restore: {{argv", '      measure: {{argv: ["{ctl}", measure, "{{point}}"]}}\n      restore: {{argv'
)
QUORUM_OF_TWO = STANDARD.replace("from: [managers]", "from: [managers], quorum: 2")
UNKNOWN_LOSS = STANDARD.replace("kind: system", "kind: database").replace(
    "    loss: {{declared: none, by: shop, because: stateless}}\n", ""
)
