"""Has backups taken by the clock. Slack has no part in it.

When the next one is due is a row, so two processes take none twice, and what was missed is taken once.
"""

from datetime import datetime

from bot import backups
from bot.backups import Schedule
from bot.envelope import Event
from bot.events import Requested
from bot.model import THE_SCHEDULE, Goal, Purpose
from bot.views.words import utc
from handlers.context import Context


async def keep_schedules(ctx: Context) -> None:
    """Has a row for every target of which the configuration has backups taken."""
    await ctx.schedules.keep(backups.wanted(ctx.configuration), ctx.clock())


async def back_up_due(ctx: Context) -> None:
    """Opens a backup of whatever is due, unless the one before still goes on: then it follows at once."""
    now = ctx.clock()
    for schedule in await ctx.schedules.all():
        if schedule.due_at > now and not backups.is_astray(schedule, now):
            continue
        if schedule.target in ctx.configuration.targets and not await ctx.store.open_backups(schedule.target):
            await ctx.schedules.begin(schedule, request(schedule, now), now)
            ctx.work()


def request(schedule: Schedule, now: datetime) -> Event:
    """Returns what opens a backup that is due."""
    reason = f"due {utc(schedule.due_at, now)}"
    asked = Requested(schedule.target, Purpose.BACKUP, Goal(), THE_SCHEDULE, channel="", reason=reason)
    return Event(asked, now)
