"""The configured backends, built from the configuration when they are first needed."""

from collections.abc import Sequence

from backends.discreet import DiscreetCheck, DiscreetExecutor, DiscreetOperation
from backends.programs.spool import CommandOperation
from backends.references import Resolver
from backends.registry import build_check, build_executor
from bot.configuration import Configuration
from bot.contract import Executor, Operation
from bot.looking import PatientCheck
from bot.model import Do


class ConfiguredWorld:
    """Fulfils the engine's World. Secrets are resolved here, and only here, and do not leave it again."""

    def __init__(self, configuration: Configuration, resolver: Resolver) -> None:
        self._configuration = configuration
        self._resolver = resolver
        self._executors: dict[str, Executor] = {}

    def executor(self, target: str) -> Executor:
        if target not in self._executors:
            settings = self._configuration.targets[target].executor
            executor = build_executor(settings, self._resolver)
            self._executors[target] = DiscreetExecutor(executor, self._resolver.surroundings.secrets)
        return self._executors[target]

    def maintenance(self, target: str, do: Do) -> Operation:
        settings = self._configuration.targets[target].maintenance
        assert settings is not None  # the plan has this step only where maintenance is configured
        call = settings.enter if do is Do.MAINTENANCE_ON else settings.leave
        surroundings = self._resolver.with_variables(call.environment)
        return DiscreetOperation(
            CommandOperation(call.argv, call.timeout, surroundings), surroundings.secrets
        )

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
        return tuple(DiscreetCheck(check, self._resolver.surroundings.secrets) for check in found.values())
