"""Whether what a run has made may go: nothing that something still names."""

from dataclasses import replace

import pytest

from bot.dropping import LATER_SECONDS, SOON_SECONDS, Keep, why_keep
from bot.model import Current, Do, Phase, PointKind, Points, RestorePoint, Step
from bot.suggesting import Hold
from tests.bot.stories import T0, Story, having, later

SAVED = RestorePoint("undo-v42", later(-60), kind=PointKind.UNDO)
OLD, LIVE = RestorePoint("p40", later(-9000)), RestorePoint("v43", later(0), current=True)
CURRENT = Current("v43", "token-43", at=later(0))
RUN = having(Story().run, work_undo_points={"orders": "undo-v42"})
DROP = Step(9, Phase.FINISH, Do.DROP, "orders", drops=Do.SAVE)
COPY = replace(DROP, drops=Do.PREPARE)
OTHERS = Points((LIVE, RestorePoint("p41", later(-30)), SAVED, OLD), CURRENT)

KEPT = {
    "nothing names it": (DROP, None, (), OTHERS, None),
    "a run of its target is open": (
        DROP,
        "RB-43",
        (),
        OTHERS,
        Keep("RB-43 is under way on `orders`.", SOON_SECONDS),
    ),
    "it is on hold": (
        DROP,
        None,
        (Hold("orders", "undo-v42", "RB-40", T0),),
        OTHERS,
        Keep("It is on hold since RB-40.", LATER_SECONDS),
    ),
    "something else is on hold": (DROP, None, (Hold("orders", "p41", "RB-40", T0),), OTHERS, None),
    "it is on hold at another target": (DROP, None, (Hold("stock", "undo-v42", "RB-40", T0),), OTHERS, None),
    "it is the newest older one": (
        DROP,
        None,
        (),
        Points((LIVE, SAVED, OLD), CURRENT),
        Keep("It is the newest restore point of `orders` that is older than what is live.", LATER_SECONDS),
    ),
    "a copy is no way back": (COPY, None, (), Points((LIVE, SAVED), CURRENT), None),
    "a copy waits for an open run, too": (
        COPY,
        "RB-43",
        (),
        OTHERS,
        Keep("RB-43 is under way on `orders`.", SOON_SECONDS),
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_why_it_is_kept(name: str) -> None:
    step, open_run, holds, points, kept = KEPT[name]
    assert why_keep(RUN, step, open_run, holds, points) == kept


def test_the_newest_point_older_than_what_is_live_stays() -> None:
    only = Points((LIVE, SAVED), CURRENT)
    assert why_keep(RUN, DROP, None, (), only) is not None
