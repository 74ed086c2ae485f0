"""A repository on this machine: whose it is, its hooks and its work tree; and the git that is here."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.conformance.harness import carried_out, work_for
from backends.git.executor import Git
from backends.git.program import Program, usable
from backends.git.remote import USUAL_ACCESS, Access
from bot.clock import utc_now
from bot.contract import Blocked, TargetMissing
from bot.model import Goal, Way
from tests.backends.git.world import GitWorld, git

OF_ANOTHER = {"PATH": os.defpath, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}  # git's own switch for its tests
RUNS = Access(runs_hooks=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GitWorld]:
    world = GitWorld.make(tmp_path / "shop")
    yield world
    world.close()


async def _way(executor: Git) -> Way:
    points = (await executor.points()).points
    return await executor.plan(Goal(point=points[-1].id), utc_now())


async def _restored(executor: Git) -> Way:
    way = await _way(executor)
    await carried_out(executor, work_for(way))
    return way


def _hooked(remote: Path, name: str, *, folder: str = "hooks") -> Path:
    """A hook that leaves a trace."""
    hook, trace = remote / folder / name, remote / "trace"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho {name} >>'{trace}'\ncat >/dev/null\n")
    hook.chmod(0o755)
    return trace


# Whose it is


@pytest.mark.parametrize("form", ["{}", "file://{}"])
async def test_a_repository_of_another_user_is_taken_back(world: GitWorld, tmp_path: Path, form: str) -> None:
    executor = Git(form.format(world.remote), "main", "prod/", tmp_path / "w", OF_ANOTHER)
    await _restored(executor)
    assert world.effects() == 1


async def test_no_other_repository_is_trusted_with_it(world: GitWorld, tmp_path: Path) -> None:
    await Git(str(world.remote), "main", "prod/", tmp_path / "w", OF_ANOTHER).points()
    [trust] = (tmp_path / "w").glob("*.git/trust.config")
    asking = {**OF_ANOTHER, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": str(trust)}
    other = GitWorld.make(tmp_path / "other")
    for remote, trusted in ((world.remote, True), (other.remote, False), (other.colleague, False)):
        done = subprocess.run(("git", "ls-remote", str(remote)), env=asking, capture_output=True, check=False)
        assert (done.returncode == 0) is trusted


def test_what_git_advises_somebody_at_a_keyboard_is_never_ours_to_say(tmp_path: Path) -> None:
    said = (
        b"fatal: detected dubious ownership in repository at '/srv/shop.git'\n"
        b"To add an exception for this directory, call:\n\n"
        b"\tgit config --global --add safe.directory /srv/shop.git\n"
        b"fatal: Could not read from remote repository.\n\n"
        b"Please make sure you have the correct access rights\nand the repository exists.\n"
    )
    told = Program(tmp_path, {}, {}, "/srv/shop.git").complaints(said)
    assert told == "fatal: detected dubious ownership in repository at 'the remote'"


# Its hooks


@pytest.mark.parametrize("form", ["{}", "file://{}"])
@pytest.mark.parametrize(
    "name", ["pre-receive", "update", "reference-transaction", "post-receive", "post-update"]
)
async def test_a_hook_does_not_run_as_the_bot_and_the_plan_says_so(
    world: GitWorld, tmp_path: Path, name: str, form: str
) -> None:
    trace = _hooked(world.remote, name)
    way = await _restored(Git(form.format(world.remote), "main", "prod/", tmp_path / "w"))
    assert world.effects() == 1
    assert not trace.exists()
    [warning] = way.warnings
    assert f"its hooks (`{name}`) will not run" in warning


async def test_a_hook_in_a_folder_that_the_repository_names_does_not_run_either(world: GitWorld) -> None:
    trace = _hooked(world.remote, "update", folder="own")
    git(world.remote, "config", "core.hooksPath", str(world.remote / "own"))
    way = await _restored(world.executor())
    assert not trace.exists()
    assert "(`update`)" in way.warnings[0]


async def test_where_hooks_run_the_plan_says_that_one_may_refuse(world: GitWorld) -> None:
    trace = _hooked(world.remote, "pre-receive")
    way = await _restored(world.executor(access=RUNS))
    assert trace.exists()
    assert "A hook may still refuse the push" in way.warnings[0]


@pytest.mark.parametrize("access", [USUAL_ACCESS, RUNS])
async def test_without_a_hook_nothing_is_warned_of(world: GitWorld, access: Access) -> None:
    (world.remote / "hooks" / "update").write_text("#!/bin/sh\nexit 1\n")  # nobody may execute it
    assert (await _way(world.executor(access=access))).warnings == ()


# What would refuse


@pytest.mark.parametrize(
    ("setting", "access", "said"),
    [
        (None, USUAL_ACCESS, "so a push would be refused"),
        ("refuse", RUNS, "so a push would be refused"),
        ("ignore", USUAL_ACCESS, "whose files would stay as they are"),
        ("updateInstead", USUAL_ACCESS, "allow it by `hooks: run`"),
        ("updateInstead", RUNS, ""),
    ],
)
async def test_a_branch_in_a_work_tree_is_found_before_anybody_approves(
    world: GitWorld, tmp_path: Path, setting: str | None, access: Access, said: str
) -> None:
    if setting is not None:
        git(world.colleague, "config", "receive.denyCurrentBranch", setting)
    executor = Git(str(world.colleague), "main", "prod/", tmp_path / "w", access=access)
    way = await _way(executor)
    assert (said in " ".join(way.blockers)) if said else way.blockers == ()
    if not said:
        await carried_out(executor, work_for(way))
        assert (world.colleague / "prod" / "price").read_text() == "10\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_repository_that_the_bot_may_not_write_to_is_found_before_anybody_approves(
    world: GitWorld,
) -> None:
    (world.remote / "refs").chmod(0o500)
    way = await _way(world.executor())
    (world.remote / "refs").chmod(0o700)
    assert way.blockers == ("The operating system does not let the bot write to the repository.",)


async def test_an_empty_repository_is_called_empty(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "empty.git")
    with pytest.raises(TargetMissing, match="The repository is empty, so it has no branch `main`"):
        await Git(str(tmp_path / "empty.git"), "main", "", tmp_path / "w").points()


async def test_a_folder_that_holds_no_repository_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(TargetMissing, match="holds no git repository"):
        await Git(str(tmp_path / "folder"), "main", "", tmp_path / "w").points()


# The git that is here


@pytest.mark.parametrize("said", ["git version 2.31.8\n", "git version 1.8.3.1\n", "", "git: command lost\n"])
def test_a_git_that_is_too_old_is_refused(said: str) -> None:
    with pytest.raises(Blocked, match=r"install 2\.32 or newer"):
        usable(said)


async def test_an_old_git_is_asked_for_nothing_but_its_version(world: GitWorld, tmp_path: Path) -> None:
    program, asked = tmp_path / "bin" / "git", tmp_path / "asked"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>"{asked}"\necho git version 2.25.1\n')
    program.chmod(0o755)
    executor = Git(str(world.remote), "main", "", tmp_path / "w", {"PATH": f"{program.parent}:{os.defpath}"})
    with pytest.raises(Blocked, match=r"is 2\.25"):
        await executor.points()
    assert asked.read_text() == "version\n"


async def test_a_machine_without_git_is_told_to_install_it(world: GitWorld, tmp_path: Path) -> None:
    with pytest.raises(Blocked, match="no program `git` on this machine"):
        await Git(str(world.remote), "main", "", tmp_path / "w", {"PATH": str(tmp_path)}).points()
