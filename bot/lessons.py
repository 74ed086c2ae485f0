"""Names what people learnt from a drill, for the event in which they have written it down."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Lessons:
    """In their words. What is empty was not said."""

    deviation: str = ""  # what was otherwise than expected
    why: str = ""
    participants: tuple[str, ...] = ()  # accounts of who took part
    assumption: str = ""  # what was believed before
    to_do: str = ""  # empty: nothing follows
    owner: str = ""  # the account of who does it
    due: datetime | None = None  # by when
    closed: str = ""  # why nothing has to be done about it any more


NOTHING_LEARNT = Lessons()
