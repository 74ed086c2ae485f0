"""The slash command and the mention: one grammar, one answer for each command."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from bot import codec, commands
from bot.commands import VERBS
from bot.errors import UserError
from bot.model import Goal, Live, Person, Points, Run, State
from bot.policy import Click, Press
from bot.spelling import Misunderstood
from bot.views import lists
from bot.views.card import CardFacts, card
from bot.views.decision import why_not_answer
from bot.views.home import Linked
from bot.views.limits import Message, code, message, sentence
from handlers import access
from handlers.context import Context
from handlers.door.delivery import Delivery
from handlers.slack import asking, pressing
from handlers.slack.asking import Wish
from handlers.slack.facts import facts_for
from handlers.slack.typed import plain
from storage.runs import Summary

ANSWERED_WITHIN = timedelta(seconds=2)  # a slash command's answer must not come later than 3 s
OPENS_OR_DECIDES = (commands.OpenModal, commands.Ask, commands.Cancel, commands.Undo, commands.Resolve)
ANSWERS = {Live.BEFORE: "unchanged", Live.POINT: "point", Live.UNKNOWN: "unclear"}


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody typed, and where."""

    person: Person
    channel: str
    text: str
    thread: str | None
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class OpenForm:
    """The answer is the start modal. `target` None: it asks for one."""

    target: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request is open; its card tells the rest."""

    run: Run


async def answer(ctx: Context, said: Said) -> Message | OpenForm | Asked:
    """Raises UserError, Repeated."""
    asked = commands.parse(plain(said.text), ctx.configuration.targets, ctx.clock(), said.person.timezone)
    if reason := access.why_not(access.WORDS.get(type(asked)), said.person):
        raise UserError(reason)
    if isinstance(asked, OPENS_OR_DECIDES):
        await pressing.refuse_if_read_only(ctx, said.person, said.text[:500])
    match asked:
        case Misunderstood():
            return await _misunderstood(ctx, said, asked)
        case commands.OpenModal():
            return OpenForm(None)
        case commands.Ask(target, None, None, _):
            return OpenForm(target)
        case commands.Ask():
            return await _ask(ctx, said, asked)
        case commands.Cancel(run_id):
            await pressing.press(ctx, Press.CANCEL, run_id, said.person, Click(), said.delivery)
            return _line(f"{run_id}: your word is kept, the card shows what follows.")
        case commands.Undo(run_id, reason):
            run = await pressing.press(ctx, Press.UNDO, run_id, said.person, Click(why=reason), said.delivery)
            return _line(f"{run.id} asks to undo {run_id}. Its card follows in <#{run.channel}>.")
        case commands.Resolve():
            return await _resolve(ctx, said, asked)
        case _:
            return await _read(ctx, said.person, asked)


async def _misunderstood(ctx: Context, said: Said, asked: Misunderstood) -> Message:
    body = {"text": said.text[:500], "why": asked.words}
    await ctx.store.note("command_refused", ctx.clock(), said.person.id, body)
    example = f"{ctx.configuration.command} {asked.example}".strip()
    return _line(f"{sentence(asked.words, 600)} Example: {code(example, 300)}")


async def _ask(ctx: Context, said: Said, asked: commands.Ask) -> Asked:
    goal = Goal(point=asked.point) if asked.point else Goal(before=asked.before)
    wish = Wish(asked.target, goal, said.channel, reason=asked.reason, thread=said.thread)
    return Asked(await asking.ask(ctx, said.person, wish, said.delivery))


async def _resolve(ctx: Context, said: Said, asked: commands.Resolve) -> Message:
    run = await pressing.load(ctx, asked.run)
    if asked.live is Live.POINT and run.plan and (reason := why_not_answer(run, asked.point)):
        raise UserError(reason)
    click = Click(answer=ANSWERS[asked.live], why=asked.because)
    await pressing.press(ctx, Press.RESOLVE, run.id, said.person, click, said.delivery)
    return _line(f"{run.id}: your word is kept. Two people must say the same; the card shows who has.")


async def _read(ctx: Context, person: Person, asked: commands.Command) -> Message:
    now = ctx.clock()
    match asked:
        case commands.ListPoints(target):
            return await _points(ctx, target)
        case commands.ListTargets():
            return lists.targets(await _targets(ctx), now)
        case commands.Status(None):
            return lists.status(await linked(ctx, await ctx.store.summaries(only_open=True, limit=20)), now)
        case commands.Status(str() as run_id):
            return await _status(ctx, person, run_id)
        case commands.History(target):
            earlier = await ctx.store.summaries(target=target, limit=20)
            return lists.history(target, await linked(ctx, earlier), now)
        case _:
            command = ctx.configuration.command
            return lists.help_([(f"{command} {verb.usage}".strip(), verb.meaning) for verb in VERBS])


async def _points(ctx: Context, target: str) -> Message:
    look_id = await ctx.looks.want(target, None, ctx.clock())
    ctx.work()
    until = ctx.clock() + ANSWERED_WITHIN
    while ctx.clock() < until:
        look = await ctx.looks.get(look_id)
        if look is not None and look.answer is not None:
            if "points" in look.answer:
                return lists.points(target, codec.load(Points, look.answer["points"]), ctx.clock())
            return lists.no_points(target, str(look.answer.get("reason")))
        await asyncio.sleep(0.02)
    return lists.no_points(target, "still being read. Ask again in a moment.")


async def _targets(ctx: Context) -> list[lists.TargetRow]:
    """Of those beyond the last row that is shown there is no more to know than how many they are."""
    open_runs = await ctx.store.open_runs()
    rows: list[lists.TargetRow] = []
    for target in ctx.configuration.targets.values():
        run_id = open_runs.get(target.name) if len(rows) < lists.ROWS else None
        run = Linked(await ctx.store.load(run_id)) if run_id is not None else None
        rows.append(lists.TargetRow(target.name, target.kind, target.environment, run))
    return rows


async def _status(ctx: Context, person: Person, run_id: str) -> Message:
    """The card as it would be drawn now, without its buttons."""
    run = await pressing.load(ctx, run_id)
    shown = card(run, await reading_facts(ctx, run, person.id), ctx.clock())
    return message(shown.text, [block for block in shown.blocks if block.get("type") != "actions"])


async def reading_facts(ctx: Context, run: Run, person_id: str) -> CardFacts:
    """Facts for showing a run to one person who only reads; the link to its page is good for them alone."""
    cards = await ctx.cards.of_run(run.id)
    progress = await ctx.store.progress_of(run.id) if run.state is State.RUNNING else None
    now, public = ctx.clock(), ctx.configuration.public_url
    facts = facts_for(ctx.configuration, run, None, cards, progress=progress, dnd=frozenset(), now=now)
    return replace(facts, url=f"{public}{ctx.links.make(run.id, person_id, now)}" if public else None)


async def linked(ctx: Context, summaries: Iterable[Summary]) -> list[Linked]:
    return [Linked(await ctx.store.load(summary.id)) for summary in summaries]


def _line(text: str) -> Message:
    return message(text, [])
