"""Values that have hurt other programs."""

import random
from typing import Any

TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\u202egro.tset\u202c",  # reads backwards
    "\u200b\u200d\ufeff",  # cannot be seen
    "ѕhop",  # a Cyrillic letter
    "ｓｈｏｐ",
    "e\u0301" * 50,
    "\U0001f469\u200d\U0001f680",
    "\ud800",  # half a character
    "<!channel>",
    "<!everyone|all>",
    "<@U01BEN>",
    "<https://evil.example|https://bank.example>",
    "*_~`>",
    "```",
    "&lt;!channel&gt;",
    "--help",
    "-rf /",
    "--op=../../etc",
    "$(reboot)",
    "`reboot`",
    "; reboot #",
    "| cat /etc/passwd",
    "../../../etc/passwd",
    "..%2f..%2fetc",
    "%s%n%x",
    "{point}{op}{0.__class__}",
    "{{7*7}}",
    "' or 1=1 --",
    '"; drop table runs; --',
    "\r\nX-Slack-Signature: v0=00",
    "null",
    "true",
    "NaN",
    "RB-1",
    "RB-0",
    "RB-99999999999999999999",
    "rb-١",  # a digit that is none of ours
    "before 25:61",
    "shop to v41 before 14:05",
    "cancel RB-1",
    "resolve RB-1 live unchanged because I say so",
    "payload=%7B%7D",
    "x" * 3_001,
    "\u202e" * 5_000,
    "x" * 100_000,
)
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**300, 0.5, -0.0, 1e308, True, False)


def nested(depth: int) -> Any:
    value: Any = "x"
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def any_value(chance: random.Random) -> Any:
    """Of any type JSON has."""
    kind = chance.randrange(8)
    if kind < 4:
        return any_text(chance)
    if kind == 4:
        return chance.choice(NUMBERS)
    if kind == 5:
        return nested(chance.choice((1, 2, 20, 40, 200)))
    return chance.choice((None, [], {}, [None], [[]], {"id": []}, {"": ""}, [any_text(chance)] * 3))


def any_text(chance: random.Random) -> str:
    if chance.random() < 0.7:
        return chance.choice(TEXTS)
    return "".join(chr(_code_point(chance)) for _ in range(chance.randrange(1, 40)))


def _code_point(chance: random.Random) -> int:
    ceiling = chance.choice((0x20, 0x7F, 0x250, 0x2100, 0xFFFF, 0x10FFFF))
    return chance.randrange(ceiling + 1)
