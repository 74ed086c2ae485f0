"""Every executor under the one contract: one line for each."""

from tests.bot.executors.contract import ExecutorContract
from tests.bot.executors.world_command import CommandWorld
from tests.bot.executors.world_git import GitWorld
from tests.bot.executors.world_releases import ReleasesWorld
from tests.bot.executors.world_sqlite import SqliteJournalWorld, SqliteWorld


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
