"""Asking for a rollback, an undo, or the same again: one way, whatever surface it came from."""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime

from bot import drilling, machine, policy, snapshots
from bot.configuration import Target
from bot.duties import Duty
from bot.envelope import Event
from bot.errors import UserError
from bot.event_kinds import EventKind
from bot.events import EndedByUndo, Requested
from bot.model import THE_SCHEDULE, Goal, Person, Purpose, State
from bot.policy import Entitled
from bot.procedures import targets_of
from bot.run import Run
from bot.views.words import date
from handlers.context import Context
from handlers.door.delivery import Delivery
from handlers.slack.directory import PEOPLE_KNOWN_SECONDS
from storage import cards
from storage.transaction import Opening, TargetTaken, Transaction

SEEDS = 2**31  # by which the restore point of a drill is drawn


@dataclass(frozen=True, slots=True)
class Wish:
    target: str
    goal: Goal
    channel: str  # where the card goes
    purpose: Purpose = Purpose.ROLLBACK
    reason: str = ""
    thread: str | None = None  # where it was asked
    ask_first: str | None = None
    drill_of: str | None = None  # of a rehearsal: the target whose drill it is

    @property
    def is_drill(self) -> bool:
        return self.purpose is Purpose.DRILL

    @property
    def is_beside(self) -> bool:
        """Whether it only copies: it takes nothing from anybody."""
        return self.is_drill or self.purpose is Purpose.SNAPSHOT


def drill(target: str, point: str | None, channel: str, reason: str = "", thread: str | None = None) -> Wish:
    """`point` None: one is drawn, and the seed is kept."""
    goal = Goal(point=point) if point else Goal(drawn=secrets.randbelow(SEEDS))
    return Wish(target, goal, channel, Purpose.DRILL, reason, thread)


def snapshot(target: str, as_of: datetime, channel: str, reason: str, thread: str | None = None) -> Wish:
    return Wish(target, Goal(as_of=as_of), channel, Purpose.SNAPSHOT, reason, thread)


async def ask(ctx: Context, person: Person, wish: Wish, delivery: Delivery, ending: Run | None = None) -> Run:
    """Opens a run. `ending`: a paused run that this one undoes and that ends in the same transaction.

    Raises UserError (kept as evidence), TargetTaken among them, and storage.transaction.Repeated.
    """
    await ctx.store.heard(delivery.key)
    try:
        wish = _as_configured(ctx, wish)
        target = known_target(ctx, wish.target)
        entitled = await _check(ctx, person, target, wish, ending)
        return await _open(ctx, person, target, entitled, wish, delivery, ending)
    except UserError as reason:
        # not under the delivery's key: the same form may be sent again once the reason is gone
        body = {"target": wish.target, "why": str(reason)}
        await ctx.store.note("request_refused", ctx.clock(), person.id, body)
        ctx.metrics.refusals.labels("request").inc()
        raise


def _as_configured(ctx: Context, wish: Wish) -> Wish:
    """A drill that is rehearsed is a whole run of another target. Raises UserError."""
    rule = drilling.rule_of(known_target(ctx, wish.target)) if wish.is_drill else None
    if rule is None or rule.mode != "rehearsal" or rule.target is None:
        return wish
    return replace(wish, target=rule.target, purpose=Purpose.REHEARSAL, drill_of=wish.target)


def known_target(ctx: Context, name: str) -> Target:
    target = ctx.configuration.targets.get(name)
    if target is None:
        raise UserError(f"There is no target `{name}`. `{ctx.configuration.command} targets` lists them.")
    return target


async def _check(ctx: Context, person: Person, target: Target, wish: Wish, ending: Run | None) -> Entitled:
    """The transaction that opens the run asks again what others may have changed: here a no costs less."""
    place = await ctx.channels.place(wish.channel, is_drill=wish.is_drill)
    if place.why_not:
        raise UserError(place.why_not)
    if wish.is_drill:
        drilling.rule_of(target)
    if wish.purpose is Purpose.SNAPSHOT:
        snapshots.rule_of(target)
    entitled = await ctx.directory.entitled(target, PEOPLE_KNOWN_SECONDS)
    already = await ctx.store.open_requests_of(person.human, beside=wish.is_beside)
    if reason := _why_not(person, target, entitled, already, wish):
        raise UserError(f"{_where(wish)}{reason}")
    if wish.drill_of is not None:
        drilled = await ctx.directory.entitled(known_target(ctx, wish.drill_of), PEOPLE_KNOWN_SECONDS)
        if reason := policy.why_not_ask(person, wish.drill_of, drilled, already, 0, policy.BESIDE):
            raise UserError(reason)
    holder = await ctx.store.open_run_of(target.name)
    if holder is not None and ending is None and not wish.is_beside:
        raise TargetTaken(target.name, holder)
    return entitled


def _where(wish: Wish) -> str:
    """Says of a rehearsal why another target is spoken of than was typed."""
    return f"`{wish.drill_of}` is rehearsed on `{wish.target}`. " if wish.drill_of else ""


def _why_not(person: Person, target: Target, entitled: Entitled, already: int, wish: Wish) -> str | None:
    """A drill on a copy touches nothing that is live: the configuration has agreed to it."""
    if wish.is_drill:
        return policy.why_not_ask(person, target.name, entitled, already, 0, policy.BESIDE)
    if wish.is_beside:
        return policy.why_not_ask(
            person, target.name, entitled, already, target.approval.quorum, policy.BESIDE
        )
    return policy.why_not_ask(person, target.name, entitled, already, target.approval.quorum)


async def _open(
    ctx: Context,
    person: Person,
    target: Target,
    entitled: Entitled,
    wish: Wish,
    delivery: Delivery,
    ending: Run | None,
) -> Run:
    now = ctx.clock()
    event = _request(wish, person, now, person.id)
    locks = () if wish.is_beside else targets_of(ctx.configuration, target)
    opening = Opening(event, locks, wish.channel)

    async def work(change: Transaction) -> Run:
        await change.once(delivery.key, now)
        next_id = await change.next_id()
        if ending is not None:
            marks = tuple(sorted(policy.marks(person)))
            ended = EndedByUndo(marks=marks, why="ended by its undo", undone_by=next_id)
            await change.append(ending, (Event(ended, now, person.id),))
        already = await change.open_requests_of(person.human, beside=wish.is_beside)
        if reason := _why_not(person, target, entitled, already, wish):
            raise UserError(reason)
        if wish.is_drill:
            await change.drop_older_copies(target.name, now)
        run = await change.open(opening)
        await _copied_to_audit(ctx, change, run, now)
        if wish.thread:
            await cards.want(
                change.connection, run.id, cards.CardKind.LINE, wish.channel, now, thread_ts=wish.thread
            )
        return run

    run = await delivery.change(ctx.store, work)
    ctx.work()
    ctx.publish()
    return run


def _request(wish: Wish, requester: Person, now: datetime, by: str) -> Event:
    asked = Requested(
        target=wish.target,
        purpose=wish.purpose,
        goal=wish.goal,
        requester=requester,
        channel=wish.channel,
        reason=wish.reason,
        thread=wish.thread,
        ask_first=wish.ask_first,
        undo_of=wish.goal.undo_of,
        drill_of=wish.drill_of,
    )
    return Event(asked, now, by)


async def _copied_to_audit(ctx: Context, change: Transaction, run: Run, now: datetime) -> None:
    if audit := ctx.configuration.audit_channel:
        await cards.want(change.connection, run.id, cards.CardKind.AUDIT, audit, now)


async def start_by_itself(ctx: Context, duty: Duty, channel: str) -> Run | None:
    """Opens a drill that is due, for which the configuration stands. None: somebody was quicker."""
    now = ctx.clock()
    wish = drill(duty.target, None, channel, f"due {date(duty.due_at, now)}")
    opening = Opening(_request(wish, THE_SCHEDULE, now, ""), (), channel)

    async def work(change: Transaction) -> Run | None:
        if not await ctx.duties.begin(change, duty, await change.next_id()):
            return None
        await change.drop_older_copies(duty.target, now)
        run = await change.open(opening)
        await _copied_to_audit(ctx, change, run, now)
        return run

    run = await ctx.store.change(work)
    ctx.work()
    ctx.publish()
    return run


def again(run: Run) -> Wish:
    """The same wish as an ended run's: a fresh plan, a new run. A drill that failed tries another point."""
    another = run.is_drill and run.state is State.FAILED
    return Wish(
        run.request.target,
        Goal(drawn=secrets.randbelow(SEEDS)) if another else run.request.goal,
        run.request.channel,
        run.request.purpose,
        run.request.reason,
        ask_first=run.request.ask_first,
        drill_of=run.request.drill_of,
    )


def undo(run: Run, reason: str) -> Wish:
    return Wish(
        run.request.target,
        Goal(undo_of=run.id),
        run.request.channel,
        Purpose.UNDO,
        reason or f"undo of {run.id}",
    )


def ended_by_undo(run: Run) -> Run | None:
    """A paused run ends with the request that undoes it; an ended one has ended."""
    return run if run.state is State.PAUSED and machine.allows(run, EventKind.ENDED_BY_UNDO) else None
