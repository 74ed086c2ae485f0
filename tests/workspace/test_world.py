"""The demo's three targets are really broken, can really be taken back, and stay inside their folder."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backends.installed import definitions
from bot.configuration import load
from bot.errors import UserError
from workspace import observation, processes, world
from workspace.configuration import TARGETS, write_configuration
from workspace.targets.broken_items import counts
from workspace.world import DemoWorld

NOW = datetime.now(UTC).replace(microsecond=0)
DEADLINE = 10.0  # seconds


@pytest.fixture
def broken(tmp_path: Path) -> DemoWorld:
    return world.build(tmp_path, NOW)


@pytest.fixture
async def shop(broken: DemoWorld) -> AsyncIterator[str]:
    """The address of the storefront's server."""
    server = await processes.start(("-I", str(TARGETS / "storefront.py"), str(broken.storefront)))
    yield f"http://127.0.0.1:{int(await server.line())}/"
    await server.end()


@pytest.fixture
async def customers(broken: DemoWorld) -> AsyncIterator[None]:
    argv = ("-I", str(TARGETS / "customers.py"), str(broken.database), str(broken.orders_flag), "0.01")
    buying = await processes.start(argv)
    yield
    await buying.end()


async def until(condition: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + DEADLINE
    while not await asyncio.to_thread(condition):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


def orders(broken: DemoWorld) -> int:
    with closing(sqlite3.connect(broken.database, timeout=DEADLINE)) as database:
        (count,) = database.execute("SELECT count(*) FROM orders").fetchone()
        return int(count)


def go_live(broken: DemoWorld, release: str) -> None:
    link = broken.storefront / "current"
    link.unlink()
    link.symlink_to(Path("releases") / release)


# The storefront


async def test_the_newest_release_answers_500_and_the_one_before_200(broken: DemoWorld, shop: str) -> None:
    assert observation.look_at_storefront(broken, shop).status == 500
    go_live(broken, "v41")
    assert observation.look_at_storefront(broken, shop).status == 200


async def test_a_deploy_is_newer_than_every_release_and_as_broken(broken: DemoWorld, shop: str) -> None:
    go_live(broken, "v41")
    assert world.deploy_next(broken, NOW) == "v43"
    seen = observation.look_at_storefront(broken, shop)
    assert (seen.release, seen.status) == ("v43", 500)


async def test_customers_see_maintenance(broken: DemoWorld, shop: str) -> None:
    broken.storefront_flag.touch()
    assert observation.look_at_storefront(broken, shop).status == 503


async def test_the_health_check_looks_behind_maintenance(broken: DemoWorld, shop: str) -> None:
    go_live(broken, "v41")
    broken.storefront_flag.touch()
    assert observation.status(f"{shop}healthz") == 200


async def test_no_release_is_healthy_while_payments_are_down(broken: DemoWorld, shop: str) -> None:
    go_live(broken, "v41")
    broken.payments_flag.touch()
    assert observation.status(f"{shop}healthz") == 500


# The orders


def test_the_migration_has_damaged_rows_that_the_newest_backup_has_whole(broken: DemoWorld) -> None:
    assert observation.look_at_orders(broken).bad_rows == 41
    backup = broken.backups / f"{world.newest_backup(broken)}.db"
    with closing(sqlite3.connect(backup)) as database:
        assert database.execute("SELECT count(*) FROM orders WHERE total < 0").fetchone() == (0,)


def test_the_newest_backup_lacks_the_orders_since(broken: DemoWorld) -> None:
    seen = observation.look_at_orders(broken)
    expected = timedelta(minutes=6).total_seconds() / world.PAUSE_BETWEEN_ORDERS_SECONDS
    assert seen.since_backup == pytest.approx(expected, abs=1)


def test_the_migration_runs_once(broken: DemoWorld) -> None:
    world.migrate(broken)
    assert observation.look_at_orders(broken).bad_rows == 41


async def test_customers_buy(broken: DemoWorld, customers: None) -> None:
    before = orders(broken)
    await until(lambda: orders(broken) > before)


async def test_nobody_buys_during_maintenance(broken: DemoWorld, customers: None) -> None:
    await until(lambda: orders(broken) > world.ORDERS)
    broken.orders_flag.touch()
    seen: list[int] = []

    def quiet() -> bool:
        seen.append(orders(broken))
        return seen[-20:].count(seen[-1]) == 20  # an order every 0.01 s would be seen in 20 looks

    await until(quiet)
    broken.orders_flag.unlink()
    await until(lambda: orders(broken) > seen[-1])


async def test_customers_come_back_after_the_database_was_locked(broken: DemoWorld, customers: None) -> None:
    await until(lambda: orders(broken) > world.ORDERS)
    with closing(sqlite3.connect(broken.database, timeout=DEADLINE, isolation_level=None)) as restore:
        restore.execute("BEGIN EXCLUSIVE")
        for _ in range(20):  # an order is tried every 0.01 s
            assert observation.look_at_orders(broken).total is None
            await asyncio.sleep(0.01)
        restore.execute("ROLLBACK")
    before = orders(broken)
    await until(lambda: orders(broken) > before)


# The catalogue


def test_the_bad_load_has_broken_items_that_the_commit_before_has_whole(broken: DemoWorld) -> None:
    seen = observation.look_at_catalog(broken)
    assert (seen.items, seen.broken_items) == (1_200, 310)
    before = world.git(broken, "show", f"{world.last_good_load(broken)}:catalog/items.csv")
    assert counts(before) == (1_200, 0)


async def test_the_check_of_the_prices_fails_while_items_are_broken(broken: DemoWorld) -> None:
    argv = ("-I", str(TARGETS / "broken_items.py"), str(broken.catalog))
    check = await processes.start(argv)
    assert await check.line() == "310 of 1200 items have no valid price\n"
    assert await check.inner.wait() == 1


# The folder and the configuration


def test_a_folder_of_somebody_else_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(UserError, match="nothing in it was touched"), world.claimed(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_in_which_a_demo_runs_is_refused(tmp_path: Path) -> None:
    with (
        world.claimed(tmp_path),
        pytest.raises(UserError, match="Another demo runs"),
        world.claimed(tmp_path),
    ):
        pass


def test_a_new_start_finds_nothing_of_the_last_one(tmp_path: Path) -> None:
    with world.claimed(tmp_path):
        world.build(tmp_path, NOW)
    with world.claimed(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [world.MARKER]


def test_what_a_link_in_the_folder_leads_to_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "thesis.txt").touch()
    demo = tmp_path / "demo"
    with world.claimed(demo):
        (demo / "link").symlink_to(tmp_path / "elsewhere")
        world.empty(demo)
    assert (tmp_path / "elsewhere" / "thesis.txt").exists()


def test_the_configuration_of_the_demo_has_no_problem(broken: DemoWorld) -> None:
    loaded = load(write_configuration(broken, "http://127.0.0.1:8080/"), definitions())
    assert set(loaded.targets) == {"storefront", "orders", "catalog"}


# The processes


# Starts a child as the demo does, says its process id, and waits.
PARENT = """
import asyncio
from workspace import processes

async def main():
    child = await processes.start(("-c", "import time; print(1, flush=True); time.sleep(600)"))
    await child.line()
    print(child.pid, flush=True)
    await child.inner.wait()

asyncio.run(main())
"""


async def test_children_die_with_a_demo_that_is_killed() -> None:
    argv = (sys.executable, "-c", PARENT)
    parent = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await until(lambda: not is_alive(child))


def is_alive(pid: int) -> bool:
    """A process that has ended but was not reaped by its new parent is not alive."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
