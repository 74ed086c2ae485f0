"""What happens when somebody presses a button or types the same as a command: ask the rules, record, show."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping

from slack_sdk.errors import SlackApiError

from bot import machine, presses
from bot.errors import StaleRun, UserError
from bot.model import Person
from bot.presses import Click, Press
from bot.presses.stamps import GO_ON, stamp
from bot.run import Run
from handlers.context import Context
from handlers.door.delivery import Delivery
from handlers.slack import asking
from handlers.slack.holding import show
from handlers.slack.sending import MustWait
from storage.cards import Card, CardKind
from storage.transaction import Transaction

LINKED_WITHIN_SECONDS = 0.5  # a refusal is worth more than its link


def button_value(card_key: str, run: Run) -> str:
    """Opaque to people: which card it is on, and what it was drawn for."""
    return f"{card_key}.{_draw(card_key, stamp(run))}"


def _draw(card_key: str, state: str) -> str:
    return hashlib.sha256(f"{card_key} {state}".encode()).hexdigest()[:10]


async def card_of(ctx: Context, value: str) -> tuple[Card, str]:
    """The card whose button carries `value`, and the draw. Raises UserError: it is not ours."""
    key, _, draw = value.partition(".")
    card = await ctx.cards.by_key(key)
    if card is None:
        raise UserError(
            "This button belongs to no card of mine. Look for the card of the run in its channel."
        )
    return card, draw


def drawn_for(run: Run, card_key: str, draw: str) -> str:
    """The stamp that a button's draw stands for: the run's own, an earlier one, or one that fits no run."""
    for state in (stamp(run), *GO_ON):
        if draw == _draw(card_key, state):
            return state
    return "another state"


class OlderCopy(UserError):
    """A button was pressed on a card that is not the newest one. `url`: of the newest, when Slack said it."""

    def __init__(self, url: str | None) -> None:
        super().__init__("This is an older copy of the card.")
        self.url = url


async def stands_there(ctx: Context, card: Card, channel: str | None, message_ts: str | None) -> None:
    """Refuses a button that was not pressed on the card it was drawn on, or on an older copy of it.

    Raises UserError, OlderCopy.
    """
    if card.channel is not None and channel != card.channel:
        raise UserError(
            "This button was not pressed on its card. Look for the card of the run in its channel."
        )
    if card.ts is not None and message_ts is not None and message_ts != card.ts:
        await ctx.cards.supersede(card.key, message_ts)
        ctx.publish()
        raise OlderCopy(await card_url(ctx, card.run_id))


async def card_url(ctx: Context, run_id: str) -> str | None:
    """Returns the address of the run's card; None: it is not posted, or Slack does not say in time."""
    for card in await ctx.cards.of_run(run_id):
        if card.kind is CardKind.CARD and card.channel and card.ts:
            try:
                async with asyncio.timeout(LINKED_WITHIN_SECONDS):
                    return await ctx.sender.permalink(card.channel, card.ts)
            except (SlackApiError, MustWait, TimeoutError):
                return None
    return None


async def load(ctx: Context, run_id: str) -> Run:
    try:
        return await ctx.store.load(run_id)
    except KeyError:
        command = ctx.configuration.command
        raise UserError(f"There is no run {run_id}. `{command} status` lists the open ones.") from None


async def refuse_if_read_only(ctx: Context, person: Person, asked: str) -> None:
    """Before anything is looked up: what a bot that was put back does not know is no reason to refuse.

    Raises UserError, and keeps the refusal as evidence.
    """
    if reason := ctx.store.why_read_only:
        await ctx.store.note("read_only_refused", ctx.clock(), person.id, {"asked": asked, "why": reason})
        ctx.metrics.refusals.labels("read only").inc()
        raise UserError(reason)


async def check(ctx: Context, press: Press, run: Run, person: Person, click: Click) -> None:
    """Raises UserError, and keeps the refusal as evidence."""
    target = asking.known_target(ctx, run.request.target)
    entitled = await ctx.directory.entitled(target)
    if reason := presses.why_not(press, run, person, entitled, click, ctx.clock()):
        body = {"press": press.action_id, "why": reason}
        await ctx.store.note("press_refused", ctx.clock(), person.id, body, run_id=run.id)
        ctx.metrics.refusals.labels("press").inc()
        raise UserError(reason)


async def press(
    ctx: Context, press: Press, run_id: str, person: Person, click: Click, delivery: Delivery
) -> Run:
    """The run after it; for *Undo* and *Ask again* the new run. Raises UserError, Repeated."""
    await ctx.store.heard(delivery.key)
    run = await load(ctx, run_id)
    while True:
        await check(ctx, press, run, person, click)
        try:
            return await _record(ctx, press, run, person, click, delivery)
        except (StaleRun, machine.NotAllowed):
            run = await load(ctx, run_id)  # somebody got there first: decide again


async def _record(
    ctx: Context, press: Press, run: Run, person: Person, click: Click, delivery: Delivery
) -> Run:
    if press in _ASKS_FOR_A_RUN:
        return await _ASKS_FOR_A_RUN[press](ctx, run, person, click, delivery)
    now = ctx.clock()

    async def work(change: Transaction) -> Run:
        await change.once(delivery.key, now)
        return await change.append(run, presses.events_for(press, run, person, click, now))

    moved = await delivery.change(ctx.store, work)
    ctx.work()
    show(ctx.publish, moved, now)
    return moved


async def _undo(ctx: Context, run: Run, person: Person, click: Click, delivery: Delivery) -> Run:
    wish = asking.undo(run, click.why)
    return await asking.ask(ctx, person, wish, delivery, asking.ended_by_undo(run))


async def _ask_again(ctx: Context, run: Run, person: Person, click: Click, delivery: Delivery) -> Run:
    return await asking.ask(ctx, person, asking.again(run), delivery)


_ASKS_FOR_A_RUN: Mapping[Press, Callable[[Context, Run, Person, Click, Delivery], Awaitable[Run]]] = {
    presses.UNDO: _undo,
    presses.ASK_AGAIN: _ask_again,
}
