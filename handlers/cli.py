"""The command line: unpacks, asks, prints. Exit codes: 0 yes, 1 no, 2 usage or "
"configuration, 3 unreachable or locked."""

import asyncio
from importlib.metadata import version as installed_version

import typer

from bot.errors import ConfigurationError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def version() -> None:
    """Print the version."""
    print(installed_version("rollback-bot"))


@app.command()
def serve() -> None:
    """Serve Slack until SIGTERM."""
    from handlers import logs
    from handlers.serve import CannotServe
    from handlers.serve import serve as run
    from handlers.settings import read_settings
    from storage.database import Locked

    try:
        settings = read_settings()
        secrets = (settings.bot_token, settings.app_token, settings.signing_secret)
        logs.set_up(settings.log, [secret.get_secret_value() for secret in secrets if secret])
        asyncio.run(run(settings))
    except (ConfigurationError, CannotServe) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None
    except Locked as locked:
        typer.echo(f"{locked}. Stop it first, or set ROLLBACK_STATE_DIR to another folder.", err=True)
        raise typer.Exit(3) from None


def main() -> None:
    app()


if __name__ == "__main__":
    main()
