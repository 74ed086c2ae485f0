"""One grammar for the slash command and the mention: text to a command, or to what was misunderstood.

Pure: what is known comes in as arguments. Nothing is guessed: a name that is nearly right is asked
about. Texts leave out the command's own name, which is configurable and absent in a mention. Times
are in the person's own zone; who may do what is in `policy`, whether a point exists in the executors.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from bot.model import Live
from bot.spelling import LONGEST_WORD, Misunderstood, Unclear, nearest, short
from bot.times import CLOCK, time_of

LONGEST_REASON = 500  # characters; a longer one is shortened, and says so


# Commands --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenModal:
    pass


@dataclass(frozen=True, slots=True)
class Ask:
    """Roll `target` back. At most one of `point` and `before` is set; neither: choose in the modal."""

    target: str
    point: str | None = None  # as typed
    before: datetime | None = None  # UTC, not later than now
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ListPoints:
    target: str


@dataclass(frozen=True, slots=True)
class ListTargets:
    pass


@dataclass(frozen=True, slots=True)
class Status:
    run: str | None = None  # None: every open run


@dataclass(frozen=True, slots=True)
class History:
    target: str | None = None  # None: of all targets


@dataclass(frozen=True, slots=True)
class Help:
    pass


@dataclass(frozen=True, slots=True)
class Cancel:
    run: str


@dataclass(frozen=True, slots=True)
class Undo:
    run: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Resolve:
    """What somebody saw to be live, or of a step that is no restore: whether it was done.

    `point` is None except with POINT; there it is None for "it was done".
    """

    run: str
    live: Live
    point: str | None
    because: str


Command: TypeAlias = (
    OpenModal | Ask | ListPoints | ListTargets | Status | History | Help | Cancel | Undo | Resolve
)


@dataclass(frozen=True, slots=True)
class Verb:
    """A row of the help."""

    name: str  # "" for the request itself, which has no verb
    usage: str
    meaning: str


VERBS = (
    Verb("", "", "open the form; nothing happens until somebody else approves"),
    Verb("", "TARGET [to POINT|before TIME] [because REASON]", "ask for a rollback"),
    Verb("points", "points TARGET", "what a target can go back to"),
    Verb("targets", "targets", "what can be taken back"),
    Verb("status", "status [RUN]", "what is going on, or where a run stands"),
    Verb("history", "history [TARGET]", "earlier runs"),
    Verb("cancel", "cancel RUN", "end a request; a running one stops before its next step"),
    Verb("undo", "undo RUN [because REASON]", "ask to take a rollback back"),
    Verb(
        "resolve",
        "resolve RUN live POINT|unchanged|unclear because REASON",
        "say what is live when the bot cannot know; two people must agree",
    ),
    Verb(
        "resolve",
        "resolve RUN done|unchanged|unclear because REASON",
        "the same when it only cannot know whether maintenance or an undo point worked",
    ),
    Verb("help", "help", "this list"),
)
NOW = frozenset(verb.name for verb in VERBS if verb.name)
LATER = frozenset({"drill", "drills", "snapshot", "freeze", "break-glass", "report"})
KEYWORDS = frozenset({"to", "before", "because"})
RESERVED = NOW | LATER | KEYWORDS  # no target may be named so


# Reading ---------------------------------------------------------------------------------------


def parse(text: str, known_targets: Collection[str], now: datetime, timezone: str) -> Command | Misunderstood:
    """Returns what `text`, plain and in one line, asks for. `timezone` is the person's; `now` is aware."""
    words, reason = _words(text)
    try:
        return _command(_Request(words, reason, known_targets, now, timezone))
    except Unclear as unclear:
        return unclear.misunderstood


@dataclass(frozen=True, slots=True)
class _Request:
    words: tuple[str, ...]
    reason: str | None  # None: nobody wrote `because`
    targets: Collection[str]
    now: datetime
    timezone: str

    def retyped(self, *words: str) -> str:
        """These words with the reason that was given: an example that loses nothing."""
        because = ("because", _reason(self)) if self.reason else ()
        return " ".join((*map(_quoted, words), *because))


def _command(request: _Request) -> Command:
    if not request.words:
        if request.reason is not None:
            raise Unclear("Say first what to roll back.", request.retyped(_any_target(request)))
        return OpenModal()
    verb = request.words[0].casefold()
    if verb in _READERS:
        return _READERS[verb](request)
    if verb in LATER:
        raise Unclear(f"`{verb}` does not work yet.", "help")
    if verb in KEYWORDS:
        example = request.retyped(_any_target(request), *request.words)
        raise Unclear(f"Say what to roll back, and then `{verb}`.", example)
    return _ask(request)


def _ask(request: _Request) -> Ask:
    target = _target(request, 0, verbs=True)
    reason = _reason(request)
    match [word.casefold() for word in request.words[1:]]:
        case []:
            return Ask(target, reason=reason)
        case ["to"]:
            words = "Say which restore point to go to; `points` lists them."
            raise Unclear(words, f"points {target}")
        case ["to", point] if CLOCK.fullmatch(point):  # no backend names its points so
            words = f"`{point}` looks like a time. Write `before` for a time and `to` for a restore point."
            raise Unclear(words, request.retyped(target, "before", point))
        case ["to", _]:
            return Ask(target, point=_point(request.words[2], f"points {target}"), reason=reason)
        case ["to", *_]:
            raise _left_over(request, 3)
        case ["before"]:
            raise Unclear("Say before when.", request.retyped(target, "before", "14:05"))
        case ["before", *_]:
            before = _before(request, target)
            return Ask(target, before=before, reason=reason)
    raise _left_over(request, 1)


def _points(request: _Request) -> ListPoints:
    if len(request.words) == 1:
        raise Unclear("Say of which target.", f"points {_any_target(request)}")
    target = _target(request, 1)
    _nothing_after(request, 2)
    return ListPoints(target)


def _targets(request: _Request) -> ListTargets:
    _nothing_after(request, 1)
    return ListTargets()


def _status(request: _Request) -> Status:
    if len(request.words) == 1:
        _nothing_after(request, 1)
        return Status()
    if request.words[1].casefold() in request.targets:
        words = "`status` takes a run like RB-42; `history` takes a target."
        raise Unclear(words, f"history {request.words[1].casefold()}", "history")
    run = _run(request)
    _nothing_after(request, 2)
    return Status(run)


def _history(request: _Request) -> History:
    target = _target(request, 1) if len(request.words) > 1 else None
    _nothing_after(request, 2)
    return History(target)


def _help(request: _Request) -> Help:
    return Help()


def _cancel(request: _Request) -> Cancel:
    run = _run(request)
    _nothing_after(request, 2)
    return Cancel(run)


def _undo(request: _Request) -> Undo:
    run = _run(request)
    if len(request.words) > 2:
        raise _left_over(request, 2)
    return Undo(run, _reason(request))


def _resolve(request: _Request) -> Resolve:
    run = _run(request)
    reason = _reason(request)
    match [word.casefold() for word in request.words[2:]]:
        case ["live", answer]:
            live = _ANSWERS.get(answer, Live.POINT)
            point = _point(request.words[3], f"status {run}") if live is Live.POINT else None
        case ["done"]:
            live, point = Live.POINT, None
        case [answer] if answer in _ANSWERS:
            live, point = _ANSWERS[answer], None
        case _:
            words = "Say what is live: `live` and a restore point, or `done`, `unchanged` or `unclear`."
            raise Unclear(words, f"resolve {run} live unchanged because …")
    if not reason:
        words = "Say how you know, after `because`: somebody else must agree with it."
        raise Unclear(words, f"{' '.join(map(_quoted, request.words))} because …")
    return Resolve(run, live, point, reason)


_ANSWERS: Mapping[str, Live] = {"unchanged": Live.BEFORE, "unclear": Live.UNKNOWN}
_READERS: Mapping[str, Callable[[_Request], Command]] = {
    "points": _points,
    "targets": _targets,
    "status": _status,
    "history": _history,
    "help": _help,
    "cancel": _cancel,
    "undo": _undo,
    "resolve": _resolve,
}


# Parts of a command ----------------------------------------------------------------------------

_RUN = re.compile(r"(?:rb-?|#)?0*([1-9][0-9]{0,11})", re.IGNORECASE)


def _target(request: _Request, at: int, *, verbs: bool = False) -> str:
    """The known target at this word. `verbs`: a verb may have been meant as well."""
    typed = request.words[at]
    if typed.casefold() in request.targets:
        return typed.casefold()
    meant = nearest(typed, (*request.targets, *(NOW if verbs else ())))
    what = "target or command" if verbs else "target"
    if meant is None:
        raise Unclear(
            f"I know no {what} `{short(typed)}`; `targets` lists what can be taken back.", "targets"
        )
    words = f"I know no {what} `{short(typed)}`. Did you mean `{meant}`?"
    raise Unclear(words, request.retyped(*request.words[:at], meant, *request.words[at + 1 :]), meant)


def _run(request: _Request) -> str:
    verb = request.words[0].casefold()
    typed = request.words[1] if len(request.words) > 1 else ""
    match = _RUN.fullmatch(typed)
    if match is None:
        words = f"`{short(typed)}` is no run" if typed else "Say which run"
        raise Unclear(f"{words}; they are named like RB-42, and `status` lists them.", f"{verb} RB-42")
    return f"RB-{match[1]}"


def _reason(request: _Request) -> str:
    reason = request.reason or ""
    if len(reason) <= LONGEST_REASON:
        return reason
    note = f"… (shortened from {len(reason)} characters)"
    return reason[: LONGEST_REASON - len(note)] + note


def _point(typed: str, example: str) -> str:
    if len(typed) > LONGEST_WORD:
        raise Unclear(f"`{short(typed)}` is too long for a restore point; `points` lists them.", example)
    return typed


def _nothing_after(request: _Request, count: int) -> None:
    if len(request.words) > count or request.reason is not None:
        raise _left_over(request, count)


def _left_over(request: _Request, count: int) -> Unclear:
    """Words that belong to nothing: a slip of the pen, or a reason without its `because`."""
    known, rest = request.words[:count], request.words[count:]
    left = short(" ".join(rest) or "because")
    if known[0].casefold() in NOW - {"undo"}:
        return Unclear(f"I do not know what to do with `{left}` there.", " ".join(map(_quoted, known)))
    meant = nearest(rest[0], KEYWORDS, likeness=0.7)
    if meant is not None and meant != rest[0].casefold():
        words = f"I do not know `{short(rest[0])}`. Did you mean `{meant}`?"
        return Unclear(words, request.retyped(*known, meant, *rest[1:]), meant)
    words = f"I do not know what to do with `{left}`. A reason comes after `because`."
    reason = " ".join((*rest, request.reason or ""))[:LONGEST_REASON].strip()
    return Unclear(words, f"{' '.join(map(_quoted, known))} because {reason}")


def _any_target(request: _Request) -> str:
    """For examples. Which of several is for the person to say."""
    return next(iter(request.targets)) if len(request.targets) == 1 else "TARGET"


def _quoted(word: str) -> str:
    return f'"{word}"' if not word or re.search(r"\s", word) else word


# Words ----------------------------------------------------------------------------------------

_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "‘": "’", "«": "»"}
_IN_QUOTES = "|".join(f"{a}([^{a}{b}]{{0,{LONGEST_WORD}}}){b}" for a, b in _QUOTES.items())
_WORD = re.compile(rf"(?:{_IN_QUOTES})(?!\S)|(\S+)")
_STRAY = "".join((*_QUOTES.keys(), *_QUOTES.values(), ",;!?"))


def _words(text: str) -> tuple[tuple[str, ...], str | None]:
    """The words before `because`, and the reason after it. Quotes hold a word together."""
    words: list[str] = []
    for match in _WORD.finditer(text):
        bare = match[0] if match[match.lastindex or 0] == match[0] else None
        if bare is not None and bare.casefold().rstrip(":") == "because":
            return tuple(words), _unquoted(" ".join(text[match.end() :].split()))
        word = match[match.lastindex or 0] if bare is None else bare.strip(_STRAY)
        if word:
            words.append(" ".join(word.split()))
    return tuple(words), None


def _unquoted(reason: str) -> str:
    """Without quotes around the whole of it."""
    inside = reason[1:-1]
    wrapped = len(reason) > 1 and _QUOTES.get(reason[0]) == reason[-1]
    return inside.strip() if wrapped and not {reason[0], reason[-1]} & set(inside) else reason


def _before(request: _Request, target: str) -> datetime:
    at = time_of(" ".join(request.words[2:]), request.now, request.timezone)
    if isinstance(at, Misunderstood):
        raise Unclear(at.words, request.retyped(target, "before", *at.example.split()))
    return at
