"""The command line: unpacks what was typed, asks, prints, and ends with an exit code.

`app` is the table of commands, `database_commands` that of `db`. `reading` asks what is stored and the
targets, `database` opens and upgrades the database, `doctor` looks at everything live. `shapes` is what
programs get, `words` what people get, `output` where it is printed, `endings` how everything ends.
"""

from handlers.cli.app import main

__all__ = ["main"]
