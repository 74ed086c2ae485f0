"""What a card says while people must decide: paused, or stuck."""

from collections.abc import Mapping
from datetime import datetime

from bot import machine
from bot.model import MAINTENANCE, Do, Kind, Left, Phase
from bot.run import Pause, Proposal, Run, StepRecord
from bot.views.buttons import can_look_again
from bot.views.facts import CardFacts
from bot.views.limits import code, escape, mention
from bot.views.live import customers, goal, live, maintenance_unclear, subject
from bot.views.loss import cost
from bot.views.plan import was_live
from bot.views.steps import check_rows, step_name
from bot.views.words import clock_seconds, target_name, uncapped

NOTHING_HAPPENS = "Nothing happens until somebody decides:"


# Paused ----------------------------------------------------------------------------------------


def paused_headline(run: Run) -> str:
    name = target_name(run.request.target)
    match run.question.pause:
        case Pause.CHECKPOINT:
            return f"⏸️ DECIDE: {run.id} of {name} waits for a yes"
        case Pause.STOPPED:
            return f"⏸️ DECIDE: {run.id} of {name} was stopped"
        case Pause.LOSS:
            return f"⏸️ DECIDE: {name} would lose more than agreed"
        case Pause.AS_BEFORE:
            return f"⏸️ DECIDE: {_as_before(run)}"
        case Pause.HALTED:
            return f"⏸️ DECIDE: {run.id} of {name} does not go on"
        case Pause.CHECKS if run.phase is Phase.FINISH:
            return f"⏸️ DECIDE: the online checks of {name} did not pass"
        case Pause.CHECKS if run.work.in_maintenance:
            return f"⏸️ DECIDE: {name} is not back online"
        case Pause.CHECKS:
            return f"⏸️ DECIDE: {name} is not verified"
        case _:
            return f"⏸️ DECIDE: a step on {name} failed"


def paused_rows(run: Run, now: datetime) -> list[str]:
    return [
        f"{run.id} · {subject(run, now)}",
        live(run, now),
        *_what_happened(run, now),
        f"{customers(run, now)}. {NOTHING_HAPPENS}",
        " · ".join(_choices(run, now)),
        *proposal_rows(run, now),
    ]


def _what_happened(run: Run, now: datetime) -> list[str]:
    match run.question.pause:
        case Pause.CHECKPOINT:
            return [f"*{escape(run.why, 200)}*"] if run.why else []
        case Pause.CHECKS:
            return check_rows(run)
        case Pause.LOSS if run.work.loss and run.approval.planned:
            plan = run.approval.plan
            return [f"❌ {escape(run.why, 120)}", *cost(run.work.loss, plan.ceiling, plan.rpo, now)]
        case Pause.STOPPED:
            return ["Somebody pressed *Stop…*: no next step was started"]
        case Pause.AS_BEFORE:
            return ["Two people have looked and said so"]
        case _:
            return [f"❌ {escape(run.why, 160) or 'the backend did not say why'}"]


def _choices(run: Run, now: datetime) -> list[str]:
    """One half-sentence for each button of the card that is not plain."""
    said = []
    match run.question.pause:
        case Pause.CHECKPOINT | Pause.STOPPED:
            said.append("*Yes, go on* starts the next step")
        case Pause.CHECKS:
            said.append("*Check again* changes nothing")
        case Pause.LOSS | Pause.HALTED if can_look_again(run):
            said.append("*Look again* goes on only if nothing stands against it any more")
        case _ if _switches_again(run):
            said.append("*Look again* switches maintenance once more")
        case _ if can_look_again(run):
            said.append("*Look again* repeats nothing that may have been done")
    if run.can_be_undone(now):
        said.append("*Undo* brings back what was before, once approved")
    if run.question.pause is Pause.CHECKS:
        doing = "Accept it anyway" if run.phase is Phase.FINISH else "Go online anyway"
        said.append(f"*{doing}*: reason, two people")
    if run.work.touched:
        stays = " and stays in maintenance" if run.work.in_maintenance else ""
        said.append(f"*End it*: ends failed{stays}")
    return said


def _switches_again(run: Run) -> bool:
    record = machine.last_failed(run)
    return can_look_again(run) and record is not None and record.step.do in MAINTENANCE


# Stuck -----------------------------------------------------------------------------------------

_DOUBT: Mapping[Do, str] = {
    Do.MAINTENANCE_ON: "is {name} in maintenance?",
    Do.MAINTENANCE_OFF: "is {name} out of maintenance?",
    Do.SAVE: "was the undo point of {name} saved?",
    Do.RESTORE: "was {name} restored?",
}


# the step was done, the step was not done
_ANSWERS: Mapping[Do, tuple[str, str]] = {
    Do.MAINTENANCE_ON: ("{name} is in maintenance", "{name} is not in maintenance"),
    Do.MAINTENANCE_OFF: ("{name} is out of maintenance", "{name} is still in maintenance"),
    Do.SAVE: ("the undo point of {name} was saved", "no undo point of {name} was saved"),
}


def in_doubt(run: Run) -> StepRecord | None:
    """The step whose end people are asked for, or have told."""
    return machine.last_failed(run)


def asks_what_is_live(run: Run) -> bool:
    """Else only what was done to the target: its data or version is not in doubt."""
    record = in_doubt(run)
    return run.work.forgotten or record is None or record.step.do not in _ANSWERS


def stuck_headline(run: Run) -> str:
    record = in_doubt(run)
    if record is None or run.work.forgotten:
        since = " since the backup" if run.work.forgotten else ""
        return f"🟥 NOT KNOWN: what happened to {target_name(run.request.target)}{since}?"
    return f"🟥 NOT KNOWN: {_DOUBT[record.step.do].format(name=target_name(record.step.target))}"


def stuck_rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    name = target_name(run.request.target)
    return [
        f"{run.id} · {subject(run, now)}",
        *_sent(run),
        f"Sure: {_sure(run, now)}",
        f"Not sure: {_unsure(run, now)}",
        *([f"Look yourself: {code(facts.look_yourself)}"] if facts.look_yourself else []),
        f"Locked: no other rollback of {name} can start. "
        "Two of you say what you see; until then we touch nothing",
        *proposal_rows(run, now),
    ]


def _sent(run: Run) -> list[str]:
    record, why = in_doubt(run), escape(run.why, 200)
    if run.work.forgotten or record is None or record.started_at is None:
        return [why] if why else []
    sent = f"{step_name(run, record.step)} sent {clock_seconds(record.started_at)}"
    if run.question.times_asked is None:
        return [f"{sent}. {why}" if why else sent]
    return [f"{sent}; no answer; asked {run.question.times_asked} times"]


def _sure(run: Run, now: datetime) -> str:
    sure = [] if maintenance_unclear(run) else [customers(run, now)]
    sure += [] if run.work.live is Left.UNKNOWN else [live(run, now)]
    sure += ["The undo point exists"] if run.work.undo_points else []
    return uncapped(". ".join(sure) or "nothing")


def _unsure(run: Run, now: datetime) -> str:
    plan = run.approval.planned
    if run.work.live is not Left.UNKNOWN or plan is None:
        return "do customers see maintenance?" if maintenance_unclear(run) else "was it done?"
    if plan.kind is Kind.SYSTEM:
        return f"is {goal(run, now)} or {was_live(plan)} live?"
    return f"is the data of {goal(run, now)} or that of before live?"


# Two people ------------------------------------------------------------------------------------


def proposal_rows(run: Run, now: datetime) -> list[str]:
    return [_proposal_row(run, proposal, now) for proposal in run.question.proposals[-2:]]


def _proposal_row(run: Run, proposal: Proposal, now: datetime) -> str:
    why = f": “{escape(proposal.reason, 100)}”" if proposal.reason else ""
    said = answer_words(run, proposal.answer, now) if proposal.answer else "go ahead"
    return f"👉 {mention(proposal.person)} said *{said}*{why}. One more person must say the same"


def answer_words(run: Run, answer: str, now: datetime) -> str:
    """The three answers to what became of the step in doubt; of a restore, to "what is live?"."""
    match answer:
        case "point":
            done, _ = _answers(run)
            return done or f"{goal(run, now)} is live"
        case "unchanged":
            return _as_before(run)
        case "unclear":
            return "not clear yet"
        case other:
            return escape(other, 60)


def why_not_answer(run: Run, point: str | None) -> str | None:
    """Whether what was typed answers what is in doubt. `point`: said to be live; None: "it was done"."""
    done, not_done = _answers(run)
    if done and point is not None:
        answers = f"`done` ({done}), `unchanged` ({not_done}) or `unclear`"
        return f"{run.id} does not doubt what is live. Say {answers}."
    if not done and point not in {run.approval.plan.point.id, run.approval.plan.point.label}:
        goal_id = run.approval.plan.point.id.replace("`", "'")  # it could end our code span
        words = f"{run.id} goes to `{goal_id}`."
        return f"{words} Say `live` and that one, `live unchanged` or `live unclear`."
    return None


def _as_before(run: Run) -> str:
    _, not_done = _answers(run)
    return not_done or f"{target_name(run.request.target)} is as before"


def _answers(run: Run) -> tuple[str, str]:
    """Both empty for a restore: there the question is what is live."""
    record = in_doubt(run)
    if record is None or asks_what_is_live(run):
        return "", ""
    name = target_name(record.step.target)
    done, not_done = _ANSWERS[record.step.do]
    return done.format(name=name), not_done.format(name=name)
