"""Every executor under the one contract: one line for each."""

from backends.conformance.executors import ExecutorContract
from tests.backends.command.world import CommandWorld
from tests.backends.git.world import GitWorld
from tests.backends.releases.world import ReleasesWorld
from tests.backends.sqlite.world import SqliteJournalWorld, SqliteWorld


class TestReleases(ExecutorContract):
    world_type = ReleasesWorld


class TestSqliteWithWal(ExecutorContract):
    world_type = SqliteWorld


class TestSqliteWithRollbackJournal(ExecutorContract):
    world_type = SqliteJournalWorld


class TestGit(ExecutorContract):
    world_type = GitWorld


class TestCommand(ExecutorContract):
    world_type = CommandWorld
