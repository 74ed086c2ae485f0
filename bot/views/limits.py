"""Slack's limits, in one file, and the builders that keep them.

No input makes an invalid block: texts are cut, lists are shortened, and only what comes back to us (ids,
values, metadata) is never cut: too long is a mistake of ours and raises ValueError. What is said is for
the other views.

"Markup" below is Slack's mrkdwn in which everything from outside went through `escape` or `code`;
`sentence` is only for sentences that we composed. Lengths are counted in UTF-16 units of the escaped text,
the strictest way to count.
Figures: docs.slack.dev, reference of blocks, composition objects and views.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.spelling import UNSEEN

Block = dict[str, Any]
View = dict[str, Any]

MESSAGE_TEXT_CHARACTERS = 4_000  # chat.update; chat.postMessage takes more
MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
VIEW_BYTES = 250_000
SECTION_TEXT_CHARACTERS = 3_000
HEADER_TEXT_CHARACTERS = 150
CONTEXT_ELEMENTS = 10
ACTIONS_ELEMENTS = 25
BUTTON_TEXT_CHARACTERS = 75
BUTTON_VALUE_CHARACTERS = 2_000
CONFIRM_TITLE_CHARACTERS = 100
CONFIRM_TEXT_CHARACTERS = 300
CONFIRM_BUTTON_CHARACTERS = 30
OPTION_TEXT_CHARACTERS = 75
OPTION_VALUE_CHARACTERS = 150
OPTIONS = 100
PLACEHOLDER_CHARACTERS = 150
LABEL_TEXT_CHARACTERS = 2_000
INPUT_TEXT_CHARACTERS = 3_000
IDENTIFIER_CHARACTERS = 255  # action_id, block_id, callback_id
VIEW_TITLE_CHARACTERS = 24
VIEW_BUTTON_CHARACTERS = 24
METADATA_CHARACTERS = 3_000

_JOINERS = "\u200c\u200d"  # Persian and family emoji need them
_TO_THE_LEFT = {"R", "AL", "AN"}  # such letters would pull our numbers beside them to their other side
_ISOLATE, _ISOLATE_END = "\u2068", "\u2069"
_BREAKS = {"\n", "\u2028", "\u2029"}
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# Signs of others that would format their text or swallow ours; an underscore within a name never does.
_FORMATS = re.compile(r"[*~`]|^>|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LOOK_ALIKES = {"*": "∗", "_": "ˍ", "~": "∼", "`": "'", ">": "›"}
_IN_CODE = "ˋ"  # a backtick that people may copy must not become a quotation mark
_STANDS_IN = "\u2060"  # unseen, after each look-alike; `clean` leaves none of others
_ORIGINALS = {shown: sign for sign, shown in _LOOK_ALIKES.items()} | {_IN_CODE: "`"}
_STAND_IN = re.compile(f"(.){_STANDS_IN}")
_TOKEN = re.compile(f"&(?:amp|lt|gt);|<[^<>]*>|.{_STANDS_IN}?", re.DOTALL)
_DATE = re.compile(r"<!date\^[^|<>]*\|([^<>]*)>")
_CODE_OR_MENTION = re.compile(r"`[^`]*`|&lt;@([UW][A-Z0-9]{1,20})&gt;")
_MARKS = re.compile(r"`([^`]*)`|[*`]")
_SLACK_ID = re.compile(r"[A-Z][A-Z0-9]{1,20}")


# Texts -----------------------------------------------------------------------------------------


def clean(text: str, *, one_line: bool = False) -> str:
    """Without control, bidi and other unseen characters; on request in one line."""
    seen = text if text.isprintable() else "".join(map(_seen, text))
    return " ".join(seen.split()) if one_line else seen.strip()


def _seen(character: str) -> str:
    if character in _BREAKS:
        return "\n"
    if character.isspace():
        return " "
    unseen = unicodedata.category(character) in UNSEEN and character not in _JOINERS
    return "" if unseen else character


def entities(text: str) -> str:
    return text.translate(_ENTITIES)


def escape(text: str, limit: int = SECTION_TEXT_CHARACTERS) -> str:
    """Markup of a text from outside, in one line: no mention, no link, no format, no power over our words.

    The signs that would format are shown by look-alikes, which `unmarked` takes back.
    """
    shown = clean(text, one_line=True)
    isolated = limit > 2 and any(unicodedata.bidirectional(character) in _TO_THE_LEFT for character in shown)
    harmless = _FORMATS.sub(lambda sign: f"{_LOOK_ALIKES[sign[0]]}{_STANDS_IN}", shown)
    markup = cut(entities(harmless), limit - 2 if isolated else limit)
    return f"{_ISOLATE}{markup}{_ISOLATE_END}" if isolated else markup


def code(text: str, limit: int = 80) -> str:
    """A text from outside that people may want to copy, in a code span."""
    inside = cut(entities(clean(text, one_line=True)).replace("`", f"{_IN_CODE}{_STANDS_IN}"), limit)
    return f"`{inside or '–'}`"


def sentence(text: str, limit: int = SECTION_TEXT_CHARACTERS) -> str:
    """A sentence that we composed: mentions of people, code spans and bold stay.

    Text from outside may stand in it only between backticks and without any, where it has no power.
    """
    markup = entities(clean(text, one_line=True)).replace("~", "∼")
    markup = re.sub("`{2,}", "`", markup)
    return cut(_CODE_OR_MENTION.sub(lambda part: f"<@{part[1]}>" if part[1] else part[0], markup), limit)


def mention(user: str) -> str:
    return f"<@{user}>" if _SLACK_ID.fullmatch(user) else escape(user, 40)


def mention_group(usergroup: str) -> str:
    return f"<!subteam^{usergroup}>" if _SLACK_ID.fullmatch(usergroup) else escape(usergroup, 40)


def mention_channel(channel: str) -> str:
    return f"<#{channel}>" if _SLACK_ID.fullmatch(channel) else escape(channel, 80)


def link(url: str | None, label: str) -> str:
    """`label` is markup. Without a web address only the label."""
    if url is None or not re.fullmatch(r"https?://[^\s<>|]+", url):
        return label
    return f"<{url.replace('&', '&amp;')}|{label}>"


def cut(markup: str, limit: int) -> str:
    """Ends with "…" when it was longer; never in the middle of an entity, a mention or a link."""
    if size(markup) <= limit:
        return markup
    kept: list[str] = []
    room = limit - 1
    for token in _TOKEN.finditer(markup):
        room -= size(token[0])
        if room < 0:
            break
        kept.append(token[0])
    return "".join(kept).rstrip() + "…"


def unmarked(markup: str) -> str:
    """Markup as plain text: dates as their UTC words, our formatting taken off, others' text unharmed."""
    words = _MARKS.sub(lambda mark: mark[1] or "", _DATE.sub(r"\1", markup))
    return _unescaped(_STAND_IN.sub(lambda shown: _ORIGINALS.get(shown[1], shown[1]), words))


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def size(text: str) -> int:
    """In UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def uncut(text: str, limit: int) -> str:
    """Something that comes back to us: another text would mean another thing."""
    if size(text) > limit:
        raise ValueError(f"{size(text)} characters where Slack takes {limit}: {text[:40]}…")
    return text


def fitting(name: str, limit: int) -> str:
    """The name itself, or its digest where Slack has no room for it."""
    return name if size(name) <= limit else "sha256:" + hashlib.sha256(name.encode()).hexdigest()


# Composition objects ---------------------------------------------------------------------------


def mrkdwn(markup: str) -> Block:
    # verbatim: Slack makes no links or mentions of its own out of what people wrote
    return {"type": "mrkdwn", "text": cut(markup, SECTION_TEXT_CHARACTERS) or "–", "verbatim": True}


def plain(text: str, limit: int) -> Block:
    shown = cut(entities(clean(text)), limit)  # Slack may count what it escapes itself
    return {"type": "plain_text", "text": _unescaped(shown) or "–", "emoji": True}


def confirm(title: str, text: str, yes: str, no: str) -> Block:
    return {
        "title": plain(title, CONFIRM_TITLE_CHARACTERS),
        "text": plain(text, CONFIRM_TEXT_CHARACTERS),
        "confirm": plain(yes, CONFIRM_BUTTON_CHARACTERS),
        "deny": plain(no, CONFIRM_BUTTON_CHARACTERS),
    }


def option(text: str, value: str, description: str = "") -> Block:
    made: Block = {
        "text": plain(text, OPTION_TEXT_CHARACTERS),
        "value": uncut(value, OPTION_VALUE_CHARACTERS),
    }
    if description:
        made["description"] = plain(description, OPTION_TEXT_CHARACTERS)
    return made


# Elements --------------------------------------------------------------------------------------


def button(
    label: str, action_id: str, value: str = "", *, style: str | None = None, ask: Block | None = None
) -> Block:
    """`ask` is a `confirm`; `style` is "primary" or "danger"."""
    made: Block = {
        "type": "button",
        "text": plain(label, BUTTON_TEXT_CHARACTERS),
        "action_id": uncut(action_id, IDENTIFIER_CHARACTERS),
    }
    if value:
        made["value"] = uncut(value, BUTTON_VALUE_CHARACTERS)
    if style:
        made["style"] = style
    if ask:
        made["confirm"] = ask
    return made


def select(
    action_id: str, options: Sequence[Block], *, chosen: str | None = None, placeholder: str = "Choose"
) -> Block:
    """At least one option; a value that comes twice is offered once. `chosen` is a value."""
    by_value: dict[str, Block] = {}
    for one in options:
        by_value.setdefault(one["value"], one)
    offered = list(by_value.values())[:OPTIONS]
    if not offered:
        raise ValueError("a select without options")
    made: Block = {
        "type": "static_select",
        "action_id": uncut(action_id, IDENTIFIER_CHARACTERS),
        "options": offered,
        "placeholder": plain(placeholder, PLACEHOLDER_CHARACTERS),
    }
    if initial := next((one for one in offered if one["value"] == chosen), None):
        made["initial_option"] = initial
    return made


def grouped_select(
    action_id: str, groups: Sequence[tuple[str, Sequence[Block]]], *, chosen: str | None = None
) -> Block:
    """One group is a plain select. Slack holds 100 options; those of the first groups stay."""
    made = select(action_id, [one for _, options in groups for one in options], chosen=chosen)
    if len(groups) < 2:
        return made
    left = {one["value"] for one in made.pop("options")}
    made["option_groups"] = [
        {"label": plain(title, OPTION_TEXT_CHARACTERS), "options": kept}
        for title, options in groups
        if (kept := [one for one in options if one["value"] in left])
    ]
    return made


def channel_select(action_id: str) -> Block:
    """Channels where a card could stand: none that is shared with others, no direct messages."""
    return {
        "type": "conversations_select",
        "action_id": uncut(action_id, IDENTIFIER_CHARACTERS),
        "placeholder": plain("Choose a channel", PLACEHOLDER_CHARACTERS),
        "filter": {
            "include": ["public", "private"],
            "exclude_external_shared_channels": True,
            "exclude_bot_users": True,
        },
    }


def person_select(action_id: str, chosen: str = "") -> Block:
    """`chosen`: an account. Empty: nobody is chosen yet."""
    made: Block = {
        "type": "users_select",
        "action_id": uncut(action_id, IDENTIFIER_CHARACTERS),
        "placeholder": plain("Choose a person", PLACEHOLDER_CHARACTERS),
    }
    return made | ({"initial_user": chosen} if chosen else {})


def people_select(action_id: str, chosen: Sequence[str] = ()) -> Block:
    """`chosen`: accounts."""
    made: Block = {
        "type": "multi_users_select",
        "action_id": uncut(action_id, IDENTIFIER_CHARACTERS),
        "placeholder": plain("Choose people", PLACEHOLDER_CHARACTERS),
    }
    return made | ({"initial_users": list(chosen)} if chosen else {})


def date_picker(action_id: str, chosen: date) -> Block:
    return {
        "type": "datepicker",
        "action_id": uncut(action_id, IDENTIFIER_CHARACTERS),
        "initial_date": chosen.isoformat(),
    }


def text_input(
    action_id: str, *, initial: str = "", placeholder: str = "", multiline: bool = False, longest: int = 0
) -> Block:
    """`longest` 0: as long as Slack allows."""
    most = longest or INPUT_TEXT_CHARACTERS
    made: Block = {
        "type": "plain_text_input",
        "action_id": uncut(action_id, IDENTIFIER_CHARACTERS),
        "multiline": multiline,
        "max_length": most,
    }
    if shown := clean(initial):
        made["initial_value"] = cut(shown, most)
    if placeholder:
        made["placeholder"] = plain(placeholder, PLACEHOLDER_CHARACTERS)
    return made


# Blocks ----------------------------------------------------------------------------------------


def section(*rows: str) -> Block:
    """Rows of markup; empty ones are left out."""
    return {"type": "section", "text": mrkdwn("\n".join(row for row in rows if row))}


def header(text: str) -> Block:
    return {"type": "header", "text": plain(text, HEADER_TEXT_CHARACTERS)}


def context(*texts: str) -> Block:
    shown = [mrkdwn(text) for text in texts if text][:CONTEXT_ELEMENTS]
    return {"type": "context", "elements": shown or [mrkdwn("")]}


def actions(block_id: str, buttons: Sequence[Block]) -> list[Block]:
    """Nothing to press, no block."""
    if not buttons:
        return []
    elements = list(buttons)[:ACTIONS_ELEMENTS]
    return [{"type": "actions", "block_id": uncut(block_id, IDENTIFIER_CHARACTERS), "elements": elements}]


def entry(
    block_id: str, label: str, element: Block, *, optional: bool = False, hint: str = "", tells: bool = False
) -> Block:
    """An input block. `tells`: a choice is sent at once, not only on submit."""
    made: Block = {
        "type": "input",
        "block_id": fitting(block_id, IDENTIFIER_CHARACTERS),
        "label": plain(label, LABEL_TEXT_CHARACTERS),
        "element": element,
        "optional": optional,
        "dispatch_action": tells,
    }
    if hint:
        made["hint"] = plain(hint, LABEL_TEXT_CHARACTERS)
    return made


def sections(rows: Iterable[str]) -> list[Block]:
    """Returns as many sections as the rows need; a row is never divided."""
    made: list[list[str]] = [[]]
    room = SECTION_TEXT_CHARACTERS
    for row in rows:
        row = cut(row, SECTION_TEXT_CHARACTERS)
        if size(row) + 1 > room and made[-1]:
            made.append([])
            room = SECTION_TEXT_CHARACTERS
        made[-1].append(row)
        room -= size(row) + 1
    return [section(*together) for together in made if together]


# Surfaces --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MessageContent:
    text: str  # complete by itself: the lock screen and screen readers show only this
    blocks: tuple[Block, ...]


def message(text: str, blocks: Sequence[Block]) -> MessageContent:
    return MessageContent(cut(text, MESSAGE_TEXT_CHARACTERS), tuple(blocks[:MESSAGE_BLOCKS]))


def modal(
    title: str,
    blocks: Sequence[Block],
    *,
    callback_id: str = "",
    submit: str = "",
    close: str = "Close",
    metadata: str = "",
) -> View:
    """`metadata` is the caller's own and comes back unchanged. Without `submit` there is nothing to send."""
    view: View = {
        "type": "modal",
        "title": plain(title, VIEW_TITLE_CHARACTERS),
        "close": plain(close, VIEW_BUTTON_CHARACTERS),
        "blocks": within_view(blocks),
    }
    if callback_id:
        view["callback_id"] = uncut(callback_id, IDENTIFIER_CHARACTERS)
    if submit:
        view["submit"] = plain(submit, VIEW_BUTTON_CHARACTERS)
    if metadata:
        view["private_metadata"] = uncut(metadata, METADATA_CHARACTERS)
    return view


def home_tab(blocks: Sequence[Block]) -> View:
    return {"type": "home", "blocks": within_view(blocks)}


def within_view(blocks: Sequence[Block]) -> list[Block]:
    """The leading blocks that a view can hold; the last one says so when some were left out."""
    kept: list[Block] = []
    room = VIEW_BYTES - METADATA_CHARACTERS * 6 - 2_000  # the rest of the view
    for block in blocks:
        room -= len(json.dumps(block)) + 1
        if room < 0 or (len(kept) == VIEW_BLOCKS - 1 and len(blocks) > VIEW_BLOCKS):
            return [*kept, context("Slack shows no more than this here.")]
        kept.append(block)
    return kept
