"""Every card, modal, list and notice as it was last agreed on."""

from collections.abc import Mapping
from typing import Any

import pytest

from bot.views import manifest
from bot.views.card import card, direct, notice, thread_line
from bot.views.limits import MessageContent
from bot.views.snapshot_card import address
from tests.bot.views.copies import COPIES, TAKEN
from tests.bot.views.drills import DRILLS
from tests.bot.views.examples import AWAITING, CARDS, FACTS, LISTS, MODALS, at
from tests.bot.views.snapshots import kept, matches


def _plain(message: MessageContent) -> Mapping[str, Any]:
    return {"text": message.text, "blocks": list(message.blocks)}


EVERY = {**CARDS, **DRILLS, **COPIES}
ADDRESS = address(TAKEN)
assert ADDRESS is not None
NOTICES = {name: drawn for name, (run, facts, now) in EVERY.items() if (drawn := notice(run, facts, now))}
DRAWN: dict[str, Any] = {
    **{f"card_{name}": _plain(card(run, facts, now)) for name, (run, facts, now) in EVERY.items()},
    **{f"notice_{name}": _plain(drawn) for name, drawn in NOTICES.items()},
    **{f"modal_{name}": view for name, view in MODALS.items()},
    **{f"list_{name}": _plain(drawn) for name, drawn in LISTS.items()},
    "direct_awaiting_approval": _plain(direct(AWAITING, FACTS, at("03:02:10"))),
    "address": _plain(ADDRESS),
    "modal_manifest": manifest.form(TAKEN, FACTS, "", at("10:42")),
    "thread_line": _plain(thread_line(AWAITING, "https://example.slack.com/archives/C01INC/p1")),
}


@pytest.mark.parametrize("name", DRAWN)
def test_it_reads_as_it_was_agreed(name: str) -> None:
    assert matches(name, DRAWN[name]), f"{name} changed: review it, then SNAPSHOTS=write"


def test_no_snapshot_is_left_of_something_that_is_no_longer_drawn() -> None:
    assert kept() == set(DRAWN)
