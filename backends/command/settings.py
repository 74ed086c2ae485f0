"""Settings of programs of the operator's own: an executor made of them, and a check that runs one."""

from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from bot.configuration.settings import CheckSettings, ExecutorSettings
from bot.configuration.values import Argv, Environment, Settings, Text, Wait, Word

# Those of the spool, which is too heavy for here.
PLACES: Final = ("op", "point", "fingerprint", "expected", "undo", "handle", "keep_until")
CURSOR: Final = "cursor"  # where the next page begins; only `points` has pages
LONGEST_NAME_CHARACTERS: Final = 40


def _with(*filled: str) -> Callable[[str], str]:
    """Refuses a placeholder that the executor could not fill in: that would end a run which was approved."""

    def checked(word: str) -> str:
        for name in (*PLACES, CURSOR):
            place = f"{{{name}}}"
            if place not in word or (word == place and name in filled):
                continue
            if not filled:
                raise PydanticCustomError("place", "must be without placeholders")
            if name in filled:
                raise PydanticCustomError(
                    "place", "`{place}` must be an argument of its own", {"place": place}
                )
            known = ", ".join(f"`{{{each}}}`" for each in filled)
            raise PydanticCustomError("place", "can only be filled in with {known}", {"known": known})
        return word

    return checked


def _named(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Refuses a program that an answer would choose."""
    if argv[0] in {f"{{{name}}}" for name in (*PLACES, CURSOR)}:
        raise PydanticCustomError("program", "must begin with the name of a program")
    return argv


def _with_one_cursor(argv: tuple[str, ...]) -> tuple[str, ...]:
    if argv.count(f"{{{CURSOR}}}") > 1:
        raise PydanticCustomError("cursor", "must hold `{place}` once", {"place": f"{{{CURSOR}}}"})
    return argv


_WHOLE: Final = (Field(min_length=1), AfterValidator(_named))

FixedArgv: TypeAlias = Annotated[tuple[Annotated[Word, AfterValidator(_with())], ...], *_WHOLE]
PagedArgv: TypeAlias = Annotated[
    tuple[Annotated[Word, AfterValidator(_with(CURSOR))], ...], *_WHOLE, AfterValidator(_with_one_cursor)
]
OpArgv: TypeAlias = Annotated[tuple[Annotated[Word, AfterValidator(_with("op"))], ...], *_WHOLE]
PointArgv: TypeAlias = Annotated[tuple[Annotated[Word, AfterValidator(_with("point"))], ...], *_WHOLE]
RestoreArgv: TypeAlias = Annotated[
    tuple[
        Annotated[Word, AfterValidator(_with("op", "point", "fingerprint", "expected", "undo", "handle"))],
        ...,
    ],
    *_WHOLE,
]
PrepareArgv: TypeAlias = Annotated[
    tuple[
        Annotated[Word, AfterValidator(_with("op", "point", "fingerprint", "expected", "keep_until"))], ...
    ],
    *_WHOLE,
]
SaveArgv: TypeAlias = Annotated[
    tuple[Annotated[Word, AfterValidator(_with("op", "expected", "keep_until"))], ...], *_WHOLE
]
DropArgv: TypeAlias = Annotated[tuple[Annotated[Word, AfterValidator(_with("op", "handle"))], ...], *_WHOLE]


class ArgvCall(Settings):
    """One program and its arguments. No shell; `{point}` and `{op}` are filled in, as whole arguments."""

    argv: FixedArgv
    timeout: Wait = 30.0
    name: Annotated[Text, Field(max_length=LONGEST_NAME_CHARACTERS)] | None = None
    """The name under which people read of this program. Absent: that of its file, never an argument."""


class PagedCall(ArgvCall):
    argv: PagedArgv
    timeout: Wait = 30.0
    """Time limit of all pages together."""


class OpCall(ArgvCall):
    argv: OpArgv


class PointCall(ArgvCall):
    argv: PointArgv


class ActingCall(ArgvCall):
    """A program that may change something, and may have credentials for that."""

    # Not called `environment`: programs are looked up by the PATH of all, which has that name around it.
    variables: Environment = Field(default_factory=dict, alias="environment")
    """Variables that this program sees beside those of all, and nobody else. The place for a secret."""


class RestoreCall(ActingCall):
    argv: RestoreArgv
    timeout: Wait = 900.0


class PrepareCall(ActingCall):
    argv: PrepareArgv
    timeout: Wait = 3_600.0


class SaveCall(ActingCall):
    argv: SaveArgv
    timeout: Wait = 900.0


class DropCall(ActingCall):
    argv: DropArgv
    timeout: Wait = 900.0


class CancelCall(ActingCall):
    argv: OpArgv


class CommandSettings(ExecutorSettings):
    """Programs of your own that answer in JSON on standard output."""

    type: Literal["command"]
    points: PagedCall
    """Prints [{"id", "label", "created_at", "author"}, …], newest first, or {"points": […], "next": null}.

    It is called again with `next` as `{cursor}` while there is one. The first call has no cursor: that
    argument is left out then, and with it an option directly before it, as in `--after {cursor}`.

    A point may also have "fingerprint" (of its content: another one voids the plan), "live"
    [{"since", "until"}] (when it was what ran) and "kind" (backup, undo).
    """
    current: ArgvCall
    """Prints {"id"} of what is live now, and may print "since", "author", "fingerprint", and "token".

    The token says what exactly would be changed and where; without one it is the id.
    """
    restore: RestoreCall
    """Goes to `{point}`. Exit code 0 means it is there.

    `{fingerprint}` is what was approved of the point, `{expected}` the token of what must still be live:
    a program that takes them can refuse at the last moment. `{undo}` is what `save` has kept, `{handle}` the
    copy that `prepare` has made.
    """
    prepare: PrepareCall | None = None
    """Makes a copy of `{point}` beside what is live, before maintenance goes on. Touches nothing live.

    Its last line may be {"id"}, which is `{handle}` from then on; without one `{handle}` is its `{op}`.
    `{keep_until}` is when the copy may go at the earliest.
    """
    save: SaveCall | None = None
    """Keeps what is live, so that it can be gone back to: its last line is {"id"}, a point of `points`.

    Without it the point that is live is the way back. `{keep_until}` is when it may go at the earliest.
    """
    drop: DropCall | None = None
    """Removes `{handle}`: a copy that is not needed any more, or what `save` has kept, after `undo_days`.

    Exit code 0 means that it is gone, also when it was gone before.
    """
    find: OpCall | None = None
    """Prints {"state": "absent|in_flight|done|failed|unknown"} of `{op}`. Absent: our own spool decides."""
    cancel: CancelCall | None = None
    """Ends `{op}` early."""
    measure: PointCall | None = None
    """Prints {"seconds", "units": [{"name", "count"}]}: what going to `{point}` would lose now.

    A unit may also have "change": new (written since, the default), changed (gets its earlier value) or
    returns (deleted since, comes back); and "measure": count (the default) or bytes.
    """
    environment: Environment = Field(default_factory=dict)
    """Variables that all these programs see, and nobody else. The place for a secret that may only look.

    What may act stands in the `environment` of `restore`, `prepare`, `save`, `drop` or `cancel`, for that
    program alone. A reference is read whenever a program is started.
    """


class CommandCheckSettings(CheckSettings):
    """Passed when the program ends with exit code 0."""

    type: Literal["command"]
    argv: Argv
    beside: bool = False
    """Whether it looks at the copy of a drill where ROLLBACK_COPY is set, and then at nothing else."""
    environment: Environment = Field(default_factory=dict)
    """Variables that this program sees, and nobody else. The place for a secret."""
