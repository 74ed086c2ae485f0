"""Executor `counter` and check `counter`."""

from collections.abc import Iterable

from bot.configuration.definitions import Definition, Fault
from bot.configuration.settings import Target
from tests.recipe.counter.settings import CounterCheckSettings, CounterSettings


def _faults(settings: CounterSettings, target: Target) -> Iterable[Fault]:
    if isinstance(settings.file, str) and not settings.file.endswith(".json"):
        yield Fault(("file",), f"The counter of `{target.name}` must be a .json file.")


EXECUTOR = Definition("counter", CounterSettings, "tests.recipe.counter.executor:build", faults=_faults)
CHECK = Definition("counter", CounterCheckSettings, "tests.recipe.counter.check:build")
