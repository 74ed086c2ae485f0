"""The contract of `Lists` as tests, which most executors do not take on: those skip them, with the reason."""

from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio

from backends.conformance.harness import World, carried_out, kept
from bot.contract import Ended, Executor, Lists, Removal, RowListed, TableListed, Work
from bot.errors import PermanentError
from bot.model import Change, RestorePoint


class ListingContract:
    """Part of the contract of an executor, whose fixtures it uses."""

    @pytest.fixture
    def lists(self, executor: Executor) -> Lists:
        if not isinstance(executor, Lists):
            pytest.skip("this backend lists nothing of what a run has removed")
        return executor

    @pytest_asyncio.fixture
    async def removal(self, lists: Lists, executor: Executor, work: Work) -> Removal:
        """Restores after an undo point was saved, and returns what that has removed."""
        saved = await kept(executor, work)
        assert saved is not None
        restore = replace(work, undo=saved.id, undo_content=saved.fingerprint)
        end = await carried_out(executor, restore)
        assert isinstance(end, Ended)
        newest = end.made if isinstance(end.made, RestorePoint) else saved
        return Removal(newest.id, newest.fingerprint, work.point, work.fingerprint)

    async def test_the_rows_that_a_run_has_removed_are_those_that_are_counted(
        self, lists: Lists, removal: Removal
    ) -> None:
        tables = [one for one in await lists.list_removed(removal) if isinstance(one, TableListed)]
        assert any(one.new + one.changed + one.returning for one in tables), "the world removes something"
        for table in tables:
            rows = await _rows(lists, removal, table)
            counted = [sum(row.change is change for row in rows) for change in Change]
            assert counted == [table.new, table.changed, table.returning]
            assert all(_fits(row, table) for row in rows)

    async def test_listing_changes_nothing(self, world: World, lists: Lists, removal: Removal) -> None:
        before = world.live(), world.effects()
        for table in await lists.list_removed(removal):
            if isinstance(table, TableListed):
                await _rows(lists, removal, table)
        assert (world.live(), world.effects()) == before

    async def test_an_undo_point_that_holds_something_else_than_was_saved_is_not_listed(
        self, lists: Lists, removal: Removal
    ) -> None:
        if not removal.undo_content:
            pytest.skip("what an undo point of this backend holds is in its id")
        with pytest.raises(PermanentError):
            await lists.list_removed(replace(removal, undo_content="f" * 64))

    async def test_an_undo_point_that_is_gone_is_refused(
        self, world: World, lists: Lists, removal: Removal
    ) -> None:
        world.loses(removal.undo)
        with pytest.raises(PermanentError):
            await lists.list_removed(removal)


async def _rows(lists: Lists, removal: Removal, table: TableListed) -> list[RowListed]:
    async with aclosing(lists.rows_removed(removal, table.table, personal=table.personal)) as batches:
        return [row async for batch in batches for row in batch]


def _fits(row: RowListed, table: TableListed) -> bool:
    """Whether it has a value for each column, in the states in which a row of its change stands."""
    parts = ((row.removed, table.removed, Change.RETURNS), (row.restored, table.restored, Change.NEW))
    return all(
        cells is None if row.change is absent else cells is not None and len(cells) == len(columns)
        for cells, columns, absent in parts
    )
