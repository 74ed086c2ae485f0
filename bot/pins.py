"""Something that the configuration only names, as a plan pins it. How it is found is in `backends.pins`."""

from dataclasses import dataclass

OF_MAINTENANCE, OF_CHECK = " of maintenance", " of check "  # in the name of a pin: whose it is
OF_HAND_OVER = " of the hand-over"
PROGRAM = "program "  # how the name of a pin begins that holds what a program is


@dataclass(frozen=True, slots=True)
class Pin:
    """Something that the configuration only names, as it was found when the plan was made."""

    name: str  # what people call it: "`root`", "program `ctl`"
    digest: str  # of what it led to; where that may be a secret, under the key of the zone's workers
