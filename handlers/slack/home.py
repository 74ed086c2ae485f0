"""App Home: what awaits this person, and what runs."""

from slack_sdk.errors import SlackApiError

from bot import policy
from bot.errors import TemporaryError
from bot.model import State
from bot.run import Run
from bot.views.home import Linked
from bot.views.home import home as draw
from handlers.context import Context
from handlers.slack.sending import MustWait


async def publish(ctx: Context, user_id: str) -> None:
    runs = [await ctx.store.load(s.id) for s in await ctx.store.summaries(only_open=True, limit=50)]
    awaiting = [Linked(run) for run in runs if await _awaits(ctx, run, user_id)]
    going = [
        Linked(run) for run in runs if run.state in {State.APPROVED, State.RUNNING, State.PAUSED, State.STUCK}
    ]
    try:
        await ctx.sender.call("views.publish", user_id=user_id, view=draw(awaiting, going, ctx.clock()))
    except (SlackApiError, MustWait):
        return  # it is drawn again when it is opened again


async def _awaits(ctx: Context, run: Run, user_id: str) -> bool:
    """Whether this person's word would count on a run that waits for people."""
    if run.state in {State.PAUSED, State.STUCK} and user_id == run.request.requester.id:
        return True
    if (
        run.state not in {State.AWAITING_APPROVAL, State.PAUSED, State.STUCK}
        or user_id == run.request.requester.id
    ):
        return False
    target = ctx.configuration.targets.get(run.request.target)
    if target is None:
        return False
    try:
        entitled = await ctx.directory.entitled(target, 60.0)
    except TemporaryError:
        return False
    return any(user_id in policy.marks(person) for person in entitled.approvers)
