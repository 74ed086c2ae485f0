"""What a rich_text block may hold: sections, lists, quotes and preformatted text, with their leaves."""

from typing import Final

from workspace.slack.composition import MANY
from workspace.slack.schema import Check, by_type, flag, listed, number, one_of, shape, typed, words

_STYLE: Final = shape({}, dict.fromkeys(("bold", "italic", "strike", "underline", "code", "highlight"), flag))


def _leaf(type: str, required: dict[str, Check], optional: dict[str, Check]) -> Check:
    return typed(type, required, {**optional, "style": _STYLE})


_LEAF: Final = by_type(
    {
        "text": _leaf("text", {"text": words()}, {}),
        "link": _leaf("link", {"url": words(3000)}, {"text": words(), "unsafe": flag}),
        "user": _leaf("user", {"user_id": words()}, {}),
        "usergroup": _leaf("usergroup", {"usergroup_id": words()}, {}),
        "channel": _leaf("channel", {"channel_id": words()}, {}),
        "broadcast": _leaf("broadcast", {"range": one_of("here", "channel", "everyone")}, {}),
        "emoji": _leaf("emoji", {"name": words()}, {"unicode": words(), "skin_tone": number(1, 6)}),
        "date": _leaf(
            "date", {"timestamp": number(0), "format": words()}, {"url": words(3000), "fallback": words()}
        ),
    }
)
_LEAVES: Final = listed(_LEAF, MANY, least=0)
_BORDER: Final = number(0, 1)
_SECTION: Final = typed("rich_text_section", {"elements": _LEAVES}, {})

RICH_TEXT_PARTS: Final = by_type(
    {
        "rich_text_section": _SECTION,
        "rich_text_list": typed(
            "rich_text_list",
            {"style": one_of("bullet", "ordered"), "elements": listed(_SECTION, MANY)},
            {"indent": number(0, 8), "offset": number(0), "border": _BORDER},
        ),
        "rich_text_preformatted": typed(
            "rich_text_preformatted", {"elements": _LEAVES}, {"border": _BORDER, "language": words()}
        ),
        "rich_text_quote": typed("rich_text_quote", {"elements": _LEAVES}, {"border": _BORDER}),
    }
)
