"""Reminders: the tick that owes them, and the round that posts them.

What is due is a row (`storage.duties`), so two processes tell nothing twice and downtime loses nothing. A
message whose place is gone goes to the next one who can be told.
"""

from datetime import date, datetime

import structlog

from bot import duties as rules
from bot.canonical_json import digest as digest_of
from bot.views import reminder as view
from bot.views.digest import Month, digest
from bot.views.limits import MessageContent
from bot.views.practice import practice as draw_practice
from handlers.context import Context
from handlers.due import facts_of
from handlers.slack import asking
from handlers.slack.posting import CannotPost, MessageGone, Posting, ThreadGone
from handlers.slack.sending import MustWait
from storage.cards import Card, CardKind, place
from storage.counting import counted
from storage.duties import late_of
from storage.duty_rows import redraw
from storage.practices import PracticeStore

log = structlog.get_logger()


# Owing -------------------------------------------------------------------------------------------


async def keep_duties(ctx: Context) -> None:
    """Has a row for every drill that the configuration asks for."""
    now = ctx.clock()
    at_once = rules.opening(ctx.configuration, now) or now
    wanted = rules.drills_wanted(ctx.configuration)
    await ctx.duties.keep(wanted, ctx.configuration.targets, now, at_once)


async def remind_due(ctx: Context) -> None:
    """Owes a message for whatever is due and was not told yet, within the hours of the configuration."""
    now = ctx.clock()
    began = rules.opening(ctx.configuration, now)
    if began is None:
        return
    due = await ctx.duties.due(began)
    if not due:
        return
    again_at = rules.told_again_at(ctx.configuration, now)
    told, nobody = rules.tellings(ctx.configuration, due)
    for telling in told:
        late = max(rules.late_by(ctx.configuration, duty, now) for duty in telling.duties)
        await ctx.duties.tell(telling, again_at, late, now)
    for duty in nobody:
        log.warning("nobody can be reminded", target=duty.target, duty=duty.kind.value)
        await ctx.duties.told_to_nobody(duty, again_at, now)
    ctx.publish()


async def start_due(ctx: Context) -> None:
    """Starts by itself what is due, was told a day before, and was not put off since."""
    now = ctx.clock()
    for duty in await ctx.duties.all():
        if not rules.may_start(ctx.configuration, duty, now) or await ctx.store.open_drills(duty.target):
            continue
        told = await ctx.cards.by_key(duty.card) if duty.card else None
        if told is not None and told.channel is not None and told.ts is not None:
            await asking.start_by_itself(ctx, duty, told.channel)


async def digest_due(ctx: Context) -> None:
    """Owes the digest of the month before, in the first days of one: whoever is second owes it once more."""
    now, told = ctx.clock(), ctx.configuration.monthly
    if told is None or rules.opening(ctx.configuration, now) is None:
        return
    if (month := rules.month_before(ctx.configuration, now)) is not None:
        await ctx.cards.want("", CardKind.DIGEST, told.to, now, moment=f"{month:%Y-%m}")


async def _digest_of(ctx: Context, moment: str, now: datetime) -> MessageContent:
    begins, ends = rules.month_called(ctx.configuration, moment)
    runs = await counted(ctx.store.database, begins, ends)
    month = Month(begins, f"{date.fromisoformat(f'{moment}-01'):%B %Y}")
    return digest(month, runs, await ctx.duties.all(), ctx.configuration.command, now)


# Showing -----------------------------------------------------------------------------------------


async def show_reminders(ctx: Context, posting: Posting) -> None:
    """Posts those that are owed, and draws anew those of which something has become."""
    for card in await ctx.cards.of_no_run():
        try:
            await _show(ctx, posting, card)
        except MustWait:
            return  # the others wait for the same budgets


async def _show(ctx: Context, posting: Posting, card: Card) -> None:
    drawing = await _drawn(ctx, card)
    drawn, now = _digest(drawing), ctx.clock()
    try:
        if card.ts is None:
            posted = await posting.post(card, drawing, 0, None)
            known = drawn if posted.drawn else ""
            await ctx.store.database.write(
                lambda connection: place(connection, card.key, posted.channel, posted.ts, known, now)
            )
        else:
            await posting.update(card, drawing, 0, can_wait=True)
            await ctx.cards.redrawn(card.key, drawn, now)
        if _digest(await _drawn(ctx, card)) != drawn:  # it was asked for while Slack was spoken to
            await ctx.store.database.write(lambda connection: redraw(connection, card.key))
    except (CannotPost, ThreadGone, MessageGone) as no:
        await ctx.cards.impossible(card.key, str(no))
        if card.ts is None:
            log.warning("reminder goes to the next one", to=card.recipient, error=str(no))
            await ctx.duties.cannot_reach(card.key, rules.opening(ctx.configuration, now) or now)


def _digest(drawing: MessageContent) -> str:
    return digest_of({"text": drawing.text, "blocks": list(drawing.blocks)})


async def _drawn(ctx: Context, card: Card) -> MessageContent:
    told = await ctx.duties.of_card(card.key)
    now = ctx.clock()
    if card.kind is CardKind.DIGEST:
        return await _digest_of(ctx, card.moment, now)
    if card.kind is CardKind.PRACTICE:
        return draw_practice(await PracticeStore(ctx.store).of_card(card.key), now)
    facts = {duty.key: await facts_of(ctx.store, ctx.configuration, duty, now) for duty in told}
    return view.reminder(told, facts, ctx.configuration.command, late_of(card.moment), now)
