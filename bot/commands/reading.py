"""What the readers of all commands share: the words of a sentence, and what a known part of it looks like."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from bot.spelling import LONGEST_WORD_CHARACTERS, Unclear, asked_about, nearest, short

LONGEST_REASON_CHARACTERS = 500  # a longer one is shortened, and says so
KEYWORDS = frozenset({"to", "before", "because"})


@dataclass(frozen=True, slots=True)
class TypedCommand:
    """The base of the values that are read from words, one class a command."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """The words that were typed, and what is known beside them."""

    words: tuple[str, ...]
    reason: str | None  # None: nobody wrote `because`
    targets: Collection[str]
    verbs: Collection[str]  # every one that works
    now: datetime
    timezone: str
    calendar: str = "UTC"  # the zone in which days begin for everybody

    def retyped(self, *words: str) -> str:
        """These words with the reason that was given: an example that loses nothing."""
        because = ("because", reason_of(self)) if self.reason else ()
        return " ".join((*map(quoted, words), *because))


@dataclass(frozen=True, slots=True)
class Usage:
    """A row of the help."""

    typed: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Verb:
    """A row of the table of commands."""

    name: str  # the first word; empty: it has no verb
    yields: type[TypedCommand]
    read: Callable[[Sentence], TypedCommand]  # raises Unclear
    help: tuple[Usage, ...]
    press: str | None = None  # the action id of the press that it is another way to


# Parts of a command ----------------------------------------------------------------------------

_RUN = re.compile(r"(?:rb-?|#)?0*([1-9][0-9]{0,11})", re.IGNORECASE)


def target_at(sentence: Sentence, at: int, *, verbs: bool = False) -> str:
    """Returns the known target at this word. `verbs`: a verb may have been meant as well."""
    typed = sentence.words[at]
    if typed.casefold() in sentence.targets:
        return typed.casefold()
    meant = nearest(typed, (*sentence.targets, *(sentence.verbs if verbs else ())))
    what = "target or command" if verbs else "target"
    if meant is None:
        raise Unclear(
            f"I know no {what} `{short(typed)}`; `targets` lists what can be taken back.", "targets"
        )
    words = f"I know no {what} `{short(typed)}`. {asked_about(meant)}"
    raise Unclear(words, sentence.retyped(*sentence.words[:at], meant, *sentence.words[at + 1 :]), meant)


def run_of(sentence: Sentence) -> str:
    """Returns the run that stands behind the verb."""
    verb = sentence.words[0].casefold()
    typed = sentence.words[1] if len(sentence.words) > 1 else ""
    match = _RUN.fullmatch(typed)
    if match is None:
        words = f"`{short(typed)}` is no run" if typed else "Say which run"
        raise Unclear(f"{words}; they are named like RB-42, and `status` lists them.", f"{verb} RB-42")
    return f"RB-{match[1]}"


def reason_of(sentence: Sentence) -> str:
    reason = sentence.reason or ""
    if len(reason) <= LONGEST_REASON_CHARACTERS:
        return reason
    note = f"… (shortened from {len(reason)} characters)"
    return reason[: LONGEST_REASON_CHARACTERS - len(note)] + note


def point_of(typed: str, example: str) -> str:
    if len(typed) > LONGEST_WORD_CHARACTERS:
        raise Unclear(f"`{short(typed)}` is too long for a restore point; `points` lists them.", example)
    return typed


def nothing_after(sentence: Sentence, count: int) -> None:
    """Refuses more words than that, and a reason: this command takes none."""
    if len(sentence.words) > count or sentence.reason is not None:
        known, rest = sentence.words[:count], sentence.words[count:]
        left = short(" ".join(rest) or "because")
        raise Unclear(f"I do not know what to do with `{left}` there.", " ".join(map(quoted, known)))


def left_over(sentence: Sentence, count: int) -> Unclear:
    """Returns what to say about words that fit nowhere: a slip of the pen, or a reason without `because`."""
    known, rest = sentence.words[:count], sentence.words[count:]
    left = short(" ".join(rest) or "because")
    meant = nearest(rest[0], KEYWORDS, likeness=0.7)
    if meant is not None and meant != rest[0].casefold():
        words = f"I do not know `{short(rest[0])}`. {asked_about(meant)}"
        return Unclear(words, sentence.retyped(*known, meant, *rest[1:]), meant)
    words = f"I do not know what to do with `{left}`. A reason comes after `because`."
    reason = " ".join((*rest, sentence.reason or ""))[:LONGEST_REASON_CHARACTERS].strip()
    return Unclear(words, f"{' '.join(map(quoted, known))} because {reason}")


def any_target(sentence: Sentence) -> str:
    """Returns a target for an example. Which of several it is, is for the person to say."""
    return next(iter(sentence.targets)) if len(sentence.targets) == 1 else "TARGET"


def quoted(word: str) -> str:
    return f'"{word}"' if not word or re.search(r"\s", word) else word


# Words -----------------------------------------------------------------------------------------

_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "‘": "’", "«": "»"}
_IN_QUOTES = "|".join(f"{a}([^{a}{b}]{{0,{LONGEST_WORD_CHARACTERS}}}){b}" for a, b in _QUOTES.items())
_WORD = re.compile(rf"(?:{_IN_QUOTES})(?!\S)|(\S+)")
_STRAY = "".join((*_QUOTES.keys(), *_QUOTES.values(), ",;!?"))


def split(text: str) -> tuple[tuple[str, ...], str | None]:
    """Returns the words before `because`, and the reason after it. Quotes hold a word together."""
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
    """Takes away quotes that stand around the whole of it."""
    inside = reason[1:-1]
    wrapped = len(reason) > 1 and _QUOTES.get(reason[0]) == reason[-1]
    return inside.strip() if wrapped and not {reason[0], reason[-1]} & set(inside) else reason
