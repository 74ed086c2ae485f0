"""The ids that Slack makes up for blocks and elements that come without one."""

import copy
from collections.abc import Callable
from typing import Final

from workspace.slack.wire import Json

# Elements without an action_id, though they stand where others have one.
_SILENT: Final = frozenset(
    {"image", "plain_text", "mrkdwn", "rich_text_section", "rich_text_list"}
) | frozenset({"rich_text_preformatted", "rich_text_quote", "card"})


def with_ids(blocks: list[Json], new_id: Callable[[str], str]) -> list[Json]:
    """A deep copy in which each block has a block_id and each interactive element an action_id."""
    named = copy.deepcopy(blocks)
    for block in named:
        block.setdefault("block_id", new_id("b"))
        inner = [
            block.get("element"),
            block.get("accessory"),
            *block.get("elements", []),
            *block.get("actions", []),
        ]
        for element in inner:
            if isinstance(element, dict) and element.get("type") not in _SILENT:
                element.setdefault("action_id", new_id("a"))
    return named
