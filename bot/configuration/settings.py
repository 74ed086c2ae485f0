"""What rollback.yaml may say, as frozen values. These models are the nouns of the rest of the bot.

Shapes and defaults only: whether names exist and rules make sense together is in `rules`, reading the
file with its line numbers in `loading`. Durations are seconds, paths are as written (relative to
the folder of the file). The text under a field is its description in the JSON Schema for editors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from bot.errors import ConfigurationError
from bot.model import Kind, OnFailure, Phase, Risk, When

MAIN_ZONE = "main"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
ACCOUNT = re.compile(r"[UW][A-Z0-9]+")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 365 * SECONDS["d"]
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d)")


# Values ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that does not stand in the file: read by the role that uses it, when it uses it."""

    kind: Literal["env", "file"]
    name: str  # of the environment variable, or the path of the file


def resolve(value: str | Reference, environ: Mapping[str, str], base: Path) -> str:
    """The text itself; of a file without its last line break. Raises ConfigurationError."""
    if isinstance(value, str):
        return value
    if value.kind == "env":
        if value.name not in environ:
            raise ConfigurationError((f"The environment variable {value.name} is not set.",))
        return environ[value.name]
    try:
        return (base / value.name).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise ConfigurationError((f"The file {value.name} cannot be read: {error.strerror}.",)) from None
    except UnicodeDecodeError:
        raise ConfigurationError((f"The file {value.name} is not UTF-8.",)) from None


def _spelled(raw: object) -> object:
    """Whole numbers where text is wanted stay as they are spelled: `argv: [sleep, 5]`."""
    return str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw


def _value(raw: object) -> str | Reference:
    match _spelled(raw):
        case str() | Reference() as value:
            return value
        case {"env": str() as name, **rest} if name and not rest:
            return Reference("env", name)
        case {"file": str() as name, **rest} if name and not rest:
            return Reference("file", name)
    raise PydanticCustomError("value", "must be text (in quotes), {env: NAME} or {file: PATH}")


def _word(raw: object) -> str:
    match _spelled(raw):
        case str() as word:
            return word
        case Reference() | {"env": str()} | {"file": str()}:
            raise PydanticCustomError(
                "secret_in_argv",
                "cannot be a reference: everybody on the machine can read a command line. "
                "Hand the value over by `environment`, or give the program the path of the file",
            )
    raise PydanticCustomError("word", "must be text (in quotes)")


def _unresolved(value: str | Reference) -> str | dict[str, str]:
    return {value.kind: value.name} if isinstance(value, Reference) else value


def _seconds(raw: object) -> object:
    if not isinstance(raw, str):
        return raw
    match = _DURATION.fullmatch(raw)
    if match is None:
        raise PydanticCustomError("duration", "must be a duration such as 90s, 5m, 1h, 2d or 500ms")
    return float(match[1]) * SECONDS[match[2]]


def _scalar(raw: object) -> float | str:
    if isinstance(raw, str) or (isinstance(raw, int | float) and type(raw) is not bool and isfinite(raw)):
        return raw
    raise PydanticCustomError("scalar", "must be a number or text")


def _no_trailing_slash(url: str) -> str:
    return url.rstrip("/")


def _from(key: str) -> dict[str, Any]:
    properties = {key: {"type": "string", "minLength": 1}}
    return {"type": "object", "properties": properties, "required": [key], "additionalProperties": False}


Text: TypeAlias = Annotated[str, BeforeValidator(_spelled), Field(min_length=1)]
Value: TypeAlias = Annotated[
    str | Reference,
    PlainValidator(_value),
    PlainSerializer(_unresolved),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}, _from("env"), _from("file")]}),
]
Scalar: TypeAlias = Annotated[
    float | str,
    PlainValidator(_scalar),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
Word: TypeAlias = Annotated[
    str,
    PlainValidator(_word),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
]
Argv: TypeAlias = Annotated[tuple[Word, ...], Field(min_length=1)]
Environment: TypeAlias = Annotated[
    Mapping[str, Value],
    Field(json_schema_extra={"propertyNames": {"pattern": f"^{VARIABLE.pattern}$"}}),
]
_A_DURATION = WithJsonSchema(
    {
        "anyOf": [
            {"type": "number", "minimum": 0},
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d)$"},
        ]
    }
)
Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(strict=True, ge=0, le=LONGEST, allow_inf_nan=False),
    _A_DURATION,
]
Wait: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(strict=True, gt=0, le=LONGEST, allow_inf_nan=False),
    _A_DURATION,
]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=1)]
Number: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Settings(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,  # for constructors; the file itself is read by alias only
        validate_by_alias=True,
        use_attribute_docstrings=True,
        defer_build=True,  # importing builds no validator, first use builds those that are needed
    )


# People ----------------------------------------------------------------------------------------


class Human(Settings):
    name: Text
    """What cards call this person, and what other settings may call them."""
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


class Rule(Settings):
    """Who must agree. What a target leaves out is taken from the defaults."""

    from_: tuple[Text, ...] = Field(default=(), alias="from")
    """Who may approve: names of groups, Slack user ids, names of people. The requester never counts."""
    quorum: Count = 1
    """How many people besides the requester must agree."""
    expires: Wait = 1800.0
    """Time to approve, from when the card was posted."""
    start_within: Wait = 300.0
    """Time to start, from the last approval."""


class Defaults(Settings):
    approval: Rule = Rule()
    """For every target that does not say otherwise, setting by setting."""


# Executors -------------------------------------------------------------------------------------


class ReleasesSettings(Settings):
    """Release folders behind a symlink: root/releases/<id>/ and root/current."""

    type: Literal["releases"]
    root: Value
    """The folder that holds `releases` and `current`."""


class SqliteSettings(Settings):
    """An SQLite file and a folder of its backups, named like 20261122T100000Z.db."""

    type: Literal["sqlite"]
    database: Value
    """The file that is in use."""
    backups: Value
    """The folder of the backups."""
    tables: tuple[Text, ...] = ()
    """Tables whose rows are counted to say what would be lost."""
    pages_per_second: Count | None = None
    """Slows the restore down for other users of the disk. Absent: as fast as it goes."""


class GitSettings(Settings):
    """A branch of a git repository. A restore point is a commit; going back is a new commit."""

    type: Literal["git"]
    remote: Value
    """Where to clone from and push to."""
    branch: Value = "main"
    path: Value = ""
    """Only this folder is taken back. Absent: the whole repository."""


class ArgvCall(Settings):
    """One program and its arguments. No shell; `{point}` and `{op}` are filled in."""

    argv: Argv
    timeout: Wait = 30.0


class RestoreCall(ArgvCall):
    timeout: Wait = 900.0


class CommandSettings(Settings):
    """Programs of your own that answer in JSON on standard output."""

    type: Literal["command"]
    points: ArgvCall
    """Prints [{"id", "label", "created_at", "author"}, …], newest first."""
    current: ArgvCall
    """Prints {"id"} of what is live now."""
    restore: RestoreCall
    """Goes to `{point}`. Exit code 0 means it is there."""
    find: ArgvCall | None = None
    """Prints {"state": "absent|in_flight|done|failed|unknown"} of `{op}`. Absent: our own spool decides."""
    cancel: ArgvCall | None = None
    """Ends `{op}` early."""
    measure: ArgvCall | None = None
    """Prints {"seconds", "units": [{"name", "count"}]}: what going to `{point}` would lose now."""
    environment: Environment = Field(default_factory=dict)
    """Variables that all these programs see, and nobody else. The place for a secret."""


ExecutorSettings: TypeAlias = Annotated[
    ReleasesSettings | SqliteSettings | GitSettings | CommandSettings, Field(discriminator="type")
]


# Checks ----------------------------------------------------------------------------------------


class Looking(Settings):
    """What every check has."""

    name: Text | None = None
    """What cards call it."""
    when: When = When.OFFLINE
    """offline: behind maintenance, before anybody sees the result. online: after maintenance."""
    timeout: Wait = 10.0
    """Of one look."""
    stable: Count = 1
    """How many looks in a row must pass."""
    every: Wait = 1.0
    """Time between two looks."""
    wait: Duration = 180.0
    """How long an inconclusive check is looked at again before people are asked."""


class HttpCheck(Looking):
    type: Literal["http"]
    url: Value
    status: Annotated[int, Field(strict=True, ge=100, le=599)] = 200
    contains: Value | None = None
    """Text that the body must hold."""


class SqlCheck(Looking):
    """Either a query with what it must answer, or tables compared before and after."""

    type: Literal["sql"]
    url: Value
    """sqlite:/// and the path of the file."""
    query: Value | None = None
    """Answers one row with one value."""
    tables: tuple[Text, ...] = ()
    """Rows, hash and schema of these tables, before and after."""
    equals: Scalar | None = None
    min: Number | None = None
    max: Number | None = None


class CommandCheck(Looking):
    """Passed when the program ends with exit code 0."""

    type: Literal["command"]
    argv: Argv
    environment: Environment = Field(default_factory=dict)
    """Variables that this program sees, and nobody else. The place for a secret."""


CheckSettings: TypeAlias = Annotated[HttpCheck | SqlCheck | CommandCheck, Field(discriminator="type")]


# Targets ---------------------------------------------------------------------------------------


class Declared(Settings):
    """Somebody's word on what going back loses, where it cannot be measured."""

    declared: Text
    """none, unknown, or what it is in plain words."""
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


class TargetSettings(Settings):
    """What the file says of a target. Its name is the key it stands under."""

    kind: Kind
    environment: Text = "production"
    zone: Text = MAIN_ZONE
    """Which workers reach it: those started with `serve --role worker --zone` of this name."""
    owner: Text | None = None
    """A group, a person, or free text. Groups and people are told, and may reject and stop."""
    point_of_contact: Text | None = None
    """Whom to call: a Slack user id or the name of a person."""
    requesters: tuple[Text, ...] = ()
    """Who may ask: names of groups, Slack user ids, names of people. Absent: every full member."""
    risk: Risk = Risk.STANDARD
    """critical: approving asks for the first four characters of the plan code."""
    rto: Wait | None = None
    """Objective: time to restore. Absent: not declared, and shown so."""
    rpo: Duration | None = None
    """Objective: data-loss window; 0 means that no data may be lost. Absent: not declared."""
    loss: Declared | None = Field(default_factory=_untouched_data)
    """Where loss cannot be measured. A system declares none unless it says otherwise."""
    loss_tolerance: Annotated[Number, Field(ge=0)] | None = None
    """How much each count may grow until the start, instead of by its rate: 0.5 is half as much again."""
    outage: Duration | None = None
    """The outage to expect, until runs have shown it."""
    executor: ExecutorSettings
    approval: Rule = Rule()
    """Over the defaults, setting by setting."""
    maintenance: Maintenance | None = None
    checks: tuple[CheckSettings, ...] = ()
    failover: Text | None = None
    """What to do instead when the target itself is down. Shown on the card."""
    procedure: Text | None = None
    """Name of a procedure. Absent: the default four phases."""
    not_undone: Text | None = None
    """What stays done: e-mails and payments already sent. Shown on the card."""
    undo_days: Count = 7
    """How long the undo point is kept."""


class Target(TargetSettings):
    """A target as loaded: with its name, and its own approval merged over the defaults."""

    name: str


class ProcedureStep(Settings):
    """Either a question to people, or in phase restore a target to take back."""

    phase: Phase
    confirm: Text | None = None
    """Human checkpoint: the question that somebody must answer with yes."""
    target: Text | None = None
    """The target that this step takes back. Absent: the one that was asked for."""
    timeout: Wait = 900.0
    on_failure: OnFailure = OnFailure.PAUSE
    """pause: people decide. stop: the run ends failed."""


class Procedure(Settings):
    document: Text | None = None
    """Where the procedure is written down for people."""
    steps: tuple[ProcedureStep, ...] = ()
    """In the order of the phases: prepare, restore, verify, finish."""


# The whole -------------------------------------------------------------------------------------


class Document(Settings):
    """The file, as it is written."""

    version: Literal[1]
    timezone: Text = "UTC"
    """For people who have none in Slack; evidence is UTC."""
    command: Text = "/rollback"
    """When another app owns /rollback."""
    incident_channels: tuple[Text, ...] = ()
    """Names, ids, or names with * where requests are taken. Absent: any channel the bot is in."""
    audit_channel: Text | None = None
    """Every request is copied here."""
    public_url: Annotated[Text, AfterValidator(_no_trailing_slash)] | None = None
    """Where browsers reach the bot. Absent: no links."""
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

    def human(self, account: str, email: str | None = None) -> Human | None:
        """Who stands behind an account, or a *verified* e-mail. None: nobody in `people`."""
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

    def members(self, group: str) -> tuple[str, ...]:
        """Account ids of a group that is listed here; of a Slack user group only Slack knows."""
        ids = (account for ref in self.groups[group].members for account in self.account_ids(ref))
        return tuple(dict.fromkeys(ids))


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
