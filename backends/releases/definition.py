"""Executor `releases`."""

from collections.abc import Iterator

from backends.releases.settings import ReleasesSettings
from bot.configuration.definitions import Definition, Fault, empty_faults
from bot.configuration.settings import Target


def _faults(settings: ReleasesSettings, target: Target) -> Iterator[Fault]:
    yield from empty_faults(settings, ("root",))
    if target.backup is not None:
        words = "Its release folders stand side by side, so there is nothing to back up."
        yield Fault(("type",), f"{words} Take `backup` out.")
    if settings.link == settings.releases:
        words = f"`link` and `releases` of `{target.name}` are both called `{settings.link}`."
        yield Fault(("releases",), f"{words} Give each the name that it has in `root`.")


EXECUTOR = Definition(
    "releases", ReleasesSettings, "backends.releases.executor:build", faults=_faults, changes=("root", "link")
)
