"""Typed words and known names: what is seen of a word, which name was meant, how a sentence says both."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

LONGEST_WORD_CHARACTERS = 200  # no name, point or run id is longer
SHORT_CHARACTERS = 60  # of a typed word that are said back
UNSEEN = frozenset({"Cc", "Cf", "Cs"})  # categories: control, format (bidi, zero width), half characters


@dataclass(frozen=True, slots=True)
class Misunderstood:
    words: str  # one sentence, or a sentence and a question
    example: str  # what to type instead, without the command's own name
    suggestion: str | None = None  # the nearest name or verb, when something nearly right was typed


class Unclear(Exception):
    """Ends the reading of what was typed; the reader's public functions return its `misunderstood`."""

    def __init__(self, words: str, example: str, suggestion: str | None = None) -> None:
        self.misunderstood = Misunderstood(words, example, suggestion)


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The one name that was probably meant, to be asked about. `likeness`: from 0 to 1."""
    by_folded = {name.casefold(): name for name in known}
    close = near(word.casefold(), by_folded, 1, likeness)
    return by_folded[close[0]] if close else None


def near(word: str, names: Iterable[str], at_most: int, likeness: float = 0.6) -> list[str]:
    """Returns the names that look like the word, the most alike first. Upper and lower case are different."""
    return get_close_matches(word[:LONGEST_WORD_CHARACTERS], list(names), n=at_most, cutoff=likeness)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns the question to put behind a sentence, a space before it; empty when no known name is near."""
    meant = nearest(word, known)
    return f" {asked_about(meant)}" if meant else ""


def asked_about(meant: str) -> str:
    return f"Did you mean `{meant}`?"


def visible(text: str) -> str:
    """Line breaks and tabs become spaces; control and format characters go."""
    spaced = (" " if c.isspace() else c for c in text)
    seen = "".join(c for c in spaced if unicodedata.category(c) not in UNSEEN)
    return unicodedata.normalize("NFC", seen)


def short(text: str) -> str:
    """Returns the text in a form for quoting somebody in backticks."""
    text = text.replace("`", "'")
    return f"{text[:SHORT_CHARACTERS]}…" if len(text) > SHORT_CHARACTERS else text


def listed(names: Sequence[str], joint: str = "and") -> str:
    """Returns `a, b and c`."""
    if len(names) <= 1:
        return "".join(names)
    return f"{', '.join(names[:-1])} {joint} {names[-1]}"
