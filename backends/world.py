"""The configured backends, built from the configuration when they are first needed."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from backends.discreet import DiscreetCheck, DiscreetExecutor, DiscreetOperation
from backends.hand_over import HandingOver, why_not
from backends.installed import built
from backends.pins import document_pin, named_apart, pins_of, places_of
from backends.programs.spool import CommandOperation
from backends.references import Resolver
from backends.threads import Threads
from bot.canonical_json import digest
from bot.configuration import Configuration
from bot.configuration.definitions import Definitions
from bot.configuration.settings import CheckSettings, HandOver
from bot.contract import Executor, Operation, OutcomeUnknown, answered
from bot.errors import PermanentError, TemporaryError, words_of
from bot.looking import ChecksOfCopy, PatientCheck
from bot.model import Do, When
from bot.pins import OF_CHECK, OF_HAND_OVER, OF_MAINTENANCE, Pin

CLOSED_WITHIN_SECONDS = 5.0


class ConfiguredWorld:
    """Fulfils the engine's World. Secrets are resolved here, and only here, and do not leave it again."""

    def __init__(self, configuration: Configuration, definitions: Definitions, resolver: Resolver) -> None:
        """`definitions`: those that the configuration was loaded with."""
        self._configuration = configuration
        self._definitions = definitions
        self._resolver = resolver
        self._threads = {target: Threads() for target in configuration.targets}  # files may hang, too
        self._executors: dict[str, tuple[tuple[Pin, ...], DiscreetExecutor]] = {}  # with what they lead to
        self._left: list[DiscreetExecutor] = []  # those that led elsewhere, maybe still asked something

    def executor(self, target: str) -> DiscreetExecutor:
        """Returns the executor for where the references of its settings lead now.

        Raises ConfigurationError when it cannot be built, or a reference cannot be resolved.

        Raises PermanentError when what was built breaks the contract.
        """
        settings = self._configuration.targets[target].executor
        places = tuple(places_of(settings, self._resolver))
        if target not in self._executors or self._executors[target][0] != places:
            definition = self._definitions.executor(settings.type)
            assert definition is not None  # the configuration was loaded with these definitions
            executor: Executor = built(definition, settings, self._resolver, Executor)
            secrets = self._resolver.surroundings.secrets
            discreet = DiscreetExecutor(executor, settings.type, secrets).looked_over()
            if target in self._executors:
                self._left.append(self._executors[target][1])
            self._executors[target] = places, discreet
        return self._executors[target][1]

    async def close(self, within: float = CLOSED_WITHIN_SECONDS) -> tuple[str, ...]:
        """Lets go of what executors hold open. Returns a sentence for each that could not, or not in time."""
        every = [*self._left, *(executor for _, executor in self._executors.values())]
        self._left, self._executors = [], {}
        said = await asyncio.gather(*(_why_not_closed(executor, within) for executor in every))
        return tuple(filter(None, said))

    async def pins(
        self, target: str, agreed: Sequence[Pin] = (), *, handed_over: bool = False
    ) -> tuple[Pin, ...]:
        """Returns what the settings of the target lead to now. Raises ConfigurationError, and Busy.

        `agreed`: what a plan has pinned, perhaps under an older key of the zone. `handed_over`: with what
        hands a snapshot over, which has no part in any other plan.
        """
        asked = handed_over or any(OF_HAND_OVER in pin.name for pin in agreed)
        return await self._threads[target].run(self._pins, target, agreed, asked)

    def _pins(self, target: str, agreed: Sequence[Pin], handed_over: bool) -> tuple[Pin, ...]:
        configured = self._configuration.targets[target]
        found = list(pins_of(configured.executor, self._resolver, agreed=agreed))
        if configured.maintenance is not None:
            found += pins_of(configured.maintenance, self._resolver, OF_MAINTENANCE, agreed)
        if handed_over and (to := self._handed_over_to(target)) is not None:
            found.append(Pin(f"setting{OF_HAND_OVER}", digest(to.model_dump(mode="json"))))
            found += pins_of(to, self._resolver, OF_HAND_OVER, agreed)
        for n, check in enumerate(configured.checks, 1):
            found += pins_of(check, self._resolver, f"{OF_CHECK}{n}", agreed)
        procedure = self._configuration.procedures.get(configured.procedure or "")
        if procedure is not None and procedure.document in self._configuration.documents:
            found += document_pin(str(procedure.document), self._resolver)
        return named_apart(found)

    def maintenance(self, target: str, do: Do) -> Operation:
        settings = self._configuration.targets[target].maintenance
        assert settings is not None  # the plan has this step only where maintenance is configured
        call = settings.enter if do is Do.MAINTENANCE_ON else settings.leave
        surroundings = self._resolver.with_variables(call.environment)
        operation = CommandOperation(call.argv, call.timeout, surroundings)
        return DiscreetOperation(operation, call.type, surroundings.secrets)

    def hand_over(self, target: str, copy: str, manifest: Mapping[str, Any]) -> Operation:
        to = self._handed_over_to(target)
        surroundings = self._resolver.with_variables({} if to is None else to.environment)
        return DiscreetOperation(
            HandingOver(to, copy, manifest, surroundings), "hand-over", surroundings.secrets
        )

    async def why_no_hand_over(self, target: str) -> str | None:
        """Returns why a copy of the target could not be handed over now; None: it could, or goes nowhere.

        Raises ConfigurationError when a secret of the program is not there.
        """
        to = self._handed_over_to(target)
        if to is None:
            return None
        surroundings = self._resolver.with_variables(to.environment)
        return await self._threads[target].run(why_not, to, surroundings)

    def _handed_over_to(self, target: str) -> HandOver | None:
        snapshots = self._configuration.targets[target].snapshots
        return None if snapshots is None else snapshots.to

    def checks(self, targets: Sequence[str]) -> tuple[DiscreetCheck, ...]:
        """Under names of their own: before and after are compared by name. Raises as `executor` does."""
        found: dict[str, DiscreetCheck] = {}
        for target in targets:
            for settings in self._configuration.targets[target].checks:
                check = self._check(settings)
                name = check.name if len(targets) == 1 else f"{target}: {check.name}"
                while name in found:
                    name += "'"
                found[name] = self._check(settings.model_copy(update={"name": name}))
        return tuple(found.values())

    def checks_of_copy(self, target: str, environment: Mapping[str, str]) -> ChecksOfCopy:
        """Finds a target's checks that can look at its copy, only behind maintenance: a copy has no traffic.

        Raises PermanentError when a check breaks the contract.
        """
        able, left_out = list[PatientCheck](), list[str]()
        for check in self.checks([target]):
            of_copy = check.beside(environment) if check.when is When.OFFLINE else None
            if of_copy is None:
                left_out.append(check.name)
            else:
                able.append(of_copy)
        return ChecksOfCopy(tuple(able), tuple(left_out))

    def _check(self, settings: CheckSettings) -> DiscreetCheck:
        definition = self._definitions.check(settings.type)
        assert definition is not None  # the configuration was loaded with these definitions
        check: PatientCheck = built(definition, settings, self._resolver, PatientCheck)
        return DiscreetCheck(check, settings.type, self._resolver.surroundings.secrets).looked_over()


async def _why_not_closed(executor: DiscreetExecutor, within: float) -> str | None:
    try:
        await answered(executor.close(), within)
    except (PermanentError, TemporaryError, OutcomeUnknown) as problem:
        return words_of(problem)
    return None
