"""Makes Slack show what is stored: compares what is wanted with what is posted, and closes the gap.

Nothing waits for it, except that an approval needs its card. After an outage everything is simply
compared again. In a round the cards come first, then their copies and notices; how one message gets to
Slack is in `posting`, Slack's budgets are kept by `sending`. One publisher at a time: it asks `may_publish`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog
from slack_sdk.errors import SlackApiError

from bot import events, machine
from bot.canonical_json import digest
from bot.envelope import Event
from bot.errors import StaleRun
from bot.event_kinds import EventKind
from bot.model import State
from bot.run import Run
from bot.views.card import card as draw_card
from bot.views.card import direct as draw_direct
from bot.views.card import notice as draw_notice
from bot.views.card import thread_line
from bot.views.limits import MessageContent, message
from bot.views.snapshot_card import address
from handlers.context import Context
from handlers.slack import start_modal
from handlers.slack.facts import facts_for
from handlers.slack.holding import SOON_SECONDS, Holding, is_about_to_change
from handlers.slack.owed import asked_for, awaits_its_card, called, moment_of, standing
from handlers.slack.posting import CannotPost, MessageGone, PostedMessage, Posting, ThreadGone
from handlers.slack.reminding import show_reminders
from handlers.slack.sending import MustWait
from handlers.slack.undrawn import Undrawn
from storage.cards import Card, CardKind, ToDraw, place
from storage.transaction import Transaction

T = TypeVar("T")
R = TypeVar("R")
log = structlog.get_logger()

ROUND_EVERY_SECONDS = 1.0
SHOWN_AT_ONCE_RUNS = 4  # a storm of cards leaves room for the next command
COPIES_AFTER = timedelta(seconds=1)  # so that copies of a run that is over by then are drawn once
POSTED_AGAIN_EVERY = timedelta(seconds=30)  # a card that Slack keeps losing must not flood the channel
LEFT_ALONE_AT_MOST = timedelta(seconds=10)  # an older copy of its card may have to be marked
REACHED_FOR_EVERY = timedelta(seconds=20)  # a channel may be opened again, or the bot invited again
REACHED_FOR_AT_ONCE_CARDS = 5
REACHED_FOR_UNTIL = timedelta(days=1)
BESIDE_ITS_CARD = (
    CardKind.NOTICE,
    CardKind.DIRECT,
    CardKind.LINE,
    CardKind.AUDIT,
    CardKind.ADDRESS,
)
UNDECIDED = frozenset({State.REQUESTED, State.APPROVED, State.RUNNING})  # it goes on by itself


async def always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Shown:
    """A run as its card shows it. Not `complete`: the card waits for Slack, what else there is need not."""

    run: Run
    complete: bool


class Publisher:
    def __init__(self, ctx: Context, may_publish: Callable[[], Awaitable[bool]] = always) -> None:
        """`may_publish`: whether this process is the one that publishes now."""
        self._ctx = ctx
        self._may_publish = may_publish
        self._posting = Posting(ctx.sender, ctx.cards, ctx.clock, may_publish)
        self._dnd: dict[str, frozenset[str]] = {}
        self._stopping = False
        self._ended = asyncio.Event()
        self._soon = False  # something was left out that will be worth drawing in a moment
        self._turns = asyncio.Semaphore(SHOWN_AT_ONCE_RUNS)
        self._holding = Holding()
        self._drawn: dict[str, int] = {}  # by key of the card: the seq that it shows, while others are behind
        self._posted_again: dict[str, datetime] = {}  # by the key of the card
        self._undrawn = Undrawn()
        self._reached_for = datetime.min.replace(tzinfo=UTC)

    async def run(self) -> None:
        """Until it is stopped, and then once more, so that the cards tell how far things are."""
        last = False
        try:
            while not last:
                last = self._stopping
                await self._round_though_all_fails()
                if not last:
                    await self._ctx.publish.wait(SOON_SECONDS if self._soon else ROUND_EVERY_SECONDS)
        finally:
            self._ended.set()

    async def _round_though_all_fails(self) -> None:
        try:
            if await self._may_publish():
                await self.round()
        except Exception as problem:
            log.error("publish", error=type(problem).__name__, exc_info=problem)

    async def stop(self, at_most: float) -> None:
        """Returns after the last round, or after `at_most` seconds."""
        self._stopping = True
        self._ctx.publish()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), at_most)

    async def round(self) -> None:
        """One comparison of everything that may differ."""
        self._soon = False
        await start_modal.fill_waiting(self._ctx)
        await self._reach_again()
        await show_reminders(self._ctx, self._posting)
        wanted = self._holding.not_held(await self._ctx.cards.to_draw(), self._ctx.clock())
        shown = await self._each(wanted, self._show_card)
        await self._each([one for one in shown if one is not None], self._show_rest)

    async def _each(self, things: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
        """A few at a time, in order; one card that Slack refuses must not hold up the others."""

        async def one(thing: T) -> R:
            async with self._turns:
                return await work(thing)

        answers = await asyncio.gather(*(one(thing) for thing in things), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                log.error("show", error=type(answer).__name__, exc_info=answer)
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    async def _show_card(self, wanted: ToDraw) -> Shown | None:
        """None: there is nothing to show beside it yet."""
        run = await self._ctx.store.load(wanted.run_id)
        if is_about_to_change(run, self._ctx.clock()):
            self._soon = True
            return None
        cards = await self._owed(run, await self._ctx.cards.of_run(run.id))
        if awaits_its_card(run) and run.id not in self._dnd:
            self._dnd[run.id] = await self._ctx.directory.on_dnd(run.approval.awaited)
        if run.end.private:
            await self._ctx.cards.keep_back(run.id)
            cards = await self._ctx.cards.of_run(run.id)
        try:
            for card in standing(cards, CardKind.CARD):
                run = await self._reconcile(run, card, cards)
        except MustWait as wait:
            self._holding.hold(run, wait, self._ctx.clock())
            return Shown(run, complete=False) if run.approval.posted_at else None
        return Shown(run, complete=True)

    async def _show_rest(self, shown: Shown) -> None:
        """Its copies and notices; each waits for itself."""
        run, complete = shown.run, shown.complete
        cards = await self._owed(run, await self._ctx.cards.of_run(run.id))
        for card in standing(cards, *BESIDE_ITS_CARD):
            try:
                await self._reconcile(run, card, cards)
            except MustWait as wait:
                self._holding.hold(run, wait, self._ctx.clock())
                complete = False
        for card in cards:
            if card.superseded_ts is not None and card.ts is not None:
                await self._mark_older(run, card, cards)
        if run.state is not State.AWAITING_APPROVAL:
            self._dnd.pop(run.id, None)
        if complete:
            for card in cards:
                self._drawn.pop(card.key, None)
            await self._ctx.store.shown(run.id, run.seq)
            if self._undrawn:
                self._leave_alone(run, await self._ctx.cards.of_run(run.id))

    async def _owed(self, run: Run, cards: Sequence[Card]) -> Sequence[Card]:
        """The messages of a run, those too that its state asks for now."""
        known = {(card.kind, card.recipient, card.moment) for card in cards}
        missing = [asked for asked in asked_for(run, cards) if asked not in known]
        for kind, recipient, moment in missing:
            await self._ctx.cards.want(run.id, kind, recipient, self._ctx.clock(), moment=moment)
        return await self._ctx.cards.of_run(run.id) if missing else cards

    async def _reconcile(self, run: Run, card: Card, cards: Sequence[Card]) -> Run:
        """The run, newer when posting its card has moved it. Raises MustWait."""
        can_wait = card.kind is not CardKind.CARD or run.state in UNDECIDED
        if card.ts is not None:
            if (
                card.kind in {CardKind.NOTICE, CardKind.LINE}
                or self._is_drawn(run, card)
                or self._holding.is_fresh(run, card, self._ctx.clock())
            ):
                return run
            if card.kind is not CardKind.CARD and run.state in UNDECIDED:
                self._wait_until((run.work.started_at or run.changed_at or run.request.at) + COPIES_AFTER)
            self._ctx.sender.check("chat.update", can_wait=can_wait)
        elif card.kind is CardKind.NOTICE and card.moment != moment_of(run):
            await self._ctx.cards.impossible(card.key, "no news any more")
            return run
        if self._undrawn.pauses_until(card.key, self._ctx.clock()):
            return run
        drawing = await self._draw(self._as_posted(run), card, cards)
        if drawing is None:
            await self._not_drawn(run, card, cards)
            return run
        self._undrawn.forget(card.key)
        drawn = digest({"text": drawing.text, "blocks": list(drawing.blocks)})
        if card.ts is None:
            return await self._post(run, card, cards, drawing, drawn)
        if drawn != card.drawn:
            return await self._update(run, card, drawing, drawn, can_wait=can_wait)
        return run

    async def _not_drawn(self, run: Run, card: Card, cards: Sequence[Card]) -> None:
        """Gives it up when it was tried often enough."""
        if any(main.ts is None for main in standing(cards, CardKind.CARD)):  # it comes first, with a link
            return
        if self._undrawn.failed(card.key, self._ctx.clock()):
            await self._ctx.cards.impossible(card.key, "no link to its card")
            log.warning("given up", run=run.id, card=card.kind.value, why="no link to its card")

    def _leave_alone(self, run: Run, cards: Sequence[Card]) -> None:
        """Leaves a run alone for a while, when it stands still and owes nothing but what cannot be drawn."""
        now = self._ctx.clock()
        owed = [card for card in cards if card.gone is None and card.ts is None]
        pauses = [self._undrawn.pauses_until(card.key, now) for card in owed]
        again = [until for until in pauses if until is not None]
        if again and len(again) == len(owed) and run.state is not State.RUNNING:
            self._holding.hold(run, MustWait(min(*again, now + LEFT_ALONE_AT_MOST).timestamp()), now)

    def _wait_until(self, moment: datetime) -> None:
        if self._ctx.clock() < moment:
            raise MustWait(moment.timestamp())

    def _as_posted(self, run: Run) -> Run:
        """The first drawing says already by when to approve, so that it need not be drawn again."""
        if not awaits_its_card(run):
            return run
        return machine.apply(run, Event(events.Posted(), self._ctx.clock(), seq=run.seq))

    def _is_drawn(self, run: Run, card: Card) -> bool:
        """Its words say how long ago something was, which alone is not worth a part of the budget."""
        return run.state is not State.RUNNING and self._drawn.get(card.key) == run.seq

    async def _draw(self, run: Run, card: Card, cards: Sequence[Card]) -> MessageContent | None:
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
            case CardKind.CARD:
                return draw_card(run, facts, now)
            case CardKind.DIRECT:
                return draw_direct(run, facts, now)
            case CardKind.NOTICE:
                return draw_notice(run, facts, now)
            case CardKind.LINE:
                link = await self._link(cards)
                return thread_line(run, link) if link else None
            case CardKind.AUDIT:
                shown = draw_card(run, facts, now)
                return message(shown.text, [b for b in shown.blocks if b.get("type") != "actions"])
            case CardKind.ADDRESS:
                return address(run)
            case CardKind.REMINDER | CardKind.DIGEST | CardKind.PRACTICE:
                return None  # it belongs to no run

    async def _link(self, cards: Sequence[Card]) -> str | None:
        """To the card of the run; None: there is none that could be linked to. Raises MustWait."""
        for card in standing(cards, CardKind.CARD):
            if card.channel and card.ts:
                try:
                    return await self._ctx.sender.permalink(card.channel, card.ts)
                except SlackApiError as problem:
                    log.warning("permalink", run=card.run_id, error=problem.response.get("error"))
        return None

    # Slack

    async def _post(
        self, run: Run, card: Card, cards: Sequence[Card], drawing: MessageContent, drawn: str
    ) -> Run:
        thread = card.thread_ts
        if card.kind is CardKind.NOTICE and card.recipient == run.request.channel:
            main = next(standing(cards, CardKind.CARD), None)
            if main is None:
                await self._ctx.cards.impossible(card.key, "no card to reply to")
                return run
            if main.ts is None:  # it comes first
                return run
            thread = main.ts
        try:
            posted = await self._post_somehow(card, drawing, run.seq, thread)
        except CannotPost as no:
            await self._ctx.cards.impossible(card.key, str(no))
            return await self._without(run, card, str(no))
        run = await self._posted(run, card, posted, drawn)
        if not posted.drawn:
            raise MustWait(self._ctx.clock().timestamp())  # it is there, and is drawn in the next round
        self._drawn[card.key] = run.seq
        return run

    async def _post_somehow(
        self, card: Card, drawing: MessageContent, seq: int, thread: str | None
    ) -> PostedMessage:
        """News whose thread is gone stands in the channel; the link to a card is worth nothing there."""
        try:
            return await self._posting.post(card, drawing, seq, thread)
        except ThreadGone as gone:
            if card.kind is CardKind.LINE:
                raise CannotPost(str(gone)) from None
            return await self._posting.post(card, drawing, seq, None)

    async def _posted(self, run: Run, card: Card, posted: PostedMessage, drawn: str) -> Run:
        """The place of the message, and with the first card in the channel the time to approve."""
        now = self._ctx.clock()
        channel, ts = posted.channel, posted.ts

        async def work(change: Transaction) -> Run:
            await place(change.connection, card.key, channel, ts, drawn if posted.drawn else "", now)
            if card.kind is CardKind.CARD and awaits_its_card(run):
                return await change.append(run, (Event(events.Posted(channel, ts), now),))
            return run

        while True:
            try:
                return await self._ctx.store.change(work)
            except StaleRun:
                run = await self._ctx.store.load(run.id)

    async def _without(self, run: Run, card: Card, error: str) -> Run:
        """Acts when a message cannot be: the run goes on, but nobody is left without news."""
        self._ctx.publish()
        if card.kind is CardKind.NOTICE and card.recipient == run.request.channel:
            for user in called(run):
                await self._ctx.cards.want(
                    run.id, CardKind.NOTICE, user, self._ctx.clock(), moment=card.moment
                )
        if card.kind is not CardKind.CARD or run.approval.posted_at is not None:
            return run
        # Without a card nobody can approve: whoever asked is told at once, instead of a time-out.
        why = f"The card could not be posted in the channel ({error}). Ask in another channel."
        while machine.allows(run, EventKind.CARD_IMPOSSIBLE):
            try:
                event = Event(events.CardImpossible(why), self._ctx.clock())
                return await self._ctx.store.append(run, event)
            except StaleRun:
                run = await self._ctx.store.load(run.id)
        return run

    async def _update(
        self, run: Run, card: Card, drawing: MessageContent, drawn: str, *, can_wait: bool
    ) -> Run:
        try:
            await self._posting.update(card, drawing, run.seq, can_wait=can_wait)
        except MessageGone:
            await self._post_again(card)
        except CannotPost as no:
            await self._ctx.cards.impossible(card.key, str(no))
            return await self._without(run, card, str(no))
        else:
            run = await self._redrawn(run, card, drawn)
            self._drawn[card.key] = run.seq
        return run

    async def _redrawn(self, run: Run, card: Card, drawn: str) -> Run:
        if card.kind is CardKind.CARD and awaits_its_card(run) and card.channel and card.ts:
            # It was posted while the plan was still owed: now it can be approved.
            return await self._posted(run, card, PostedMessage(card.channel, card.ts, drawn=True), drawn)
        await self._ctx.cards.redrawn(card.key, drawn, self._ctx.clock())
        return run

    async def _post_again(self, card: Card) -> None:
        """Somebody deleted it. Raises MustWait when it was lost a moment ago already."""
        if (before := self._posted_again.get(card.key)) is not None:
            self._wait_until(before + POSTED_AGAIN_EVERY)
        self._posted_again[card.key] = self._ctx.clock()
        await self._ctx.cards.lost(card.key)
        self._ctx.publish()

    async def _mark_older(self, run: Run, card: Card, cards: Sequence[Card]) -> None:
        try:
            await self._posting.mark_older(card, thread_line(run, await self._link(cards)))
        except MustWait as wait:
            self._holding.hold(run, wait, self._ctx.clock())

    async def _reach_again(self) -> None:
        """Cards that stand where nothing could be said: the channel may be open again."""
        now = self._ctx.clock()
        if now - self._reached_for < REACHED_FOR_EVERY:
            return
        self._reached_for = now
        for card in await self._ctx.cards.out_of_reach(now - REACHED_FOR_UNTIL, REACHED_FOR_AT_ONCE_CARDS):
            run = await self._ctx.store.load(card.run_id)
            drawing = await self._draw(run, card, await self._ctx.cards.of_run(run.id))
            if drawing is None:
                continue
            await self._ctx.cards.tried(card.key, now)
            try:
                await self._posting.update(card, drawing, run.seq, can_wait=True)
            except (MustWait, CannotPost, MessageGone):
                continue
            drawn = digest({"text": drawing.text, "blocks": list(drawing.blocks)})
            await self._ctx.cards.redrawn(card.key, drawn, self._ctx.clock())
