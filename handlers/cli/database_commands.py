"""The commands of `rollback-bot db`. As in `app`, what each needs is imported when it is called."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.errors import UserError
from handlers.cli.endings import Code
from handlers.cli.options import AsJson, MayEndRuns
from handlers.cli.output import aside, data, say

db = typer.Typer(no_args_is_help=True, help="The database of the bot.")


@db.command()
def upgrade(yes: MayEndRuns = False) -> None:
    """Bring the database to this program's version. A copy of it is kept beside it."""
    from handlers.cli.database import upgraded
    from handlers.settings import read_settings

    before, after = asyncio.run(upgraded(read_settings().model_copy(update={"may_end_runs": yes})))
    if before == after:
        say(f"The database is at {after} already.")
    else:
        say(f"The database went from {before or 'nothing'} to {after}.")


@db.command()
def backup(file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]) -> None:
    """Copy the database to FILE, beside a running `serve`, and check every entry of the copy."""
    from handlers.cli import backup_words as words
    from handlers.cli.backups import backed_up
    from handlers.settings import read_settings

    words.backup(file, asyncio.run(backed_up(read_settings(), file)))


@db.command()
def restore(file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]) -> None:
    """Put a backup back. The database before it is kept; nothing runs until `db confirm`."""
    from handlers.cli import backup_words as words
    from handlers.cli.backups import restored_from
    from handlers.settings import read_settings

    words.put_back(file, asyncio.run(restored_from(read_settings(), file)))


@db.command()
def restored() -> None:
    """Say that the database was put back by other means, such as pg_restore. Stop every `serve` first."""
    from handlers.cli import backup_words as words
    from handlers.cli.backups import marked
    from handlers.settings import read_settings

    words.read_only(asyncio.run(marked(read_settings())))


@db.command()
def forgotten(as_json: AsJson = False) -> None:
    """List what a database that was put back does not know: traces on cards and at the targets."""
    from handlers.cli import backup_words as words
    from handlers.cli import backups
    from handlers.settings import read_settings

    asked = asyncio.run(backups.forgotten(read_settings()))
    if asked is None:
        aside("This database is in use as it is: it was not put back.")
        if as_json:
            data([])
        return
    told, found = asked
    if as_json:
        data([words.as_value(trace) for trace in found.traces])
    else:
        words.forgotten(told, found)
    aside(*found.unasked)
    if found.unasked:
        raise typer.Exit(Code.UNREACHABLE)


@db.command()
def confirm(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    highest: Annotated[
        str | None, typer.Option(metavar="RUN", help="The newest run that people remember, such as RB-57.")
    ] = None,
) -> None:
    """Go on after a restore: ends or doubts every run that the backup believes to be open."""
    from handlers.cli import backup_words as words
    from handlers.cli import backups
    from handlers.settings import read_settings

    settings = read_settings()
    asked = asyncio.run(backups.forgotten(settings))
    if asked is None:
        raise UserError("There is nothing to confirm: this database is in use as it is.")
    told, found = asked
    words.forgotten(told, found)
    number = backups.newest_number(found, highest)
    if not yes:
        _typed_name(told.installation)
    words.confirmed(asyncio.run(backups.confirmed(settings, number)), max(number, told.newest))


def _typed_name(installation: str) -> None:
    """Raises UserError, unless whoever sits here types the new name of the installation."""
    if not sys.stdin.isatty():
        raise UserError("Nobody is there to be asked. Read the list, then say --yes.")
    if typer.prompt(f"Type {installation} to go on", err=True) != installation:
        raise UserError("Not confirmed: that is another name. Nothing was changed.")
