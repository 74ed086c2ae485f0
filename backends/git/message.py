"""The message of the commit that a restore makes: a template for people, and trailers for us.

Our own trailers say what became of an operation, so each stands there exactly once, in the last paragraph,
whatever a template, a trailer or the subject of somebody's commit brings along.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

OPERATION: Final = "Rollback-Operation"
PLAN: Final = "Rollback-Plan"
SIGNED_OFF: Final = "Signed-off-by"
TEMPLATE: Final = "Roll back {path} to {point}: {subject}"
SHORTEST: Final = "Roll back {path} to {point}"  # where a template comes to nothing
PLACES: Final = ("run", "operation", "path", "point", "subject", "undone")
MOST_UNDONE: Final = 20  # commits that a message lists

_PLACE = re.compile(r"\{(\w*)\}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,60}")
_OURS = re.compile(rf"\s*({OPERATION}|{PLAN})\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CommitMessage:
    template: str = TEMPLATE
    trailers: tuple[tuple[str, str], ...] = ()  # after ours; their values are templates, too
    sign_off: bool = False

    def filled(self, values: Mapping[str, str], operation: str, plan: str, author: str) -> str:
        """Returns the whole message. `author`: as in `Name <address>`."""
        lines = _filled(self.template, values).splitlines()
        body = "\n".join(line.rstrip() for line in lines if not _OURS.match(line)).strip("\n")
        trailers = [
            (OPERATION, operation),
            (PLAN, plan),
            *((key, " ".join(_filled(value, values).split())) for key, value in self.trailers),
            *([(SIGNED_OFF, author)] if self.sign_off else []),
        ]
        block = "\n".join(f"{key}: {value}" for key, value in trailers)
        return f"{body or _filled(SHORTEST, values)}\n\n{block}\n"


def why_not_template(text: str) -> str | None:
    unknown = [place for place in _PLACE.findall(text) if place not in PLACES]
    if unknown:
        return f"has no place {{{unknown[0]}}}: there are {', '.join(f'{{{place}}}' for place in PLACES)}"
    if not text.isprintable() and not all(line.isprintable() for line in text.split("\n")):
        return "must not hold control characters"
    return None


def why_not_trailer(key: str) -> str | None:
    if not _KEY.fullmatch(key):
        return "must be a word of A-Z, a-z, 0-9 and dashes"
    if key.lower() in (OPERATION.lower(), PLAN.lower()):
        return "is written by the bot itself"
    return None


def why_not_value(text: str) -> str | None:
    if not text.strip() or not text.isprintable():
        return "must be one line of text"
    return why_not_template(text)


def listed(undone: Sequence[tuple[str, str]]) -> str:
    """Returns a line for each commit, of its id and its subject, and how many more there are."""
    return "\n".join(_listed(undone))


def _listed(undone: Sequence[tuple[str, str]]) -> Iterable[str]:
    for commit, subject in undone[:MOST_UNDONE]:
        yield f"{commit[:8]} {subject}"
    if (more := len(undone) - MOST_UNDONE) > 0:
        yield f"and {more:,} more"


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Fills in once: what looks like a place in somebody's subject is text."""
    return _PLACE.sub(lambda place: values[place[1]], template)
