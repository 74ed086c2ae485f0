"""The rules about people: who is one human, who may ask, who is waited for, whether an approval still counts.

Every answer is a reason: `None` means yes, anything else can be shown to the person and is kept
as evidence. What may be pressed on a run is in `bot.presses`; looking people and groups up is for others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.model import Person
from bot.run import Run
from bot.spelling import listed

OPEN_REQUESTS_A_PERSON = 3
MESSAGED_AT_MOST_PEOPLE = 5


class PersonRole(StrEnum):
    REQUESTER = "requester"  # who asked for this run
    APPROVER = "approver"
    OWNER = "owner"
    MAY_ASK = "may_ask"  # entitled to ask for a rollback of the target
    ANYBODY = "anybody"  # in the channel


@dataclass(frozen=True, slots=True)
class Entitled:
    """Says who stands where for one target, as read from Slack and the configuration just now."""

    approvers: tuple[Person, ...]
    requesters: frozenset[str] | None = None  # account ids; None: every full member
    owners: frozenset[str] = frozenset()  # account ids
    unread: tuple[str, ...] = ()  # groups that could not be read: nobody is in them

    def able(self) -> list[Person]:
        """The approvers whose account may decide."""
        return [person for person in self.approvers if not person.barred]

    def roles(self, person: Person, run: Run | None) -> frozenset[PersonRole]:
        roles = {PersonRole.ANYBODY}
        if any(same_human(person, approver) for approver in self.approvers):
            roles.add(PersonRole.APPROVER)
        if marks(person) & self.owners:
            roles.add(PersonRole.OWNER)
        if self.requesters is None or marks(person) & self.requesters:
            roles.add(PersonRole.MAY_ASK)
        if run is not None and same_human(run.request.requester, person):
            roles.add(PersonRole.REQUESTER)
        return frozenset(roles)


def same_human(one: Person, other: Person) -> bool:
    """One human with two accounts is one human: by the configuration, or by the same verified address."""
    return bool(marks(one) & marks(other))


def marks(person: Person) -> frozenset[str]:
    return person.marks | {person.id}


# Asking ----------------------------------------------------------------------------------------


ASK = frozenset({PersonRole.MAY_ASK})
BESIDE = ASK | {PersonRole.OWNER}  # for a drill or a snapshot: its owner may look at what there is


def why_not_ask(
    person: Person,
    target: str,
    entitled: Entitled,
    open_requests: int,
    quorum: int,
    may: frozenset[PersonRole] = ASK,
) -> str | None:
    """`may`: the roles of which somebody has to have one."""
    if person.barred:
        return (
            f"You cannot ask for a rollback: {person.barred}. Ask a full member of this workspace to do it."
        )
    if not may & entitled.roles(person, None):
        return f"You are not in a group that may ask for a rollback of `{target}`. Ask somebody who is."
    if open_requests >= OPEN_REQUESTS_A_PERSON:
        return f"You have {open_requests} open requests already. Cancel one, or wait until one has ended."
    return why_nobody_else(person, target, entitled, quorum)


def why_nobody_else(person: Person, target: str, entitled: Entitled, quorum: int) -> str | None:
    """Said at once, instead of letting a request time out that nobody could approve."""
    others = [p for p in humans(entitled.able()) if not same_human(p, person)]
    if len(others) >= quorum:
        return None
    unread = (
        f" {listed(entitled.unread, 'or')} could not be read from Slack just now: try again."
        if entitled.unread
        else ""
    )
    who = "nobody else can" if not others else f"only {len(others)} of the {quorum} people needed can"
    return (
        f"Besides you, {who} approve a rollback of `{target}`, so nothing was started.{unread} "
        "Ask somebody who is in the approver group to request it, or have one more approver added."
    )


# Starting --------------------------------------------------------------------------------------


def why_not_start(run: Run, entitled: Entitled) -> str | None:
    """The last look at the people, by the worker, just before the first intent."""
    if run.is_drill and not BESIDE & entitled.roles(run.request.requester, None):
        return "Who asked for the drill may not ask for a rollback any more."
    counted: list[frozenset[str]] = []
    for approval in run.approval.given:
        still = any(approval.marks & marks(p) for p in entitled.able())
        another = not any(approval.marks & before for before in [marks(run.request.requester), *counted])
        if still and another:
            counted.append(approval.marks)
    if len(counted) >= run.approval.plan.approvals_needed:
        return None
    if entitled.unread:
        return (
            f"Slack could not tell who is in {listed(entitled.unread, 'or')}, so the approval could not be "
            "checked again."
        )
    return "Somebody who approved is no longer an approver."


def awaited(requester: Person, entitled: Entitled, ask_first: str | None) -> tuple[str, ...]:
    """Returns who gets a direct copy: the one who was asked first, then the others, one account a human."""
    others = [p for p in humans(entitled.able()) if not same_human(p, requester)]
    others.sort(key=lambda p: ask_first not in marks(p))
    return tuple(p.id for p in others[:MESSAGED_AT_MOST_PEOPLE])


# Words -----------------------------------------------------------------------------------------


def mentions(people: Iterable[Person]) -> list[str]:
    return [f"<@{person.id}>" for person in humans(people)]


def can(names: Sequence[str]) -> str:
    return f"{listed(names[:4], 'or')} can." if names else "nobody can at the moment."


def humans(people: Iterable[Person]) -> list[Person]:
    """One account of each human."""
    found: list[Person] = []
    for person in people:
        if not any(same_human(person, known) for known in found):
            found.append(person)
    return found
