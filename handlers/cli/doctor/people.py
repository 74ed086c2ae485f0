"""Whether requests can find their second person: user groups read live, approvers besides each requester."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from slack_sdk.web.async_client import AsyncWebClient

from bot.configuration import Configuration, Target
from bot.errors import TemporaryError, words_of
from bot.model import Person
from bot.policy import Entitled, PersonRole, why_nobody_else
from handlers.cli.doctor.results import Result, fail, ok, unreachable, warn
from handlers.cli.doctor.slack import NotAnswered, SlackRefused, asked
from handlers.slack.directory import PEOPLE_KNOWN_SECONDS, SlackDirectory

SILENT = "has left the last messages to practise on unanswered"


async def user_groups(client: AsyncWebClient, configuration: Configuration) -> list[Result]:
    """One for each group that Slack keeps; the others are complete when `check` has read them."""
    return [
        await _user_group(client, name, group.slack_usergroup)
        for name, group in configuration.groups.items()
        if group.slack_usergroup is not None
    ]


async def _user_group(client: AsyncWebClient, name: str, group_id: str) -> Result:
    title = f"group {name}"
    try:
        answer = await asked(client.usergroups_users_list(usergroup=group_id))
    except NotAnswered as problem:
        return unreachable(title, f"Slack cannot be reached: {problem}. Look at the network.")
    except SlackRefused as refusal:
        return fail(title, f"Slack does not say who is in {group_id}: {refusal}. {_advice(refusal.error)}")
    if not (members := answer["users"]):
        return fail(title, f"nobody is in {group_id}, so nobody can approve by it. Add people in Slack.")
    return ok(title, f"{len(members)} in {group_id}")


def _advice(error: str) -> str:
    match error:
        case "plan_upgrade_required" | "paid_teams_only":
            return "Free Slack plans have no user groups: list `members` instead."
        case "no_such_subteam":
            return "Correct its id: it looks like S01PAYMGR."
        case _:
            return "Add the scope as in manifest.yml, then install the app again."


async def second_person(
    directory: SlackDirectory, target: Target, needed: int, silent: Collection[str] = ()
) -> Result:
    """`needed`: approvals besides the requester's. `silent`: approvers on whom nobody should count."""
    title = f"approvers of {target.name}"
    entitled = await directory.entitled(target, PEOPLE_KNOWN_SECONDS)
    if entitled.unread:
        names = ", ".join(entitled.unread)
        return fail(title, f"Slack could not tell who is behind {names}, so nobody is. Correct that first.")
    try:
        likely = await _likely_requesters(directory, entitled)
    except TemporaryError as problem:
        return fail(title, f"the requesters could not be read: {words_of(problem)}")
    return judged(target.name, without(entitled, silent), likely, needed)


def without(entitled: Entitled, silent: Collection[str]) -> Entitled:
    """Returns who is entitled as if these accounts could not approve: they may, and would not be there."""
    approvers = tuple(
        replace(person, barred=SILENT) if person.id in silent else person for person in entitled.approvers
    )
    return replace(entitled, approvers=approvers)


async def _likely_requesters(directory: SlackDirectory, entitled: Entitled) -> list[Person]:
    """Returns who may ask. When every full member may: the approvers, who could be left without another."""
    if entitled.requesters is None:
        return list(entitled.approvers)
    return [await directory.person(user, PEOPLE_KNOWN_SECONDS) for user in sorted(entitled.requesters)]


def judged(target: str, entitled: Entitled, likely: Sequence[Person], needed: int) -> Result:
    title = f"approvers of {target}"
    able = [person for person in entitled.approvers if not person.barred]
    humans = len({person.human for person in able})
    if humans < needed:
        return fail(title, f"{humans} of the {needed} people needed could approve. Add approvers.")
    asking = [person for person in likely if not person.barred]
    alone = [person for person in asking if why_nobody_else(person, target, entitled, needed)]
    if alone and entitled.requesters is not None and len(alone) == len(asking):
        names = _names(alone)
        return fail(title, f"whoever may ask ({names}) leaves too few others to approve. Add an approver.")
    if alone:
        return warn(title, f"when {_names(alone)} asks, too few others can approve. Add an approver.")
    if barred := [person for person in entitled.approvers if person.barred]:
        said = "; ".join(f"{person.name}: {person.barred}" for person in barred)
        return warn(title, f"{_names(able)}. Not counted: {said}. Take them out of the group.")
    return ok(title, _names(able))


def _names(people: Iterable[Person]) -> str:
    """Each human once, whatever accounts they have."""
    return ", ".join({person.human: person.name for person in people}.values())


async def rights(directory: SlackDirectory, configuration: Configuration, person: Person) -> Result:
    """Says what this person may do, so that a rehearsal shows more than a button."""
    may: dict[PersonRole, list[str]] = {PersonRole.MAY_ASK: [], PersonRole.APPROVER: []}
    for target in configuration.targets.values():
        entitled = await directory.entitled(target, PEOPLE_KNOWN_SECONDS)
        for role in may.keys() & entitled.roles(person, None):
            may[role].append(target.name)
    asks, approves = (", ".join(may[role]) or "nothing" for role in (PersonRole.MAY_ASK, PersonRole.APPROVER))
    return ok("rehearsal, rights", f"{person.name} may ask for {asks}, and approve for {approves}")
