"""A small language for saying what JSON must look like, with Slack's words for what is wrong.

A check gets a value and the JSON pointer to it, and adds what it finds. composition.py, rich_text.py and
limits.py are written in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from workspace.slack.wire import Json

PLAIN = "plain_text"
MRKDWN = "mrkdwn"


@dataclass(slots=True)
class Findings:
    found: list[tuple[str, str]] = field(default_factory=list)  # (what is wrong, JSON pointer)

    def add(self, words: str, pointer: str) -> None:
        self.found.append((words, pointer))

    def lines(self) -> list[str]:
        return [f"{words} [json-pointer:{pointer}]" for words, pointer in self.found]


Check = Callable[[object, str, Findings], None]
Rule = Callable[[Json, str, Findings], None]  # about several keys of one object


def words(most: int | None = None, least: int = 1) -> Check:
    """A string of so many characters."""

    def check(value: object, at: str, findings: Findings) -> None:
        if not isinstance(value, str):
            findings.add("must provide a string", at)
        elif len(value) < least:
            findings.add(f"must be more than {least - 1} characters", at)
        elif most is not None and len(value) > most:
            findings.add(f"must be less than {most + 1} characters", at)

    return check


def one_of(*allowed: object) -> Check:
    def check(value: object, at: str, findings: Findings) -> None:
        if value not in allowed:
            findings.add("must be a valid enum value", at)

    return check


def flag(value: object, at: str, findings: Findings) -> None:
    if not isinstance(value, bool):
        findings.add("must provide a boolean", at)


def number(least: float | None = None, most: float | None = None) -> Check:
    def check(value: object, at: str, findings: Findings) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            findings.add("must provide a number", at)
        elif (least is not None and value < least) or (most is not None and value > most):
            findings.add(f"must be between {least} and {most}", at)

    return check


def listed(item: Check, most: int, least: int = 1) -> Check:
    def check(value: object, at: str, findings: Findings) -> None:
        if not isinstance(value, list):
            findings.add("must provide an array", at)
            return
        if len(value) > most:
            findings.add(f"no more than {most} items allowed", at)
        if len(value) < least:
            findings.add(f"no less than {least} items required", at)
        for index, each in enumerate(value):
            item(each, f"{at}/{index}", findings)

    return check


def shape(required: Mapping[str, Check], optional: Mapping[str, Check], *rules: Rule) -> Check:
    """An object with these keys and no others."""
    known = {**required, **optional}

    def check(value: object, at: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.add("must provide an object", at)
            return
        for key in required:
            if value.get(key) is None:
                findings.add(f"missing required field: {key}", at)
        for key, held in value.items():
            if key not in known:
                findings.add(f"invalid additional property: {key}", at)
            elif held is not None or key not in required:
                known[key](held, f"{at}/{key}", findings)
        for rule in rules:
            rule(value, at, findings)

    return check


def by_type(kinds: Mapping[str, Check]) -> Check:
    """An object whose `type` says which of these it must be."""

    def check(value: object, at: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.add("must provide an object", at)
        elif "type" not in value:
            findings.add("missing required field: type", at)
        elif value["type"] not in kinds:
            findings.add(f"unsupported type: {value['type']}", f"{at}/type")
        else:
            kinds[value["type"]](value, at, findings)

    return check


def typed(type: str, required: Mapping[str, Check], optional: Mapping[str, Check], *rules: Rule) -> Check:
    return shape({"type": one_of(type), **required}, optional, *rules)


def text(most: int, *types: str) -> Check:
    """A text object, of either type unless said otherwise."""
    body = words(most)
    kinds = {
        PLAIN: typed(PLAIN, {"text": body}, {"emoji": flag}),
        MRKDWN: typed(MRKDWN, {"text": body}, {"verbatim": flag}),
    }
    return by_type({type: kinds[type] for type in types or kinds})


def exactly_one(*keys: str) -> Rule:
    def check(value: Json, at: str, findings: Findings) -> None:
        if sum(key in value for key in keys) != 1:
            findings.add(f"must define either {' or '.join(f'`{key}`' for key in keys)}", at)

    return check


def at_least_one(*keys: str) -> Rule:
    def check(value: Json, at: str, findings: Findings) -> None:
        if not any(value.get(key) for key in keys):
            findings.add(f"must define either {' or '.join(f'`{key}`' for key in keys)}", f"{at}/type")

    return check
