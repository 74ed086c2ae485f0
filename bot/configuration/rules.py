"""What must be true of a configuration beyond its shapes. Every fault is found, none stops the rest.

With one of them nothing is loaded. What works, and will surprise somebody, is in `surprises`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bot.commands import RESERVED
from bot.configuration.definitions import (
    Definitions,
    Fault,
    digest_of,
    faults_of,
    variable_faults,
)
from bot.configuration.handing_over import hand_over_faults
from bot.configuration.lines import Location
from bot.configuration.settings import (
    ACCOUNT,
    NAME,
    Configuration,
    Hours,
    Human,
    Procedure,
    ProcedureStep,
    Target,
)
from bot.configuration.stages import why_no_stage
from bot.configuration.values import Reference
from bot.model import Phase
from bot.spelling import did_you_mean
from bot.times import zone_names, zone_of

COMMAND = re.compile(r"/[a-z0-9_-]{1,31}")
CHANNEL = re.compile(r"[CG][A-Z0-9]+|[^\s#,A-Z]{1,80}")
USERGROUP = re.compile(r"S[A-Z0-9]+")
ADDRESS = re.compile(r"https?://[^\s/]+.*")
SELDOM_ENOUGH_SECONDS = 60.0
SHORTEST_CADENCE_SECONDS = 86_400.0
SHORTEST_KEEP_SECONDS = 3_600.0  # of the copy of a snapshot
OFTEN_ENOUGH_SECONDS = 300.0  # of backups
KEY = "the key itself"  # ends the location of a fault in a name, apart from faults below that name


def faults(configuration: Configuration, definitions: Definitions) -> Iterator[Fault]:
    yield from _globals(configuration)
    yield from _names(configuration)
    yield from _people(configuration)
    yield from _groups(configuration)
    yield from _references(configuration)
    yield from _hooks(configuration)
    for name, target in configuration.targets.items():
        yield from _approval(configuration, target)
        yield from _of_backends(definitions, target)
        yield from _checks(target)
        yield from _watch(target)
        yield from _drill(target)
        yield from _rehearsal(configuration, definitions, target)
        yield from _backup(target)
        yield from _snapshots(target)
        yield from _maintenance(target)
        yield from _use_of_procedure(configuration, target, ("targets", name, "procedure"))
    for name, procedure in configuration.procedures.items():
        yield from _procedure(configuration, name, procedure)


# Settings that stand alone ---------------------------------------------------------------------


def _globals(configuration: Configuration) -> Iterator[Fault]:
    if not configuration.targets:
        yield Fault(("targets",), "There is no target, so nothing can be taken back. Add one.")
    zone = configuration.timezone
    if zone_of(zone) is None:
        mean = did_you_mean(zone, zone_names())
        words = f"`{zone}` is no time zone.{mean} Write one like Europe/Berlin or UTC."
        yield Fault(("timezone",), words)
    if not COMMAND.fullmatch(configuration.command):
        words = (
            f"`{configuration.command}` cannot be a command. Write one like /rollback: lower case, no spaces."
        )
        yield Fault(("command",), words)
    if configuration.public_url is not None and not ADDRESS.fullmatch(configuration.public_url):
        yield Fault(("public_url",), "`public_url` must be an address. Begin it with https://.")
    for n, channel in enumerate(configuration.incident_channels):
        if not CHANNEL.fullmatch(channel):
            yield Fault(("incident_channels", n), _no_channel(channel))
    yield from _hours(("reminders",), configuration.reminders, "Nobody is ever reminded")
    audit = configuration.audit_channel
    if audit is not None and (not CHANNEL.fullmatch(audit) or "*" in audit):
        yield Fault(("audit_channel",), _no_channel(audit))


def _no_channel(channel: str) -> str:
    return f"`{channel}` is no channel. Write its name in lower case without #, or its id."


def _names(configuration: Configuration) -> Iterator[Fault]:
    sections: Mapping[str, Iterable[str]] = {
        "target": configuration.targets,
        "group": configuration.groups,
        "procedure": configuration.procedures,
        "hook": configuration.hooks,
    }
    for kind, names in sections.items():
        for name in names:
            if not NAME.fullmatch(name):
                words = (
                    f"`{name}` cannot be the name of a {kind}. Use at most 63 of a-z, 0-9, dot, dash and "
                    "underscore, beginning with a letter or a digit."
                )
                yield Fault((f"{kind}s", name, KEY), words)
    for name in configuration.targets:
        if name in RESERVED:
            words = f"A target cannot be named `{name}`: that word is a command. Give it another name."
            yield Fault(("targets", name, KEY), words)


# People ----------------------------------------------------------------------------------------


def _people(configuration: Configuration) -> Iterator[Fault]:
    entry_of: dict[str, int] = {}  # by name, account and e-mail
    for n, human in enumerate(configuration.people):
        here: Location = ("people", n)
        if human.name in configuration.groups:
            words = f"`{human.name}` is a group as well as a person. Rename one of them."
            yield Fault((*here, "name"), words)
        if not human.slack and human.email is None:
            words = f"{human.name} has neither a Slack account nor an e-mail. Add `slack: [U…]`."
            yield Fault((*here, "slack"), words)
        for account in human.slack:
            if not ACCOUNT.fullmatch(account):
                words = f"`{account}` is no Slack user id. It looks like U01ANA; copy it from the profile."
                yield Fault((*here, "slack"), words)
        for key, value in _identities(human):
            if entry_of.setdefault(value, n) != n:
                words = f"`{value}` is listed for two people. One human is one entry with all accounts."
                yield Fault((*here, key), words)


def _identities(human: Human) -> Iterator[tuple[str, str]]:
    """The setting, and what it holds."""
    yield "name", human.name
    for account in human.slack:
        yield "slack", account
    if human.email is not None:
        yield "email", human.email.casefold()


def _groups(configuration: Configuration) -> Iterator[Fault]:
    for name, group in configuration.groups.items():
        here: Location = ("groups", name)
        if group.slack_usergroup is not None and group.members:
            words = f"Group `{name}` has both members and a Slack user group. Keep one of them."
            yield Fault((*here, "members"), words)
        if group.slack_usergroup is None and not group.members:
            words = f"Group `{name}` is empty. List `members`, or name a `slack_usergroup`."
            yield Fault((*here, "members"), words)
        if group.channel is not None and not CHANNEL.fullmatch(group.channel):
            yield Fault((*here, "channel"), _no_channel(group.channel))
        if group.slack_usergroup is not None and not USERGROUP.fullmatch(group.slack_usergroup):
            words = f"`{group.slack_usergroup}` is no id of a Slack user group. It looks like S01PAYMGR."
            yield Fault((*here, "slack_usergroup"), words)
        for n, member in enumerate(group.members):
            if not configuration.account_ids(member) and member not in _people_names(configuration):
                people = _people_names(configuration)
                words = f"Member `{member}` of group `{name}` is no Slack user id and nobody in `people`."
                yield Fault((*here, "members", n), f"{words}{did_you_mean(member, people)}")


def _references(configuration: Configuration) -> Iterator[Fault]:
    """Names that stand for people and are not defined."""
    by_default = configuration.defaults.approval.from_
    yield from _undefined(configuration, by_default, ("defaults", "approval", "from"))
    for name, target in configuration.targets.items():
        here: Location = ("targets", name)
        yield from _undefined(configuration, target.approval.from_, (*here, "approval", "from"))
        yield from _undefined(configuration, target.requesters, (*here, "requesters"))
        if "requesters" in target.model_fields_set and not target.requesters:
            words = "An empty list lets every full member ask. Leave it out for that, or say who may."
            yield Fault((*here, "requesters"), words)
        contact = target.point_of_contact
        if contact is not None and not _is_person(configuration, contact):
            words = f"Contact `{contact}` of `{name}` is no Slack user id and nobody in `people`."
            mean = did_you_mean(contact, _people_names(configuration))
            yield Fault((*here, "point_of_contact"), f"{words}{mean}")


def _hooks(configuration: Configuration) -> Iterator[Fault]:
    for name, hook in configuration.hooks.items():
        if not isinstance(hook.token, Reference):
            words = "A token is a secret, and this file is none. Write {env: NAME} or {file: PATH}."
            yield Fault(("hooks", name, "token"), words)
        yield from _unknown_targets(configuration, hook.targets, ("hooks", name, "targets"))
    for n, rule in enumerate(configuration.significant):
        if not rule.model_fields_set:
            yield Fault(("significant", n), "This rule fits every change. Say which: a kind, a path, a size.")
        if rule.target is not None:
            yield from _unknown_targets(configuration, (rule.target,), ("significant", n, "target"))


def _unknown_targets(
    configuration: Configuration, names: Iterable[str], location: Location
) -> Iterator[Fault]:
    for name in names:
        if name not in configuration.targets:
            yield Fault(location, f"There is no target `{name}`.{did_you_mean(name, configuration.targets)}")


def _undefined(configuration: Configuration, refs: Iterable[str], location: Location) -> Iterator[Fault]:
    for n, ref in enumerate(refs):
        if ref not in configuration.groups and not _is_person(configuration, ref):
            known = (*configuration.groups, *_people_names(configuration))
            words = f"`{ref}` is no group, no name in `people` and no Slack user id."
            yield Fault((*location, n), f"{words}{did_you_mean(ref, known)} Define it under `groups`.")


def _is_person(configuration: Configuration, ref: str) -> bool:
    return ref in _people_names(configuration) or ACCOUNT.fullmatch(ref) is not None


def _people_names(configuration: Configuration) -> tuple[str, ...]:
    return tuple(human.name for human in configuration.people)


# Approval --------------------------------------------------------------------------------------


def _approval(configuration: Configuration, target: Target) -> Iterator[Fault]:
    here: Location = ("targets", target.name, "approval")
    rule = target.approval
    if not rule.from_:
        words = f"Nobody could approve a rollback of `{target.name}`."
        yield Fault((*here, "from"), f"{words} Add `approval: {{from: [a-group]}}` to it, or to `defaults`.")
        return
    approvers = _humans(configuration, rule.from_)
    if approvers is None:
        return
    if len(approvers) < rule.quorum:
        few = "1 person" if len(approvers) == 1 else f"{len(approvers)} people"
        words = f"`{target.name}` needs {rule.quorum} approvals, and only {few} may approve it."
        yield Fault((*here, "quorum"), f"{words} Lower `quorum`, or add people.")
        return
    requesters = _humans(configuration, target.requesters) if target.requesters else None
    if requesters and all(len(approvers - {human}) < rule.quorum for human in requesters):
        words = f"Whoever asks for `{target.name}` leaves too few others to approve it."
        yield Fault(
            (*here, "from"), f"{words} The requester never counts: add approvers, or other requesters."
        )


def _humans(configuration: Configuration, refs: Iterable[str]) -> frozenset[str] | None:
    """Distinct humans by name, else by account. None: only Slack knows, or the group is at fault itself."""
    humans: set[str] = set()
    for ref in refs:
        group = configuration.groups.get(ref)
        if group is not None and not group.members:
            return None
        for member in group.members if group else (ref,):
            human = configuration.human(member)
            humans.add(human.name if human else member)
    return frozenset(humans)


# Backends --------------------------------------------------------------------------------------


def _of_backends(definitions: Definitions, target: Target) -> Iterator[Fault]:
    """Asks the executor and the checks for what only they can judge.

    Their settings must have a digest: every plan takes one.
    """
    here: Location = ("targets", target.name)
    if executor := definitions.executor(target.executor.type):
        digest_of(executor, target.executor)
        yield from _inside((*here, "executor"), faults_of(executor, target.executor, target))
    for n, settings in enumerate(target.checks):
        if check := definitions.check(settings.type):
            digest_of(check, settings)
            yield from _inside((*here, "checks", n), faults_of(check, settings, target))


def _hours(place: tuple[str, ...], hours: Hours, never: str) -> Iterator[Fault]:
    if hours.from_ >= hours.until:
        words = f"{never} from {hours.from_} until {hours.until}. Let `until` be later."
        yield Fault((*place, "until"), words)


def _drill(target: Target) -> Iterator[Fault]:
    if target.drill is None:
        return
    start, every, here = target.drill.start, target.drill.every, ("targets", target.name, "drill")
    yield from _hours((*here, "start", "hours"), start.hours, "No drill ever starts by itself")
    if start.itself and every is None:
        words = "No drill is ever due, so none starts by itself. Write `every`, such as 90d."
        yield Fault((*here, "start", "itself"), words)
    if every is not None and every < SHORTEST_CADENCE_SECONDS:
        words = "`every` is under a day, and people are reminded once a day at most. Write 1d or more."
        yield Fault((*here, "every"), words)


def _rehearsal(configuration: Configuration, definitions: Definitions, target: Target) -> Iterator[Fault]:
    """A rehearsal never touches what it is a drill of: at run time the backends are asked once more."""
    if target.drill is None:
        return
    here: Location = ("targets", target.name, "drill")
    if target.drill.mode != "rehearsal":
        if target.drill.target is not None:
            yield Fault((*here, "target"), "Only a rehearsal has another target. Write `mode: rehearsal`.")
        return
    if target.drill.target is None:
        yield Fault((*here, "mode"), "A rehearsal is a whole rollback of another target. Name it: `target`.")
        return
    if target.drill.start.itself:
        words = "A rehearsal has two people who decide, so none starts by itself. Take `itself` out."
        yield Fault((*here, "start", "itself"), words)
    stage = configuration.targets.get(target.drill.target)
    if stage is None:
        yield from _unknown_targets(configuration, (target.drill.target,), (*here, "target"))
    elif reason := next(why_no_stage(configuration, definitions, target, stage), None):
        yield Fault((*here, "target"), reason)


def _backup(target: Target) -> Iterator[Fault]:
    if target.backup is None:
        return
    every, keep, here = target.backup.every, target.backup.keep, ("targets", target.name, "backup")
    if every < OFTEN_ENOUGH_SECONDS:
        words = "`every` is under 5 minutes, and each backup reads all of the target. Write 5m or more."
        yield Fault((*here, "every"), words)
    if keep < every:
        words = "`keep` is shorter than `every`, so each backup goes before the next one is there."
        yield Fault((*here, "keep"), f"{words} Let it be longer.")


def _snapshots(target: Target) -> Iterator[Fault]:
    if target.snapshots is None:
        return
    here = ("targets", target.name, "snapshots")
    if target.snapshots.keep < SHORTEST_KEEP_SECONDS:
        words = "`keep` is under an hour, in which nobody can look into the copy. Write 1h or more."
        yield Fault((*here, "keep"), words)
    if target.snapshots.to is not None:
        yield from _inside((*here, "to"), hand_over_faults(target.snapshots.to, target.executor.type))


def _watch(target: Target) -> Iterator[Fault]:
    if target.watch is not None and target.watch < SELDOM_ENOUGH_SECONDS:
        words = "`watch` is under a minute, and each look is work for the backend. Write 1m or more."
        yield Fault(("targets", target.name, "watch"), words)


def _inside(here: Location, found: Iterable[Fault]) -> Iterator[Fault]:
    return (replace(fault, location=(*here, *fault.location)) for fault in found)


def _maintenance(target: Target) -> Iterator[Fault]:
    if target.maintenance is None:
        return
    for name, call in (("enter", target.maintenance.enter), ("leave", target.maintenance.leave)):
        here: Location = ("targets", target.name, "maintenance", name)
        yield from _inside(here, variable_faults(call.environment))


# Checks and procedures -------------------------------------------------------------------------


def _checks(target: Target) -> Iterator[Fault]:
    taken: set[tuple[str, str]] = set()
    for n, check in enumerate(target.checks):
        if check.name is None:
            continue
        if (check.name, check.when) in taken:
            words = f"Two checks of `{target.name}` are named `{check.name}`. Rename one of them."
            yield Fault(("targets", target.name, "checks", n, "name"), words)
        taken.add((check.name, check.when))


def _use_of_procedure(configuration: Configuration, target: Target, here: Location) -> Iterator[Fault]:
    if target.procedure is None:
        return
    procedure = configuration.procedures.get(target.procedure)
    if procedure is None:
        words = f"Procedure `{target.procedure}` of `{target.name}` is not defined."
        mean = did_you_mean(target.procedure, configuration.procedures)
        yield Fault(here, f"{words}{mean} Define it under `procedures`.")
        return
    restored = [step.target or target.name for step in procedure.steps if _restores(step)]
    for name in dict.fromkeys(restored):
        if restored.count(name) > 1:
            words = f"Procedure `{target.procedure}` restores `{name}` twice. Keep one of the steps."
            yield Fault(here, words)
    if procedure.steps and target.name not in restored:
        words = f"Procedure `{target.procedure}` never restores `{target.name}`."
        yield Fault(here, f"{words} Add the step {{phase: restore, target: {target.name}}}.")


def _procedure(configuration: Configuration, name: str, procedure: Procedure) -> Iterator[Fault]:
    here: Location = ("procedures", name, "steps")
    if not procedure.steps:
        yield Fault(here, f"Procedure `{name}` has no steps. List them, or remove the procedure.")
    order = list(Phase)
    reached = 0
    for n, step in enumerate(procedure.steps):
        yield from _step(configuration, step, (*here, n))
        if order.index(step.phase) < reached:
            words = f"Phase {step.phase} comes too late here."
            advice = "Put the steps in the order prepare, restore, verify, finish."
            yield Fault((*here, n, "phase"), f"{words} {advice}")
        reached = max(reached, order.index(step.phase))


def _step(configuration: Configuration, step: ProcedureStep, here: Location) -> Iterator[Fault]:
    if step.confirm is not None and step.target is not None:
        words = "A step either asks people (`confirm`) or restores a target (`target`)."
        yield Fault((*here, "confirm"), f"{words} Make two steps of it.")
    elif step.phase is not Phase.RESTORE and step.confirm is None:
        words = f"A step of phase {step.phase} can only ask people: what else happens there is fixed."
        yield Fault((*here, "phase"), f"{words} Give it `confirm`, or phase restore.")
    if step.target is not None and step.target not in configuration.targets:
        words = f"Target `{step.target}` is not defined."
        mean = did_you_mean(step.target, configuration.targets)
        yield Fault((*here, "target"), f"{words}{mean} Define it under `targets`.")


def _restores(step: ProcedureStep) -> bool:
    return step.phase is Phase.RESTORE and step.confirm is None
