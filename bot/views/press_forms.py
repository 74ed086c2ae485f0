"""The forms that presses open, as pure functions that return the view.

`DRAWN` is the table: by the form that a press names, how it looks. `metadata` is the caller's: it comes back
with the submission and says which press and which run it is about.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from bot.contract import Progress
from bot.model import Do, Left, Phase, Plan, State, Step
from bot.presses.approve import CODE
from bot.presses.cancel import STOP_FORM
from bot.presses.continue_ import GO_ONLINE, LEAVE_MAINTENANCE
from bot.presses.learn import LESSONS
from bot.presses.manifest import MANIFEST_FORM
from bot.presses.press import Form
from bot.presses.resolve import WHAT_IS_LIVE
from bot.presses.stop import END_IT
from bot.presses.veto import REASON
from bot.run import Run, StepState
from bot.views import lessons, manifest
from bot.views.card import request_rows
from bot.views.decision import answer_words, asks_what_is_live, proposal_rows
from bot.views.facts import CardFacts
from bot.views.limits import (
    Block,
    View,
    code,
    context,
    entry,
    escape,
    modal,
    option,
    section,
    select,
    text_input,
    unmarked,
)
from bot.views.live import customers, live, subject
from bot.views.plan import comes_from, cost, goes_back, outage, place, warnings
from bot.views.start_form import WARNINGS_IN_A_MODAL
from bot.views.steps import check_rows, progress_words, step_name
from bot.views.words import target_name

Draw: TypeAlias = Callable[[Run, CardFacts, str, datetime], View]  # the string is the metadata

# Agreeing and rejecting ------------------------------------------------------------------------


def approve(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    """Asks for the code of a critical plan. It repeats the card, which a modal covers on a phone."""
    plan = run.approval.plan
    code_input = text_input("plan_code", longest=8)
    blocks = [
        section(*request_rows(run, plan, facts, now)),
        section(f"This is plan `{run.code}`. {'It starts at once.' if _last(run, plan) else ''}"),
        entry("plan_code", "Type the first four characters of the plan code", code_input),
    ]
    return modal(
        f"Approve {run.id}",
        blocks,
        callback_id=CODE.callback_id,
        submit="Approve and start" if _last(run, plan) else "Approve",
        close="Not yet",
        metadata=metadata,
    )


def _last(run: Run, plan: Plan) -> bool:
    return len(run.approval.given) + 1 >= plan.approvals_needed


def veto_reason(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    """Asks for the reason after the click, which has ended the request already."""
    text = f"*{run.id} is rejected. Nothing was changed, nothing will run.*"
    return modal(
        "Rejected",
        [section(text), _reason("Why? It helps whoever asked", optional=True)],
        callback_id=REASON.callback_id,
        submit="Keep the reason",
        close="No reason",
        metadata=metadata,
    )


# Deciding --------------------------------------------------------------------------------------


def stop(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    rows = _stops(run, facts.progress)
    return _decide(STOP_FORM, f"Stop {run.id}", run, rows, "Stop", "Let it run", metadata, now)


def _stops(run: Run, progress: Progress | None) -> list[str]:
    if not run.work.touched:
        return [*_in_flight(run, progress), "Nothing was changed yet: it is cancelled and nothing will run."]
    stays = f" {target_name(run.request.target)} stays in maintenance." if run.work.in_maintenance else ""
    return [*_in_flight(run, progress), f"No next step starts.{stays} People decide how it goes on."]


def _in_flight(run: Run, progress: Progress | None) -> list[str]:
    record = run.work.current
    if record is None or record.state is not StepState.STARTED:
        return []
    far = progress_words(progress) if progress else ""
    at = f"is at {far}" if far else "is under way"
    return [f"{step_name(run, record.step)} {at}. {_when_stopped(run, record.step)}"]


def _when_stopped(run: Run, step: Step) -> str:
    """Says beforehand what becomes of it."""
    if step.do in {Do.PREPARE, Do.SAVE}:
        return "It is broken off, and changes nothing."
    cancels = run.approval.plan.leg(step.target).cancels if step.do is Do.RESTORE else None
    name = target_name(step.target)
    match cancels:
        case None:
            return "It cannot be stopped half-way: it is waited for."
        case Left.BEFORE:
            return f"It is taken back, as far as it is not done by then: {name} is as before."
        case Left.PARTIAL:
            return f"It is cut off: {name} is then changed in part."
        case _:
            return f"It is cut off: nobody knows then how much of {name} was changed."


def end_it(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    rows = [
        f"{live(run, now)}. {customers(run, now)}.",
        "It ends failed, and stays exactly like that.",
        "*Leave maintenance* can be pressed afterwards, by two people." if run.work.in_maintenance else "",
    ]
    return _decide(END_IT, f"End {run.id}", run, rows, "End it", "Keep it", metadata, now)


def go_online(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    """Asks for a reason to go against the checks, the first person and the second alike."""
    online = run.phase is Phase.FINISH
    rows = [
        *check_rows(run),
        f"It is accepted as it is: {live(run, now)}."
        if online
        else f"Customers get it as it is: {live(run, now)}.",
        "The card stays red for ever. One of the two people must be an approver.",
        *proposal_rows(run, now),
    ]
    yes = "Accept it" if online else "Go online"
    return _decide(GO_ONLINE, "Against the checks", run, rows, yes, "Not yet", metadata, now, why=True)


def leave_maintenance(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    rows = [
        f"{live(run, now)}. Customers will see that.",
        "One of the two people must be an approver.",
        *proposal_rows(run, now),
    ]
    title = "Leave maintenance"
    return _decide(LEAVE_MAINTENANCE, title, run, rows, title, "Not yet", metadata, now, why=True)


def _decide(
    form: Form,
    title: str,
    run: Run,
    rows: Sequence[str],
    yes: str,
    no: str,
    metadata: str,
    now: datetime,
    *,
    why: bool = False,
) -> View:
    """`why`: a reason must be given."""
    return modal(
        title,
        [section(f"*{run.id} · {subject(run, now)}*", *rows), _reason("Why", optional=not why)],
        callback_id=form.callback_id,
        submit=yes,
        close=no,
        metadata=metadata,
    )


def resolve(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    """Offers the answers that the command has: point, unchanged, unclear."""
    options = [
        option(unmarked(answer_words(run, answer, now)), answer)
        for answer in ("point", "unchanged", "unclear")
    ]
    rows = [
        f"*{run.id} · {subject(run, now)}*",
        "Look at the target itself, not at this card. Two people must say the same.",
        f"Look yourself: {code(facts.look_yourself)}" if facts.look_yourself else "",
        *proposal_rows(run, now),
    ]
    return modal(
        "What is live?" if asks_what_is_live(run) else "What was done?",
        [
            section(*rows),
            entry("answer", "I have looked", select("answer", options)),
            _reason("How do you know", optional=True),
        ],
        callback_id=WHAT_IS_LIVE.callback_id,
        submit="Say so",
        close="Not yet",
        metadata=metadata,
    )


def undo_form(run: Run, plan: Plan | None, problem: str | None, metadata: str, now: datetime) -> View:
    """`plan` is of the undo, with its own loss; None: still being made, or `problem` says why not."""
    if problem or plan is None:
        said = (
            f"⚠️ {escape(problem)}" if problem else "Working out what an undo would lose… nothing happens yet."
        )
        return modal(f"Undo {run.id}", [section(said)], metadata=metadata)
    ends = f"{run.id} ends failed, and the undo is a run of its own." if run.state is State.PAUSED else ""
    blocks = [
        section(
            f"*Undo {run.id} on {place(plan)}?*",
            comes_from(plan, now),
            goes_back(plan, now),
            *cost(plan, now),
        ),
        section(outage(plan), *warnings(plan, WARNINGS_IN_A_MODAL), ends),
        _reason("Why", optional=True),
        context("Nothing runs until somebody else approves."),
    ]
    return modal(
        f"Undo {run.id}",
        blocks,
        callback_id="start_rollback",
        submit="Ask for approval",
        close="Cancel",
        metadata=metadata,
    )


def _reason(label: str, *, optional: bool) -> Block:
    return entry("reason", label, text_input("reason", multiline=True, longest=500), optional=optional)


DRAWN: Mapping[Form, Draw] = {  # two are drawn from more than a run and its facts: `undo_form`, and `details`
    CODE: approve,
    REASON: veto_reason,
    STOP_FORM: stop,
    END_IT: end_it,
    GO_ONLINE: go_online,
    LEAVE_MAINTENANCE: leave_maintenance,
    WHAT_IS_LIVE: resolve,
    LESSONS: lessons.form,
    MANIFEST_FORM: manifest.form,
}
