"""Backups as somebody at the shell makes them and puts them back: what is said, and how each command ends."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from bot.model import Do
from handlers.cli.endings import ending
from storage.database import LockFile, open_database, sqlite_url, upgrade
from storage.integrity import Unsound
from storage.runs import open_store
from tests.bot.stories import T0
from tests.handlers.cli.conftest import Shell
from tests.storage.told import ask, driven


@pytest.fixture
def lived(shell: Shell) -> Shell:
    """One run that ended, and one under way."""

    async def live() -> None:
        shell.state.mkdir()
        database = open_database(sqlite_url(shell.state / "rollback.db"))
        await upgrade(database)
        store = await open_store(database, None, T0)
        await driven(store)
        await driven(store, await ask(store, "storefront"), up_to=Do.RESTORE)
        await database.close()

    asyncio.run(live())
    return shell


def file(shell: Shell) -> Path:
    return shell.folder / "backup.db"


def states(shell: Shell) -> dict[str, str]:
    return {run["id"]: run["state"] for run in json.loads(shell.types("runs", "--json").out)}


def test_a_backup_is_made_and_told(lived: Shell) -> None:
    done = lived.types("db", "backup", str(file(lived)))
    assert (done.code, done.err) == (0, "")
    assert "Every entry was checked" in done.out
    assert "Head of the evidence: " in done.out
    assert file(lived).exists()


def test_a_backup_overwrites_nothing(lived: Shell) -> None:
    file(lived).write_text("mine")
    done = lived.types("db", "backup", str(file(lived)))
    assert (done.code, done.out) == (1, "")
    assert "is there already" in done.err


def test_before_there_is_a_database_there_is_no_backup(shell: Shell) -> None:
    done = shell.types("db", "backup", str(file(shell)))
    assert (done.code, done.err) == (1, f"{shell.state}/rollback.db is not there: nothing was ever stored.\n")


def test_a_database_that_was_only_made_has_a_backup(shell: Shell) -> None:
    shell.types("db", "upgrade")
    done = shell.types("db", "backup", str(file(shell)))
    assert (done.code, done.err) == (0, "")
    assert "no entry of evidence, for nothing was ever decided" in done.out


def test_a_backup_is_put_back_and_confirmed(lived: Shell) -> None:
    lived.types("db", "backup", str(file(lived)))
    done = lived.types("db", "restore", str(file(lived)))
    assert done.code == 0
    assert "is kept as" in done.out
    assert "rollback-bot db confirm" in done.out
    done = lived.types("db", "confirm", "--yes", "--highest", "RB-57")
    assert done.code == 0
    assert "RB-2 of `storefront` is stuck now." in done.out
    assert "The next run is RB-58." in done.out
    assert states(lived) == {"RB-2": "stuck", "RB-1": "succeeded"}


def test_nothing_is_put_back_while_the_bot_serves(lived: Shell) -> None:
    lived.types("db", "backup", str(file(lived)))
    lock = LockFile(lived.state / "serve.lock")
    lock.acquire()
    done = lived.types("db", "restore", str(file(lived)))
    lock.release()
    assert (done.code, done.out) == (3, "")
    assert f"Process {os.getpid()} serves" in done.err


def test_what_is_no_backup_is_refused_and_nothing_changes(lived: Shell) -> None:
    file(lived).write_text("nothing of the kind")
    done = lived.types("db", "restore", str(file(lived)))
    assert (done.code, done.out) == (1, "")
    assert "is no sound backup" in done.err
    assert states(lived) == {"RB-2": "running", "RB-1": "succeeded"}


def test_a_list_without_slack_says_so_and_ends_with_3(lived: Shell) -> None:
    lived.types("db", "restored")
    done = lived.types("db", "forgotten", "--json")
    assert (done.code, json.loads(done.out)) == (3, [])
    assert "SLACK_BOT_TOKEN is not set" in done.err


def test_a_database_in_use_has_forgotten_nothing(lived: Shell) -> None:
    done = lived.types("db", "forgotten", "--json")
    assert (done.code, json.loads(done.out)) == (0, [])
    assert lived.types("db", "confirm", "--yes").code == 1


def test_nobody_confirms_by_accident(lived: Shell) -> None:
    lived.types("db", "restored")
    done = lived.types("db", "confirm", "--highest", "RB-57")
    assert done.code == 1
    assert "say --yes" in done.err
    assert states(lived)["RB-2"] == "running"


def test_a_damaged_database_ends_with_3() -> None:
    assert ending(Unsound("The database is damaged.")).code == 3
