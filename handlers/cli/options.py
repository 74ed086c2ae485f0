"""Options that several commands have."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Data for programs on standard output.")]
MayEndRuns = Annotated[
    bool, typer.Option("--yes", help="Upgrade also where that ends runs that wait under an older plan.")
]
