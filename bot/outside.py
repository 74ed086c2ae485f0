"""What somebody has done to a target without the bot, as a value."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class OutsideChange:
    """Says what somebody has done to a target without the bot, as a hook tells it or a look has seen it."""

    target: str
    at: datetime  # when it was done, as its source says; else when it was heard of
    kind: str  # in the words of its source: migration, deploy; LIVE: a look has seen it
    label: str = ""
    author: str = ""
    source: str = ""  # the name of the hook; empty: a look has seen it
    paths: tuple[str, ...] = ()
    size: int | None = None  # in whatever its source counts; None: it was not told
    significant: bool = False
    times: int = 1  # how often it was told within a minute
