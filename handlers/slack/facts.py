"""What a card says beside its run: who was reached, what the configuration says, how far a step is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot import asking
from bot.configuration import Configuration, Target
from bot.model import Kind, Purpose, State
from bot.run import Run
from bot.views.facts import CardFacts
from handlers.context import Context
from handlers.slack.pressing import button_value
from storage.cards import Card, CardKind

NEWS_WITHIN = timedelta(seconds=60)  # what a running card promises; it is redrawn far more often


def facts_for(
    configuration: Configuration,
    run: Run,
    card: Card | None,
    cards: Sequence[Card],
    *,
    progress: dict[str, Any] | None,
    dnd: frozenset[str],
    now: datetime,
) -> CardFacts:
    """`card` None: for somebody who only reads, without buttons."""
    target = configuration.targets.get(run.request.target)
    direct = [
        c
        for c in cards
        if c.kind is CardKind.DIRECT and c.gone is None and c.recipient in run.approval.awaited
    ]
    return CardFacts(
        button_value=button_value(card.key, run) if card else "",
        awaited=tuple(c.recipient for c in direct),
        messaged_at=run.approval.posted_at if direct else None,
        dnd=dnd,
        usergroups=_usergroups(configuration, target),
        progress=asking.seen(progress, now) if run.state is State.RUNNING else None,
        next_news_by=now + NEWS_WITHIN if run.state is State.RUNNING and _is_the_card(card) else None,
        holds=_holds(run),
        not_undone=target.not_undone if target else None,
        look_yourself=target.look_yourself or None if target else None,
        failover=target.failover if target else None,
        owner=(target.owner or "") if target else "",
        point_of_contact=target.point_of_contact if target else None,
    )


async def reading_facts(ctx: Context, run: Run, person_id: str) -> CardFacts:
    """Facts for showing a run to one person who only reads; the link to its page is good for them alone."""
    cards = await ctx.cards.of_run(run.id)
    progress = await ctx.store.progress_of(run.id) if run.state is State.RUNNING else None
    now = ctx.clock()
    facts = facts_for(ctx.configuration, run, None, cards, progress=progress, dnd=frozenset(), now=now)
    return replace(facts, url=page_url(ctx, f"/runs/{run.id}", person_id))


def page_url(ctx: Context, path: str, person_id: str) -> str | None:
    """Returns where a browser reads a page, for one person and a while. None: none reaches the bot."""
    public = ctx.configuration.public_url
    return f"{public}{ctx.links.make(path, person_id, ctx.clock())}" if public else None


def _is_the_card(card: Card | None) -> bool:
    """Copies are not redrawn while it runs, so they promise no news."""
    return card is not None and card.kind is CardKind.CARD


def _usergroups(configuration: Configuration, target: Target | None) -> tuple[str, ...]:
    if target is None:
        return ()
    groups = (configuration.groups.get(name) for name in target.approval.from_)
    return tuple(group.slack_usergroup for group in groups if group and group.slack_usergroup)


def _holds(run: Run) -> tuple[str, ...]:
    """Says what a deploy would bring back. The state of a database is nothing that somebody deploys."""
    if (
        run.state is not State.SUCCEEDED
        or run.request.purpose is not Purpose.ROLLBACK
        or run.approval.planned is None
    ):
        return ()
    if run.approval.plan.kind is Kind.DATABASE:
        return ()
    return tuple(
        f"{leg.current.label or leg.current.id} of {leg.target} is on hold; deploying it brings "
        "the fault back"
        for leg in run.approval.plan.legs
    )
