"""Who may do what: the rights table and the rules that may never fail open.

Every answer is a reason: `None` means yes, anything else can be shown to the person and is kept
as evidence. Looking people and groups up, and recording what was decided, is for others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot import events, machine
from bot.events import Event, EventKind
from bot.model import Matter, Pause, Person, Proposal, Risk, Run, State

OPEN_REQUESTS_A_PERSON = 3
MESSAGED_AT_MOST = 5
TOO_QUICK = timedelta(seconds=1)  # an approval this soon after the posting was not read


class Role(StrEnum):
    REQUESTER = "requester"  # who asked for this run
    APPROVER = "approver"
    OWNER = "owner"
    MAY_ASK = "may_ask"  # entitled to ask for a rollback of the target
    ANYBODY = "anybody"  # in the channel


class Press(StrEnum):
    """What a person can want of a run. The first ten are the action ids of the buttons."""

    APPROVE = "approve"
    VETO = "veto"
    CANCEL = "cancel"
    CONTINUE = "continue"
    RETRY = "retry"
    STOP = "stop"
    UNDO = "undo"
    RESOLVE = "resolve"
    ASK_AGAIN = "ask_again"
    DETAILS = "details"


@dataclass(frozen=True, slots=True)
class Right:
    roles: frozenset[Role]
    states: frozenset[State]


_THEM = frozenset({Role.REQUESTER, Role.APPROVER, Role.OWNER})
_BEFORE_EFFECT = frozenset({State.AWAITING_APPROVAL, State.APPROVED, State.RUNNING, State.PAUSED})

RIGHTS: Mapping[Press, Right] = {
    Press.APPROVE: Right(frozenset({Role.APPROVER}), frozenset({State.AWAITING_APPROVAL})),
    Press.VETO: Right(frozenset({Role.APPROVER, Role.OWNER}), _BEFORE_EFFECT),
    Press.CANCEL: Right(_THEM, _BEFORE_EFFECT | {State.REQUESTED}),
    Press.CONTINUE: Right(_THEM, frozenset({State.PAUSED, State.FAILED})),
    Press.RETRY: Right(_THEM, frozenset({State.PAUSED, State.STUCK})),
    Press.STOP: Right(_THEM, frozenset({State.PAUSED})),
    Press.UNDO: Right(frozenset({Role.MAY_ASK}), frozenset({State.PAUSED, State.SUCCEEDED, State.FAILED})),
    Press.RESOLVE: Right(_THEM, frozenset({State.STUCK})),
    Press.ASK_AGAIN: Right(
        frozenset({Role.MAY_ASK}),
        frozenset({State.REFUSED, State.VOID, State.EXPIRED, State.VETOED}),
    ),
    Press.DETAILS: Right(frozenset({Role.ANYBODY}), frozenset(State)),
}

WHAT: Mapping[Press, str] = {
    Press.APPROVE: "approve",
    Press.VETO: "reject",
    Press.CANCEL: "stop",
    Press.CONTINUE: "go on with",
    Press.RETRY: "look again at",
    Press.STOP: "end",
    Press.UNDO: "undo",
    Press.RESOLVE: "say what is live for",
    Press.ASK_AGAIN: "ask again for",
    Press.DETAILS: "read",
}


@dataclass(frozen=True, slots=True)
class Entitled:
    """Who stands where for one target, as read from Slack and the configuration just now."""

    approvers: tuple[Person, ...]
    requesters: frozenset[str] | None = None  # account ids; None: every full member
    owners: frozenset[str] = frozenset()  # account ids
    unread: tuple[str, ...] = ()  # groups that could not be read: nobody is in them

    def able(self) -> list[Person]:
        """The approvers whose account may decide."""
        return [person for person in self.approvers if not person.barred]

    def roles(self, person: Person, run: Run | None) -> frozenset[Role]:
        roles = {Role.ANYBODY}
        if any(same_human(person, approver) for approver in self.approvers):
            roles.add(Role.APPROVER)
        if marks(person) & self.owners:
            roles.add(Role.OWNER)
        if self.requesters is None or marks(person) & self.requesters:
            roles.add(Role.MAY_ASK)
        if run is not None and same_human(run.requester, person):
            roles.add(Role.REQUESTER)
        return frozenset(roles)


@dataclass(frozen=True, slots=True)
class Click:
    """What came with a press: the state it was drawn for, and what was typed."""

    stamp: str | None = None  # of the run when the button was drawn; None: typed, not clicked
    code: str = ""  # characters of the plan code
    answer: str = ""
    why: str = ""


def same_human(one: Person, other: Person) -> bool:
    """One human with two accounts is one human: by the configuration, or by the same verified address."""
    return bool(marks(one) & marks(other))


def marks(person: Person) -> frozenset[str]:
    return person.marks | {person.id}


# Asking ----------------------------------------------------------------------------------------


def why_not_ask(
    person: Person, target: str, entitled: Entitled, open_requests: int, quorum: int
) -> str | None:
    if person.barred:
        return (
            f"You cannot ask for a rollback: {person.barred}. Ask a full member of this workspace to do it."
        )
    if Role.MAY_ASK not in entitled.roles(person, None):
        return f"You are not in a group that may ask for a rollback of `{target}`. Ask somebody who is."
    if open_requests >= OPEN_REQUESTS_A_PERSON:
        return f"You have {open_requests} open requests already. Cancel one, or wait until one has ended."
    return why_nobody_else(person, target, entitled, quorum)


def why_nobody_else(person: Person, target: str, entitled: Entitled, quorum: int) -> str | None:
    """Said at once, instead of letting a request time out that nobody could approve."""
    others = [p for p in _humans(entitled.able()) if not same_human(p, person)]
    if len(others) >= quorum:
        return None
    unread = (
        f" {_listed(entitled.unread)} could not be read from Slack just now: try again."
        if entitled.unread
        else ""
    )
    who = "nobody else can" if not others else f"only {len(others)} of the {quorum} people needed can"
    return (
        f"Besides you, {who} approve a rollback of `{target}`, so nothing was started.{unread} "
        "Ask somebody who is in the approver group to request it, or have one more approver added."
    )


# Pressing --------------------------------------------------------------------------------------


def why_not(
    press: Press, run: Run, person: Person, entitled: Entitled, click: Click, now: datetime
) -> str | None:
    """Why this person may not press this on this run now."""
    if press is Press.DETAILS:
        return None
    if person.barred:
        return f"You cannot {WHAT[press]} this rollback: {person.barred}."
    if reason := _why_not_in_this_state(press, run, click, now):
        return reason
    if press is Press.APPROVE:
        return _why_not_approve(run, person, entitled, click, now)
    roles = entitled.roles(person, run)
    if not roles & RIGHTS[press].roles:
        return f"You cannot {WHAT[press]} {run.id}: {_who_can(press, run, entitled)}"
    if press is Press.CONTINUE and run.pause in {Pause.CHECKPOINT, Pause.STOPPED}:
        if not roles & {Role.REQUESTER, Role.APPROVER}:
            return f"Only the requester or an approver can say yes here: {_who_can(press, run, entitled)}"
        return None
    if press in {Press.CONTINUE, Press.RESOLVE}:
        return _why_not_second(press, run, person, entitled, click)
    return None


def _still_stops(press: Press, run: Run, drawn_for: str) -> bool:
    """Until the first intent a no means the same on every drawing of the card, so it is never too late."""
    no = {Press.VETO: EventKind.VETOED, Press.CANCEL: EventKind.CANCELLED}.get(press)
    return no is not None and drawn_for in GO_ON and machine.allows(run, no)


def _why_not_in_this_state(press: Press, run: Run, click: Click, now: datetime) -> str | None:
    if run.state not in RIGHTS[press].states:
        return (
            f"{run.id} is {_spoken(run.state)} now, so there is nothing to {WHAT[press]}. The card shows "
            "what is possible."
        )
    if click.stamp is not None and click.stamp != stamp(run) and not _still_stops(press, run, click.stamp):
        return (
            f"{run.id} has moved on since this card was drawn. Look at the card again, it shows what is "
            "possible now."
        )
    if press is Press.VETO and run.touched:
        return (
            f"{run.id} has begun to change `{run.target}`, so a rejection comes too late. Press *Stop…* to "
            "stop before the next step."
        )
    if press is Press.CANCEL and run.state is State.PAUSED and run.touched:
        return f"{run.id} has stopped already and waits for a decision. Press *End it…* to end it."
    if press is Press.CONTINUE and not _can_continue(run):
        return f"{run.id} cannot go on from here. The card shows what is possible."
    if press is Press.CANCEL and run.stop_requested:
        return f"Somebody asked {run.id} to stop already: no next step starts. The card shows how it goes on."
    if press is Press.RETRY and not machine.allows(run, EventKind.RETRIED):
        return (
            f"{run.id} was under way in a backup that our database was put back from, so looking at one step "
            f"cannot tell what is live. {_way_out(run)}"
        )
    if press is Press.RETRY and run.pause in {Pause.CHECKPOINT, Pause.STOPPED}:
        return (
            f"{run.id} waits for a yes or an end, there is nothing to look at. The card shows what is "
            "possible."
        )
    if press is Press.UNDO and not run.undo_points:
        return (
            f"{run.id} has no undo point, so it cannot be undone from here. Use `/rollback {run.target}` "
            "to choose a restore point."
        )
    if press is Press.UNDO and run.undone_by:
        return f"{run.id} is being undone by {run.undone_by} already."
    if press is Press.UNDO and run.plan is not None and now >= run.plan.undo_until(run.ended_at or now):
        return (
            f"{run.id} could be undone for {run.plan.undo_days} days. Use `/rollback {run.target}` to choose "
            "a restore point."
        )
    return None


def _way_out(run: Run) -> str:
    if run.state is State.STUCK:
        return "Look at the target yourself, and press *Say what is live…*."
    return "Press *End it…*, and ask again."


def _can_continue(run: Run) -> bool:
    if run.state is State.FAILED:
        return run.in_maintenance and not run.leave_agreed
    return run.pause in {Pause.CHECKPOINT, Pause.STOPPED, Pause.CHECKS}


def _why_not_approve(run: Run, person: Person, entitled: Entitled, click: Click, now: datetime) -> str | None:
    if same_human(run.requester, person):
        return f"You asked for this rollback, so you cannot approve it. {_others(run, person, entitled)}"
    if any(approval.marks & marks(person) for approval in run.approvals):
        return f"You have approved {run.id} already. {_others(run, person, entitled)}"
    if Role.APPROVER not in entitled.roles(person, run):
        if entitled.unread:
            return (
                f"Slack could not tell who is in {_listed(entitled.unread)} just now, so nobody can be let "
                "through. Try again in a moment."
            )
        return f"You are not among the approvers of `{run.target}`. {_others(run, person, entitled)}"
    if run.posted_at is None or run.approve_by is None:
        return f"The card of {run.id} is not posted yet, so it cannot be approved. Try again in a moment."
    if now >= run.approve_by:
        return (
            f"{run.id} could be approved until {run.approve_by:%H:%M} UTC. Press *Ask again* for a fresh "
            "plan."
        )
    if now - run.posted_at < TOO_QUICK:
        return f"{run.id} was posted less than a second ago. Read what it removes, then press again."
    if run.plan is not None and run.plan.risk is Risk.CRITICAL and click.code.strip().lower() != run.code[:4]:
        return (
            "That is not the code of this plan. Type the first four characters of the code on the card of "
            f"{run.id}."
        )
    return None


def _why_not_second(press: Press, run: Run, person: Person, entitled: Entitled, click: Click) -> str | None:
    """Two people must agree: the second is somebody else, and an approver is among them."""
    if not click.why.strip() and press is not Press.RESOLVE:
        return "Say why in one sentence: it is kept with the run."
    if press is Press.RESOLVE and click.answer and click.answer not in RESOLUTIONS:
        return "Say which of the answers it is: the restore point, as before, or not clear yet."
    first = standing(press, run, click.answer)
    if first is None:
        return None
    if first.marks & marks(person):
        return f"You have said so already. Somebody else has to agree: {_who_can(press, run, entitled)}"
    if press is Press.RESOLVE:
        return None
    approvers = [p for p in entitled.able() if not same_human(p, run.requester)]
    if not any(marks(p) & (first.marks | marks(person)) for p in approvers):
        return f"One of the two must be an approver: {_can(_mentions(approvers))}"
    return None


def standing(press: Press, run: Run, answer: str) -> Proposal | None:
    """The first person's word that the second now meets; None: this one is the first."""
    matter = {Press.RESOLVE: Matter.RESOLVE}.get(press)
    if matter is None:
        matter = Matter.LEAVE if run.state is State.FAILED else Matter.CONTINUE
    for proposal in reversed(run.proposals):
        if proposal.about is matter and proposal.answer == answer:
            return proposal
    return None


GO_ON = frozenset({State.REQUESTED, State.AWAITING_APPROVAL, State.APPROVED, State.RUNNING})


def stamp(run: Run) -> str:
    """What a button is drawn for: while a run goes on by itself its buttons stay good."""
    if run.state in GO_ON:
        return run.state.value
    return f"{run.state.value}.{run.seq}"


# What a permitted press records ----------------------------------------------------------------


def events_for(press: Press, run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    """The events of a press that `why_not` let through. Empty: it only opens something."""
    if press is Press.APPROVE:
        return _approval(run, person, now)
    said = _said(press, run, tuple(sorted(marks(person))), click)
    return () if said is None else (Event(said, now, person.id),)


def _approval(run: Run, person: Person, now: datetime) -> tuple[Event, ...]:
    assert run.plan is not None
    approved = Event(events.Approved(marks=tuple(sorted(marks(person)))), now, person.id)
    reached = len(run.approvals) + 1 >= run.plan.approvals_needed
    return (approved, Event(events.QuorumReached(), now)) if reached else (approved,)


def _said(press: Press, run: Run, by: tuple[str, ...], click: Click) -> events.Word | None:
    match press:
        case Press.VETO:
            return events.Vetoed(marks=by, why=click.why)
        case Press.CANCEL if machine.allows(run, EventKind.CANCELLED):
            return events.Cancelled(marks=by, why=click.why)
        case Press.CANCEL:
            return events.StopRequested(marks=by, why=click.why)
        case Press.RETRY:
            return events.Retried(marks=by)
        case Press.STOP:
            return events.Ended(marks=by, why=click.why)
        case Press.CONTINUE if run.pause in {Pause.CHECKPOINT, Pause.STOPPED}:
            return events.Confirmed(marks=by)
        case Press.CONTINUE if run.state is State.FAILED:
            leave = events.LeaveAgreed if standing(press, run, click.answer) else events.LeaveProposed
            return leave(marks=by, why=click.why)
        case Press.CONTINUE:
            go_on = events.Continued if standing(press, run, click.answer) else events.ContinueProposed
            return go_on(marks=by, why=click.why)
        case Press.RESOLVE if click.answer in RESOLUTIONS and standing(press, run, click.answer):
            return RESOLUTIONS[click.answer](marks=by, why=click.why, answer=click.answer)
        case Press.RESOLVE:
            return events.ResolveProposed(marks=by, why=click.why, answer=click.answer)
        case _:
            return None


RESOLUTIONS: Mapping[str, type[events.Resolved]] = {
    "point": events.ResolvedPoint,
    "unchanged": events.ResolvedUnchanged,
    "unclear": events.ResolvedUnclear,
}


# Starting --------------------------------------------------------------------------------------


def why_not_start(run: Run, entitled: Entitled) -> str | None:
    """The last look at the people, by the worker, just before the first intent."""
    assert run.plan is not None
    counted: list[frozenset[str]] = []
    for approval in run.approvals:
        still = any(approval.marks & marks(p) for p in entitled.able())
        another = not any(approval.marks & before for before in [marks(run.requester), *counted])
        if still and another:
            counted.append(approval.marks)
    if len(counted) >= run.plan.approvals_needed:
        return None
    if entitled.unread:
        return (
            f"Slack could not tell who is in {_listed(entitled.unread)}, so the approval could not be "
            "checked again."
        )
    return "Somebody who approved is no longer an approver."


def awaited(requester: Person, entitled: Entitled, ask_first: str | None) -> tuple[str, ...]:
    """Who gets a direct copy: the one who was asked first, then the others, one account a human."""
    others = [p for p in _humans(entitled.able()) if not same_human(p, requester)]
    others.sort(key=lambda p: ask_first not in marks(p))
    return tuple(p.id for p in others[:MESSAGED_AT_MOST])


# Words -----------------------------------------------------------------------------------------


def _who_can(press: Press, run: Run, entitled: Entitled) -> str:
    roles = RIGHTS[press].roles
    if Role.MAY_ASK in roles:
        return f"only people who may ask for a rollback of `{run.target}` can."
    asked = [f"<@{run.requester.id}>"] if Role.REQUESTER in roles else []
    return _can([*asked, *(name for name in _mentions(entitled.able()) if name not in asked)])


def _others(run: Run, person: Person, entitled: Entitled) -> str:
    spoken = [marks(run.requester), marks(person), *(approval.marks for approval in run.approvals)]
    others = [p for p in _humans(entitled.able()) if not any(marks(p) & said for said in spoken)]
    return _can(_mentions(others)) if others else "Nobody else can approve it at the moment."


def _mentions(people: Iterable[Person]) -> list[str]:
    return [f"<@{person.id}>" for person in _humans(people)]


def _can(names: Sequence[str]) -> str:
    return f"{_listed(names[:4])} can." if names else "nobody can at the moment."


def _humans(people: Iterable[Person]) -> list[Person]:
    """One account of each human."""
    found: list[Person] = []
    for person in people:
        if not any(same_human(person, known) for known in found):
            found.append(person)
    return found


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    if len(names) <= 1:
        return "".join(names)
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _spoken(state: State) -> str:
    return state.value.replace("_", " ")
