"""What the form chooses beforehand after a rollback, and after chains of undos, on each backend as it is.

Compared are contents: a state that was left comes back under the names of undo points and of new commits.
"""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bot.clock import SteadyClock
from bot.model import State
from tests.backends.git.world import GitWorld, git
from tests.handlers.conftest import Open
from tests.handlers.world import STANDARD, World
from tests.people import PEOPLE

TARGETS = (
    STANDARD
    + """
  page:
    kind: system
    executor: {{type: releases, root: site}}
  orders:
    kind: database
    executor: {{type: sqlite, database: orders.db, backups: backups}}
  catalog:
    kind: dataset
    executor: {{type: git, remote: git/remote.git, branch: main, path: prod}}
"""
)
TAKES_A_NAME_SECONDS = 2  # an undo point is named by its second


@dataclass(frozen=True, slots=True)
class Content:
    live: Callable[[], str]
    of: Callable[[str], str]  # by the id of a restore point


def _site(root: Path) -> Content:
    for n, version in enumerate(("v40", "v41", "v42")):
        release = root / "releases" / version
        release.mkdir(parents=True)
        (release / "index.html").write_text(version)
        at = (SteadyClock()() - timedelta(hours=5 - n)).timestamp()
        os.utime(release, (at, at))
    (root / "current").symlink_to(Path("releases") / "v42")
    return Content(
        lambda: (root / "current" / "index.html").read_text(),
        lambda point: (root / "releases" / point / "index.html").read_text(),
    )


def _orders(folder: Path) -> Content:
    backups = folder / "backups"
    backups.mkdir()
    for hours in (5, 4):
        _sell(backups / f"{SteadyClock()() - timedelta(hours=hours):%Y%m%dT%H0000Z}.db", total=hours)
    _sell(folder / "orders.db", total=-1)
    return Content(lambda: _total(folder / "orders.db"), lambda point: _total(backups / f"{point}.db"))


def _sell(path: Path, total: int) -> None:
    with closing(sqlite3.connect(path)) as shop:
        shop.execute("create table orders (id integer primary key, total integer)")
        shop.execute("insert into orders (total) values (?)", [total])
        shop.commit()


def _total(path: Path) -> str:
    with closing(sqlite3.connect(path)) as shop:
        return str(shop.execute("select total from orders").fetchone()[0])


def _catalog(root: Path) -> Content:
    remote = GitWorld.make(root).remote
    return Content(
        lambda: git(remote, "show", "main:prod/price"),
        lambda point: git(remote, "show", f"{point}:prod/price"),
    )


@pytest.fixture
async def world(open_world: Open, tmp_path: Path) -> World:
    return await open_world(TARGETS)


@pytest.fixture
def contents(tmp_path: Path) -> dict[str, Content]:
    return {
        "shop": Content(lambda: (tmp_path / "backend" / "current").read_text(), str),
        "page": _site(tmp_path / "site"),
        "orders": _orders(tmp_path),
        "catalog": _catalog(tmp_path / "git"),
    }


async def _chosen(world: World, target: str) -> str | None:
    """Returns the restore point that the form has chosen beforehand, and closes the form."""
    await world.says("ana", target)
    form = json.loads(await world.sees_modal("ana", "Back to"))
    await world.slack.close_view(PEOPLE["ana"], world.modal("ana"))
    menus = [block["element"] for block in form if block["type"] == "input"]
    menu = next(menu for menu in menus if menu["action_id"] == "point")
    option = menu.get("initial_option")
    return None if option is None else str(option["value"])


async def _takes_back(world: World, command: str) -> str:
    """Returns the id of the run that did it."""
    await world.says("ana", command)
    run = await world.reaches("awaiting_approval")
    await world.shows("Approve and start")
    world.later(seconds=TAKES_A_NAME_SECONDS)
    await world.clicks("ben", "Approve and start")
    assert (await world.ends()).state is State.SUCCEEDED
    return run.id


@pytest.mark.parametrize("target", ["shop", "page", "orders", "catalog"])
async def test_what_was_left_is_never_chosen_beforehand_not_after_undos_of_undos_either(
    contents: dict[str, Content], world: World, target: str
) -> None:
    content = contents[target]
    bad = content.live()
    newest_good = await _chosen(world, target)
    assert newest_good is not None
    good = content.of(newest_good)
    last = await _takes_back(world, f"{target} to {newest_good}")
    chosen = [await _chosen(world, target)]
    for _ in range(2):
        last = await _takes_back(world, f"undo {last}")
        assert content.live() == bad
        last = await _takes_back(world, f"undo {last}")
        assert content.live() == good
        chosen.append(await _chosen(world, target))
    assert [point is not None and content.of(point) != bad for point in chosen] == [True] * 3
