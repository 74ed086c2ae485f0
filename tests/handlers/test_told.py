"""What the log tells: a line an event once it is stored, and one each as an outage begins and ends."""

from datetime import timedelta

from structlog.testing import capture_logs

from bot.event_kinds import EventKind
from bot.model import Do
from handlers.told import Outage, tells_events
from tests.bot.scripted import HandClock
from tests.bot.stories import Story
from tests.handlers.world import World
from tests.people import PEOPLE


async def test_each_event_is_one_line_that_says_of_which_run_by_whom_and_where(world: World) -> None:
    with capture_logs() as lines:
        await world.asks("ana")
    asked, *others = [line for line in lines if line["event"] == "event"]
    assert (asked["run"], asked["target"], asked["kind"], asked["seq"]) == ("RB-1", "shop", "requested", 1)
    assert (asked["by"], asked["zone"], bool(asked["process"])) == (PEOPLE["ana"], "main", True)
    assert [line["kind"] for line in others] == ["planned", "posted"]


def test_the_end_of_a_step_says_how_long_it_took() -> None:
    story = Story().start(Do.RESTORE)
    story.tell(EventKind.STEP_SUCCEEDED, n=story.n)
    with capture_logs() as lines:
        tells_events("main", "db1:42")(story.run, story.events[-1])
    assert (lines[0]["step"], lines[0]["of"], lines[0]["seconds"]) == ("restore", "orders", 1.0)


def test_an_outage_is_told_when_it_begins_and_when_it_is_over() -> None:
    clock = HandClock()
    outage = Outage("the database", clock)
    with capture_logs() as lines:
        for _ in range(3):
            outage.seen(TimeoutError("no answer"))
        clock.now += timedelta(seconds=42)
        outage.over()
        outage.over()
    assert [(line["event"], line.get("seconds")) for line in lines] == [
        ("does not answer", None),
        ("answers again", 42.0),
    ]
