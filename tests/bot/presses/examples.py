"""Runs in every state that people see, and everybody who may want to press something on them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot import presses
from bot.event_kinds import EventKind as E
from bot.model import Do, Person, Phase, State, Step
from bot.policy import Entitled
from bot.presses import Click, Press, stamp, why_not
from bot.run import Run
from tests.bot.stories import ORDERS, T0, Story, later, plan_data, planned
from tests.people import ANA, BEN, CY, DORA, EVE, FINN, GUEST, person

ENTITLED = Entitled((BEN, CY), requesters=frozenset({ANA.id, EVE.id}), owners=frozenset({DORA.id}))

WHO = {
    "requester": ANA,
    "approver": BEN,
    "owner": DORA,
    "somebody-who-may-ask": EVE,
    "bystander": FINN,
    "guest": GUEST,
}

AN_HOUR_LATER = later(3600)


def asked(run: Run, press: Press, who: Person, *, now: datetime | None = None, **click: Any) -> str | None:
    """What is said to a press on the card as it is drawn now, a minute after the newest event."""
    at = now or (run.changed_at or T0) + timedelta(minutes=1)
    return why_not(press, run, who, ENTITLED, Click(**{"stamp": stamp(run), "why": "because", **click}), at)


CHECKPOINTS = (
    Step(1, Phase.PREPARE, Do.CONFIRM, "orders", text="Drained?"),
    Step(2, Phase.PREPARE, Do.SAVE, "orders"),
    Step(3, Phase.RESTORE, Do.CONFIRM, "orders", text="Sure?"),
    Step(4, Phase.RESTORE, Do.RESTORE, "orders"),
    Step(5, Phase.VERIFY, Do.CHECK, "orders"),
)


def checkpoint() -> Story:
    return Story(planned(steps=CHECKPOINTS)).started().tell(E.CHECKPOINT_REACHED)


def later_checkpoint() -> Story:
    return checkpoint().tell(E.CONFIRMED, BEN).start(Do.SAVE).tell(
        E.STEP_SUCCEEDED, n=2, undo_point="u42"
    ).tell(E.PREPARED).tell(E.CHECKPOINT_REACHED)  # fmt: skip


STATES: dict[str, Callable[[], Story]] = {
    "requested": Story,
    "refused": lambda: Story().tell(E.REFUSED, why="no such point"),
    "awaiting": lambda: Story().posted(),
    "approved": lambda: Story().approved(),
    "running-untouched": lambda: Story().started(),
    "running": lambda: Story().up_to(Do.RESTORE),
    "at-the-first-checkpoint": checkpoint,
    "at-a-later-checkpoint": later_checkpoint,
    "stopped": lambda: Story().up_to(Do.RESTORE).tell(E.STOP_REQUESTED, BEN).tell(E.HALTED),
    "step-failed": lambda: Story().fail(Do.RESTORE),
    "checks-failed": lambda: Story().doubt(),
    "loss-outgrown": lambda: Story().up_to(Do.MEASURE).tell(
        E.LOSS_OUTGROWN, n=3, why="…", loss=plan_data(ORDERS)["plan"]["loss"]
    ),
    "as-before": lambda: Story().lose(Do.RESTORE).tell(E.RESOLVED_UNCHANGED, BEN),
    "stuck": lambda: Story().lose(Do.RESTORE),
    "succeeded": lambda: Story().succeeded(),
    "failed-in-maintenance": lambda: Story().fail(Do.RESTORE).tell(E.ENDED, BEN),
    "failed": lambda: Story(planned(steps=CHECKPOINTS)).started().tell(E.CHECKPOINT_REACHED)
    .tell(E.CONFIRMED, BEN).start(Do.SAVE).tell(E.STEP_SUCCEEDED, n=2, undo_point="u42")
    .tell(E.PREPARED).tell(E.CHECKPOINT_REACHED).tell(E.ENDED, BEN),
    "vetoed": lambda: Story().posted().tell(E.VETOED, BEN),
    "expired": lambda: Story().posted().tell(E.EXPIRED),
    "void": lambda: Story().approved().tell(E.VOIDED, why="moved"),
    "cancelled": lambda: Story().posted().tell(E.CANCELLED, ANA),
}  # fmt: skip

PAUSED = [name for name in STATES if STATES[name]().run.state is State.PAUSED]


def rights(**allowed: str) -> pytest.MarkDecorator:
    """Every state with everybody. `allowed`: who may, by state; whoever is not named there may not."""
    cases = []
    for state in STATES:
        may = allowed.get(state.replace("-", "_"), "").split()
        assert set(may) <= set(WHO)
        cases += [pytest.param(state, who, who in may, id=f"{state}-by-{who}") for who in WHO]
    return pytest.mark.parametrize(("state", "who", "may"), cases)


def let_through(press: Press, state: str, who: str) -> bool:
    return asked(STATES[state]().run, press, WHO[who]) is None


THREE = "requester approver owner"

OTHER_MARKS = {
    "the same account": person("x", email=None),
    "two accounts in the configuration": Person(
        "U09X", "x", "X", marks=frozenset({"U09X", "U01X", "person:x"})
    ),
    "the same verified address": Person(
        "U08X", "u08x", "X", marks=frozenset({"U08X", "mailto:x@example.com"})
    ),
    "the configured name alone": Person("U07X", "x", "X", marks=frozenset({"U07X", "person:x"})),
}

X = Person("U01X", "x", "X", marks=frozenset({"U01X", "person:x", "mailto:x@example.com"}))

AGREEING: dict[str, tuple[Press, Callable[[], Story], E, str]] = {
    "going online": (presses.CONTINUE, STATES["checks-failed"], E.CONTINUE_PROPOSED, ""),
    "leaving maintenance": (presses.CONTINUE, STATES["failed-in-maintenance"], E.LEAVE_PROPOSED, ""),
    "what is live": (presses.RESOLVE, STATES["stuck"], E.RESOLVE_PROPOSED, "point"),
}


def after_the_first(what: str, first: Person) -> Run:
    press, story, proposed, answer = AGREEING[what]
    assert asked(story().run, press, first, answer=answer) is None
    return story().tell(proposed, first, why="…", answer=answer).run
