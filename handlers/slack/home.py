"""App Home: what awaits this person, and what runs."""

from slack_sdk.errors import SlackApiError

from bot import policy
from bot.duties import Duty
from bot.errors import TemporaryError
from bot.model import State
from bot.policy import Entitled
from bot.run import Run
from bot.views.home import Linked
from bot.views.home import home as draw
from bot.views.reminder import SHOWN_DUTIES
from handlers.context import Context
from handlers.due import facts_of
from handlers.slack.sending import MustWait


async def publish(ctx: Context, user_id: str) -> None:
    runs = [await ctx.store.load(s.id) for s in await ctx.store.summaries(only_open=True, limit=50)]
    awaiting = [Linked(run) for run in runs if await _awaits(ctx, run, user_id)]
    going = [
        Linked(run) for run in runs if run.state in {State.APPROVED, State.RUNNING, State.PAUSED, State.STUCK}
    ]
    due = [
        (duty, await facts_of(ctx.store, ctx.configuration, duty, ctx.clock()))
        for duty in await ctx.duties.all()
        if duty.due_at <= ctx.clock() and await _owns(ctx, duty, user_id)
    ]
    view = draw(awaiting, going, due[:SHOWN_DUTIES], ctx.clock())
    try:
        await ctx.sender.call("views.publish", user_id=user_id, view=view)
    except (SlackApiError, MustWait):
        return  # it is drawn again when it is opened again


async def _owns(ctx: Context, duty: Duty, user_id: str) -> bool:
    entitled = await _entitled(ctx, duty.target)
    return entitled is not None and (user_id == duty.handed_to or user_id in entitled.owners)


async def _awaits(ctx: Context, run: Run, user_id: str) -> bool:
    """Whether this person's word would count on a run that waits for people."""
    if run.state in {State.PAUSED, State.STUCK} and user_id == run.request.requester.id:
        return True
    if (
        run.state not in {State.AWAITING_APPROVAL, State.PAUSED, State.STUCK}
        or user_id == run.request.requester.id
    ):
        return False
    entitled = await _entitled(ctx, run.request.target)
    return entitled is not None and any(user_id in policy.marks(person) for person in entitled.approvers)


async def _entitled(ctx: Context, name: str) -> Entitled | None:
    """Returns None where nobody can tell: the target is configured no more, or Slack does not answer."""
    target = ctx.configuration.targets.get(name)
    if target is None:
        return None
    try:
        return await ctx.directory.entitled(target, 60.0)
    except TemporaryError:
        return None
