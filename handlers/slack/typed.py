"""Text as Slack sends it, to the plain text that a reader would see."""

import re

from bot.spelling import visible

_ADDRESSED = re.compile(r"\s*<@[UW][A-Z0-9]+(?:\|[^<>]*)?>[\s:,]*")
_WRAPPED = re.compile(r"<([^<>]*)>")


def plain(text: str) -> str:
    """Returns what a reader would see: no mention of the bot in front, no markup, nothing invisible."""
    seen = visible(text)
    if addressed := _ADDRESSED.match(seen):
        seen = seen[addressed.end() :]
    seen = _WRAPPED.sub(_unwrapped, seen).replace("<", "").replace(">", "")
    return seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _unwrapped(match: re.Match[str]) -> str:
    """Slack's own markup as harmless text: nobody is called by it, and no link hides behind a label."""
    what, _, label = match[1].partition("|")
    match what[:1]:
        case "@" | "#":
            return what[0] + (label or what[1:]).lstrip("@#")
        case "!":
            return (label or what[1:]).lstrip("@")
        case _ if not label or what.endswith(label):  # Slack makes links of names like orders.db
            return label or what
        case _:
            return f"{label} ({what})"
