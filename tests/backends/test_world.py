"""The configured backends: programs get the secrets that are theirs, and nobody repeats one."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.conformance.harness import carried_out
from backends.installed import definitions
from backends.programs import supervisor
from backends.references import Resolver
from backends.surroundings import Surroundings
from backends.world import ConfiguredWorld
from bot.configuration import load
from bot.contract import COPY, COPY_OF, COPY_URL, Ended, Unreachable, Work
from bot.errors import ConfigurationError
from bot.model import Do, When
from tests.backends.command.world import kill

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORK = Work("k3v9x2ab.RB-42.3", "RB-42", "d" * 64, Do.MAINTENANCE_ON, point="", expected="")
SECRETS = {"OF_TOOL": "canary-of-the-tool", "OF_SWITCH": "canary-of-the-switch"}
OF_CHECK = "canary-of-the-check"
COMPLAINING = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  shop:
    kind: system
    executor:
      type: command
      points: {argv: [sh, -c, 'echo "no entry with $TOKEN$KEY" >&2; exit 1']}
      current: {argv: [sh, -c, 'printf "{\\"id\\": \\"%s\\"}" v42']}
      restore: {argv: ["true", "{point}"]}
      environment: {TOKEN: {env: OF_TOOL}, ZONE: eu}
    maintenance:
      enter:
        type: command
        argv: [sh, -c, 'printf "%0195d%s" 0 "$TOKEN$KEY"; exit 1']
        environment: {TOKEN: {env: OF_SWITCH}}
      leave: {type: command, argv: [sh, -c, 'echo "without$TOKEN$KEY"']}
    checks:
      - type: command
        argv: [sh, -c, 'echo "$TOKEN$KEY is refused"; exit 1']
        environment: {KEY: {file: key}}
      - {type: sql, url: "sqlite:///none.db", query: {file: key}, equals: 0}
"""

REFERRING = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  orders:
    kind: database
    executor: {type: sqlite, database: {file: place}, backups: backups}
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ConfiguredWorld]:
    (tmp_path / "key").write_text(f"{OF_CHECK}\n")
    (tmp_path / "rollback.yaml").write_text(COMPLAINING)
    surroundings = Surroundings(tmp_path, tmp_path / "spool", {"PATH": os.environ["PATH"]}, place="7f3a")
    configuration = load(tmp_path / "rollback.yaml", definitions())
    yield ConfiguredWorld(configuration, definitions(), Resolver(surroundings, SECRETS))
    for record in tmp_path.glob("spool/*/*/*.json"):
        if record.name in (supervisor.TAKEN, supervisor.CHILD):
            kill(supervisor.read(str(record.parent), record.name))


async def switched(world: ConfiguredWorld, do: Do) -> str:
    """What the program said that switched maintenance."""
    operation = world.maintenance("shop", do)
    end = await carried_out(operation, WORK)
    assert isinstance(end, Ended)
    return end.words


async def test_a_tool_that_repeats_its_secret_is_quoted_without_it(world: ConfiguredWorld) -> None:
    with pytest.raises(Unreachable, match=r"no entry with \*\*\*$"):
        await world.executor("shop").points()


async def test_half_a_secret_at_the_end_of_a_long_line_is_told_neither(world: ConfiguredWorld) -> None:
    assert "canary" not in await switched(world, Do.MAINTENANCE_ON)


async def test_a_program_sees_no_variable_of_another(world: ConfiguredWorld) -> None:
    assert await switched(world, Do.MAINTENANCE_OFF) == "without"


async def test_a_secret_is_laid_down_nowhere_in_the_spool(world: ConfiguredWorld, tmp_path: Path) -> None:
    await switched(world, Do.MAINTENANCE_ON)
    laid_down = (tmp_path / "spool" / WORK.op_id / "1" / supervisor.REQUEST).read_text()
    assert "TOKEN" in laid_down
    assert SECRETS["OF_SWITCH"] not in laid_down


async def test_a_finding_and_the_name_of_its_check_hold_no_secret(world: ConfiguredWorld) -> None:
    program, query = world.checks(["shop"])
    assert (await program.look(None, NOW)).words == "*** is refused"
    finding = await query.look(None, NOW)
    assert (query.name, finding.name, finding.when) == ("sql ***", "sql ***", When.OFFLINE)


async def test_maintenance_takes_its_op_ids_at_the_place_of_this_worker(world: ConfiguredWorld) -> None:
    assert world.maintenance("shop", Do.MAINTENANCE_ON).place == "7f3a"
    assert world.executor("shop").place == "7f3a"


def test_a_secret_that_is_not_there_is_named_by_its_variable(world: ConfiguredWorld, tmp_path: Path) -> None:
    (tmp_path / "key").unlink()
    with pytest.raises(ConfigurationError, match="The file key cannot be read"):
        world.checks(["shop"])


def test_an_executor_is_built_again_when_a_reference_leads_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text(REFERRING)
    (tmp_path / "place").write_text("one.db")
    surroundings = Surroundings(tmp_path, tmp_path / "spool", {"PATH": os.environ["PATH"]}, place="7f3a")
    configuration = load(tmp_path / "rollback.yaml", definitions())
    world = ConfiguredWorld(configuration, definitions(), Resolver(surroundings, {}))
    before = world.executor("orders")
    assert world.executor("orders") is before
    (tmp_path / "place").write_text("other.db")
    assert world.executor("orders") is not before


COPIED = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  orders:
    kind: database
    executor: {type: sqlite, database: orders.db, backups: backups}
    checks:
      - {type: sql, name: rows, url: "sqlite:///orders.db", query: "select 1", equals: 1}
      - {type: sql, name: later, when: online, url: "sqlite:///orders.db", query: "select 1", equals: 1}
      - {type: command, name: knows copies, argv: ["true"], beside: true}
      - {type: command, name: knows none, argv: ["true"]}
      - {type: http, name: front page, when: offline, url: "http://127.0.0.1:9"}
"""


def test_only_checks_that_can_look_at_a_copy_look_and_the_others_are_named(
    tmp_path: Path,
) -> None:
    (tmp_path / "rollback.yaml").write_text(COPIED)
    found = definitions()
    configuration = load(tmp_path / "rollback.yaml", found)
    surroundings = Surroundings(tmp_path, tmp_path / "spool")
    world = ConfiguredWorld(configuration, found, Resolver(surroundings, {}))
    told = {COPY: "/c.db", COPY_URL: "sqlite:////c.db", COPY_OF: str(tmp_path / "orders.db")}
    checks = world.checks_of_copy("orders", told)
    assert [check.name for check in checks.able] == ["rows", "knows copies"]
    assert checks.left_out == ("later", "knows none", "front page")
