"""Approvers practise: who is asked, once a day, and what becomes of their answer. It decides nothing."""

from collections.abc import Iterable
from datetime import datetime

from bot import duties as rules
from bot import practice
from bot.errors import TemporaryError, UserError
from bot.model import Person
from bot.policy import humans
from bot.practice import NO, YES, Practice
from bot.views.practice import YES_BUTTON
from handlers.context import Context
from handlers.door.delivery import Delivery
from handlers.slack.directory import PEOPLE_KNOWN_SECONDS
from storage.practices import PracticeStore


async def practise_due(ctx: Context) -> None:
    """Owes a message to approvers of whom nothing was heard for long, within the hours of reminders."""
    now, rule = ctx.clock(), ctx.configuration.practice
    if rule is None or rules.opening(ctx.configuration, now) is None:
        return
    store = PracticeStore(ctx.store)
    known = await store.all()
    if _asked_today(known.values(), now):
        return
    try:
        approvers = await _approvers(ctx)
    except TemporaryError:
        return  # Slack does not say who they are: the next round asks again
    for person in practice.due(approvers, await store.decided(), known, rule.every, now):
        await store.ask(person, known.get(person), now)
    ctx.publish()


def _asked_today(known: Iterable[Practice], now: datetime) -> bool:
    return any(each.asked_at.date() == now.date() for each in known)


async def _approvers(ctx: Context) -> tuple[Person, ...]:
    found: dict[str, Person] = {}
    for target in ctx.configuration.targets.values():
        entitled = await ctx.directory.entitled(target, PEOPLE_KNOWN_SECONDS)
        found |= {person.id: person for person in entitled.able()}
    return tuple(humans(found.values()))


async def press(ctx: Context, action_id: str, card: str, person: Person, delivery: Delivery) -> None:
    """Keeps the answer. Raises UserError, Repeated."""
    await ctx.store.heard(delivery.key)
    store = PracticeStore(ctx.store)
    mine = await store.of_card(card)
    if mine is None or mine.person != person.id:
        raise UserError("This message is not for you to practise on any more. Nothing was decided.")
    await store.answer(mine, YES if action_id == YES_BUTTON else NO, delivery.key, ctx.clock())
    ctx.publish()
