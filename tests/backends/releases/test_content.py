"""What was approved is what a release folder held: another content of the same name is not gone to."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.conformance.harness import carried_out, work_for
from backends.releases.executor import Releases
from backends.releases.manifest import Manifests
from backends.releases.settings import ReleasesSettings
from bot.contract import Busy, Fate, PointUnavailable, StateChanged, Work
from bot.model import Finding, Goal, Verdict
from tests.backends.releases.world import ReleasesWorld

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ReleasesWorld]:
    world = ReleasesWorld.make(tmp_path / "shop")
    release = world.root / "releases" / "v41"
    (release / "config").mkdir()
    (release / "config" / "app.php").write_text("safe")
    (release / "public").symlink_to("config")
    yield world
    world.close()


@pytest.fixture
def executor(world: ReleasesWorld) -> Releases:
    return world.executor()


@pytest.fixture
def v41(world: ReleasesWorld) -> Path:
    return world.root / "releases" / "v41"


async def _work(executor: Releases) -> Work:
    return work_for(await executor.plan(Goal(point="v41"), NOW))


def _written(release: Path) -> None:
    (release / "config" / "app.php").write_text("evil")


def _added(release: Path) -> None:
    (release / "config" / "new.php").write_text("evil")


def _removed(release: Path) -> None:
    (release / "config" / "app.php").unlink()


def _made_executable(release: Path) -> None:
    (release / "config" / "app.php").chmod(0o755)


def _led_elsewhere(release: Path) -> None:
    (release / "public").unlink()
    (release / "public").symlink_to("/etc")


def _emptied(release: Path) -> None:
    (release / "config" / "more").mkdir()


CHANGES: tuple[tuple[Callable[[Path], None], str], ...] = (
    (_written, "config/app.php differs (1 of 3 files)"),
    (_added, "config/new.php is new (1 of 4 files)"),
    (_removed, "config/app.php is gone (1 of 3 files)"),
    (_made_executable, "config/app.php differs (1 of 3 files)"),
    (_led_elsewhere, "public differs (1 of 3 files)"),
    (_emptied, "config/more is new (1 of 2 folders)"),
)


@pytest.mark.parametrize(("change", "words"), CHANGES)
async def test_a_release_that_was_changed_is_not_gone_to_and_the_path_is_named(
    world: ReleasesWorld, executor: Releases, v41: Path, change: Callable[[Path], None], words: str
) -> None:
    work = await _work(executor)
    change(v41)
    with pytest.raises(StateChanged, match=re.escape(f"v41 is not what was approved: {words}. Nothing")):
        await executor.start(work)
    assert (world.live(), world.effects()) == ("this is v42", 0)
    assert (await executor.find(work)).fate is Fate.ABSENT


async def test_a_release_that_was_removed_and_made_again_with_other_code_is_not_gone_to(
    world: ReleasesWorld, executor: Releases
) -> None:
    work = await _work(executor)
    world.loses("v41")
    world.deploy("v41", 1_795_348_800)
    with pytest.raises(StateChanged):
        await executor.start(work)


async def test_a_worker_that_never_saw_the_approved_content_names_both_fingerprints(
    world: ReleasesWorld, executor: Releases, v41: Path
) -> None:
    work = await _work(executor)
    _written(v41)
    now = (await _work(executor)).fingerprint
    with pytest.raises(StateChanged, match=f"was {work.fingerprint[:8]}… and is {now[:8]}… now"):
        await world.executor().start(work)


async def test_a_release_that_is_gone_between_two_looks_is_said_to_be_gone(
    world: ReleasesWorld, executor: Releases
) -> None:
    work = await _work(executor)
    world.loses("v41")
    with pytest.raises(PointUnavailable):
        await executor.start(work)


async def test_moved_stamps_alone_change_nothing(world: ReleasesWorld, executor: Releases, v41: Path) -> None:
    work = await _work(executor)
    os.utime(v41 / "index.html", (1, 1))
    os.link(v41 / "index.html", world.root / "second name")
    await carried_out(executor, work)
    assert world.live() == "this is v41"


async def test_the_same_content_elsewhere_has_the_same_fingerprint(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        folder = ReleasesWorld.make(tmp_path / name)
        found.append((await _work(folder.executor())).fingerprint)
        folder.close()
    assert found[0] == found[1]


async def test_what_a_release_writes_itself_can_be_left_out_and_the_plan_says_so(
    world: ReleasesWorld, v41: Path
) -> None:
    executor = Releases(world.root, world.key, ignored=("var/cache", "log"))
    way = await executor.plan(Goal(point="v41"), NOW)
    (v41 / "var" / "cache").mkdir(parents=True)
    (v41 / "log").write_text("GET /")
    (v41 / "var" / "cache" / "page").write_text("")
    assert way.diff == "not compared: log, var/cache"
    with pytest.raises(StateChanged, match=re.escape("var is new (1 of 2 folders)")):
        await executor.start(work_for(way))
    (v41 / "var" / "cache" / "page").unlink()
    (v41 / "var" / "cache").rmdir()
    (v41 / "var").rmdir()
    await carried_out(executor, work_for(way))


@pytest.mark.parametrize("path", ["/var", "..", "var/../../etc", "./log", "a//b", "."])
def test_a_path_that_could_lead_out_of_a_release_is_refused_early(path: str) -> None:
    with pytest.raises(ValueError, match="must be a path below the release folder"):
        ReleasesSettings(type="releases", root="shop", ignore=(path,))


def test_a_slash_at_the_end_of_a_path_means_nothing() -> None:
    assert ReleasesSettings(type="releases", root="shop", ignore=("var/cache/",)).ignore == ("var/cache",)


async def test_what_is_no_file_counts_by_its_type_and_is_never_opened(executor: Releases, v41: Path) -> None:
    """Opening a fifo that nobody writes to would never return."""
    plain = (await _work(executor)).fingerprint
    os.mkfifo(v41 / "queue")
    fifo = (await _work(executor)).fingerprint
    (v41 / "queue").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(v41 / "queue"))
        assert len({plain, fifo, (await _work(executor)).fingerprint}) == 3


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60).map(os.fsdecode), st.binary(max_size=60).map(os.fsdecode))
def test_no_two_names_and_texts_of_links_have_one_fingerprint(tmp_path: Path, one: str, other: str) -> None:
    found = set()
    texts = {(name.replace("/", "") or "x", text or "x") for name, text in ((one, other), (other, one))}
    pairs = {pair for pair in texts if "\0" not in "".join(pair) and pair[0] not in {".", ".."}}
    for name, text in pairs:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / name).symlink_to(text)
        found.add(Manifests().of(str(folder)).fingerprint)
    assert len(found) == len(pairs)


@pytest.mark.parametrize("how", ["grows", "appears"])
def test_a_folder_that_is_written_to_while_it_is_read_is_busy(tmp_path: Path, how: str) -> None:
    for n in range(500):
        (tmp_path / f"{n}").write_text("x")
    ended = Event()

    def deploy() -> None:
        n = 0
        while not ended.is_set():
            with open(tmp_path / ("0" if how == "grows" else f"new {n}"), "a") as file:
                file.write("more")
            n += 1

    with ThreadPoolExecutor(1) as another:
        another.submit(deploy)
        try:
            with pytest.raises(Busy, match="changes while it is read"):
                _read_often(tmp_path)
        finally:
            ended.set()


def _read_often(folder: Path) -> None:
    for _ in range(100):
        Manifests().of(str(folder))


def test_no_more_is_remembered_than_is_allowed(tmp_path: Path) -> None:
    manifests = Manifests(most_remembered=65)
    folders = [tmp_path / f"{n}" for n in range(4)]
    for n in range(80):
        folders[n % 4].mkdir(exist_ok=True)
        (folders[n % 4] / f"{n}").touch()
    was = [manifests.of(str(folder)).fingerprint for folder in folders]
    now = []
    for n in (0, 3):
        (folders[n] / f"{n}").write_text("other")
        now.append(manifests.difference(str(folders[n]), was[n], manifests.of(str(folders[n]))))
    assert now[0].startswith("its content was")
    assert now[1] == "3 differs (1 of 20 files)"


async def _verified(executor: Releases, work: Work) -> Finding:
    return next(one for one in await executor.verify(work) if one.name == "release folder")


async def test_a_release_that_holds_what_was_approved_is_verified(
    world: ReleasesWorld, executor: Releases
) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    assert (await _verified(executor, work)).verdict is Verdict.PASSED


async def test_a_release_that_was_changed_after_the_switch_does_not_pass(
    world: ReleasesWorld, executor: Releases, v41: Path
) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    _written(v41)
    finding = await _verified(executor, work)
    assert finding.verdict is Verdict.FAILED
    assert "config/app.php differs" in finding.words


async def test_a_release_that_only_wrote_more_has_neither_passed_nor_failed(
    world: ReleasesWorld, executor: Releases, v41: Path
) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    (v41 / "app.log").write_text("GET /")
    finding = await _verified(executor, work)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "app.log is new" in finding.words
    assert "`ignore`" in finding.words


async def test_a_plan_of_an_earlier_version_pinned_no_content(
    world: ReleasesWorld, executor: Releases, v41: Path
) -> None:
    work = replace(await _work(executor), fingerprint="")
    _written(v41)
    await carried_out(executor, work)
    assert (await _verified(executor, work)).verdict is Verdict.PASSED


async def test_an_empty_release_is_not_verified(world: ReleasesWorld, executor: Releases, v41: Path) -> None:
    (v41.parent / "v39").mkdir()
    work = work_for(await executor.plan(Goal(point="v39"), NOW))
    await carried_out(executor, work)
    assert (await _verified(executor, work)).verdict is Verdict.INCONCLUSIVE


async def test_a_release_whose_folder_is_closed_since_the_plan_is_not_gone_to(
    world: ReleasesWorld, executor: Releases, v41: Path
) -> None:
    work = work_for(await executor.plan(Goal(point="v41"), NOW))
    v41.chmod(0o700)
    with pytest.raises(StateChanged, match="not what was approved"):
        await carried_out(executor, work)
