"""The configured backends, built from the configuration when they are first needed."""

from collections.abc import Sequence

from bot.checks.looking import PatientCheck
from bot.checks.registry import build as build_check
from bot.configuration import Configuration
from bot.executors.contract import Executor, Operation
from bot.executors.registry import Resolver
from bot.executors.registry import build as build_executor
from bot.executors.spool import CommandOperation
from bot.model import Do


class ConfiguredWorld:
    """Fulfils the engine's World. Secrets are resolved here, and only here."""

    def __init__(self, configuration: Configuration, resolver: Resolver) -> None:
        self._configuration = configuration
        self._resolver = resolver
        self._executors: dict[str, Executor] = {}

    def executor(self, target: str) -> Executor:
        if target not in self._executors:
            settings = self._configuration.targets[target].executor
            self._executors[target] = build_executor(settings, self._resolver)
        return self._executors[target]

    def maintenance(self, target: str, do: Do) -> Operation:
        settings = self._configuration.targets[target].maintenance
        assert settings is not None  # the plan has this step only where maintenance is configured
        call = settings.enter if do is Do.MAINTENANCE_ON else settings.leave
        return CommandOperation(self._resolver.argv(call.argv), call.timeout, self._resolver.surroundings)

    def checks(self, targets: Sequence[str]) -> tuple[PatientCheck, ...]:
        """Under names of their own: before and after are compared by name."""
        found: dict[str, PatientCheck] = {}
        for target in targets:
            for settings in self._configuration.targets[target].checks:
                check = build_check(settings, self._resolver)
                name = check.name if len(targets) == 1 else f"{target}: {check.name}"
                while name in found:
                    name += "'"
                found[name] = build_check(settings.model_copy(update={"name": name}), self._resolver)
        return tuple(found.values())
