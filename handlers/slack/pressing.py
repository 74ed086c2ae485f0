"""What happens when somebody presses a button or types the same as a command: ask policy, record, show."""

import hashlib
from dataclasses import replace

from bot import machine, policy
from bot.errors import StaleRun, UserError
from bot.model import Pause, Person, Risk, Run, State
from bot.policy import Click, Press
from handlers.context import Context
from handlers.door.delivery import Delivery
from handlers.slack import asking
from storage.cards import Card
from storage.runs import Change

NEEDS_WORDS = "…"  # stands for the reason that the modal will ask for


def button_value(card_key: str, run: Run) -> str:
    """Opaque to people: which card it is on, and what it was drawn for."""
    return f"{card_key}.{_draw(card_key, policy.stamp(run))}"


def _draw(card_key: str, stamp: str) -> str:
    return hashlib.sha256(f"{card_key} {stamp}".encode()).hexdigest()[:10]


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
    for stamp in (policy.stamp(run), *policy.GO_ON):
        if draw == _draw(card_key, stamp):
            return stamp
    return "another state"


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
    target = asking.known_target(ctx, run.target)
    entitled = await ctx.directory.entitled(target)
    if reason := policy.why_not(press, run, person, entitled, click, ctx.clock()):
        body = {"press": press.value, "why": reason}
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
    if press is Press.UNDO:
        wish = asking.undo(run, click.why)
        return await asking.ask(ctx, person, wish, delivery, asking.ended_by_undo(run))
    if press is Press.ASK_AGAIN:
        return await asking.ask(ctx, person, asking.again(run), delivery)
    now = ctx.clock()

    async def work(change: Change) -> Run:
        await change.once(delivery.key, now)
        return await change.append(run, policy.events_for(press, run, person, click, now))

    moved = await delivery.change(ctx.store, work)
    ctx.work()
    ctx.publish()
    return moved


def asks_more(press: Press, run: Run) -> bool:
    """Whether a button opens a modal before anything is recorded."""
    match press:
        case Press.APPROVE:
            return run.plan is not None and run.plan.risk is Risk.CRITICAL
        case Press.CANCEL:
            return run.state is State.RUNNING and run.touched
        case Press.CONTINUE:
            return run.state is State.FAILED or run.pause is Pause.CHECKS
        case Press.STOP | Press.RESOLVE | Press.UNDO:
            return True
        case _:
            return False


def as_if_filled(click: Click, run: Run) -> Click:
    """For asking policy before the modal opens: what will be typed is not the question yet."""
    return replace(click, why=click.why or NEEDS_WORDS, code=run.code[:4])
