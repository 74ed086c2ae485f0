"""Everything around the bot that outlives it: Slack, the people, the backends, and the three histories.

It lets the bot's time pass, delivers what people do, answers what the bot asks, and when the bot is killed
forks the next life.
"""

import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, func, or_, select
from sqlalchemy.pool import NullPool, StaticPool

from bot.canonical_json import digest, iso
from bot.configuration import Configuration
from handlers.door.delivery import key_of
from storage.tables import cards, runs
from tests.bot.stories import T0
from tests.chaos.backends import Backend
from tests.chaos.histories import Answer, Histories, Journal, Shown, Stored, Told, stored
from tests.chaos.life import DIED_OF_ITSELF, Birth, live
from tests.chaos.moments import Trail
from tests.chaos.wire import Acknowledged, Answered, Call, Deliver, Idle, PassTime, Wire
from tests.people import CHANNEL, MEMBERS
from workspace.slack.acts import Acts
from workspace.slack.arguments import Arguments
from workspace.slack.delivery import Delivered, Deliverer
from workspace.slack.faults import Faults
from workspace.slack.forms import Forms
from workspace.slack.methods.table import METHODS
from workspace.slack.nouns import Message
from workspace.slack.refusal import CallRefused, Impossible
from workspace.slack.state import Workspace
from workspace.slack.transport import Carried, Envelope
from workspace.slack.wire import Json, PayloadKind

T = TypeVar("T")
PATIENCE = 300.0  # seconds of the story's time in which something must happen
NOT_ACCEPTED = "NOT accepted"


class Silent(Exception):
    """What the story waits for does not happen."""


class Crashed(Exception):
    """The bot ended by itself; the log says why."""


@dataclass(slots=True)
class Life:
    """A bot that lives, as its parent sees it."""

    pid: int
    wire: Wire
    trail: Trail  # the moments that it has reached
    idle: Idle | None = None  # None: it works, or waits for an answer


class Outside:
    def __init__(
        self,
        folder: Path,
        database: str,
        configuration: Configuration,
        kills: Sequence[int | None],
        *,
        seed: int,
        alone: bool = True,
    ) -> None:
        """`kills`: at which moment each life is killed; what comes after them lives on."""
        self.now = 0.0
        self.told: list[Told] = []
        self.lives: list[list[str]] = []  # trails of the dead
        self._folder = folder
        self._database = database
        self._configuration = configuration
        self._kills = list(kills)
        self._alone = alone
        self._life: Life | None = None
        self._acknowledged: dict[str, Acknowledged] = {}
        self._drawn: dict[tuple[str, str], str] = {}
        journal = Journal(folder / "effects")
        self.backends = {name: Backend(name, journal, self.at, self._pid) for name in configuration.targets}
        self._journal = journal
        self.workspace = Workspace(clock=lambda: self.at().timestamp(), seed=seed)
        for name, user in MEMBERS.items():
            self.workspace.add_user(user, name)
        self.workspace.add_channel(CHANNEL, "inc-1", members=list(MEMBERS.values()))
        delivery = _Straight(self)
        self.acts, self.forms = Acts(self.workspace, delivery), Forms(self.workspace, delivery)
        # A connection to a file must not outlive a fork; one to a server may: the child leaves it alone.
        pool = NullPool if database.startswith("sqlite") else StaticPool
        self._engine = create_engine(
            database.replace("+aiosqlite", ""), poolclass=pool, isolation_level="AUTOCOMMIT"
        )

    def at(self) -> datetime:
        return T0 + timedelta(seconds=self.now)

    def _pid(self) -> int:
        return self._life.pid if self._life else 0

    # Lives

    def begin(self) -> None:
        kill_at = self._kills.pop(0) if self._kills else None
        birth = Birth(
            self._configuration, self._database, self._folder / "log", self.now, self._alone, kill_at
        )
        mine, its = socket.socketpair()
        trail = Trail()
        pid = os.fork()
        if pid == 0:
            mine.close()
            live(birth, Wire(its), trail)
        its.close()
        self._life = Life(pid, Wire(mine), trail)

    def _died(self, life: Life) -> None:
        _, status = os.waitpid(life.pid, 0)
        self._bury(life)
        if os.waitstatus_to_exitcode(status) == DIED_OF_ITSELF:
            raise Crashed((self._folder / "log").read_text()[-2000:])
        self.begin()

    def end(self) -> None:
        """Ends the life that is left, and keeps its trail."""
        if self._life is not None:
            os.kill(self._life.pid, signal.SIGKILL)
            os.waitpid(self._life.pid, 0)
            self._bury(self._life)

    def close(self) -> None:
        self._engine.dispose()

    def _bury(self, life: Life) -> None:
        life.wire.socket.close()
        self.lives.append(life.trail.read())
        life.trail.close()
        self._life = None

    # Time

    def until(self, found: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
        """Lets the bot live until `found` finds something. Raises Silent."""
        deadline = self.now + patience
        while True:
            life = self._life
            assert life is not None  # `begin` came first
            if life.idle is None:
                self._hear(life)
                continue
            if (result := found()) is not None:
                return result
            if self.now >= deadline:
                raise Silent(f"waited {patience:.0f} s for {what}, the runs are {self._states()}")
            self._pass(life, min(life.idle.sleep or 1.0, deadline - self.now))

    def wait(self, seconds: float) -> None:
        """What a person does who reads before pressing."""
        wanted = self.now + seconds
        self.until(lambda: True if self.now >= wanted - 1e-6 else None, "time to pass", seconds + 1.0)

    def _pass(self, life: Life, seconds: float) -> None:
        self.now += seconds
        self._wake(life, PassTime(seconds))

    def _wake(self, life: Life, message: object) -> None:
        life.idle = None
        self._send(life, message)

    def _send(self, life: Life, message: object) -> None:
        try:
            life.wire.send(message)
        except BrokenPipeError:
            return  # it has just died, which is heard next

    # What the bot says

    def _hear(self, life: Life) -> None:
        match life.wire.receive():
            case None:
                self._died(life)
            case Idle() as idle:
                life.idle = idle
                self.now = max(self.now, idle.now)
            case Acknowledged() as answer:
                self._acknowledged[answer.delivery] = answer
            case Call() as call:
                self._send(life, Answered(call.id, self._answered(call)))

    def _answered(self, call: Call) -> Any:
        try:
            if call.place == "slack":
                return self._slack(call.what, call.given)
            return self.backends[call.place].answer(call.what, call.given, call.epoch)
        except Exception as problem:  # noqa: BLE001 - the bot is told, whatever it is
            return problem

    def _slack(self, method: str, given: Json) -> Json:
        try:
            answer = {"ok": True, **METHODS[method].answer(self.workspace, Arguments(given))}
        except CallRefused as refusal:
            return {"ok": False, "error": refusal.error, **refusal.extra}
        if method in {"chat.postMessage", "chat.update"}:
            shown = {"text": given.get("text", ""), "blocks": given.get("blocks") or []}
            self._drawn[answer["channel"], answer["ts"]] = digest(shown)
        if method == "views.open":
            self._opened(given["trigger_id"], given["view"])
        return answer

    def _opened(self, trigger_id: str, view: Json) -> None:
        """A modal says what became of an acknowledged click; after a veto it only asks for a reason."""
        is_refusal = "Not done" in str(view.get("title"))
        tries = [n for n, told in enumerate(self.told) if trigger_id in told.delivery]
        if tries and view.get("callback_id") != "veto_run":
            answer = Answer.REFUSED if is_refusal else Answer.ASKED
            self.told[tries[-1]] = replace(self.told[tries[-1]], answer=answer)

    # What people do

    def says(self, who: str, text: str) -> None:
        now_(self.acts.slash(MEMBERS[who], CHANNEL, text))

    def presses(self, who: str, action: str, values: Mapping[str, str] | None = None) -> None:
        """A button of the newest card, and what is filled into the modal that it opens. It may be refused."""
        card = self.until(lambda: self.card(action), f"a card with {action}")
        now_(self.forms.click(MEMBERS[who], card, action))
        if values is None:
            return
        if self.told[-1].answer is Answer.ACCEPTED:
            self.told[-1] = replace(self.told[-1], answer=Answer.ASKED)
        self.wait(1.0)
        view = next(iter(self.workspace.views(MEMBERS[who])), None)
        if (
            view is not None and view.submit is not None
        ):  # else a refusal, or the bot was gone before it opened
            now_(self.forms.submit(MEMBERS[who], view, values))

    def card(self, action: str) -> Message | None:
        """The newest card in the channel on which this can be pressed."""
        for message in reversed(self._cards()):
            if any(found == action for _, found, _, _ in message.buttons()):
                return message
        return None

    def reminders(self, who: str) -> list[Message]:
        """What the bot has said to somebody of no run in particular."""
        messages = self.workspace.messages(self.workspace.direct(MEMBERS[who]))
        return [m for m in messages if not m.deleted and "is due" in m.plain()]

    def _cards(self) -> list[Message]:
        messages = self.workspace.messages(CHANNEL)
        return [m for m in messages if m.metadata and not m.thread_ts and not m.deleted]

    def deliver(self, kind: PayloadKind, payload: Json) -> Acknowledged:
        """Brings it to the bot until it is acknowledged: whoever hears nothing tries again."""
        key = key_of(payload)
        person = payload.get("user_id") or payload["user"]["id"]
        what = payload.get("text") or payload.get("actions", [{}])[0].get("action_id", payload.get("type"))
        while True:
            heard = self._delivered(key, f"{what} by {person}", payload)
            self.told.append(Told(key, person, str(what), _answer(heard), iso(self.at()), _words(heard)))
            if heard is not None:
                return heard

    def _delivered(self, key: str, doing: str, payload: Json) -> Acknowledged | None:
        """None: the bot was gone before it acknowledged."""
        self.until(lambda: True, "a bot that listens")
        life = self._life
        assert life is not None
        self._acknowledged.pop(key, None)
        self._wake(life, Deliver(key, doing, payload))
        while self._life is life and key not in self._acknowledged:
            if life.idle is not None:
                self._pass(life, life.idle.sleep or 1.0)
            self._hear(life)
        return self._acknowledged.get(key)

    # Looking

    def reaches(self, *states: str) -> str:
        """The state of the newest run, when it is one of these."""

        def newest() -> str | None:
            with self._connected() as connection:
                query = select(runs.c.state).order_by(runs.c.number.desc()).limit(1)
                found = connection.execute(query).scalar()
            return found if found in states else None

        return self.until(newest, " or ".join(states))

    def _states(self) -> str:
        with self._connected() as connection:
            found = connection.execute(select(runs.c.run_id, runs.c.state).order_by(runs.c.number))
            return ", ".join(f"{run_id} {state}" for run_id, state in found)

    def quiet(self) -> None:
        """Until nothing wants driving and every card shows what is stored. Raises Silent."""

        def done() -> bool | None:
            owed = select(func.count()).where(cards.c.ts.is_(None), cards.c.gone.is_(None))
            behind = select(func.count()).where(or_(runs.c.wants_driving, runs.c.shown_seq < runs.c.seq))
            with self._connected() as connection:
                left = connection.execute(owed).scalar_one() + connection.execute(behind).scalar_one()
            return None if left else True

        self.until(done, "quiet", 90.0)

    def histories(self) -> Histories:
        with self._connected() as connection:
            found: Stored = stored(connection)
        return Histories(tuple(self.told), found, self._journal.read(), tuple(self._shown()))

    def _shown(self) -> Iterator[Shown]:
        for channel in self.workspace.channels:
            for message in self.workspace.messages(channel):
                if message.metadata and not message.deleted:
                    yield Shown(
                        channel,
                        message.ts,
                        message.metadata["event_payload"]["run_id"],
                        self._drawn[channel, message.ts],
                        message.thread_ts is not None and message.thread_ts != message.ts,
                        bool(message.buttons()),
                    )

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            yield connection


def _answer(heard: Acknowledged | None) -> Answer:
    if heard is None:
        return Answer.NONE
    words = _words(heard)
    if NOT_ACCEPTED in words:
        return Answer.NOT_ACCEPTED
    is_refused = heard.status != 200 or (heard.body or {}).get("response_action") in {"errors", "update"}
    return Answer.REFUSED if is_refused or "open request already" in words else Answer.ACCEPTED


def _words(heard: Acknowledged | None) -> str:
    return str((heard.body or {}).get("text", "")) if heard else ""


class _Straight(Deliverer):
    """Slack's deliveries, straight to the bot that lives now."""

    def __init__(self, outside: Outside) -> None:
        workspace = outside.workspace
        super().__init__(_Nowhere(), Faults(workspace.clock, workspace.random), retries=())
        self._outside = outside

    async def send(self, kind: PayloadKind, payload: Json) -> Delivered:
        heard = self._outside.deliver(kind, payload)
        body = dict(heard.body) if heard.body else None
        return Delivered(kind, payload, heard.status == 200, 0.0, body, heard.status)


class _Nowhere:
    async def carry(self, envelope: Envelope) -> Carried:
        return Carried(False, error="no_connection")


def now_(done: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        done.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waited")


__all__ = ["Crashed", "Impossible", "Outside", "Silent"]
