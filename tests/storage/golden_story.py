"""What happens in the golden files: a run in every place of the machine's table, an event of every kind.

A run is named after the place where it is left, by its target in `golden/rollback.yaml`. What a release can
do that no run here does yet is told here, and written into a file of its own (`golden_writer`).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from bot.contents import Contents, Rows
from bot.contract import (
    Busy,
    Denied,
    Ended,
    Fate,
    Found,
    PointUnavailable,
    Progress,
    StillReading,
    Unreachable,
)
from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.events import CardImpossible, EndedByUndo, Expired
from bot.lessons import Lessons
from bot.model import (
    Do,
    Finding,
    Goal,
    Gone,
    Left,
    Loss,
    LossQuality,
    Phase,
    PointKind,
    Purpose,
    Span,
    State,
    Unit,
    Verdict,
    When,
)
from bot.outside import OutsideChange
from bot.pins import Pin
from bot.policy import Entitled, marks
from bot.practice import NO
from bot.presses import APPROVE, CANCEL, CONTINUE, LEARN, RESOLVE, RETRY, STOP, VETO, Click, veto
from bot.run import Pause, Run
from handlers.slack import asking
from handlers.slack.asking import Wish
from storage.cards import CardKind
from storage.changes import ChangeStore, ToldChange
from storage.duties import DutyStore
from storage.leases import Leases
from storage.looks import Modal
from storage.practices import PracticeStore
from storage.schedules import ScheduleStore
from tests.bot.scripted import Scripted
from tests.bot.stories import LOSS, POINT, T0, later
from tests.people import ANA, BEN, CY, DORA, FINN
from tests.storage.golden_stage import CHANNEL, CONFIGURATION, ENTITLED, EVE, PROGRESS, Stage

THREAD = "1763780520.000100"
OLD_CARD = "1763780520.000001"
NOBODY_KNOWS = Found(Fate.UNKNOWN, "the backend cannot tell")
AWAY = Unreachable("no route")
REFUSES = Denied("maint: permission denied")
HIGHEST = 40  # number of the newest run that anybody has seen, when the put-back database is confirmed


def wish(target: str, *, reason: str = "", goal: Goal | None = None) -> Wish:
    return Wish(target, goal or Goal(point="p41"), CHANNEL, reason=reason)


# In use ----------------------------------------------------------------------------------------


async def in_use(s: Stage) -> None:
    await s.store.note_if_new("configuration", s.clock(), {"digest": CONFIGURATION.digest})
    await DutyStore(s.store).keep({"drilled": 90 * 86_400.0}, CONFIGURATION.targets, s.clock(), s.clock())
    await dropped(s)  # first: a week passes
    await before_the_start(s)
    await ended_before_the_start(s)
    await under_way(s)
    await paused(s)
    await stuck(s)
    await failed(s)
    await succeeded(s)
    await beside(s)
    await by_the_clock(s)
    await rehearsed(s)
    await practised(s)
    await looks_and_leases(s)


async def before_the_start(s: Stage) -> None:
    asked = wish("requested", goal=Goal(before=later(-300)), reason="„Bestellungen“ ist kaputt 🧨")
    await s.ask(replace(asked, thread=THREAD, ask_first=CY.id), EVE, audit="C01AUDIT")
    await outside(s)
    s.backend("posted").loss = Loss(LossQuality.UNKNOWN)  # not known: one more approval
    s.world.offline.sees, s.world.online.sees = [None], [None]  # the target is down
    run = await s.posted(replace(wish("posted", reason="Summen falsch – 3 unter 0 €"), ask_first=CY.id))
    await s.press(run, BEN, APPROVE)
    await cards_of_every_kind(s, run)
    await refusals(s, run)
    units = (Unit("orders", 12), Unit("Rückgaben", 1))
    s.backend("approved").loss = Loss(
        LossQuality.ESTIMATED, later(-60.5), units, "by the rate of the last hour", T0
    )
    await s.approved(wish("approved"))


async def practised(s: Stage) -> None:
    """Two approvers were asked to practise, and one of them has answered."""
    practices = PracticeStore(s.store)
    for who in (BEN, CY):
        await practices.ask(who.id, None, s.clock())
    s.passes()
    await practices.answer((await practices.all())[CY.id], NO, None, s.clock())


async def outside(s: Stage) -> None:
    """Changes that were made without the bot: one of them makes a drill due."""
    at, paths = s.clock(), ("schema/0042.sql",)
    migration = OutsideChange(
        "posted", at, "migration", "0042 – Rückgaben", "Cy", "deployer", paths, 40, True
    )
    seen = OutsideChange("posted", at, "live", "v42", times=3)
    due = replace(migration, target="drilled")
    told = [ToldChange(migration, "hook:deployer:7"), ToldChange(seen), ToldChange(due, asks_for_drill=True)]
    await ChangeStore(s.store).hear(told, s.clock())


async def cards_of_every_kind(s: Stage, run: Run) -> None:
    now = s.clock()
    await s.cards.want(run.id, CardKind.DIRECT, CY.id, now)
    await s.cards.want(run.id, CardKind.DIRECT, BEN.id, now)
    await s.cards.want(run.id, CardKind.NOTICE, CHANNEL, now, moment="expiring", thread_ts=THREAD)
    key = {(card.kind, card.recipient): card.key for card in await s.cards.of_run(run.id)}
    await s.cards.tried(key[CardKind.DIRECT, CY.id], now)
    await s.cards.impossible(key[CardKind.DIRECT, BEN.id], "cannot_dm_bot")
    await s.cards.supersede(key[CardKind.CARD, CHANNEL], OLD_CARD)


async def refusals(s: Stage, run: Run) -> None:
    why = "You asked for this rollback, so you cannot approve it. <@U01CY> can."
    await s.store.note("press_refused", s.clock(), ANA.id, {"press": "approve", "why": why}, run_id=run.id)
    why = "You are not in a group that may ask for a rollback of `posted`. Ask somebody who is."
    await s.store.note("request_refused", s.clock(), FINN.id, {"target": "posted", "why": why})
    await s.store.note("command_refused", s.clock(), ANA.id, {"text": "zurück", "why": "That is no target."})


async def ended_before_the_start(s: Stage) -> None:
    reading = StillReading("The content of p41 is still being read, 40 %.")
    s.backend("refused").plans = [reading, PointUnavailable("p41 is gone")]
    await s.planned(wish("refused"))
    run = await s.ask(wish("cancelled"))
    await s.press(run, ANA, CANCEL, "nicht mehr nötig")
    run = await s.ask(wish("cancelled-by-the-bot"))
    why = "The card could not be posted in the channel (is_archived). Ask in another channel."
    await s.store.append(run, Event(CardImpossible(why), s.clock()))
    run = await s.ask(wish("expired"))
    await s.store.append(run, Event(Expired(), s.clock()))
    run = await s.press(await s.posted(wish("vetoed")), DORA, VETO)
    await s.store.append(run, *veto.reason_events(run, DORA, "Die Kasse läuft noch.", s.clock()))
    run = await s.approved(wish("void"))
    s.register.now = Entitled((CY,), ENTITLED.requesters, ENTITLED.owners)  # who approved may no more
    await s.drive(run)
    s.register.now = ENTITLED


async def under_way(s: Stage) -> None:
    s.switch("running-maintenance", Do.MAINTENANCE_ON).starts = [REFUSES]
    run = await s.started(wish("running-maintenance"))
    assert run.question.pause is Pause.STEP_FAILED, run
    s.backend("running-maintenance").loss = replace(LOSS, since=later(-90000))
    run = await s.drive(await s.press(run, ANA, RETRY))
    assert run.question.pause is Pause.LOSS, run
    s.backend("running-maintenance").loss = LOSS
    await s.drive(await s.press(run, ANA, RETRY), EventKind.STEP_STARTED, dead=True)

    s.backend("running-restore").place = "one"
    s.backend("running-restore").starts = ["never_arrives", "takes_long"]
    await s.started(wish("running-restore"), PROGRESS, dead=True)

    await s.started(wish("running-verify"), EventKind.RESTORED)

    seen = Contents({"orders": Rows(3, "0badcafe")}, "5eed5eed")
    arrived = Finding("running-finish arrived", When.OFFLINE, Verdict.PASSED, seen)
    s.backend("running-finish").verified = [arrived]
    await s.started(wish("running-finish"), EventKind.CHECKS_PASSED, dead=True)

    copies(s, "running-copied").starts = ["takes_long"]
    await s.started(wish("running-copied"), PROGRESS, dead=True)


def copies(s: Stage, target: str) -> Scripted:
    """The backend makes copies beside, and drops what it has made."""
    backend = s.backend(target)
    does, drops = frozenset({Do.PREPARE, Do.SAVE, Do.RESTORE}), frozenset({Do.PREPARE, Do.SAVE})
    backend.capabilities = replace(backend.capabilities, does=does, switches=True, drops=drops)
    return backend.preparing


async def paused(s: Stage) -> None:
    run = await s.started(wish("paused-checkpoint"), by=EVE)
    assert run.question.pause is Pause.CHECKPOINT, run

    s.backend("paused-stopped").starts = ["takes_long"]
    run = await s.started(wish("paused-stopped"), PROGRESS)
    run = await s.press(run, ANA, CANCEL, "erst schauen")
    finishes(s, "paused-stopped")
    run = await s.drive(run)
    assert (run.phase, run.question.pause) == (Phase.RESTORE, Pause.STOPPED), run

    s.backend("paused-checks").saving.starts = ["cannot"]
    run = await s.give_up(await s.started(wish("paused-checks"), EventKind.RESTORED))
    assert run.question.pause is Pause.HALTED, run
    s.world.offline.sees = [Verdict.FAILED]
    arrived = Finding("paused-checks arrived", When.OFFLINE, Verdict.PASSED, 1.5, 2.25, "läuft")
    s.backend("paused-checks").verified = [arrived]
    run = await s.drive(await s.press(run, ANA, RETRY))
    assert run.question.pause is Pause.CHECKS, run
    await s.press(run, ANA, CONTINUE, "die drei sind bekannt")

    s.backend("paused-finish").starts = ["takes_long"]
    run = await s.started(wish("paused-finish"), PROGRESS)
    run = await s.drive(await s.press(run, ANA, CANCEL, "noch nicht"))
    assert (run.question.pause, run.work.live) == (Pause.STOPPED, Left.BEFORE), run
    run = await s.drive(await s.press(run, BEN, CONTINUE), EventKind.CHECKS_PASSED)
    run = await s.drive(run, EventKind.STEP_SUCCEEDED)
    s.world.online.sees = [None]
    run = await s.drive(run)
    assert (run.phase, run.question.pause) == (Phase.FINISH, Pause.CHECKS), run


def finishes(s: Stage, target: str) -> None:
    """What the backend was doing is done, while no driver looked."""
    backend = s.backend(target)
    backend.fates = dict.fromkeys(backend.fates, Fate.DONE)
    backend.live = "p41"


async def stuck(s: Stage) -> None:
    saving = s.backend("stuck-undo-point").saving
    saving.starts, saving.finds = ["answer_lost"], [AWAY] * 6
    run = await s.started(wish("stuck-undo-point"))
    assert (run.state, run.phase) == (State.STUCK, Phase.PREPARE), run

    s.backend("stuck-doubted").starts = ["takes_long"]
    run = await s.give_up(await s.started(wish("stuck-doubted"), PROGRESS))
    run = await s.both(run, RESOLVE, "unclear")
    await s.press(run, ANA, RESOLVE, "p41 steht da", "point")

    leaves = s.switch("stuck-finish", Do.MAINTENANCE_OFF)
    leaves.starts, leaves.finds = ["answer_lost"], [AWAY] * 6
    run = await s.started(wish("stuck-finish"))
    assert (run.state, run.phase) == (State.STUCK, Phase.FINISH), run


async def failed(s: Stage) -> None:
    saving = s.backend("failed-ended").saving
    saving.starts, saving.finds = ["answer_lost"], [AWAY] * 6
    run = await s.both(await s.started(wish("failed-ended")), RESOLVE, "unchanged")
    assert run.question.pause is Pause.AS_BEFORE, run
    await s.press(run, BEN, STOP, "morgen wieder")

    backend = s.backend("failed-stopped")
    backend.loss, backend.starts = Loss(LossQuality.UNKNOWN), ["takes_long"]
    backend.polls = [
        Progress(T0, "copying", 1.0, None, "files"),
        Ended(False, Left.PARTIAL, "cannot write"),
    ]
    run = await s.started(wish("failed-stopped"))
    assert (run.state, run.phase) == (State.FAILED, Phase.RESTORE), run

    await undone(s)

    s.switch("failed-leaving", Do.MAINTENANCE_OFF).starts = [REFUSES]
    run = await s.press(await s.started(wish("failed-leaving")), BEN, STOP, "von Hand")
    assert (run.state, run.phase) == (State.FAILED, Phase.FINISH), run
    run = await s.both(run, CONTINUE, why="der Shop muss wieder auf")
    await s.drive(run, EventKind.STEP_STARTED, dead=True)


async def undone(s: Stage) -> None:
    """A paused run ends with the request that undoes it."""
    run = await s.started(wish("failed-undone"), EventKind.RESTORED)
    s.world.offline.sees = [Verdict.FAILED]
    run = await s.drive(run)
    assert asking.ended_by_undo(run) is run
    said, now = tuple(sorted(marks(ANA))), s.clock()

    def ended(by: str) -> Event:
        return Event(EndedByUndo(marks=said, why="ended by its undo", undone_by=by), now, ANA.id)

    await s.drive(await s.ask(asking.undo(run, ""), ending=ended))


async def succeeded(s: Stage) -> None:
    run = await s.started(wish("succeeded-pair", goal=Goal(before=later(-1000))))
    assert (run.question.pause, len(run.approval.plan.legs)) == (Pause.CHECKPOINT, 2), run
    run = await s.drive(await s.press(run, ANA, CONTINUE))
    run = await s.drive(await s.press(run, BEN, CONTINUE))
    assert run.state is State.SUCCEEDED, run

    s.backend("succeeded-overridden").measured = [replace(LOSS, units=(Unit("orders", 9000),))]
    leaves = s.switch("succeeded-overridden", Do.MAINTENANCE_OFF)
    leaves.starts, leaves.finds = ["answer_lost"], [NOBODY_KNOWS]
    run = await s.started(wish("succeeded-overridden"))
    assert run.question.pause is Pause.LOSS, run
    run = await s.drive(await s.press(run, ANA, RETRY), EventKind.RESTORED)
    s.world.offline.sees = [None]
    run = await s.both(await s.drive(run), CONTINUE, why="die Prüfung selbst ist kaputt")
    run = await s.both(await s.drive(run), RESOLVE, "point")
    run = await s.drive(run)
    assert run.state is State.SUCCEEDED, run
    assert run.work.overridden
    await one_after_another(s)


async def dropped(s: Stage) -> None:
    """Switched to a copy; its backend is away when the days of its undo point are over, and drops it then."""
    copies(s, "succeeded-dropped")
    held = await s.started(wish("succeeded-dropped"))
    assert held.state is State.SUCCEEDED, held
    backend = s.backend("succeeded-dropped")
    backend.dropping.starts = [AWAY]
    held = await s.drive(await s.due(held))
    await s.drive(await s.due(held))

    copying = copies(s, "cancelled-copied")
    copying.starts, copying.cancels = ["takes_long"], [None]
    run = await s.started(wish("cancelled-copied"), PROGRESS)
    run = await s.drive(await s.press(run, ANA, CANCEL))
    assert (run.state, run.work.touched) == (State.CANCELLED, False), run
    await s.drive(await s.due(run), EventKind.STEP_STARTED, dead=True)


async def beside(s: Stage) -> None:
    """Drills and snapshots: one that has ended, and one whose copy was begun."""
    copies(s, "drilled")
    run = await s.planned(a_drill("drilled"))
    assert run.state is State.SUCCEEDED, run
    lessons = Lessons(
        "3 Summen unter 0", to_do="Backup um 04:30", owner=CY.id, due=s.clock() + timedelta(days=9)
    )
    await s.clicks(run, ANA, LEARN, Click(lessons=lessons))
    copies(s, "running-drill").starts = ["takes_long"]
    await s.drive(await s.ask(a_drill("running-drill")), PROGRESS, dead=True)

    copies(s, "succeeded-snapshot")
    s.backend("succeeded-snapshot").holds = Contents({"orders": Rows(31_114, "9e07" * 16)}, "51d0" * 16)
    run = await s.started(a_snapshot("succeeded-snapshot"))
    assert run.state is State.SUCCEEDED, run
    await s.drive(await s.press(run, ANA, RETRY))
    copies(s, "running-snapshot").starts = ["takes_long"]
    await s.started(a_snapshot("running-snapshot"), PROGRESS, dead=True)


async def by_the_clock(s: Stage) -> None:
    """Backups: one that was taken and looked into, one whose checks failed, one whose copy was begun."""
    schedules, names = ScheduleStore(s.store), ("backed-up", "failed-backup", "running-backup")
    await schedules.keep(dict.fromkeys(names, 3_600.0), s.clock())
    for schedule in await schedules.all():
        copies(s, schedule.target)
        backend = s.backend(schedule.target)
        backend.capabilities = replace(backend.capabilities, backs_up=True)
    taken, failed, running = await schedules.all()
    await s.drive(await s.begun(schedules, taken))
    s.world.offline.sees = [Verdict.FAILED, Verdict.FAILED]  # one is seen while it is planned
    run = await s.drive(await s.begun(schedules, failed))
    assert run.state is State.FAILED, run
    s.backend("running-backup").preparing.starts = ["takes_long"]
    await s.drive(await s.begun(schedules, running), PROGRESS, dead=True)


async def rehearsed(s: Stage) -> None:
    """A drill that was a whole run of another target, with two people."""
    wanted = replace(a_drill("succeeded-rehearsal"), purpose=Purpose.REHEARSAL, drill_of="rehearsed")
    run = await s.started(wanted)
    assert run.state is State.SUCCEEDED, run


def a_drill(target: str) -> Wish:
    return replace(wish(target, reason="fällig"), purpose=Purpose.DRILL)


def a_snapshot(target: str) -> Wish:
    as_of = wish(target, goal=Goal(as_of=later(-900)), reason="Prüfung Q3")
    return replace(as_of, purpose=Purpose.SNAPSHOT)


async def one_after_another(s: Stage) -> None:
    """The second run waits for a lock first, and takes away what the first one brought."""
    backend = s.backend("succeeded")
    lived = (Span(later(-9000), later(-600)),)
    backend.offered["p41"] = replace(POINT, kind=PointKind.BACKUP, live=lived, fingerprint="40ab" * 16)
    backend.gone, backend.diff = (Gone("v42", "v42", later(-600), "cy", "Preisregel"),), "table notes goes"
    s.world.pinned["succeeded"] = (Pin("`root`", "7c1e" * 16),)
    run = await s.started(wish("succeeded"))
    assert run.state is State.SUCCEEDED, run

    backend.live = "v42"  # deployed once more
    run = await s.approved(wish("succeeded", reason="schon wieder"))
    backend.plans = [Busy("gesperrt von einem Export")]
    run = await s.drive(run)
    assert run.state is State.SUCCEEDED, run

    backend.live = "v42"
    run = await s.approved(wish("succeeded"))
    backend.live = "v43"
    run = await s.drive(run)
    assert run.end.seen, run


async def looks_and_leases(s: Stage) -> None:
    look = await s.looks.want("posted", {}, s.clock())
    context = {"channel": CHANNEL, "thread": None}
    await s.looks.open_modal(Modal("V01", ANA.id, "posted", look, context, s.clock(), "reading", ANA.id))
    look = await s.looks.want("succeeded", {"undo_of": "RB-1"}, s.clock())
    await s.looks.answer(look, {"reason": "`succeeded` kann gerade nicht gelesen werden"}, s.clock())
    await Leases(s.database).take("publisher", "front-1", s.clock(), timedelta(seconds=10))


# Put back from a backup ------------------------------------------------------------------------


async def put_back(s: Stage) -> None:
    """Nobody has confirmed yet."""
    await s.approved(wish("put-back-approved"))
    await s.ask(wish("requested"))
    s.backend("put-back-running").starts = ["takes_long"]
    await s.started(wish("put-back-running"), PROGRESS, dead=True)
    await s.put_back()


async def restored(s: Stage) -> None:
    """Put back, confirmed, and used again."""
    await s.ask(wish("requested"))
    await s.started(wish("put-back-told"), EventKind.STARTED)
    run = await s.started(wish("put-back-paused"), EventKind.RESTORED)
    s.world.offline.sees = [Verdict.FAILED]
    await s.drive(run)
    s.backend("put-back-leaving").saving.starts = [REFUSES]
    run = await s.press(await s.started(wish("put-back-leaving")), BEN, STOP)
    run = await s.both(run, CONTINUE, why="der Shop muss wieder auf")
    await s.drive(run, EventKind.STEP_STARTED, dead=True)
    await s.put_back()
    await s.confirm(HIGHEST)
    await s.both(await s.newest_of("put-back-told"), RESOLVE, "point")
    await s.posted(wish("posted"))


STORIES: Mapping[str, Callable[[Stage], Awaitable[None]]] = {  # by what the file's name ends with
    "": in_use,
    "-put-back": put_back,
    "-restored": restored,
}
