"""The command line: unpacks what was typed, asks, prints, and ends with an exit code.

`app` is the table of commands. `reading` asks the database and the targets, `doctor` looks at everything live,
`upgrading` brings the database to this program's version; `shapes` is what programs get, `words` what people
get, `output` where it is printed, `endings` how everything ends.
"""

from handlers.cli.app import main

__all__ = ["main"]
