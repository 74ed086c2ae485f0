"""Who looks and who acts have credentials of their own, and each is read when its program is started."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backends.conformance.harness import carried_out, dropping, ended, preparing, saving
from backends.installed import definitions
from backends.programs import supervisor
from backends.references import Resolver
from backends.surroundings import Surroundings
from backends.world import ConfiguredWorld
from bot.configuration import load
from bot.contract import Ended, Executor, Fate, Taken, Unreachable, Work
from bot.errors import ConfigurationError
from bot.model import Beside, Left, RestorePoint
from tests.backends.command.test_executor import NOW, WORK
from tests.backends.command.world import kill, until

SEES = 'echo "$SHARED,$OWN" >>saw-$1'
FILE = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  shop:
    kind: system
    executor:
      type: command
      points: {argv: [sh, -c, 'SEES; cat points.json', sh, points]}
      current: {argv: [sh, -c, 'SEES; cat current.json', sh, current]}
      find: {argv: [sh, -c, 'SEES; cat find.json', sh, find]}
      measure: {argv: [sh, -c, 'SEES; echo "{}"', sh, measure]}
      restore:
        argv: [sh, -c, 'SEES; echo "with $OWN"; while [ -e wait ]; do sleep 0.01; done', sh, restore]
        environment: {OWN: {file: secrets/restore}}
      prepare:
        argv: [sh, -c, 'SEES', sh, prepare]
        environment: {OWN: of-prepare}
      save:
        argv: [sh, -c, 'SEES; echo "{\\"id\\": \\"v42\\"}"', sh, save]
        environment: {OWN: of-save}
      drop:
        argv: [sh, -c, 'SEES', sh, drop, "{handle}"]
        environment: {OWN: of-drop, SHARED: instead}
      cancel:
        argv: [sh, -c, 'SEES; rm -f wait', sh, cancel]
        environment: {OWN: {file: secrets/cancel}}
      environment: {SHARED: {file: secrets/shared}}
""".replace("SEES", SEES)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "secrets").mkdir()
    for name in ("shared", "restore", "cancel"):
        (tmp_path / "secrets" / name).write_text(f"canary-{name}-1\n")
    (tmp_path / "points.json").write_text('[{"id": "v42"}, {"id": "v41"}]')
    (tmp_path / "current.json").write_text('{"id": "v42"}')
    (tmp_path / "find.json").write_text('{"state": "absent"}')
    (tmp_path / "rollback.yaml").write_text(FILE)
    yield tmp_path
    (tmp_path / "wait").unlink(missing_ok=True)
    for record in tmp_path.glob("spool/*/*/*.json"):
        if record.name in (supervisor.TAKEN, supervisor.CHILD):
            kill(supervisor.read(str(record.parent), record.name))


@pytest.fixture
def world(folder: Path) -> ConfiguredWorld:
    return configured(folder)


def configured(folder: Path) -> ConfiguredWorld:
    surroundings = Surroundings(folder, folder / "spool", {"PATH": os.environ["PATH"]}, place="7f3a")
    configuration = load(folder / "rollback.yaml", definitions())
    return ConfiguredWorld(configuration, definitions(), Resolver(surroundings, {}))


def saw(folder: Path, program: str) -> set[str]:
    """What this program has seen so far, each time that it was run."""
    return set((folder / f"saw-{program}").read_text().splitlines())


async def started(executor: Executor, work: Work = WORK) -> Work:
    handle = await executor.start(work)
    assert not isinstance(handle, Ended | Taken)
    return replace(work, handle=handle)


async def test_only_the_program_itself_sees_what_it_may_act_with(
    world: ConfiguredWorld, folder: Path
) -> None:
    executor = world.executor("shop")
    await executor.measure(RestorePoint("v41", None), NOW)
    (folder / "wait").touch()
    work = await started(executor)
    await executor.cancel(work)
    await ended(executor, work)
    for other in (preparing(WORK), saving(WORK), dropping(WORK, prepared="copy-7")):
        await carried_out(executor, other)
    for looking in ("points", "current", "find", "measure"):
        assert saw(folder, looking) == {"canary-shared-1,"}
    assert saw(folder, "restore") == {"canary-shared-1,canary-restore-1"}
    assert saw(folder, "cancel") == {"canary-shared-1,canary-cancel-1"}
    assert saw(folder, "prepare") == {"canary-shared-1,of-prepare"}
    assert saw(folder, "save") == {"canary-shared-1,of-save"}
    assert saw(folder, "drop") == {"instead,of-drop"}


async def test_a_rotated_secret_works_at_once_for_who_looks(world: ConfiguredWorld, folder: Path) -> None:
    executor = world.executor("shop")
    await executor.points()
    (folder / "secrets" / "shared").write_text("canary-shared-2\n")
    await world.executor("shop").points()
    assert saw(folder, "points") == {"canary-shared-1,", "canary-shared-2,"}


async def test_a_secret_that_is_rotated_in_mid_restore_loses_nothing_and_is_used_to_cancel_it(
    world: ConfiguredWorld, folder: Path
) -> None:
    (folder / "wait").touch()
    executor = world.executor("shop")
    work = await started(executor)
    await until(lambda: (folder / "saw-restore").exists())
    for name in ("shared", "restore", "cancel"):
        (folder / "secrets" / name).write_text(f"canary-{name}-2\n")
    assert world.executor("shop") is executor
    assert (await executor.find(work)).fate is Fate.IN_FLIGHT
    assert await executor.cancel(work) is Left.UNKNOWN
    end = await ended(executor, work)
    assert (end.ok, end.left) == (True, Left.POINT)
    assert saw(folder, "restore") == {"canary-shared-1,canary-restore-1"}
    assert saw(folder, "cancel") == {"canary-shared-2,canary-cancel-2"}


@pytest.mark.parametrize("rotated", [False, True])
async def test_what_a_program_says_of_its_secret_is_struck(
    world: ConfiguredWorld, folder: Path, rotated: bool
) -> None:
    executor = world.executor("shop")
    if rotated:
        (folder / "secrets" / "restore").write_text("canary-restore-2\n")
    end = await ended(executor, await started(executor))
    assert end.words == "with ***"


async def test_a_secret_of_one_program_is_struck_from_what_another_says(
    world: ConfiguredWorld, folder: Path
) -> None:
    (folder / "points.json").write_text('[{"id": "v42", "label": "for canary-restore-1"}]')
    [point] = (await world.executor("shop").points()).points
    assert point.label == "for ***"


async def test_a_secret_of_its_own_is_laid_down_nowhere(world: ConfiguredWorld, folder: Path) -> None:
    executor = world.executor("shop")
    await ended(executor, await started(executor))
    laid_down = (folder / "spool" / WORK.op_id / "1" / supervisor.REQUEST).read_text()
    assert "OWN" in laid_down
    assert "canary" not in laid_down


async def test_an_id_that_holds_what_is_secret_elsewhere_is_kept_as_it_is(folder: Path) -> None:
    prints = """'printf "{\\"id\\": \\"copy-of-%s\\"}" "$SHARED"', sh, prepare"""
    (folder / "rollback.yaml").write_text(FILE.replace(f"'{SEES}', sh, prepare", prints))
    executor = configured(folder).executor("shop")
    work = preparing(WORK)
    end = await ended(executor, await started(executor, work))
    assert isinstance(end.made, Beside)
    assert end.made.id == "copy-of-canary-shared-1"
    printed = (folder / "spool" / work.op_id / "1" / supervisor.LOGS[0]).read_text()
    assert printed == '{"id": "copy-of-***"}'


async def test_a_secret_that_a_program_prints_is_not_in_the_spool_either(
    world: ConfiguredWorld, folder: Path
) -> None:
    executor = world.executor("shop")
    await ended(executor, await started(executor))
    printed = (folder / "spool" / WORK.op_id / "1" / supervisor.LOGS[0]).read_text()
    assert printed == "with ***\n"


async def test_a_secret_that_is_away_for_a_moment_lets_nothing_begin_and_is_named(
    world: ConfiguredWorld, folder: Path
) -> None:
    executor = world.executor("shop")
    secret = folder / "secrets" / "restore"
    secret.unlink()
    with pytest.raises(Unreachable, match="`sh` cannot be run now: The file secrets/restore cannot be read"):
        await executor.start(WORK)
    assert (await executor.find(WORK)).fate is Fate.ABSENT
    secret.write_text("canary-restore-2\n")
    assert (await ended(executor, await started(executor))).ok


@pytest.mark.parametrize("name", ["shared", "restore", "cancel"])
def test_a_secret_that_was_never_there_builds_no_executor(
    world: ConfiguredWorld, folder: Path, name: str
) -> None:
    (folder / "secrets" / name).unlink()
    with pytest.raises(ConfigurationError, match=f"The file secrets/{name} cannot be read"):
        world.executor("shop")
