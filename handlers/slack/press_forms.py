"""The forms of presses: one function opens each of them, one takes what was sent.

Which form a press asks for is said by `bot.presses`, how it looks by `bot.views.press_forms`. What is sent
is judged like a click: the form shows, it decides nothing.
"""

import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.errors import UserError
from bot.model import Person
from bot.presses import LEARN, PRESSES, Click, Form, Press, veto
from bot.presses.details import LONG_FORM
from bot.presses.press import DIALOG
from bot.presses.undo import UNDO_FORM
from bot.run import Run
from bot.views.details import details
from bot.views.facts import CardFacts
from bot.views.limits import View
from bot.views.press_forms import DRAWN
from handlers.context import Context
from handlers.door.delivery import Delivery
from handlers.slack import lessons, pressing, start_modal
from handlers.slack.facts import reading_facts
from handlers.slack.forms import typed
from handlers.slack.sending import MustWait
from storage.cards import Card
from storage.transaction import Transaction

log = structlog.get_logger()
NEEDS_WORDS = "…"  # stands for the reason that the form will ask for


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button that somebody pressed, and the card that it stands on."""

    press: Press
    run: Run
    person: Person
    card: Card
    trigger_id: str  # lets one modal open, within three seconds


# Opening ---------------------------------------------------------------------------------------


async def follow(
    ctx: Context, pressed: Pressed, click: Click, delivery: Delivery
) -> Coroutine[Any, Any, None] | None:
    """Does what was pressed, or asks first. Returns what is left to do after the ack; None: nothing.

    Raises UserError, Repeated.
    """
    press, run, form = pressed.press, pressed.run, pressed.press.form(pressed.run)
    if form is not None and press.for_everybody:
        return show(ctx, pressed.trigger_id, await _draw(ctx, form, pressed))
    if form is not None and form is not DIALOG:
        as_if_filled = replace(click, why=click.why or NEEDS_WORDS, code=run.code[:4])
        await pressing.check(ctx, press, run, pressed.person, as_if_filled)
        return _open(ctx, form, pressed)
    moved = await pressing.press(ctx, press, run.id, pressed.person, click, delivery)
    return _open(ctx, press.then, replace(pressed, run=moved)) if press.then else None


async def _open(ctx: Context, form: Form, pressed: Pressed) -> None:
    """Shows the form; that Slack would not show it is only logged."""
    if form is not UNDO_FORM:
        await show(ctx, pressed.trigger_id, await _draw(ctx, form, pressed))
        return
    try:
        await start_modal.open_undo(ctx, pressed.trigger_id, pressed.person, pressed.run)
    except (SlackApiError, MustWait) as problem:
        log.warning("modal", error=str(problem))


async def _draw(ctx: Context, form: Form, pressed: Pressed) -> View:
    run = pressed.run
    facts = await reading_facts(ctx, run, pressed.person.id)
    if form is LONG_FORM:
        return await _long_form(ctx, run, facts)
    value = pressing.button_value(pressed.card.key, run)
    about = {"press": pressed.press.action_id, "value": value, "seen": run.end.lessons_seq}
    return DRAWN[form](run, facts, json.dumps(about), ctx.clock())


async def show(ctx: Context, trigger_id: str, view: View) -> None:
    """Opens it; that Slack would not is only logged."""
    try:
        await ctx.sender.call("views.open", trigger_id=trigger_id, view=view)
    except (SlackApiError, MustWait) as problem:
        log.warning("modal", error=str(problem))


async def _long_form(ctx: Context, run: Run, facts: CardFacts) -> View:
    events = await ctx.store.events(run.id)
    summaries = await ctx.store.summaries(target=run.request.target, limit=6)
    earlier = [await ctx.store.load(s.id) for s in summaries if s.id != run.id]
    return details(run, facts, events, earlier, ctx.clock())


# Sending ---------------------------------------------------------------------------------------


async def submit(ctx: Context, person: Person, view: Mapping[str, Any], delivery: Delivery) -> None:
    """Does what the form was opened for. Raises UserError, Repeated."""
    press, run, stamp, seen = await _asked_about(ctx, view)
    given = typed(view)
    click = Click(
        stamp=stamp,
        code=given.get("plan_code", ""),
        answer=given.get("answer", ""),
        why=given.get("reason", ""),
        lessons=await lessons.written(ctx, given) if press is LEARN else None,
        lessons_seen=seen,
    )
    await pressing.press(ctx, press, run.id, person, click, delivery)


async def keep_reason(ctx: Context, person: Person, view: Mapping[str, Any], delivery: Delivery) -> None:
    """Keeps why somebody rejected. Raises UserError, Repeated."""
    _, run, *_ = await _asked_about(ctx, view)
    now = ctx.clock()
    events = veto.reason_events(run, person, typed(view).get("reason", ""), now)
    if not events:
        return

    async def work(change: Transaction) -> None:
        await change.once(delivery.key, now)
        await change.append(run, events)

    await delivery.change(ctx.store, work)
    ctx.publish()


async def _asked_about(ctx: Context, view: Mapping[str, Any]) -> tuple[Press, Run, str, int]:
    """The metadata is only a pointer: what it points to is read from the database.

    Returns the press, the run, what the form was drawn for, and the seq of the lessons that it showed.
    """
    try:
        about = json.loads(view.get("private_metadata") or "{}")
        press, value, seen = PRESSES[about["press"]], str(about["value"]), int(about.get("seen", 0))
        value.encode()  # it may hold half a character, which is a ValueError too
    except (ValueError, KeyError, TypeError):
        raise UserError("This form belongs to no card of mine. Press the button on the card again.") from None
    card, drawn = await pressing.card_of(ctx, value)
    run = await pressing.load(ctx, card.run_id)
    return press, run, pressing.drawn_for(run, card.key, drawn), seen
