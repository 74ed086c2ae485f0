"""When the publisher is woken for a run that has moved: drawing must not take time that its work needs."""

from bot.event_kinds import EventKind
from handlers.context import Wake
from handlers.slack.holding import SOON_SECONDS, show
from tests.bot.stories import Story
from tests.people import BEN


class Woken(Wake):
    def __init__(self) -> None:
        super().__init__()
        self.after: list[float] = []  # seconds

    def __call__(self) -> None:
        self.after.append(0.0)

    def in_a_moment(self, seconds: float) -> None:
        self.after.append(seconds)


def test_a_run_that_starts_at_once_is_drawn_a_moment_later() -> None:
    story, publish = Story().approved(), Woken()
    show(publish, story.run, story.now)
    assert publish.after == [SOON_SECONDS]


def test_a_run_that_waits_for_people_is_drawn_at_once() -> None:
    story, publish = Story().posted(), Woken()
    story.tell(EventKind.VETOED, BEN)
    show(publish, story.run, story.now)
    assert publish.after == [0.0]


async def test_who_is_woken_in_a_moment_does_not_wait_for_the_next_round() -> None:
    wake = Wake()
    wake.in_a_moment(0.001)
    await wake.wait(60.0)
