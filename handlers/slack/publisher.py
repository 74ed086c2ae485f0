"""Makes Slack show what is stored: compares what is wanted with what is posted, and closes the gap.

Nothing waits for it, except that an approval needs its card. After an outage everything is simply
compared again. Slack's budgets are kept by `sending`.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from slack_sdk.errors import SlackApiError

from bot import machine
from bot.canon import digest
from bot.errors import StaleRun
from bot.model import E, Event, Run, State
from bot.views.card import card as draw_card
from bot.views.card import direct as draw_direct
from bot.views.card import notice as draw_notice
from bot.views.card import thread_line
from bot.views.limits import Message, message
from handlers.context import Context
from handlers.slack import start_modal
from handlers.slack.facts import facts_for
from handlers.slack.sending import Wait
from storage.cards import Card, Kind, place
from storage.runs import Change

log = structlog.get_logger()

ROUND_EVERY = 1.0  # seconds
TRIED_AGAIN_AFTER = timedelta(seconds=0.5)
SHOWN_AT_ONCE = 4  # runs: a storm of cards leaves room for the next command
STEPS_EVERY = timedelta(seconds=1)
PROGRESS_EVERY = timedelta(seconds=3)
PLANNING_IS_QUICK = timedelta(seconds=1.5)  # a plan within this time makes its card's first drawing
STARTING_IS_QUICK = timedelta(seconds=0.3)  # and so does what is done this soon after the last approval
SOON = 0.1  # seconds
NEVER_AGAIN = frozenset(
    {
        "channel_not_found",
        "is_archived",
        "not_in_channel",
        "user_not_found",
        "restricted_action",
        "cannot_dm_bot",
    }
)


class Publisher:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._dnd: dict[str, frozenset[str]] = {}
        self._stopping = False
        self._soon = False  # something was left out that will be worth drawing in a moment
        self._turns = asyncio.Semaphore(SHOWN_AT_ONCE)
        self._held: dict[str, datetime] = {}  # runs that wait for Slack's budget, and until when

    async def run(self) -> None:
        while not self._stopping:
            try:
                await self._round()
            except Exception as problem:
                log.error("publish", error=type(problem).__name__, exc_info=problem)
            await self._ctx.publish.wait(SOON if self._soon else ROUND_EVERY)

    async def stop(self) -> None:
        """One last comparison, so that the cards tell how far things are."""
        self._stopping = True
        self._ctx.publish()

    async def _round(self) -> None:
        self._soon = False
        await start_modal.fill_waiting(self._ctx)
        behind = await self._ctx.store.to_show()
        owed = [run_id for run_id in await self._ctx.cards.unposted() if run_id not in behind]
        going = await self._ctx.store.ids_in(State.RUNNING)
        now = self._ctx.clock()
        self._held = {run_id: until for run_id, until in self._held.items() if now < until}
        wanted = [run_id for run_id in dict.fromkeys([*behind, *owed, *going]) if run_id not in self._held]
        shown = await asyncio.gather(*(self._show(run_id) for run_id in wanted), return_exceptions=True)
        for run_id, problem in zip(wanted, shown, strict=True):
            if isinstance(problem, BaseException):  # one card that Slack refuses must not hold up the others
                log.error("show", run=run_id, error=type(problem).__name__, exc_info=problem)

    async def _show(self, run_id: str) -> None:
        async with self._turns:
            await self._compare(run_id)

    async def _compare(self, run_id: str) -> None:
        run = await self._ctx.store.load(run_id)
        now = self._ctx.clock()
        if _is_about_to_change(run, now):
            self._soon = True
            return
        try:
            await self._owe(run)
            cards = await self._ctx.cards.of_run(run_id)
            for kind in (Kind.CARD, Kind.DIRECT, Kind.LINE, Kind.NOTICE, Kind.AUDIT):
                shown = [card for card in cards if card.kind is kind and card.gone is None]
                for card in shown:
                    run = await self._reconcile(run, card, cards)
                if any(card.ts is None for card in shown):
                    cards = await self._ctx.cards.of_run(run_id)  # where they stand now
            await self._ctx.store.shown(run_id, run.seq)
        except Wait:  # the budget is used up: this run stays behind and comes again
            self._held[run_id] = now + TRIED_AGAIN_AFTER

    async def _owe(self, run: Run) -> None:
        """The messages that this state asks for."""
        now, cards = self._ctx.clock(), self._ctx.cards
        if run.state is State.AWAITING_APPROVAL and run.posted_at is None:
            self._dnd[run.id] = await self._ctx.directory.on_dnd(run.awaited)
            for user in run.awaited:
                await cards.want(run.id, Kind.DIRECT, user, now)
        if moment := _moment(run):
            await cards.want(run.id, Kind.NOTICE, run.channel, now, moment=moment)

    async def _reconcile(self, run: Run, card: Card, cards: Sequence[Card]) -> Run:
        """The run, newer when posting its card has moved it."""
        if card.ts is not None and (card.kind in {Kind.NOTICE, Kind.LINE} or self._fresh(run, card)):
            return run
        if card.kind is Kind.NOTICE and card.moment != _moment(run):
            await self._ctx.cards.impossible(card.key, "no news any more")
            return run
        if card.ts is not None:
            self._ctx.sender.check("chat.update", chatter=_is_progress(run, card))
        drawing = await self._draw(self._as_posted(run), card, cards)
        if drawing is None:
            return run
        drawn = digest({"text": drawing.text, "blocks": list(drawing.blocks)})
        if card.ts is None:
            return await self._post(run, card, cards, drawing, drawn)
        if drawn != card.drawn:
            await self._update(card, drawing, drawn, chatter=_is_progress(run, card))
        return run

    def _as_posted(self, run: Run) -> Run:
        """The first drawing says already by when to approve, so that it need not be drawn again."""
        if run.state is not State.AWAITING_APPROVAL or run.posted_at is not None:
            return run
        return machine.apply(run, Event(E.POSTED, self._ctx.clock(), seq=run.seq))

    def _fresh(self, run: Run, card: Card) -> bool:
        """A running card changes with every look at the clock, so its age decides when it is drawn again.

        Copies show the decision and leave the progress to the card: all cards share one budget.
        """
        if not _is_progress(run, card) or card.drawn_at is None or run.changed_at is None:
            return False
        moved = card.drawn_at < run.changed_at
        age = self._ctx.clock() - card.drawn_at
        return card.kind is not Kind.CARD or age < (STEPS_EVERY if moved else PROGRESS_EVERY)

    async def _draw(self, run: Run, card: Card, cards: Sequence[Card]) -> Message | None:
        now = self._ctx.clock()
        facts = facts_for(
            self._ctx.configuration,
            run,
            card,
            cards,
            progress=await self._ctx.store.progress_of(run.id) if run.state is State.RUNNING else None,
            dnd=self._dnd.get(run.id, frozenset()),
            now=now,
        )
        match card.kind:
            case Kind.CARD:
                return draw_card(run, facts, now)
            case Kind.DIRECT:
                return draw_direct(run, facts, now)
            case Kind.NOTICE:
                return draw_notice(run, facts, now)
            case Kind.LINE:
                return await self._line(run, cards)
            case Kind.AUDIT:
                shown = draw_card(run, facts, now)
                return message(shown.text, [b for b in shown.blocks if b.get("type") != "actions"])

    async def _line(self, run: Run, cards: Sequence[Card]) -> Message | None:
        for card in cards:
            if card.kind is Kind.CARD and card.channel and card.ts:
                return thread_line(run, await self._ctx.sender.permalink(card.channel, card.ts))
        return None

    # Slack

    async def _post(self, run: Run, card: Card, cards: Sequence[Card], drawing: Message, drawn: str) -> Run:
        main = next((c for c in cards if c.kind is Kind.CARD), None)
        thread = card.thread_ts
        if card.kind is Kind.NOTICE:
            if main is None or main.ts is None:  # there is nothing to reply to, yet or any more
                if main is None or main.gone:
                    await self._ctx.cards.impossible(card.key, "no card to reply to")
                return run
            thread = main.ts
        await self._ctx.cards.tried(card.key, self._ctx.clock())
        try:
            answer = await self._ctx.sender.call(
                "chat.postMessage",
                card.recipient,
                channel=card.recipient,
                text=drawing.text,
                blocks=list(drawing.blocks) or None,
                thread_ts=thread,
                metadata={"event_type": "rollback_card", "event_payload": {"run_id": run.id}},
                unfurl_links=False,
                unfurl_media=False,
            )
        except SlackApiError as problem:
            error = str(problem.response.get("error"))
            if error in NEVER_AGAIN:
                await self._ctx.cards.impossible(card.key, error)
                if card.kind is Kind.CARD:
                    await self._give_up(run, error)
                return run
            raise
        return await self._posted(run, card, answer["channel"], answer["ts"], drawn)

    async def _posted(self, run: Run, card: Card, channel: str, ts: str, drawn: str) -> Run:
        """The place of the message, and with the first card in the channel the time to approve."""
        now = self._ctx.clock()

        async def work(change: Change) -> Run:
            await place(change.connection, card.key, channel, ts, drawn, now)
            if card.kind is Kind.CARD and run.state is State.AWAITING_APPROVAL and run.posted_at is None:
                return await change.append(run, (Event(E.POSTED, now, "", {"channel": channel, "ts": ts}),))
            return run

        while True:
            try:
                return await self._ctx.store.change(work)
            except StaleRun:
                run = await self._ctx.store.load(run.id)

    async def _give_up(self, run: Run, error: str) -> None:
        """Without a card nobody can approve: whoever asked is told at once, instead of a time-out."""
        now = self._ctx.clock()
        await self._ctx.cards.want(run.id, Kind.DIRECT, run.requester.id, now)
        why = f"The card could not be posted in the channel ({error}). Ask in another channel."
        while machine.allows(run, E.CANCELLED):
            try:
                run = await self._ctx.store.append(run, Event(E.CANCELLED, now, "", {"why": why}))
            except StaleRun:
                run = await self._ctx.store.load(run.id)
        self._ctx.publish()

    async def _update(self, card: Card, drawing: Message, drawn: str, *, chatter: bool) -> None:
        try:
            await self._ctx.sender.call(
                "chat.update",
                chatter=chatter,
                channel=card.channel,
                ts=card.ts,
                text=drawing.text,
                blocks=list(drawing.blocks),
            )
        except SlackApiError as problem:
            error = str(problem.response.get("error"))
            if error == "message_not_found":
                await self._ctx.cards.lost(card.key)
                self._ctx.publish()
                return
            if error in NEVER_AGAIN:
                await self._ctx.cards.impossible(card.key, error)
                return
            raise
        await self._ctx.cards.redrawn(card.key, drawn, self._ctx.clock())


def _is_about_to_change(run: Run, now: datetime) -> bool:
    """Drawing it now would only be drawing it twice, and would take the time that the work needs."""
    match run.state:
        case State.REQUESTED:
            return now - run.requested_at < PLANNING_IS_QUICK
        case State.APPROVED:
            return now - (run.changed_at or now) < STARTING_IS_QUICK
        case State.RUNNING:
            return now - (run.started_at or now) < STARTING_IS_QUICK
        case _:
            return False


def _moment(run: Run) -> str | None:
    """The moment that makes phones ring, once: it ended, or people have to decide since then."""
    if run.state.final:
        return "ended"
    if run.state in {State.PAUSED, State.STUCK} and run.waiting_since is not None:
        return f"{run.state.value}.{run.waiting_since.timestamp():.3f}"
    return None


def _is_progress(run: Run, card: Card) -> bool:
    """The card says already that it runs: what is new is only how far."""
    if run.state is not State.RUNNING or run.started_at is None or card.drawn_at is None:
        return False
    return card.drawn_at >= run.started_at
