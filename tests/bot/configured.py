"""Configurations as values: what a loaded rollback.yaml would be, without a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.command.definition import CHECK as COMMAND_CHECK
from backends.command.definition import EXECUTOR as COMMAND
from backends.command.settings import CommandCheckSettings
from backends.git.definition import EXECUTOR as GIT
from backends.http.definition import CHECK as HTTP
from backends.releases.definition import EXECUTOR as RELEASES
from backends.releases.settings import ReleasesSettings
from backends.sql.definition import CHECK as SQL
from backends.sqlite.definition import EXECUTOR as SQLITE
from bot.configuration import Configuration, Procedure, ProcedureStep, Rule, Target
from bot.configuration.definitions import Definitions
from bot.configuration.settings import CommandCall, Group, Maintenance
from bot.model import Kind, Phase, When
from tests.people import ANA, BEN, CY

# A few, named one by one: what these tests say stays true when another backend is added.
KNOWN = Definitions(executors=(RELEASES, SQLITE, GIT, COMMAND), checks=(HTTP, SQL, COMMAND_CHECK))
MAINTENANCE = Maintenance(
    enter=CommandCall(type="command", argv=("maint", "on"), timeout=20.0),
    leave=CommandCall(type="command", argv=("maint", "off"), timeout=30.0),
)
OFFLINE = CommandCheckSettings(type="command", name="totals", argv=("totals",), when=When.OFFLINE)
ONLINE = CommandCheckSettings(type="command", name="errors", argv=("errors",), when=When.ONLINE)
MANAGERS = Group(members=(ANA.id, BEN.id, CY.id))


def target(name: str = "orders", **settings: Any) -> Target:
    """A database approved by the managers, unless `settings` say otherwise."""
    said: dict[str, Any] = {
        "kind": Kind.DATABASE,
        "executor": ReleasesSettings(type="releases", root="/srv"),
        "approval": Rule(from_=("managers",)),
    }
    return Target(name=name, **{**said, **settings})


def configuration(*targets: Target, procedures: Mapping[str, Procedure] | None = None) -> Configuration:
    return Configuration(
        version=1,
        groups={"managers": MANAGERS},
        targets={one.name: one for one in targets or (target(),)},
        procedures=procedures or {},
        path=Path("rollback.yaml"),
        digest="d",
    )


def restoring(*names: str | None, **more: Any) -> Procedure:
    """A procedure that takes these targets back, one after another; None: the one that was asked for."""
    return Procedure(steps=tuple(ProcedureStep(phase=Phase.RESTORE, target=name) for name in names), **more)


def ask(phase: Phase, question: str) -> ProcedureStep:
    """A human checkpoint."""
    return ProcedureStep(phase=phase, confirm=question)


CAREFUL = target(maintenance=MAINTENANCE, checks=(OFFLINE, ONLINE))
