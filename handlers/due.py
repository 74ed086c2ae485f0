"""Reads what is known of something that is due, for messages, App Home and the command line."""

from datetime import datetime

from bot.configuration import Configuration
from bot.drilling import has_shown
from bot.duties import ABOUT_BACKUPS, Duty, starts_at
from bot.views.reminder import DutyFacts
from storage.runs import Store
from storage.schedules import ScheduleStore


async def facts_of(store: Store, configuration: Configuration, duty: Duty, now: datetime) -> DutyFacts:
    """Returns the facts about the target of a duty, and about the run that it follows."""
    if duty.kind in ABOUT_BACKUPS:
        return await _facts_of_backups(store, configuration, duty)
    configured = configuration.targets.get(duty.target)
    drill = configured.drill if configured else None
    ended, open_ones = await store.drills(duty.target), await store.open_drills(duty.target)
    return DutyFacts(
        environment=configured.environment if configured else "",
        last=next(filter(has_shown, ended), None),
        going_on=next(iter(open_ones), None),
        follows=await store.load(duty.run) if duty.run else None,
        starts_at=starts_at(configuration, duty, now),
        is_rehearsed=drill is not None and drill.mode == "rehearsal",
    )


async def _facts_of_backups(store: Store, configuration: Configuration, duty: Duty) -> DutyFacts:
    configured = configuration.targets.get(duty.target)
    taken = [each for each in await ScheduleStore(store).all() if each.target == duty.target]
    return DutyFacts(
        environment=configured.environment if configured else "",
        follows=await store.load(duty.run) if duty.run else None,
        rpo=configured.rpo if configured else None,
        backup_at=taken[0].due_at if taken else None,
        backup_going_on=bool(await store.open_backups(duty.target)),
    )
