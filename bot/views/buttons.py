"""Which buttons a card shows, and where.

Two rows, each a block of its own. The first row only looks (Details always first in it); the second row
acts. A place that was harmless is therefore never harmful when the card is redrawn, whatever follows
what. Everything in the second row but *Reject* asks once more, in a dialog or a modal.
What a press asks, and whether it is let through, is for `bot.presses`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from bot import machine
from bot.event_kinds import EventKind
from bot.loss import LONGEST_WARNING_CHARACTERS, erase_again, people_return
from bot.made import droppable, has_copy, is_handing_over
from bot.model import LossQuality, Phase, Plan, State, Verdict
from bot.presses import (
    APPROVE,
    ASK_AGAIN,
    CANCEL,
    CONTINUE,
    DETAILS,
    DROP_SNAPSHOT,
    LEARN,
    MANIFEST,
    RESOLVE,
    RETRY,
    STOP,
    UNDO,
    VETO,
    Press,
)
from bot.presses.press import DIALOG
from bot.run import Pause, Run
from bot.views.limits import (
    CONFIRM_TEXT_CHARACTERS,
    Block,
    actions,
    button,
    confirm,
    cut,
    escape,
    size,
    unmarked,
)
from bot.views.loss import covered, loses
from bot.views.plan import current_name, goal_name, outage, place, state_shown

LOOKS = "looks"
ACTS = "acts"


def rows(run: Run, value: str, now: datetime) -> list[Block]:
    """`value` is opaque: it comes back with the click and says for which state the button was drawn."""
    looks = [_button(DETAILS, run, "Details", value), *_looks(run, value)]
    acts = [make(run, value, now) for make in _acts(run, now)]
    return [*actions(LOOKS, looks), *actions(ACTS, acts)]


def _looks(run: Run, value: str) -> list[Block]:
    match run.state:
        case State.SUCCEEDED if run.is_drill or run.is_rehearsal:
            failed = run.work.verdict is Verdict.FAILED  # people went on against the checks
            words = "Say what went wrong…" if failed else "Add what we learnt…"
            return [_button(LEARN, run, words, value)]
        case State.FAILED if run.is_drill:
            again = [_button(ASK_AGAIN, run, "Drill another point", value)]
            return [_button(LEARN, run, "Say what went wrong…", value), *again]
        case State.FAILED if run.is_rehearsal:
            return [_button(LEARN, run, "Say what went wrong…", value)]
        case State.SUCCEEDED if run.is_snapshot:
            again = [_button(RETRY, run, "Verify again", value)] if has_copy(run) else []
            return [_button(MANIFEST, run, "Manifest", value), *again]
        case State.PAUSED if run.question.pause is Pause.CHECKS:
            return [_button(RETRY, run, "Check again", value)]
        case State.PAUSED | State.STUCK if can_look_again(run):
            return [_button(RETRY, run, "Look again", value)]
        case State.REFUSED | State.VOID | State.EXPIRED | State.VETOED:
            return [_button(ASK_AGAIN, run, "Ask again", value)]
        case _:
            return []


Make = Callable[[Run, str, datetime], Block]


def _acts(run: Run, now: datetime) -> tuple[Make, ...]:
    if run.is_drill:
        return () if run.state.final or run.work.stop_requested else (_cancel,)
    if run.is_snapshot and run.state in {State.RUNNING, State.SUCCEEDED}:
        return _acts_of_snapshot(run)
    match run.state:
        case State.REQUESTED:
            return (_cancel,)
        case State.AWAITING_APPROVAL:
            return (_approve, _veto, _cancel)
        case State.APPROVED:
            return (_cancel, _veto)
        case State.RUNNING if run.work.only_copied:
            return (_cancel, _veto)
        case State.RUNNING:
            return () if run.work.stop_requested else (_stop,)
        case State.PAUSED:
            return _acts_of_paused(run, now)
        case State.STUCK:
            return (_resolve,)
        case State.SUCCEEDED:
            return (_undo,) if run.can_be_undone(now) else ()
        case State.FAILED:
            leave: tuple[Make, ...] = (
                (_leave,) if run.work.in_maintenance and not run.end.leave_agreed else ()
            )
            return (*leave, _undo) if run.can_be_undone(now) else leave
        case _:
            return ()


def _acts_of_snapshot(run: Run) -> tuple[Make, ...]:
    if run.state is State.RUNNING:
        return () if run.work.stop_requested or is_handing_over(run) else (_cancel,)
    return (_drop,) if has_copy(run) and any(droppable(run)) else ()


def _acts_of_paused(run: Run, now: datetime) -> tuple[Make, ...]:
    forward = _FORWARD.get(run.question.pause, ()) if run.question.pause else ()
    if not run.work.touched:  # before the first intent: it can still be as if never asked
        return (*forward, _cancel, _veto)
    undo: tuple[Make, ...] = (_undo,) if run.can_be_undone(now) else ()
    return (*forward, *undo, _end)


def can_look_again(run: Run) -> bool:
    return machine.allows(run, EventKind.RETRIED) and run.question.pause not in {
        Pause.CHECKPOINT,
        Pause.STOPPED,
    }


# One button each -------------------------------------------------------------------------------


def _button(
    press: Press, run: Run, label: str, value: str, *, style: str | None = None, dialog: Block | None = None
) -> Block:
    """`dialog` is shown only if the press asks in one: a critical plan for instance is approved in a form."""
    ask = dialog if press.form(run) is DIALOG else None
    return button(label, press.action_id, value, style=style, ask=ask)


def _approve(run: Run, value: str, now: datetime) -> Block:
    plan = run.approval.plan
    given, needed = len(run.approval.given), plan.approvals_needed
    label = "Approve and start" if given + 1 >= needed else f"Approve {given + 1} of {needed}"
    return _button(APPROVE, run, label, value, style="primary", dialog=_approval(run, plan, label, now))


def _approval(run: Run, plan: Plan, label: str, now: datetime) -> Block:
    last = len(run.approval.given) + 1 >= plan.approvals_needed
    title = f"Approve {run.id} and start it now?" if last else f"Approve {run.id}?"
    end = "It starts at once." if last else "It starts when the others have approved."
    returning = people_return(plan.loss.units)
    people = f" ⚠️ {escape(erase_again(returning), LONGEST_WARNING_CHARACTERS)}." if returning else ""
    room = CONFIRM_TEXT_CHARACTERS - 60 - size(people)  # neither this nor the end and the code are cut off
    said = unmarked(f"{cut(consequence(plan, now), room)}{people}")
    return confirm(title, f"{said} {end} Plan {run.code}.", label, "Not yet")


def consequence(plan: Plan, now: datetime) -> str:
    """Says what an approval brings about, in two or three sentences of markup."""
    if plan.as_of is not None:
        return f"{place(plan)} is copied as of {state_shown(plan)}. Nothing live is touched."
    said = [
        f"{place(plan)} goes back from {current_name(plan.current)} to {goal_name(plan, now)}.",
        _removes(plan, now),
    ]
    if plan.outage:
        said.append(f"{outage(plan)}.")
    return " ".join(said)


def _removes(plan: Plan, now: datetime) -> str:
    if plan.loss.quality is LossQuality.NONE:
        return "No data is touched."
    most = covered(plan.ceiling, plan.loss.units)
    return f"{loses(plan.loss, now)}.{f' The approval covers up to {most}.' if most else ''}"


def _veto(run: Run, value: str, now: datetime) -> Block:
    return _button(VETO, run, "Reject", value)


def _cancel(run: Run, value: str, now: datetime) -> Block:
    said = "Nothing was changed yet, and nothing will be."
    dialog = confirm(f"Cancel {run.id}?", said, "Cancel it", "Keep it")
    return _button(CANCEL, run, "Cancel", value, dialog=dialog)


def _drop(run: Run, value: str, now: datetime) -> Block:
    said = "The copy goes now. Its manifest and the evidence stay."
    dialog = confirm(f"Drop the copy of {run.id}?", said, "Drop it", "Keep it")
    return _button(DROP_SNAPSHOT, run, "Drop…", value, style="danger", dialog=dialog)


def _stop(run: Run, value: str, now: datetime) -> Block:
    return _button(CANCEL, run, "Stop…", value, style="danger")


def _go_on(run: Run, value: str, now: datetime) -> Block:
    question = run.why if run.question.pause is Pause.CHECKPOINT else "It goes on with the next step."
    dialog = confirm(f"Go on with {run.id}?", question, "Yes, go on", "Not yet")
    return _button(CONTINUE, run, "Yes, go on", value, dialog=dialog)


def _go_online(run: Run, value: str, now: datetime) -> Block:
    label = "Accept it anyway…" if run.phase is Phase.FINISH else "Go online anyway…"
    return _button(CONTINUE, run, label, value, style="danger")


def _end(run: Run, value: str, now: datetime) -> Block:
    return _button(STOP, run, "End it…", value, style="danger")


def _undo(run: Run, value: str, now: datetime) -> Block:
    return _button(UNDO, run, "Undo…", value)


def _resolve(run: Run, value: str, now: datetime) -> Block:
    return _button(RESOLVE, run, "Say what is live…", value)


def _leave(run: Run, value: str, now: datetime) -> Block:
    return _button(CONTINUE, run, "Leave maintenance…", value, style="danger")


_FORWARD: Mapping[Pause, tuple[Make, ...]] = {
    Pause.CHECKPOINT: (_go_on,),
    Pause.STOPPED: (_go_on,),
    Pause.CHECKS: (_go_online,),
}
