"""Lists what a run has removed, for whoever sits at this shell, as long as its undo point is kept.

Each look is evidence, and that is stored before anything is printed: where it cannot be, nothing is shown.
How it is printed is for `removed_words`.
"""

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from backends.installed import definitions
from backends.world import ConfiguredWorld
from bot.clock import SteadyClock
from bot.configuration import Configuration, load
from bot.contract import OutcomeUnknown, Removal, RowListed, TableListed, TableNotListed
from bot.errors import PermanentError, TemporaryError, UserError, words_of
from bot.model import Do, Left, Outcome
from bot.run import Run
from bot.spelling import did_you_mean
from bot.times import moment
from handlers.cli.backups import operator
from handlers.cli.database import stored
from handlers.cli.reading import opened_world, run_called
from handlers.settings import ProcessSettings

SHOWN = "removed_shown"  # the kind of its evidence
NO_ANSWER = (UserError, PermanentError, TemporaryError, OutcomeUnknown)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much of it somebody wants to see."""

    target: str | None = None  # None: every target of the run
    table: str | None = None  # None: every table
    rows: bool = False
    personal: bool = False  # the rows of tables about people, too
    alone: bool = False  # one table and nothing beside it, with all its rows

    def shows_rows_of(self, table: TableListed | TableNotListed) -> bool:
        return self.rows and isinstance(table, TableListed) and (self.personal or not table.personal)


@dataclass(frozen=True, slots=True)
class TargetRemoved:
    """Says what a run has removed of one target."""

    target: str
    removal: Removal
    tables: tuple[TableListed | TableNotListed, ...]


class Printer(Protocol):
    def begin(
        self, run: Run, wanted: Wanted, targets: Sequence[TargetRemoved], refused: Sequence[str]
    ) -> None:
        """`refused`: a sentence for each target that cannot be listed."""

    def begin_table(self, of: TargetRemoved, table: TableListed | TableNotListed) -> None: ...

    def rows(self, rows: Iterable[RowListed]) -> None: ...

    def end_table(self) -> None: ...

    def end(self) -> None: ...


async def show(settings: ProcessSettings, typed: str, wanted: Wanted, printer: Printer) -> bool:
    """Returns whether every target could be listed. Raises UserError, and what executors raise."""
    configuration = load(settings.config, definitions())
    async with opened_world(configuration, settings) as world:
        async with stored(settings) as store:
            run = await run_called(store, typed)
            targets, refused = await _look(run, configuration, world, wanted)
            await store.note(SHOWN, SteadyClock()(), operator(), _evidence(targets, wanted), run.id)
        printer.begin(run, wanted, targets, refused)
        for one in targets:
            for table in one.tables:
                printer.begin_table(one, table)
                if isinstance(table, TableListed) and wanted.shows_rows_of(table):
                    await _rows(world, one, table, printer)
                printer.end_table()
        printer.end()
    return not refused


async def _rows(world: ConfiguredWorld, of: TargetRemoved, table: TableListed, printer: Printer) -> None:
    """Raises PermanentError when others came than were counted: what was printed is then not all."""
    executor, came = world.executor(of.target), 0
    rows = executor.rows_removed(of.removal, table.table, personal=table.personal)
    async with aclosing(rows) as batches:
        async for batch in batches:
            came += len(batch)
            printer.rows(batch)
    counted = table.new + table.changed + table.returning
    if came != counted:
        raise PermanentError(
            f"{came:,} rows of `{table.table}` came, and {counted:,} were counted. Ask again."
        )


def _evidence(targets: Sequence[TargetRemoved], wanted: Wanted) -> dict[str, Any]:
    shown = [
        {
            "target": one.target,
            "undo_point": one.removal.undo,
            "restore_point": one.removal.point,
            "tables": [table.table for table in one.tables],
            "rows_of": [table.table for table in one.tables if wanted.shows_rows_of(table)],
        }
        for one in targets
    ]
    return {"shown": shown, "rows": wanted.rows, "personal": wanted.personal}


# Looking -------------------------------------------------------------------------------------------


async def _look(
    run: Run, configuration: Configuration, world: ConfiguredWorld, wanted: Wanted
) -> tuple[list[TargetRemoved], list[str]]:
    """Returns what can be listed, and why something cannot. Raises where that is all of it."""
    found, problems = [], []
    for target in targets_asked_for(run, wanted):
        try:
            found.append(await _one(run, configuration, world, target))
        except NO_ANSWER as problem:
            problems.append((target, problem))
    if problems and not found:
        raise problems[0][1]
    refused = [f"`{target}`: {words_of(problem)}" for target, problem in problems]
    chosen = _chosen(found, wanted, run)
    refuse_more_than_one(chosen, wanted)
    return chosen, refused


def targets_asked_for(run: Run, wanted: Wanted) -> list[str]:
    """Raises UserError when the run has none."""
    if run.approval.planned is None:
        raise UserError(f"{run.id} was never planned, so it has removed nothing.")
    names = [leg.target for leg in run.approval.plan.legs]
    if wanted.target is None:
        return names
    if wanted.target.casefold() not in names:
        mean = did_you_mean(wanted.target, names)
        raise UserError(
            f"`{wanted.target}` is no target of {run.id}.{mean} `rollback-bot run {run.id}` shows it."
        )
    return [wanted.target.casefold()]


async def _one(run: Run, configuration: Configuration, world: ConfiguredWorld, target: str) -> TargetRemoved:
    removal = removal_of(run, target)
    if target not in configuration.targets:
        raise UserError(f"`{target}` is not in the configuration any more, so it cannot be asked.")
    return TargetRemoved(target, removal, await world.executor(target).list_removed(removal))


def removal_of(run: Run, target: str) -> Removal:
    """Returns what has to be compared. Raises UserError where nobody can say what was removed."""
    left = {record.left for record in run.work.restores if record.step.target == target}
    if Left.POINT not in left:
        if left & {Left.UNKNOWN, Left.PARTIAL}:
            raise UserError(
                f"It is not known what {run.id} has left of `{target}`, so nobody can say what it removed. "
                f"`rollback-bot run {run.id}` says how it ended."
            )
        raise UserError(f"{run.id} has not restored `{target}`, so it has removed nothing of it.")
    undo = run.work.undo_points.get(target)
    if undo is None:
        raise UserError(f"{run.id} has saved no undo point of `{target}`, so nobody can say what it removed.")
    if dropped := _dropped_at(run, target):
        raise UserError(
            f"The undo point of `{target}` was dropped at {moment(dropped)}, so nobody can say any more what "
            f"{run.id} removed."
        )
    point = run.approval.plan.leg(target).point
    return Removal(undo, run.work.undo_contents.get(target, ""), point.id, point.fingerprint)


def _dropped_at(run: Run, target: str) -> datetime | None:
    """None: it was not dropped by us."""
    for record in run.work.steps:
        is_ours = record.step.target == target and record.step.drops is Do.SAVE
        if is_ours and record.outcome is Outcome.SUCCEEDED:
            return record.ended_at
    return None


# One table -----------------------------------------------------------------------------------------


def _chosen(found: Sequence[TargetRemoved], wanted: Wanted, run: Run) -> list[TargetRemoved]:
    """Leaves the table that was asked for. Raises UserError when no target has it."""
    if wanted.table is None:
        return list(found)
    chosen = []
    for one in found:
        names = [table.table for table in one.tables]
        name = _named(wanted.table, names)
        tables = tuple(table for table in one.tables if table.table == name)
        chosen += [replace(one, tables=tables)] if tables else []
    if not chosen:
        known = [table.table for one in found for table in one.tables]
        mean = did_you_mean(wanted.table, known)
        all_of_them = f"`rollback-bot removed {run.id}` lists them all."
        raise UserError(f"{run.id} has compared no table `{wanted.table}`.{mean} {all_of_them}")
    return chosen


def _named(typed: str, names: Sequence[str]) -> str | None:
    """In other letters it is meant when it can be only one."""
    alike = [name for name in names if name.casefold() == typed.casefold()]
    return typed if typed in names else alike[0] if len(alike) == 1 else None


def refuse_more_than_one(chosen: Sequence[TargetRemoved], wanted: Wanted) -> None:
    """Raises UserError unless what is asked for alone is one table, and may be shown."""
    if not wanted.alone:
        return
    if len(chosen) > 1:
        raise UserError(
            f"{len(chosen)} targets have a table `{wanted.table}`: add --target with the name of one of them."
        )
    ((table,),) = [one.tables for one in chosen]
    if isinstance(table, TableNotListed):
        raise UserError(f"The rows of `{table.table}` cannot be listed: {table.why}.")
    if table.personal and not wanted.personal:
        raise UserError(f"`{table.table}` is about people. Add --personal to print its rows; that is noted.")
