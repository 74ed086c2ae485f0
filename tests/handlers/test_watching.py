"""How often a worker looks unasked what is live, so that somebody knows since when it is."""

from pathlib import Path

import pytest

from backends.installed import definitions
from bot.configuration import load
from handlers.worker import WATCH_SECONDS, _watched_every

EXAMPLE = load(Path(__file__).parents[2] / "rollback.example.yaml", definitions())


@pytest.mark.parametrize(
    ("target", "seconds"),
    [("orders", 600.0), ("storefront", WATCH_SECONDS), ("search-index", None)],
    ids=["as the file says", "unless the file says otherwise", "a program only where the file says so"],
)
def test_what_is_live_is_looked_at_every(target: str, seconds: float | None) -> None:
    assert _watched_every(EXAMPLE.targets[target]) == seconds
