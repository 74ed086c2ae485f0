"""The start modal: opened at once, filled from a look, filled again when something else is chosen."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.errors import SlackApiError

from bot import codec
from bot.configuration import Target
from bot.errors import TemporaryError, UserError
from bot.model import Goal, Person, Plan
from bot.policy import same_human
from bot.run import Run
from bot.spelling import Misunderstood
from bot.suggesting import Offer
from bot.times import time_of
from bot.views import lists, press_forms, refusal, start_form
from bot.views.limits import View
from handlers.context import Context
from handlers.door.delivery import Delivery
from handlers.slack import asking
from handlers.slack.asking import Wish
from handlers.slack.directory import PEOPLE_KNOWN_SECONDS
from handlers.slack.forms import block_of, typed
from handlers.slack.pressing import load
from handlers.slack.sending import MustWait
from storage.looks import Look, Modal

NOT_SHOWN = "The form has not shown yet what that would lose. Look at what it says now, then press again."
WRITTEN_WITHIN = timedelta(seconds=1)
LATE = timedelta(seconds=10)
READING, SLOW, FILLED = "reading", "late", "filled"


async def open_modal(
    ctx: Context,
    trigger_id: str,
    person: Person,
    channel: str,
    target: str | None,
    thread: str | None = None,
    reason: str = "",
) -> None:
    """Within the trigger's three seconds; raises SlackApiError when they are over. `reason`: as typed."""
    known = ctx.configuration.targets
    chosen = target or (next(iter(known)) if len(known) == 1 else None)
    context = {"channel": channel, "thread": thread, "reason": reason}
    if chosen is None:
        view = start_form.start_form(await _form(ctx, person, None, context, None), "", ctx.clock())
        answer = await ctx.sender.call("views.open", trigger_id=trigger_id, view=view)
        await ctx.looks.open_modal(
            Modal(answer["view"]["id"], person.id, "", 0, context, ctx.clock(), FILLED, None)
        )
        return
    look_id = await ctx.looks.want(chosen, {}, ctx.clock())
    ctx.work()
    answer = await ctx.sender.call(
        "views.open", trigger_id=trigger_id, view=start_form.start_loading(chosen, "")
    )
    await ctx.looks.open_modal(
        Modal(answer["view"]["id"], person.id, chosen, look_id, context, ctx.clock(), READING, None)
    )
    ctx.publish()


async def open_undo(ctx: Context, trigger_id: str, person: Person, run: Run) -> None:
    """The undo's own plan and loss are worked out while its modal is open."""
    look_id = await ctx.looks.want(run.request.target, {"undo_of": run.id}, ctx.clock())
    ctx.work()
    loading = press_forms.undo_form(run, None, None, "", ctx.clock())
    answer = await ctx.sender.call("views.open", trigger_id=trigger_id, view=loading)
    context = {"channel": run.request.channel, "undo_of": run.id}
    await ctx.looks.open_modal(
        Modal(
            answer["view"]["id"], person.id, run.request.target, look_id, context, ctx.clock(), READING, None
        )
    )
    ctx.publish()


async def choose(ctx: Context, person: Person, view: Mapping[str, Any]) -> None:
    """Another target, point or time: look again, and keep what was typed."""
    modal = await ctx.looks.modal(str(view["id"]))
    if modal is None or modal.person != person.id:
        return
    given = typed(view)
    target = given.get("target", modal.target)
    if target not in ctx.configuration.targets:
        return
    same_target = target == modal.target
    context = {**modal.context, **{name: given.get(name) for name in ("reason", "ask_first")}}
    context["offline"] = given.get("offline") if same_target else None
    context["before"] = given.get("before") if same_target else None
    context["point"] = await _chosen(ctx, modal, given.get("point")) if same_target else None
    goal, problem = _goal(ctx, person, context)
    context["problem"] = problem
    look_id = await ctx.looks.want(target, goal, ctx.clock())
    opened = ctx.clock()
    await ctx.looks.open_modal(
        Modal(modal.view_id, person.id, target, look_id, context, opened, READING, modal.send_to)
    )
    ctx.work()
    ctx.publish()


async def _chosen(ctx: Context, modal: Modal, value: str | None) -> str | None:
    """The id behind an option; Slack has no room for long ones."""
    look = await ctx.looks.get(modal.look_id)
    offer = offer_of(look)
    if value is None or offer is None:
        return value
    point = start_form.chosen_point(offer.points.points, value)
    return point.id if point else value


def _goal(ctx: Context, person: Person, context: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Returns what to look for, and what was wrong with a typed time."""
    offline_first = context.get("offline") == start_form.FROM_THE_START
    if context.get("before"):
        try:
            before = _time(ctx, person, str(context["before"]))
            return codec.dump(Goal, Goal(before=before, offline_first=offline_first)), None
        except UserError as problem:
            return {}, str(problem)
    if context.get("point"):
        return codec.dump(Goal, Goal(point=str(context["point"]), offline_first=offline_first)), None
    return {"offline_first": True} if offline_first else {}, None


def _time(ctx: Context, person: Person, text: str) -> datetime:
    """The moment meant by a typed time, in the person's own zone. Raises UserError."""
    found = time_of(text, ctx.clock(), person.timezone)
    if isinstance(found, Misunderstood):
        raise UserError(found.words)
    return found


# Filling ---------------------------------------------------------------------------------------


async def fill_waiting(ctx: Context) -> None:
    """Shows each open modal what its look has brought."""
    for modal in await ctx.looks.waiting_modals():
        look = await ctx.looks.get(modal.look_id)
        try:
            if look is not None and look.answer is not None:
                await _fill(ctx, modal, look)
            elif modal.filled == READING and ctx.clock() - modal.opened_at >= LATE:
                await _show(ctx, modal, start_form.start_slow(modal.target, ""), SLOW)
        except MustWait:
            continue
        except SlackApiError:
            await ctx.looks.close_modal(modal.view_id)  # closed meanwhile, or too old to be changed


async def _fill(ctx: Context, modal: Modal, look: Look) -> None:
    if modal.send_to is not None:
        await _send(ctx, modal, look)
        return
    try:
        person = await ctx.directory.person(modal.person, PEOPLE_KNOWN_SECONDS)
    except TemporaryError:
        return
    if modal.context.get("undo_of"):
        run = await load(ctx, str(modal.context["undo_of"]))
        view = press_forms.undo_form(run, _plan(look), _reason(look), "", ctx.clock())
    else:
        target = ctx.configuration.targets[modal.target]
        view = start_form.start_form(await _form(ctx, person, target, modal.context, look), "", ctx.clock())
    await _show(ctx, modal, view, FILLED)


async def _show(ctx: Context, modal: Modal, view: View, how: str) -> None:
    await ctx.sender.call("views.update", view_id=modal.view_id, view=view)
    await ctx.looks.filled(modal.view_id, modal.look_id, how)


async def _send(ctx: Context, modal: Modal, look: Look) -> None:
    """The answer as a direct message, to whoever did not want to wait."""
    if (offer := offer_of(look)) is not None:
        said = lists.points(modal.target, offer, ctx.clock())
    else:
        said = lists.no_points(modal.target, _reason(look) or "they could not be read.")
    await ctx.sender.call(
        "chat.postMessage", modal.person, channel=modal.send_to, text=said.text, blocks=list(said.blocks)
    )
    await ctx.looks.filled(modal.view_id, modal.look_id, FILLED)


async def send_later(ctx: Context, person_id: str, view_id: str) -> None:
    await ctx.looks.send_to(view_id, person_id)
    ctx.publish()


async def _form(
    ctx: Context, person: Person, target: Target | None, context: Mapping[str, Any], look: Look | None
) -> start_form.StartForm:
    place = await ctx.channels.place(str(context["channel"]))
    choices = tuple(
        start_form.TargetChoice(t.name, t.kind, t.environment) for t in ctx.configuration.targets.values()
    )
    if target is None or look is None or look.answer is None:
        return start_form.StartForm(choices, place.id, place.why_not is None)
    plan, reason = _plan(look), _reason(look)
    offer = offer_of(look)
    problems = [context.get("problem"), reason if offer is not None else None]
    return start_form.StartForm(
        targets=choices,
        channel=place.id,
        can_post=place.why_not is None,
        target=target.name,
        offer=offer,
        why_no_points=reason if offer is None else f"`{target.name}` has no earlier restore point.",
        read_at=look.answered_at,
        point=plan.point.id if plan and offer and plan.point.id in {p.id for p in offer.others} else None,
        plan=plan,
        problems=tuple(problem for problem in problems if problem),
        before=str(context.get("before") or ""),
        reason=str(context.get("reason") or ""),
        reachable=await _reachable(ctx, person, target),
        not_undone=target.not_undone,
        offline_first=context.get("offline") == start_form.FROM_THE_START,
    )


def offer_of(look: Look | None) -> Offer | None:
    """Returns the restore points that a look has brought; None: it has not, or they cannot be read."""
    if look is None or not look.answer or "offer" not in look.answer:
        return None
    found: Offer = codec.load(Offer, look.answer["offer"])
    return found


async def _reachable(ctx: Context, person: Person, target: Target) -> tuple[start_form.Reachable, ...]:
    entitled = await ctx.directory.entitled(target, PEOPLE_KNOWN_SECONDS)
    others = [p for p in entitled.approvers if not p.barred and not same_human(p, person)]
    quiet = await ctx.directory.on_dnd([p.id for p in others])
    return tuple(start_form.Reachable(p.id, p.name, p.id in quiet) for p in others)


def _plan(look: Look) -> Plan | None:
    if not look.answer or "plan" not in look.answer:
        return None
    plan: Plan = codec.load(Plan, look.answer["plan"])
    return plan


def _reason(look: Look) -> str | None:
    return look.answer.get("reason") if look.answer else None


# Sending ---------------------------------------------------------------------------------------


async def submit(ctx: Context, person: Person, view: Mapping[str, Any], delivery: Delivery) -> Run:
    """Opens the run that the modal asks for. Raises UserError."""
    modal = await _as_shown(ctx, str(view["id"]))
    if modal is None or modal.person != person.id:
        raise UserError(f"This form is too old. Close it and type `{ctx.configuration.command}` again.")
    given = typed(view)
    if modal.context.get("undo_of"):
        run = await load(ctx, str(modal.context["undo_of"]))
        wish = asking.undo(run, given.get("reason", ""))
        return await asking.ask(ctx, person, wish, delivery, asking.ended_by_undo(run))
    target = given.get("target") or modal.target
    point = await _chosen(ctx, modal, given.get("point"))
    if not given.get("before") and not point:
        raise UserError("Choose a restore point, or type a time.")
    look = await ctx.looks.get(modal.look_id)
    goal = _shown(modal, look, given, point) if look is not None else None
    if goal is None:
        if modal.filled != READING:
            await choose(ctx, person, view)
        raise UserError(NOT_SHOWN)
    wish = Wish(
        target=target,
        goal=goal,
        channel=given.get("channel") or str(modal.context["channel"]),
        reason=given.get("reason", ""),
        thread=modal.context.get("thread"),
        ask_first=given.get("ask_first"),
    )
    return await asking.ask(ctx, person, wish, delivery)


async def _as_shown(ctx: Context, view_id: str) -> Modal | None:
    """Returns the modal once what it shows is written down: that follows right after Slack has taken it."""
    until = ctx.clock() + WRITTEN_WITHIN
    while True:
        modal = await ctx.looks.modal(view_id)
        if modal is None or modal.filled == FILLED or ctx.clock() >= until:
            return modal
        await asyncio.sleep(0.02)


def _shown(modal: Modal, look: Look, given: Mapping[str, str], point: str | None) -> Goal | None:
    """Returns what the form has shown the cost of, when that is what was sent. A typed time wins.

    Raises UserError with the reason why there is no plan for it.
    """
    before = given.get("before") or ""
    same = given.get("target", modal.target) == modal.target and before == (modal.context.get("before") or "")
    if modal.filled != FILLED or not same:
        return None
    plan = _plan(look)
    if plan is None:
        chosen = (look.goal or {}).get("point")
        if before or point == chosen:
            raise UserError(_reason(look) or NOT_SHOWN)
        return None
    offline_first = given.get("offline") == start_form.FROM_THE_START
    if offline_first != bool((look.goal or {}).get("offline_first")):
        return None
    if before:
        goal: Goal = codec.load(Goal, look.goal)
        return goal
    return Goal(point=point, offline_first=offline_first) if point == plan.point.id else None


def errors(view: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """The answer that keeps the modal open and shows why."""
    block = block_of(view, "target") or block_of(view, "reason")
    if block is None:
        return {"response_action": "update", "view": refusal.refusal("Not asked", reason)}
    return {"response_action": "errors", "errors": {block: reason}}
