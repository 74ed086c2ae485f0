"""What `rollback-bot demo` runs: a local workspace on a page; with `--script` its story in a terminal."""

import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bot.canonical_json import from_iso, iso
from bot.codec import decode
from bot.envelope import Event, Stored
from bot.errors import UserError
from bot.machine import fold
from bot.views.lines import event_words
from workspace import story
from workspace.configuration import ANA, STOREFRONT_CHANNEL
from workspace.event_reader import EventRow, RunRow
from workspace.faults_to_try import BREAKS
from workspace.slack.refusal import Impossible
from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace
from workspace.stage import NotSeen, Stage, set_up

PAGE: Final = Path(__file__).parent / "page"
PAGE_LOOKS_EVERY_SECONDS: Final = 0.3
TITLE: Final = "The storefront answers 500. Take it back to yesterday's release, with a second person."
STEPS: Final = {
    "ask": "As Ana, send `/rollback storefront`",
    "request": "Look at what it costs, then press *Ask for approval*",
    "self": "Still as Ana, press *Approve and start*: you are refused",
    "other": "*You are*: Ben. Press *Approve and start*",
    "live": "Watch the card, and the storefront turn from 500 to 200",
}
Json = dict[str, Any]


async def run_demo(
    port: int = 0, script: bool = False, open_browser: bool = True, folder: Path = Path("state/demo")
) -> int:
    """Until Ctrl-C or SIGTERM, with `script` until the story is told. The exit code; 3: it cannot start."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # a coroutine runs in a task
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel, number.name)
    try:
        return await (story.play(folder) if script else _show(folder, port, open_browser))
    except asyncio.CancelledError as cancelled:
        if not script:
            return 0
        print(f"The story was ended by {cancelled}.", file=sys.stderr)
        return 1
    except UserError as error:
        print(error, file=sys.stderr)
        return 3


async def _show(folder: Path, port: int, open_browser: bool) -> int:
    demo = Demo()
    server = await _served(demo, port)
    try:
        async with set_up(folder, server) as stage:
            demo.stage = stage
            print(f"Open {server.url}/ (Ctrl-C ends it)", flush=True)
            if open_browser and _has_screen():
                await asyncio.to_thread(webbrowser.open, f"{server.url}/")
            try:
                await demo.go_on()
            finally:
                await demo.let_be()
    finally:
        await server.stop()
    return 0


async def _served(demo: "Demo", port: int) -> PretendSlack:
    try:
        return await PretendSlack.start(
            Workspace(),
            port,
            page_dir=PAGE,
            world=demo.world,
            events=demo.events,
            story=demo.story,
            on_break=demo.on_break,
        )
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise UserError(f"The page cannot be served on port {port}: {why}.") from error


def _has_screen() -> bool:
    """Without one, Python would open a browser in this terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class Demo:
    """Holds what the page shows beside Slack and what its buttons do. A step is done when it is seen."""

    def __init__(self) -> None:
        self.stage: Stage | None = None  # None: still being set up
        self._is_back = False  # the storefront was seen to answer 200 after a rollback that succeeded
        self._break: tuple[str, asyncio.Task[None]] | None = None  # the newest one that was pressed
        self._results: dict[str, tuple[bool, str]] = {}  # of the breaks played: whether it went well, and how

    async def go_on(self) -> None:
        while True:
            await self._set().look()
            if (bot := self._set().bot).gave_up:
                raise UserError(f"The bot does not start any more. Its last words:\n{bot.last_words()}")
            if self._break is not None and self._break[1].done():
                self._break[1].result()  # what nobody expected ends the demo here
            self.look_back()
            await asyncio.sleep(PAGE_LOOKS_EVERY_SECONDS)

    def _set(self) -> Stage:
        if self.stage is None:
            raise Impossible("not_ready", "The demo is still being set up.")
        return self.stage

    def look_back(self) -> None:
        """Whether the shop is open after a rollback: later breaks close it again, the story stays told."""
        run = self._storefront_run()
        if run is not None and run.state == "succeeded" and self._set().seen.storefront.status == 200:
            self._is_back = True

    def _storefront_run(self) -> RunRow | None:
        """The run that the story is about: the one that succeeded, else the newest."""
        runs = [run for run in self._set().told.runs if run.target == "storefront"]
        return next((run for run in runs if run.state == "succeeded"), runs[-1] if runs else None)

    # For the page

    async def world(self) -> Json:
        return asdict(self.stage.seen) if self.stage else {}

    async def events(self) -> list[Json]:
        return _in_words(self.stage) if self.stage else []

    async def story(self) -> Json:
        if self.stage is None:
            return {}
        return {
            "title": TITLE,
            "steps": self._steps(self.stage),
            "breaks": [self._button(what) for what in BREAKS],
            "prefill": "/rollback storefront",
            "channel": STOREFRONT_CHANNEL,
        }

    def _steps(self, stage: Stage) -> list[Json]:
        happened = self._happened(stage)
        last = max((n for n, id in enumerate(STEPS) if id in happened), default=-1)
        return [
            {"id": id, "text": text, "done": n <= last, "current": n == last + 1}
            for n, (id, text) in enumerate(STEPS.items())
        ]

    def _happened(self, stage: Stage) -> set[str]:
        run = self._storefront_run()
        kinds = stage.told.kinds(run.id) if run else []
        facts: Iterable[tuple[str, bool]] = (
            ("ask", stage.form(ANA) is not None),
            ("request", run is not None),
            ("self", run is not None and (ANA, run.id) in stage.told.refused),
            ("other", "approved" in kinds),
            ("live", self._is_back),
        )
        return {step for step, happened in facts if happened}

    def _button(self, what: str) -> Json:
        it = BREAKS[what]
        went_well, words = self._results.get(what, (False, it.hint))
        return {
            "what": what,
            "label": it.label.format(lost=self._set().seen.orders.since_backup),
            "hint": words,
            "channel": it.channel,
            "user": it.user,
            "busy": self._under_way() == what,
            "done": went_well,
        }

    async def on_break(self, what: str) -> str:
        """Starts it and says what it does; how it went stands on its button afterwards."""
        if what == "reset":
            await self._reset()
            return "As at the start."
        self._set()
        if what not in BREAKS:
            raise Impossible("unknown_break", "There is no such thing to break.")
        if self._under_way() is not None:
            raise Impossible("busy", "One thing is being broken already: see what becomes of it first.")
        self._break = what, asyncio.create_task(self._play(what))
        return BREAKS[what].hint

    def _under_way(self) -> str | None:
        return self._break[0] if self._break is not None and not self._break[1].done() else None

    async def _play(self, what: str) -> None:
        try:
            self._results[what] = True, await BREAKS[what].play(self._set())
        except UserError as error:
            self._results[what] = False, str(error)
        except (Impossible, NotSeen) as error:
            self._results[what] = False, f"It did not go as it should: {error}"

    async def let_be(self) -> None:
        """End the break that is under way."""
        if self._break is not None:
            self._break[1].cancel()
            await asyncio.gather(self._break[1], return_exceptions=True)
            self._break = None

    async def _reset(self) -> None:
        await self.let_be()
        await self._set().reset()
        self._results.clear()
        self._is_back = False


def _in_words(stage: Stage) -> list[Json]:
    """The events in the order in which they were stored, as the bot itself tells them."""
    events = [(entry.run, _event(entry)) for entry in stage.told.events]
    runs = {run.id: fold(run.id, (event for of, event in events if of == run.id)) for run in stage.told.runs}
    users = stage.server.workspace.users

    def name(user: str) -> str:
        return users[user].real_name if user in users else user

    return [
        {"run": run, "seq": event.seq, "at": iso(event.at), "kind": event.kind.value}
        | {"words": event_words(event, runs[run], name, str)}
        for run, event in events
    ]


def _event(entry: EventRow) -> Event:
    at = from_iso(entry.at)
    fact = decode(Stored(entry.kind, entry.data), entry.by, at)
    return Event(fact, at, entry.by, entry.seq)
