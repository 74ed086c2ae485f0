"""What rollback.yaml may say, as frozen values. These models are the nouns of the rest of the bot.

Shapes and defaults only: the field types are in `values`, whether names exist and rules make sense together
is in `rules`, reading the file with its line numbers in `loading`. What a backend adds stands in its folder.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny

from bot.configuration.values import (
    Argv,
    Count,
    Duration,
    Environment,
    HourAndMinute,
    Number,
    Settings,
    Text,
    Value,
    Wait,
)
from bot.looking import AllHabits
from bot.model import Kind, OnFailure, Phase, Risk, When

MAIN_ZONE = "main"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
HANDED_OVER = ("{copy}", "{manifest}", "{check}", "{run}")  # arguments of what hands a snapshot over
ACCOUNT = re.compile(r"[UW][A-Z0-9]+")


# People ----------------------------------------------------------------------------------------


class Human(Settings):
    name: Text
    """The name that cards give this person, and that other settings may use."""
    slack: tuple[Text, ...] = ()
    """Every Slack user id of this one human, over all workspaces."""
    email: Text | None = None
    """Accounts with this verified e-mail are this human too."""


class Group(Settings):
    """Exactly one of the two: a list kept here, or a Slack user group."""

    slack_usergroup: Text | None = None
    """Id of a Slack user group, such as S01PAYMGR."""
    members: tuple[Text, ...] = ()
    """Slack user ids, or names of people. Free Slack plans have no user groups."""
    channel: Text | None = None
    """The channel for reminders of what the group owns. Absent: its point of contact is told."""


class Rule(Settings):
    """Says who must agree. A setting that a target leaves out is taken from the defaults."""

    from_: tuple[Text, ...] = Field(default=(), alias="from")
    """Approvers: names of groups, Slack user ids, names of people. The requester never counts."""
    quorum: Count = 1
    """How many people besides the requester must agree."""
    expires: Wait = 1800.0
    """Time to approve, from when the card was posted."""
    start_within: Wait = 300.0
    """Time to start, from the last approval."""


class Defaults(Settings):
    approval: Rule = Rule()
    """The rule for every target that does not say otherwise, setting by setting."""


# Backends --------------------------------------------------------------------------------------


class ExecutorSettings(Settings):
    """Holds what every executor has. Each backend's folder adds its own, with its name as the only `type`."""

    type: str


class CheckSettings(Settings):
    """Holds what every check has. Each backend's folder adds its own, with its name as the only `type`."""

    name: Text | None = None
    """The name that cards give it."""
    when: When = When.OFFLINE
    """offline: behind maintenance, before anybody sees the result. online: after maintenance."""
    timeout: Wait = 10.0
    """Time limit of one look."""
    stable: Count = 1
    """How many looks in a row must pass."""
    every: Wait = 1.0
    """Time between two looks."""
    wait: Duration = 180.0
    """How long an inconclusive check is looked at again before people are asked."""
    type: str

    def habits(self) -> AllHabits:
        """Returns them as the arguments that every check of ours takes."""
        return {
            "when": self.when,
            "label": self.name,
            "stable": self.stable,
            "every": self.every,
            "wait": self.wait,
            "timeout": self.timeout,
        }


# Targets ---------------------------------------------------------------------------------------


class Declared(Settings):
    """Somebody's word on what going back loses, where it cannot be measured."""

    declared: Text
    """none, unknown, or what it is in plain words."""
    by: Text
    because: Text


class NoUndo(Settings):
    """Somebody's word that a rollback may be one that cannot be undone."""

    declared: Literal["none"]
    by: Text
    because: Text


class CommandCall(Settings):
    type: Literal["command"]
    argv: Argv
    timeout: Wait = 60.0
    environment: Environment = Field(default_factory=dict)
    """Variables that this program sees, and nobody else. The place for a secret."""


class Maintenance(Settings):
    enter: CommandCall
    """Takes the target off line. Must be safe to run twice."""
    leave: CommandCall
    """Brings it back. Must be safe to run twice."""


def _untouched_data(fields: Mapping[str, Any]) -> Declared | None:
    if fields.get("kind") is not Kind.SYSTEM:
        return None
    return Declared(declared="none", by="the bot's default", because="a system holds no data of its own")


class DrillPoints(Settings):
    from_: Wait = Field(default=14 * 86_400.0, alias="from")
    """How old a restore point may be that is drawn for a drill."""


class Hours(Settings):
    """From when until when on each day, in `timezone`."""

    from_: HourAndMinute = Field(default="10:00", alias="from")
    until: HourAndMinute = "18:00"


class DrillStart(Settings):
    itself: Annotated[bool, Field(strict=True)] = False
    """true: a drill that is due starts by the clock, a day after the owner was told, unless it is put off."""
    hours: Hours = Hours()
    """In which hours one starts by itself."""


class Drill(Settings):
    """That the way back may be walked on a copy, by the word of one person who may ask for a rollback."""

    mode: Literal["beside", "rehearsal", "plan"] = "beside"
    """beside: a restore point is copied beside the target, checked there, and dropped. plan: it is looked
    whether a rollback could begin, the weakest drill: nothing is restored, so nothing is proven. rehearsal: a
    whole rollback of `target`, with the two people of the real thing."""
    target: Text | None = None
    """The target of a rehearsal: one of another environment that is there for it."""
    scenario: Text | None = None
    """The event that is taken to have happened, in a sentence: it stands on the card, and in the evidence."""
    points: DrillPoints = DrillPoints()
    """Which restore points are drawn from, so that it is not always the newest."""
    every: Wait | None = None
    """How often one has to pass, such as 90d: the owner is reminded. Absent: whenever somebody asks."""
    after: Literal["significant"] | None = None
    """significant: one is due after a change that `significant` names, once in 14 days at most."""
    start: DrillStart = DrillStart()
    """Whether drills that are due start by themselves."""


class Backups(Settings):
    """That restore points are taken by the clock, under the word of whoever keeps this file."""

    every: Wait
    """How often one is taken, such as 1h. No more than the RPO, or what is lost is more than that."""
    keep: Wait
    """How long each is kept, such as 14d. The newest one that is good is kept for as long as it is that."""
    verify: Literal["beside", "quick"] | None = None
    """beside: each is copied, looked into by the checks that can, and the copy dropped. quick: whether it is
    listed and holds what was saved. Absent: beside where the backend makes copies, else quick."""


class HandOver(Settings):
    """Says where the verified copy of a snapshot goes: a folder or a program. It stays where it was given."""

    folder: Text | None = None
    """On the worker's machine. In it each snapshot gets a folder of its own, called after its run."""
    owner: Text | None = None
    """The account of that machine that the files will belong to. Absent: the one that the bot runs under."""
    argv: Argv | None = None
    """Instead of a folder. `{copy}`, `{manifest}`, `{check}` and `{run}` are arguments of their own."""
    timeout: Wait = 3_600.0
    environment: Environment = Field(default_factory=dict)
    """Variables that this program sees, and nobody else. The place for a secret."""


def _handed_over(value: Any) -> Any:
    long = {"folder": value} if isinstance(value, str) else {"argv": value}
    return long if isinstance(value, str | list) else value


class Snapshots(Settings):
    """That the state as of a moment may be copied, where two people agree to it."""

    keep: Wait = 30 * 86_400.0
    """How long the copy stands before it is dropped. The manifest stays."""
    to: Annotated[
        HandOver | None,
        BeforeValidator(_handed_over, json_schema_input_type=HandOver | Text | Argv | None),
    ] = None
    """The folder or program it is handed over to. A text alone is a folder, a list alone is a program."""


class TargetSettings(Settings):
    """Holds what the file says of a target. Its name is the key it stands under."""

    kind: Kind
    environment: Text = "production"
    zone: Text = MAIN_ZONE
    """Which workers reach it: those started with `serve --role worker --zone` of this name."""
    owner: Text | None = None
    """A group, a person, or free text. Groups and people are told, and may reject and stop."""
    point_of_contact: Text | None = None
    """Whom to call: a Slack user id or the name of a person."""
    requesters: tuple[Text, ...] = ()
    """Requesters: names of groups, Slack user ids, names of people. Absent: every full member may ask."""
    risk: Risk = Risk.STANDARD
    """critical: approving asks for the first four characters of the plan code."""
    rto: Wait | None = None
    """Objective: time to restore. Absent: not declared, and shown so."""
    rpo: Duration | None = None
    """Objective: data-loss window; 0 means that no data may be lost. Absent: not declared."""
    loss: Declared | None = Field(default_factory=_untouched_data)
    """The declared loss, where it cannot be measured. A system declares none unless it says otherwise."""
    undo: NoUndo | None = None
    """Somebody's word that it may go back without a way to undo that. Absent: then one more approval."""
    loss_tolerance: Annotated[Number, Field(ge=0)] | None = None
    """How much each count may grow until the start, instead of by its rate: 0.5 is half as much again."""
    outage: Duration | None = None
    """The outage to expect, until runs have shown it."""
    executor: SerializeAsAny[ExecutorSettings]
    approval: Rule = Rule()
    """Over the defaults, setting by setting."""
    maintenance: Maintenance | None = None
    checks: tuple[SerializeAsAny[CheckSettings], ...] = ()
    failover: Text | None = None
    """The thing to do instead when the target itself is down. Shown on the card."""
    procedure: Text | None = None
    """Name of a procedure. Absent: the default four phases."""
    not_undone: Text | None = None
    """Things that stay done: e-mails and payments already sent. Shown on the card."""
    watch: Wait | None = None
    """How often to look what is live, so that somebody knows since when. Absent: 30m, `command` never."""
    drill: Drill | None = None
    """Drills of this target. Absent: there are none."""
    backup: Backups | None = None
    """Restore points that are taken by the clock. Absent: somebody else takes them."""
    snapshots: Snapshots | None = None
    """Snapshots of this target, for whoever audits. Absent: there are none."""
    undo_days: Annotated[Count, Field(le=3650)] = 7
    """How long the undo point is kept at least. Written down, one that we have made is dropped after that."""


class Target(TargetSettings):
    """A target as loaded: with its name, and its own approval merged over the defaults."""

    name: str
    look_yourself: str = ""
    """A command that a person can type to see what is live. Empty: the backend has no such program."""

    @property
    def drops_undo_points(self) -> bool:
        return "undo_days" in self.model_fields_set


class ProcedureStep(Settings):
    """Either a question to people, or in phase restore a target to take back."""

    phase: Phase
    confirm: Text | None = None
    """Human checkpoint: the question that somebody must answer with yes."""
    target: Text | None = None
    """The target that this step takes back. Absent: the one that was asked for."""
    timeout: Wait = 900.0
    """Absent: what the backend says of itself, else 15 minutes."""
    on_failure: OnFailure = OnFailure.PAUSE
    """pause: people decide. stop: the run ends failed."""

    @property
    def own_timeout(self) -> float | None:
        """Seconds that somebody has written down; None: nobody has."""
        return self.timeout if "timeout" in self.model_fields_set else None


class Procedure(Settings):
    document: Text | None = None
    """The place of the procedure as written down for people. The content of a file is part of each plan."""
    steps: tuple[ProcedureStep, ...] = ()
    """In the order of the phases: prepare, restore, verify, finish."""


def _no_trailing_slash(url: str) -> str:
    return url.rstrip("/")


# The whole -------------------------------------------------------------------------------------


class Hook(Settings):
    """A source that tells of changes by `POST /hooks/changes`."""

    token: Value
    """The token sent as `Authorization: Bearer …`: {env: NAME} or {file: PATH}, 20 characters or more."""
    targets: tuple[Text, ...] = ()
    """Which targets it may tell of. Absent: all."""


class SignificantChange(Settings):
    """All that stands here has to be so; `*` stands for any letters."""

    target: Text | None = None
    kind: Text | None = None
    label: Text | None = None
    path: Text | None = None
    """One of the paths that were changed."""
    size: Annotated[int, Field(ge=1)] | None = None
    """At least so much, in whatever its source counts."""


class ApproverPractice(Settings):
    """That approvers of whom nothing was heard for long get a message to practise on. It decides nothing."""

    every: Wait = 90 * 86_400.0
    """How long nobody is asked again, and how long a decision counts."""


class MonthlyDigest(Settings):
    """That managers are told once a month what was taken back, drilled and left to do."""

    to: Text
    """The channel in which they are told."""


class Document(Settings):
    """The file, as it is written."""

    version: Literal[1]
    timezone: Text = "UTC"
    """The time zone for people who have none in Slack; evidence is UTC."""
    command: Text = "/rollback"
    """When another app owns /rollback."""
    incident_channels: tuple[Text, ...] = ()
    """Names, ids, or names with * where requests are taken. Absent: any channel the bot is in."""
    audit_channel: Text | None = None
    """Every request is copied here."""
    public_url: Annotated[Text, AfterValidator(_no_trailing_slash)] | None = None
    """The address at which browsers reach the bot. Absent: no links."""
    reminders: Hours = Hours()
    practice: ApproverPractice | None = None
    """Absent: no approver is asked to practise."""
    monthly: MonthlyDigest | None = None
    """Absent: nobody is told."""
    hooks: Mapping[str, Hook] = Field(
        default_factory=dict, json_schema_extra={"propertyNames": {"pattern": f"^{NAME.pattern}$"}}
    )
    """Systems that may tell of changes that were made without the bot, by name. Absent: nobody."""
    significant: tuple[SignificantChange, ...] = ()
    """Which changes make a drill due, where it says `after: significant`. One rule has to fit."""
    people: tuple[Human, ...] = ()
    """Humans with several accounts, or with names that other settings use."""
    groups: Mapping[str, Group] = Field(
        default_factory=dict, json_schema_extra={"propertyNames": {"pattern": f"^{NAME.pattern}$"}}
    )
    defaults: Defaults = Defaults()
    targets: Mapping[str, TargetSettings] = Field(
        json_schema_extra={"propertyNames": {"pattern": f"^{NAME.pattern}$"}}
    )
    procedures: Mapping[str, Procedure] = Field(
        default_factory=dict, json_schema_extra={"propertyNames": {"pattern": f"^{NAME.pattern}$"}}
    )


class Configuration(Document):
    """The file as loaded."""

    targets: Mapping[str, Target]
    path: Path
    digest: str  # of the values in the file: comments and layout do not count
    documents: Mapping[str, str] = Field(
        default_factory=dict
    )  # SHA-256 of procedures' documents that were read

    def human(self, account: str, email: str | None = None) -> Human | None:
        """Returns who stands behind an account, or a *verified* e-mail. None: nobody in `people`."""
        for human in self.people:
            if account in human.slack or (email and human.email and _same(email, human.email)):
                return human
        return None

    def account_ids(self, ref: str) -> tuple[str, ...]:
        """A Slack user id is itself; the name of a person is all their accounts; else nothing."""
        for human in self.people:
            if human.name == ref:
                return human.slack
        return (ref,) if ACCOUNT.fullmatch(ref) else ()

    def told_about(self, target: Target) -> tuple[str, ...]:
        """Returns who can be told about a target, the first one first: channels, and people by an account."""
        told: list[str] = []
        for ref in filter(None, (target.owner, target.point_of_contact)):
            group = self.groups.get(ref)
            if group is None:
                told += self.account_ids(ref)[:1]
            elif group.channel is not None:
                told.append(group.channel)
        return tuple(dict.fromkeys([*told, *([self.audit_channel] if self.audit_channel else [])]))

    def members(self, group: str) -> tuple[str, ...]:
        """Account ids of a group that is listed here; of a Slack user group only Slack knows."""
        ids = (account for ref in self.groups[group].members for account in self.account_ids(ref))
        return tuple(dict.fromkeys(ids))


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
