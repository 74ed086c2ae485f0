"""What people press on a reminder: start the drill, have a backup taken, put it off, hand it over.

Who may start a drill is asked where every run is asked for. To put something off or to hand it over is for
its owner, its point of contact, and whom it was handed to.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NoReturn

from bot import duties as rules
from bot.duties import Duty, DutyKind
from bot.errors import UserError
from bot.model import Person
from bot.policy import BESIDE, PersonRole
from bot.run import Run
from bot.views import reminder as view
from bot.views.limits import View
from bot.views.words import date as date_words
from bot.views.words import utc
from handlers.backing_up import back_up_due
from handlers.context import Context
from handlers.door.delivery import Delivery
from handlers.due import facts_of
from handlers.slack import asking
from handlers.slack.directory import PEOPLE_KNOWN_SECONDS
from handlers.slack.forms import typed
from storage.duties import HandedOver, Moved, PutOff

TAKEN_APART = timedelta(minutes=5)  # of two backups that somebody wants now: each takes room


async def duty_of(ctx: Context, key: str) -> Duty:
    """Raises UserError when it is none of ours, or was done meanwhile."""
    duty = await ctx.duties.get(key)
    if duty is None:
        raise UserError("This button belongs to nothing that is due any more.")
    if duty.done_at is not None:
        raise UserError(f"This is done already. `{ctx.configuration.command} drills` lists what is due.")
    return duty


async def refuse_elsewhere(ctx: Context, duty: Duty, channel: str | None, ts: str | None) -> None:
    """Refuses a button that was not pressed in the message in which it was told last. Raises UserError.

    A message is seen a moment before Slack has told us which one it is: then it may be this one.
    """
    card = await ctx.cards.by_key(duty.card) if duty.card else None
    if card is not None and card.unclear:
        return
    if card is None or (card.channel, card.ts) != (channel, ts):
        raise UserError("This is an older reminder. Press the button on the newest one.")


async def channel_of(ctx: Context, duty: Duty) -> str:
    """Returns where it was told last: a button in App Home is pressed in no channel. Raises UserError."""
    card = await ctx.cards.by_key(duty.card) if duty.card else None
    if card is None or card.channel is None:
        command = ctx.configuration.command
        raise UserError(f"Nobody was told of it yet. Type `{command} drill {duty.target}` in a channel.")
    return card.channel


async def start(ctx: Context, duty: Duty, person: Person, channel: str, delivery: Delivery) -> Run:
    """Asks for the drill that is due, or for one after a drill that failed. Raises UserError, Repeated."""
    if going_on := await ctx.store.open_drills(duty.target):
        raise UserError(f"{going_on[0].id} is a drill of `{duty.target}` that is under way already.")
    wish = asking.drill(duty.target, None, channel, f"due {date_words(duty.due_at, ctx.clock())}")
    run = await asking.ask(ctx, person, wish, delivery)
    await ctx.duties.redraw(duty)
    ctx.publish()
    return run


async def take_backup(ctx: Context, duty: Duty, person: Person, delivery: Delivery) -> None:
    """Has the next backup of its target taken at once. Raises UserError, Repeated."""
    await ctx.store.heard(delivery.key)
    target, now = asking.known_target(ctx, duty.target), ctx.clock()
    entitled = await ctx.directory.entitled(target, PEOPLE_KNOWN_SECONDS)
    if person.barred or not BESIDE & entitled.roles(person, None):
        why = f"Only who may ask for a rollback of `{duty.target}`, and its owner, can have a backup taken."
        await _refused(ctx, duty, person, f"{why} Ask one of them.")
    lately = [run.end.at for run in await ctx.store.backups(target.name) if run.end.at is not None]
    if lately and now - lately[0] < TAKEN_APART:
        raise UserError(f"One was taken at {utc(lately[0], now)}. Wait {TAKEN_APART.seconds // 60} min.")
    if going_on := await ctx.store.open_backups(target.name):
        raise UserError(f"One is being taken already, since {utc(going_on[0].request.at, now)}.")
    if not await ctx.schedules.take_now(target.name, person.id, delivery.key, now):
        raise UserError(f"No backups of `{duty.target}` are taken any more: the configuration has none.")
    await back_up_due(ctx)
    ctx.publish()


async def form(ctx: Context, action_id: str, duty: Duty, person: Person) -> View:
    """Returns the form that a button opens. Raises UserError."""
    await _refuse_others(ctx, duty, person)
    now = ctx.clock()
    facts = await facts_of(ctx.store, ctx.configuration, duty, now)
    if action_id == view.LATER_BUTTON:
        return view.later(duty, facts, rules.latest_put_off(duty, now), now)
    return view.hand_over(duty, facts, now)


async def submit(ctx: Context, person: Person, sent: Mapping[str, Any], delivery: Delivery) -> None:
    """Keeps what somebody said about what is due. Raises UserError, Repeated."""
    await ctx.store.heard(delivery.key)
    duty, given = await duty_of(ctx, str(sent.get("private_metadata") or "")), typed(sent)
    await _refuse_others(ctx, duty, person)
    now = ctx.clock()
    if sent["callback_id"] == view.LATER:
        await _refuse_begun(ctx, duty, now)
    try:
        if sent["callback_id"] == view.LATER:
            await ctx.duties.put_off(duty, _until(ctx, duty, person, given, now), delivery.key, now)
        else:
            await _hand_over(ctx, duty, person, given.get("to", ""), delivery, now)
    except Moved:
        raise UserError("Somebody else was quicker. Look at the message, and press again.") from None
    ctx.publish()


def _until(ctx: Context, duty: Duty, person: Person, given: Mapping[str, str], now: datetime) -> PutOff:
    try:
        day = date.fromisoformat(given.get("until", ""))
    except ValueError:
        raise UserError("Choose the day until which it is put off.") from None
    until = rules.day_begins(ctx.configuration, day)
    latest = rules.latest_put_off(duty, now)
    if until <= now:
        raise UserError("That day has begun already. Choose a later one.")
    if until > latest:
        at_most = date_words(latest, now)
        raise UserError(f"It can be put off until {at_most} at the latest. Choose an earlier day.")
    if not (why := given.get("reason", "").strip()):
        raise UserError("Say why: whoever looks at the list next wants to know.")
    return PutOff(person.id, until, why)


async def _refuse_begun(ctx: Context, duty: Duty, now: datetime) -> None:
    """Refuses what was started, or is done, while the form was open. Raises UserError."""
    if duty.due_at > now:
        raise UserError("This is not due any more, so there is nothing to put off.")
    begun = await ctx.store.open_drills(duty.target)
    if begun and duty.kind is DutyKind.DRILL:
        raise UserError(f"{begun[0].id} has started already. *Stop* it on its card if it must not go on.")


async def _hand_over(
    ctx: Context, duty: Duty, person: Person, to: str, delivery: Delivery, now: datetime
) -> None:
    if not to:
        raise UserError("Choose who is reminded instead.")
    await ctx.directory.refuse_who_cannot(to)
    at_once = rules.opening(ctx.configuration, now) or now
    await ctx.duties.hand_over(duty, HandedOver(person.id, to, at_once), delivery.key, now)


async def _refuse_others(ctx: Context, duty: Duty, person: Person) -> None:
    """Owner, point of contact, and whom it was handed to. Raises UserError, and keeps it as evidence."""
    target = asking.known_target(ctx, duty.target)
    entitled = await ctx.directory.entitled(target, PEOPLE_KNOWN_SECONDS)
    may = PersonRole.OWNER in entitled.roles(person, None) or duty.handed_to == person.id
    if may and not person.barred:
        return
    owner = f"who owns `{duty.target}`" + (f" ({target.owner})" if target.owner else "")
    why = f"Only {owner} and its point of contact can put this off or hand it over. Ask them."
    await _refused(ctx, duty, person, why)


async def _refused(ctx: Context, duty: Duty, person: Person, why: str) -> NoReturn:
    """Raises UserError, and keeps it as evidence."""
    await ctx.store.note("duty_refused", ctx.clock(), person.id, {"target": duty.target, "why": why})
    ctx.metrics.refusals.labels("duty").inc()
    raise UserError(why)
