"""The commands, each as thin as it can be: what it needs is imported when it is called, so that none is slow.

How errors end is for `endings`; no command catches any, except to say what only it can know.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from bot.errors import UserError
from handlers.cli.database_commands import db
from handlers.cli.endings import Code, ending
from handlers.cli.options import AsJson, MayEndRuns
from handlers.cli.output import aside, data, say
from handlers.role import Role

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help without rich, which takes longer to import than `check` takes to run
    help="Take a system, a database or a dataset back to a known earlier state, safely.",
    epilog="Exit codes: 0 done or yes, 1 no, 2 usage or configuration, 3 unreachable or locked.",
)
app.add_typer(db, name="db")
snapshot = typer.Typer(no_args_is_help=True, help="Copies of the state as of a moment.")
app.add_typer(snapshot, name="snapshot")

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Such as RB-42.", show_default=False)]
TargetName = Annotated[str, typer.Argument(metavar="TARGET", show_default=False)]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`argv` None: of this process. Ends it with an exit code."""
    try:
        app(args=argv, prog_name="rollback-bot")
    except Exception as problem:  # noqa: BLE001 - the outermost edge: whoever types gets words, not a traceback
        end = ending(problem)
        aside(*end.words.splitlines())
        sys.exit(end.code)
    sys.exit(Code.YES)


# Running -------------------------------------------------------------------------------------------


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port for the page. 0 picks a free one.")] = 0,
    script: Annotated[bool, typer.Option("--script", help="Play the story in this terminal.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only say where the page is.")] = False,
) -> None:
    """A complete local workspace, no Slack account."""
    from workspace.demo import run_demo

    raise typer.Exit(asyncio.run(run_demo(port, script, not no_browser)))


@app.command()
def serve(
    role: Annotated[Role, typer.Option(help="front: Slack, worker: targets, all: both.")] = Role.ALL,
    zone: Annotated[str, typer.Option(help="Zone of the targets that this worker reaches.")] = "main",
    yes: MayEndRuns = False,
) -> None:
    """Serve until SIGTERM. Says `listening on …` once it takes commands, or work."""
    gc.disable()  # what is imported stays: searching it for garbage is a tenth of the start, and then goes on
    from handlers.cli import logs
    from handlers.serve import serve as run
    from handlers.settings import read_settings

    gc.freeze()
    gc.enable()
    settings = read_settings().model_copy(update={"may_end_runs": yes})
    logs.set_up(settings.log, settings.secrets)
    asyncio.run(run(settings, role, zone))


# Looking -------------------------------------------------------------------------------------------


@app.command()
def check() -> None:
    """Say everything that is wrong with the configuration file."""
    from backends.installed import definitions, missing_extras
    from bot.configuration import load, warnings
    from handlers.settings import read_settings

    known = definitions()
    only_where_it_is = {name: value for name, value in os.environ.items() if name == "ROLLBACK_CONFIG"}
    path = read_settings(only_where_it_is).config
    configuration = load(path, known)
    surprises = (*warnings(configuration, known), *missing_extras(configuration.targets.values(), known))
    aside(*(f"{path}: warning: {warning}" for warning in surprises))
    many = len(configuration.targets)
    say(f"{many} target{'' if many == 1 else 's'}, no problems")


@app.command()
def doctor(
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Send yourself a card and wait for you to press its button.")
    ] = False,
    who: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Your Slack user id, for --rehearse.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at everything live, and say what to do next."""
    from backends.installed import definitions
    from bot.configuration import load
    from handlers.cli.doctor import examine, exit_code
    from handlers.cli.doctor.results import as_value, line
    from handlers.settings import read_settings

    settings = read_settings()
    configuration = load(settings.config, definitions())
    operator = _operator(who) if rehearse else None

    async def look() -> Code:
        results = []
        async for result in examine(settings, configuration, operator):
            results.append(result)
            (aside if as_json else say)(line(result))
        if as_json:
            data([as_value(result) for result in results])
        return exit_code(results)

    raise typer.Exit(asyncio.run(look()))


def _operator(given: str | None) -> str:
    """Says who rehearses. A bot token does not say who installed the app, so whoever sits here is asked."""
    if given is None and sys.stdin.isatty():
        given = typer.prompt("Your Slack user id (your profile, ⋮, Copy member ID)", err=True)
    if not given:
        raise typer.BadParameter("say who you are: --as U01ANA", param_hint="--rehearse")
    return given


# Reading -------------------------------------------------------------------------------------------


@app.command()
def targets(as_json: AsJson = False) -> None:
    """List what can be taken back."""
    from handlers.cli import reading, shapes, words
    from handlers.settings import read_settings

    found = asyncio.run(reading.targets(read_settings()))
    if as_json:
        data([shapes.target(each) for each in found])
    else:
        words.targets(found)


@app.command()
def drills(as_json: AsJson = False) -> None:
    """List which drills are due, what is due first in front, and what the last ones have shown."""
    from bot.clock import SteadyClock
    from handlers.cli import reading, shapes, words
    from handlers.settings import read_settings

    found = asyncio.run(reading.drills(read_settings()))
    if as_json:
        data([shapes.drill(each) for each in found])
    elif found:
        words.drills(found, SteadyClock()())
    else:
        aside("No target asks for drills. Write `drill: {mode: beside, every: 90d}` under one.")


@app.command()
def points(target: TargetName, as_json: AsJson = False) -> None:
    """List what a target can go back to, newest first. Asks the target from this machine."""
    from bot.clock import SteadyClock
    from handlers.cli import reading, shapes, words
    from handlers.settings import read_settings

    found = asyncio.run(reading.points(read_settings(), target))
    if as_json:
        data(shapes.points(found))
    elif found.points.points:
        words.points(found, SteadyClock()())
    else:
        aside(f"`{target}` has no restore points.")


@app.command()
def plan(
    target: TargetName,
    point: Annotated[
        str | None, typer.Argument(metavar="[POINT]", help="Default: the one that the form would suggest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what going back would do and lose, now. Asks nobody. Ends with 1 when it would be refused."""
    from bot.clock import SteadyClock
    from bot.codec import plan_digest
    from handlers.cli import reading, shapes, words
    from handlers.settings import read_settings

    found = asyncio.run(reading.plan(read_settings(), target, point))
    shape = shapes.plan(found, plan_digest(found))
    if as_json:
        data(shape)
    else:
        words.plan(found, shape["code"], SteadyClock()())
    if found.blockers:
        aside(f"It would be refused: {' '.join(found.blockers)}")
        raise typer.Exit(Code.NO)


@app.command()
def runs(
    target: Annotated[
        str | None, typer.Option("--target", metavar="TARGET", help="List the runs of this target alone.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """All runs, newest first."""
    from handlers.cli import reading, shapes, words
    from handlers.settings import read_settings

    found = asyncio.run(reading.runs(read_settings(), target))
    if as_json:
        data([shapes.summary(summary) for summary in found])
    elif found:
        words.runs(found)
    else:
        aside(f"No runs of `{target}` yet." if target else "No runs yet.")


@app.command()
def run(
    run_id: RunId,
    as_json: AsJson = False,
) -> None:
    """One run, with everything that happened."""
    from bot.clock import SteadyClock
    from handlers.cli import reading, shapes, words
    from handlers.settings import read_settings

    told = asyncio.run(reading.run(read_settings(), run_id))
    if as_json:
        data(shapes.run(told.run, told.events, told.installation, told.url))
    else:
        words.run(told, SteadyClock()())


@app.command()
def removed(
    run_id: RunId,
    table: Annotated[
        str | None, typer.Option("--table", metavar="NAME", help="List this table alone.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="TARGET", help="List this target of the run alone.")
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Print the rows, not only how many.")] = False,
    personal: Annotated[
        bool, typer.Option("--personal", help="Print the rows of tables about people, too. It is noted.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write the rows of one table as CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what a run has removed, while its undo point is kept. Each look is noted in the evidence."""
    from handlers.cli.removed import Wanted, show
    from handlers.cli.removed_words import PrintedCsv, PrintedJson, PrintedWords
    from handlers.settings import read_settings

    if as_csv and (as_json or table is None):
        raise typer.BadParameter("it writes one table: add --table, without --json", param_hint="--csv")
    if as_csv and sys.stdout.isatty():
        raise UserError("CSV holds whatever is in the rows, so it goes into a file: add `> rows.csv`.")
    if personal and not (rows or as_csv):
        raise typer.BadParameter("it says which rows are printed: add --rows", param_hint="--personal")
    wanted = Wanted(target, table, rows or as_csv, personal, alone=as_csv)
    printer = PrintedCsv() if as_csv else PrintedJson() if as_json else PrintedWords()
    if not asyncio.run(show(read_settings(), run_id, wanted, printer)):
        raise typer.Exit(Code.NO)


@snapshot.command("manifest")
def snapshot_manifest(
    run_id: RunId,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Write it there, with what checks a copy."),
    ] = None,
) -> None:
    """Print what a snapshot is, as JSON: what was asked for, what its copy holds, who agreed."""
    from handlers.cli import snapshots
    from handlers.settings import read_settings

    found = asyncio.run(snapshots.manifest_of(read_settings(), run_id))
    if to is None:
        data(found)
    else:
        snapshots.write(to, found)
        say(f"{to} holds the manifest of {found['run']} and the script that checks a copy against it.")


@snapshot.command("verify")
def snapshot_verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds manifest.json.", show_default=False)],
    copy: Annotated[
        Path | None, typer.Argument(metavar="[COPY]", help="Default: what else there is in DIR.")
    ] = None,
) -> None:
    """Say whether a copy holds what its manifest says. Needs no database and no configuration."""
    from backends import snapshot_check
    from handlers.cli import snapshots

    manifest = folder / snapshots.MANIFEST
    code, words = snapshot_check.main([str(manifest), str(copy or snapshots.copy_in(folder))])
    if code:
        aside(words)
        raise typer.Exit(Code.NO if code == 1 else Code.UNREACHABLE)
    say(words)


# About the program ---------------------------------------------------------------------------------


class Shape(StrEnum):
    CONFIG = "config"
    EVENTS = "events"


@app.command()
def schema(
    of: Shape = typer.Argument(Shape.CONFIG, help="The configuration file, or stored events."),
) -> None:
    """Print a JSON Schema: of the configuration file, for editors, or of the events that are stored."""
    if of is Shape.EVENTS:
        from bot.codec import events_schema

        data(events_schema())
        return
    from backends.installed import definitions
    from bot.configuration import json_schema

    aside(*definitions().problems)
    data(json_schema(definitions()))


@app.command()
def version() -> None:
    """Print the version."""
    say(installed_version("rollback-bot"))
