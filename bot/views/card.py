"""The card: the one message that a run lives on, its direct copies, and the few new messages beside it.

Always drawn whole, from the run and a few facts; text rows first, since nobody controls how phones fold
newer blocks. What a paused or stuck run says is in `decision`, how a run ends is in `ending`.
"""

from datetime import datetime

from bot.model import Goal, Plan, State
from bot.run import Run
from bot.spelling import listed
from bot.views import backup_card, buttons, decision, drill_card, ending, snapshot_card
from bot.views.facts import CardFacts
from bot.views.limits import (
    MessageContent,
    code,
    context,
    escape,
    link,
    mention,
    mention_channel,
    mention_group,
    message,
    section,
)
from bot.views.live import goal, left
from bot.views.loss import in_short
from bot.views.plan import changed, comes_from, cost, drill, goes_back, others_go_back, outage, undo, warnings
from bot.views.steps import step_rows
from bot.views.words import (
    both_zones,
    clock,
    clock_seconds,
    deed,
    doing,
    duration,
    given_reason,
    people,
    target_name,
    uncapped,
    utc,
)

REASON_CHARACTERS = 80  # two rows on a phone; *Details* has all of it

__all__ = ["CardFacts", "card", "direct", "notice", "request_rows", "thread_line"]


def card(run: Run, facts: CardFacts, now: datetime) -> MessageContent:
    if facts.superseded:
        return _older(run, now)
    blocks = [
        section(f"*{_headline(run, now)}*", *_drilled(run), *_rows(run, facts, now)),
        *buttons.rows(run, facts.button_value, now),
        context(_foot(run, facts, now)),
    ]
    return message(lock_screen(run, now), blocks)


def direct(run: Run, facts: CardFacts, now: datetime) -> MessageContent:
    """The copy for one awaited person: the same facts, the same buttons, and where the card stands."""
    same = card(run, facts, now)
    channel = mention_channel(run.request.channel)
    told = f"Only you were told. Nothing was posted in {channel}"
    where = context(told if run.end.private else f"Your copy of the card in {channel}")
    return message(same.text, [*same.blocks, where])


def notice(run: Run, facts: CardFacts, now: datetime) -> MessageContent | None:
    """The reply that rings phones: a decision is needed, it is stuck, it has ended. None: no such moment."""
    asked = [] if run.request.by_itself else [run.request.requester.id]
    called = [*asked, *(approval.person for approval in run.approval.given)]
    if run.state in {State.PAUSED, State.STUCK}:
        called += [facts.point_of_contact] if facts.point_of_contact else []
        next_step = " Decide on the card above."
    elif run.state.final:
        next_step = ""
    else:
        return None
    for_whom = f"{people(dict.fromkeys(called))}: " if called else ""
    text = f"{for_whom}{_headline(run, now)} ({run.id}).{next_step}"
    return message(text, [section(text)])


def thread_line(run: Run, url: str | None) -> MessageContent:
    """Returns one line with the link to the card, for the thread where it was asked."""
    text = f"{link(url, f'The card of {run.id}')} stands in the channel: {deed(run)}"
    return message(text, [section(text)])


def lock_screen(run: Run, now: datetime) -> str:
    """Says who asks, what, loss, until when: complete without the blocks."""
    plan = run.approval.planned
    if run.state is not State.AWAITING_APPROVAL or plan is None or run.is_drill:
        return f"{_headline(run, now)} · {run.id}"
    if run.is_snapshot:
        return snapshot_card.lock_screen(run, plan, now)
    what = f"{deed(run)} ({_environment(plan)}) to {goal(run, now)}"
    until = f" Approve by {utc(run.approval.approve_by, now)}." if run.approval.approve_by else ""
    asks = f"{escape(run.request.requester.name, 40)} asks: {uncapped(what)}."
    return f"{asks} {in_short(plan.loss, now)}{until} {run.id}"


def _older(run: Run, now: datetime) -> MessageContent:
    text = f"An older copy of the card of {run.id}: {_headline(run, now)}"
    return message(text, [section(text), context("The newest card of it in this channel is the live one")])


# First line, rows, last line -------------------------------------------------------------------


def _headline(run: Run, now: datetime) -> str:
    if run.is_drill:
        return drill_card.headline(run, now)
    if run.is_snapshot:
        return snapshot_card.headline(run, now)
    if run.is_backup:
        return backup_card.headline(run, now)
    where = f" · {_environment(run.approval.plan)}" if run.approval.planned else ""
    match run.state:
        case State.REQUESTED | State.AWAITING_APPROVAL:
            return f"⏳ {deed(run)}{where}?"
        case State.APPROVED:
            return f"⏳ Approved{', not begun' if run.why else ''}: {deed(run)}{where}"
        case State.RUNNING:
            return f"▶️ {doing(run)}{where}"
        case State.PAUSED:
            return decision.paused_headline(run)
        case State.STUCK:
            return decision.stuck_headline(run)
        case _:
            return ending.headline(run, now)


def _environment(plan: Plan) -> str:
    return escape(plan.environment.upper(), 20)


def _drilled(run: Run) -> list[str]:
    """Says what a rehearsal is a drill of: its headline names where it goes on."""
    of = run.request.drill_of
    return [f"A drill of {target_name(of)}, which is another target"] if of else []


def _rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    if run.is_drill:
        return drill_card.rows(run, facts, now)
    if run.is_snapshot and run.state is not State.AWAITING_APPROVAL:
        return snapshot_card.rows(run, facts, now)
    if run.is_backup:
        return backup_card.rows(run, facts, now)
    match run.state, run.approval.planned:
        case State.AWAITING_APPROVAL, Plan() as plan:
            return request_rows(run, plan, facts, now)
        case State.APPROVED, Plan() as plan:
            return _approved(run, plan, now)
        case State.RUNNING, _:
            return _running(run, facts, now)
        case State.PAUSED, _:
            return decision.paused_rows(run, now)
        case State.STUCK, _:
            return decision.stuck_rows(run, facts, now)
        case _ if run.state.final:
            return ending.rows(run, facts, now)
        case _:
            return _requested(run, now)


def _foot(run: Run, facts: CardFacts, now: datetime) -> str:
    known = [run.id]
    match run.state:
        case State.AWAITING_APPROVAL if run.approval.planned:
            known += [f"plan {run.code}"] + ([] if run.is_beside else [drill(run.approval.plan)])
        case State.RUNNING:
            known.append(_next_news(facts, now))
        case State.PAUSED | State.STUCK:
            since = run.question.since or run.changed_at or run.request.at
            known.append(f"waiting since {utc(since, now)}")
            known += [f"owner {mention(facts.point_of_contact)}"] if facts.point_of_contact else []
        case _ if run.code:
            known.append(f"plan {run.code}")
    known += [link(facts.url, "run page")] if facts.url else []
    return " · ".join(known)


def _next_news(facts: CardFacts, now: datetime) -> str:
    """Whether the bot is still there can be seen on the card itself."""
    seen = f"as of {clock_seconds(now)} UTC"
    if facts.next_news_by is None:
        return seen
    due = clock_seconds(facts.next_news_by)
    return f"{seen}, next news by {due}; none then: the bot is down, the work may go on"


# Asked -----------------------------------------------------------------------------------------


def _requested(run: Run, now: datetime) -> list[str]:
    doing = f"{escape(run.why.rstrip('.'), 200)}…" if run.why else "Reading restore points…"
    return [f"{doing} nothing happens yet", _wanted(run.request.goal, now), _asks(run)]


def _wanted(wanted: Goal, now: datetime) -> str:
    if wanted.point is not None:
        return f"Back to {code(wanted.point, 60)}"
    return f"Back to before {both_zones(wanted.before, now)}" if wanted.before else ""


def _asks(run: Run) -> str:
    reason = given_reason(run.request.reason, REASON_CHARACTERS)
    return f"{mention(run.request.requester.id)}: {reason}"


def request_rows(run: Run, plan: Plan, facts: CardFacts, now: datetime) -> list[str]:
    """Returns what an approver agrees to."""
    if run.is_snapshot:
        return [*snapshot_card.terms(plan, now), _asks(run), _starts_when(run, plan, facts, now)]
    return [
        comes_from(plan, now),
        goes_back(plan, now),
        others_go_back(plan, now),
        *cost(plan, now),
        changed(plan, now),
        outage(plan),
        *warnings(plan),
        *_target_down(run, plan, facts),
        f"Stays done: {escape(facts.not_undone, 70)}" if facts.not_undone else "",
        undo(plan),
        _asks(run),
        _starts_when(run, plan, facts, now),
    ]


def _target_down(run: Run, plan: Plan, facts: CardFacts) -> list[str]:
    """A rollback is not a failover."""
    if not run.approval.target_down:
        return []
    way = f"Failover: {escape(facts.failover, 60)}" if facts.failover else "No failover is declared"
    return [f"⚠️ {target_name(plan.target)} itself seems down. {way}"]


def _starts_when(run: Run, plan: Plan, facts: CardFacts, now: datetime) -> str:
    needed = plan.approvals_needed - len(run.approval.given)
    given = f"{people(a.person for a in run.approval.given)} approved. " if run.approval.given else ""
    by = (
        f"by {both_zones(run.approval.approve_by, now)}"
        if run.approval.approve_by
        else f"within {duration(plan.expires)}"
    )
    return f"{given}Starts when {_who(run, plan, facts, needed)}, {by}{_reached(facts, now)}"


def _who(run: Run, plan: Plan, facts: CardFacts, needed: int) -> str:
    """`Ben or Cy approves`, `2 of Ben, Cy and 3 more of payments-managers approve`."""
    verb = "approves" if needed == 1 else "approve"
    approved = {approval.person for approval in run.approval.given}
    left = [mention(user) for user in facts.awaited if user not in approved]
    groups = [mention_group(g) for g in facts.usergroups] or [escape(g, 30) for g in plan.approvers]
    of_groups = f"of {listed(groups[:3], 'or')}"
    if not left:
        return f"{'somebody' if needed == 1 else f'{needed} people'} {of_groups} {verb}"
    if len(left) + facts.others_can <= needed:
        return f"{listed(left)} {verb}"
    more = [f"{facts.others_can} more {of_groups}"] if facts.others_can else []
    named = listed([*left, *more], "or" if needed == 1 else "and")
    return f"{named} {verb}" if needed == 1 else f"{needed} of {named} {verb}"


def _reached(facts: CardFacts, now: datetime) -> str:
    """Says who was messaged, and who will not hear it."""
    if not facts.awaited or facts.messaged_at is None:
        return ""
    them = {1: "Messaged", 2: "Both messaged"}.get(len(facts.awaited), "All messaged")
    quiet = [user for user in facts.awaited if user in facts.dnd]
    return f". {them} {clock(facts.messaged_at, now)}" + (
        f"; {people(quiet)} on do-not-disturb" if quiet else ""
    )


# Agreed ----------------------------------------------------------------------------------------


def _approved(run: Run, plan: Plan, now: datetime) -> list[str]:
    by = f", by {utc(run.approval.start_by, now)} or not at all" if run.approval.start_by else ""
    return [
        comes_from(plan, now),
        goes_back(plan, now),
        *cost(plan, now),
        f"{people(a.person for a in run.approval.given)} approved. Looking once more, then it starts{by}",
        f"⚠️ {escape(run.why, 200).rstrip('.')}. Nothing has been changed; it is tried again until then"
        if run.why
        else "",
        _asks(run),
    ]


def _running(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    told = [f"From {left(run)} to {goal(run, now)}", f"asked {mention(run.request.requester.id)}"]
    if run.approval.given:
        by = people(approval.person for approval in run.approval.given)
        told.append(f"approved {by} {clock(run.approval.given[-1].at, now)}")
    stopping = ["⏹️ Stopping: no next step starts"] if run.work.stop_requested else []
    return [" · ".join(told), *step_rows(run, facts.progress), *stopping]
