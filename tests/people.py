"""The people of the tests: Ana asks, Ben and Cy approve, Dora owns the target; and the channel they are in.

The pretend Slack's own tests know nobody of ours: they have a workspace of their own.
"""

from collections.abc import Mapping
from typing import Any

from bot.model import Person

CHANNEL = "C01INC"


def person(name: str, **more: Any) -> Person:
    """Returns somebody with one account."""
    user = f"U01{name.upper()}"
    return Person(user, name, name.title(), marks=frozenset({user, f"person:{name}"}), **more)


ANA = person("ana")  # asks
BEN = person("ben")  # approves
CY = person("cy")  # approves
DORA = person("dora")  # owns the target
EVE = person("eve")  # may ask, too
FINN = person("finn")  # stands by
GUEST = person("guest", barred="guests may neither ask nor approve")

MEMBERS: Mapping[str, str] = {each.human: each.id for each in (ANA, BEN, CY, DORA)}  # name to account
PEOPLE: Mapping[str, str] = {**MEMBERS, GUEST.human: GUEST.id}
