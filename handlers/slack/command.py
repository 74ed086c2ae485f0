"""The slash command and the mention: a row for each command says to whom it is open and what answers it.

A command that is not in the table is closed to everyone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeAlias, TypeVar

from bot import commands, presses
from bot.errors import UserError
from bot.model import Goal, Left, Person
from bot.presses import Click
from bot.run import Run
from bot.spelling import Misunderstood
from bot.views import lists, reminder
from bot.views.card import card
from bot.views.decision import why_not_answer
from bot.views.home import Linked
from bot.views.limits import MessageContent, code, message, sentence
from handlers import access
from handlers.access import OpenTo
from handlers.context import Context
from handlers.door.delivery import Delivery
from handlers.due import facts_of
from handlers.slack import asking, pressing, start_modal
from handlers.slack.asking import Wish
from handlers.slack.facts import page_url, reading_facts
from handlers.slack.typed import plain
from storage.projection import Summary

COMMAND_ANSWERED_WITHIN = timedelta(seconds=2)  # a slash command's answer must not come later than 3 s
RESOLUTION = {Left.BEFORE: "unchanged", Left.POINT: "point", Left.UNKNOWN: "unclear"}


@dataclass(frozen=True, slots=True)
class TypedLine:
    """A line that somebody typed, and the place."""

    person: Person
    channel: str
    text: str
    thread: str | None
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class OpenForm:
    """The answer is the start modal. `target` None: it asks for one."""

    target: str | None
    reason: str = ""  # as typed


@dataclass(frozen=True, slots=True)
class Asked:
    """A request is open; its card tells the rest."""

    run: Run


Answer: TypeAlias = MessageContent | OpenForm | Asked
C = TypeVar("C", bound=commands.TypedCommand | Misunderstood)


@dataclass(frozen=True, slots=True)
class Row(Generic[C]):
    open_to: OpenTo
    answer: Callable[[Context, TypedLine, C], Awaitable[Answer]]
    changes: bool = False  # it asks for a run or decides about one: closed while this bot only reads


async def answer(ctx: Context, said: TypedLine) -> Answer:
    """Answers one typed line. Raises UserError, Repeated."""
    known, zones = ctx.configuration.targets, (said.person.timezone, ctx.configuration.timezone)
    asked = commands.parse(plain(said.text), known, ctx.clock(), *zones)
    row = ANSWERS.get(type(asked))
    if reason := access.why_not(row.open_to if row else None, said.person):
        raise UserError(reason)
    assert row is not None  # else it was closed
    if row.changes:
        await pressing.refuse_if_read_only(ctx, said.person, said.text[:500])
    return await row.answer(ctx, said, asked)


# One answer each -------------------------------------------------------------------------------


async def _open_form(ctx: Context, said: TypedLine, asked: commands.OpenModal) -> OpenForm:
    return OpenForm(None)


async def _ask(ctx: Context, said: TypedLine, asked: commands.Ask) -> Answer:
    if asked.point is None and asked.before is None:
        return OpenForm(asked.target, asked.reason)
    goal = Goal(point=asked.point) if asked.point else Goal(before=asked.before)
    wish = Wish(asked.target, goal, said.channel, reason=asked.reason, thread=said.thread)
    return Asked(await asking.ask(ctx, said.person, wish, said.delivery))


async def _drill(ctx: Context, said: TypedLine, asked: commands.StartDrill) -> Answer:
    wish = asking.drill(asked.target, asked.point, said.channel, asked.reason, said.thread)
    return Asked(await asking.ask(ctx, said.person, wish, said.delivery))


async def _snapshot(ctx: Context, said: TypedLine, asked: commands.TakeSnapshot) -> Answer:
    wish = asking.snapshot(asked.target, asked.as_of, said.channel, asked.reason, said.thread)
    return Asked(await asking.ask(ctx, said.person, wish, said.delivery))


async def _drills(ctx: Context, said: TypedLine, asked: commands.ListDrills) -> MessageContent:
    due = await ctx.duties.all()
    shown = due[: lists.ROWS]
    facts = [await facts_of(ctx.store, ctx.configuration, duty, ctx.clock()) for duty in shown]
    rows = [reminder.row(*one, ctx.clock()) for one in zip(shown, facts, strict=True)]
    without = [name for name, target in ctx.configuration.targets.items() if target.drill is None]
    url = page_url(ctx, "/drills", said.person.id)
    return lists.drills(rows, len(due) - len(shown), without, url)


async def _points(ctx: Context, said: TypedLine, asked: commands.ListPoints) -> MessageContent:
    target = asked.target
    look_id = await ctx.looks.want(target, None, ctx.clock())
    ctx.work()
    until = ctx.clock() + COMMAND_ANSWERED_WITHIN
    while ctx.clock() < until:
        look = await ctx.looks.get(look_id)
        if look is not None and look.answer is not None:
            if (offer := start_modal.offer_of(look)) is not None:
                return lists.points(target, offer, ctx.clock())
            return lists.no_points(target, str(look.answer.get("reason")))
        await asyncio.sleep(0.02)
    return lists.no_points(target, "still being read. Ask again in a moment.")


async def _targets(ctx: Context, said: TypedLine, asked: commands.ListTargets) -> MessageContent:
    """Reads the runs of the rows that are shown; the targets beyond them are only counted."""
    open_runs = await ctx.store.open_runs()
    rows: list[lists.TargetRow] = []
    for target in ctx.configuration.targets.values():
        run_id = open_runs.get(target.name) if len(rows) < lists.ROWS else None
        run = Linked(await ctx.store.load(run_id)) if run_id is not None else None
        rows.append(lists.TargetRow(target.name, target.kind, target.environment, run))
    return lists.targets(rows, ctx.clock())


async def _status(ctx: Context, said: TypedLine, asked: commands.Status) -> MessageContent:
    if asked.run is None:
        summaries = await ctx.store.summaries(only_open=True, limit=20)
        return lists.status(await linked(ctx, summaries), ctx.clock())
    run = await pressing.load(ctx, asked.run)
    shown = card(run, await reading_facts(ctx, run, said.person.id), ctx.clock())
    # the card as it would be drawn now, without its buttons
    return message(shown.text, [block for block in shown.blocks if block.get("type") != "actions"])


async def _history(ctx: Context, said: TypedLine, asked: commands.History) -> MessageContent:
    earlier = await ctx.store.summaries(target=asked.target, limit=20)
    return lists.history(asked.target, await linked(ctx, earlier), ctx.clock())


async def _help(ctx: Context, said: TypedLine, asked: commands.Help) -> MessageContent:
    command = ctx.configuration.command
    return lists.help_([(f"{command} {row.typed}".strip(), row.meaning) for row in commands.HELP_ROWS])


async def _cancel(ctx: Context, said: TypedLine, asked: commands.Cancel) -> MessageContent:
    await pressing.press(ctx, presses.CANCEL, asked.run, said.person, Click(), said.delivery)
    return _line(f"{asked.run}: your word is kept, the card shows what follows.")


async def _undo(ctx: Context, said: TypedLine, asked: commands.Undo) -> MessageContent:
    click = Click(why=asked.reason)
    run = await pressing.press(ctx, presses.UNDO, asked.run, said.person, click, said.delivery)
    return _line(f"{run.id} asks to undo {asked.run}. Its card follows in <#{run.request.channel}>.")


async def _resolve(ctx: Context, said: TypedLine, asked: commands.Resolve) -> MessageContent:
    run = await pressing.load(ctx, asked.run)
    if asked.live is Left.POINT and run.approval.planned and (reason := why_not_answer(run, asked.point)):
        raise UserError(reason)
    click = Click(answer=RESOLUTION[asked.live], why=asked.because)
    await pressing.press(ctx, presses.RESOLVE, run.id, said.person, click, said.delivery)
    return _line(f"{run.id}: your word is kept. Two people must say the same; the card shows who has.")


async def _misunderstood(ctx: Context, said: TypedLine, asked: Misunderstood) -> MessageContent:
    body = {"text": said.text[:500], "why": asked.words}
    await ctx.store.note("command_refused", ctx.clock(), said.person.id, body)
    example = f"{ctx.configuration.command} {asked.example}".strip()
    return _line(f"{sentence(asked.words, 600)} Example: {code(example, 300)}")


ANSWERS: Mapping[type, Row[Any]] = {
    commands.OpenModal: Row(OpenTo.MEMBER, _open_form, changes=True),
    commands.Ask: Row(OpenTo.RIGHTS, _ask, changes=True),
    commands.StartDrill: Row(OpenTo.RIGHTS, _drill, changes=True),
    commands.TakeSnapshot: Row(OpenTo.RIGHTS, _snapshot, changes=True),
    commands.ListDrills: Row(OpenTo.MEMBER, _drills),
    commands.ListPoints: Row(OpenTo.MEMBER, _points),
    commands.ListTargets: Row(OpenTo.MEMBER, _targets),
    commands.Status: Row(OpenTo.MEMBER, _status),
    commands.History: Row(OpenTo.MEMBER, _history),
    commands.Cancel: Row(OpenTo.RIGHTS, _cancel, changes=True),
    commands.Undo: Row(OpenTo.RIGHTS, _undo, changes=True),
    commands.Resolve: Row(OpenTo.RIGHTS, _resolve, changes=True),
    commands.Help: Row(OpenTo.CHANNEL, _help),
    Misunderstood: Row(OpenTo.CHANNEL, _misunderstood),
}


async def linked(ctx: Context, summaries: Iterable[Summary]) -> list[Linked]:
    return [Linked(await ctx.store.load(summary.id)) for summary in summaries]


def _line(text: str) -> MessageContent:
    return message(text, [])
