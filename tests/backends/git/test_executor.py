"""What is special about git; the rest is in the contract."""

import asyncio
import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from backends.conformance.harness import carried_out, work_for
from backends.git.executor import Git
from backends.git.remote import Access
from backends.git.repository import Push, Repository
from bot.contract import (
    Blocked,
    Denied,
    Fate,
    OutcomeUnknown,
    PointUnavailable,
    StateChanged,
    Taken,
    TargetMissing,
    Unreachable,
    Work,
)
from bot.errors import ConfigurationError
from bot.model import Goal, LossQuality, Unit
from tests.backends.git.certificates import certified
from tests.backends.git.world import NOON, GitWorld, git

NOW = datetime.fromtimestamp(NOON, UTC) + timedelta(minutes=30)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[GitWorld]:
    world = GitWorld.make(tmp_path / "shop")
    yield world
    world.close()


@pytest.fixture
def executor(world: GitWorld) -> Git:
    return world.executor()


async def _point(executor: Git, subject: str) -> str:
    return next(one.id for one in (await executor.points()).points if one.label == subject)


async def _work(executor: Git, subject: str = "price 11") -> Work:
    return work_for(await executor.plan(Goal(point=await _point(executor, subject)), NOW))


def _files(world: GitWorld, folder: str = "") -> dict[str, str]:
    names = git(world.remote, "ls-tree", "-r", "--name-only", "main", *([folder] if folder else []))
    return {name: git(world.remote, "show", f"main:{name}") for name in names.split()}


# Points and plans


async def test_only_commits_that_changed_the_path_are_points(executor: Git) -> None:
    points = (await executor.points()).points
    assert [point.label for point in points] == ["bad load", "price 12", "price 11", "price 10"]
    assert (points[0].author, points[0].current) == ("Cy", True)


async def test_a_merge_is_one_point_of_the_branch(world: GitWorld, executor: Git) -> None:
    git(world.colleague, "checkout", "--quiet", "-b", "feature")
    for n in range(3):
        (world.colleague / "prod" / "price").write_text(f"2{n}\n")
        git(world.colleague, "commit", "--quiet", "--all", "-m", f"step {n}", at=NOON + 3600)
    git(world.colleague, "checkout", "--quiet", "main")
    git(world.colleague, "merge", "--quiet", "--no-ff", "-m", "merge feature", "feature", at=NOON + 7200)
    git(world.colleague, "push", "--quiet", "origin", "main")
    labels = [point.label for point in (await executor.points()).points]
    assert labels[:2] == ["merge feature", "bad load"]


async def test_the_loss_is_counted_in_commits_authors_and_files(executor: Git) -> None:
    way = await executor.plan(Goal(point=await _point(executor, "price 11")), NOW)
    assert way.loss.quality is LossQuality.MEASURED
    assert way.loss.since == NOW - timedelta(minutes=29)
    assert way.loss.units == (
        Unit("commits", 2),
        Unit("authors", 1, limits=False),
        Unit("files", 2, limits=False),
    )
    assert [(one.label, one.author) for one in way.gone] == [("bad load", "Cy"), ("price 12", "Cy")]


async def test_the_beginning_of_a_commit_id_is_enough_to_ask_and_the_plan_names_all_of_it(
    executor: Git,
) -> None:
    full = await _point(executor, "price 11")
    assert (await executor.plan(Goal(point=full[:10]), NOW)).point.id == full


async def test_a_commit_id_typed_in_capitals_is_found(executor: Git) -> None:
    full = await _point(executor, "price 11")
    assert (await executor.plan(Goal(point=full[:10].upper()), NOW)).point.id == full


async def test_who_made_the_live_commit_is_said(executor: Git) -> None:
    assert (await executor.points()).current.author == "Cy"


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(NOON + minute * 60, UTC)


async def test_of_commits_of_one_second_the_last_of_the_branch_was_live(
    world: GitWorld, executor: Git
) -> None:
    for n in range(1, 6):
        world.write({"prod/price": f"2{n}\n"}, f"part {n}", 60)
    world.commit({"prod/price": "0\n"}, "bad", 120)
    labels = [point.label for point in (await executor.points()).points]
    assert labels[:6] == ["bad", "part 5", "part 4", "part 3", "part 2", "part 1"]
    way = await executor.plan(Goal(before=_moment(90)), NOW)
    assert (way.point.label, way.warnings) == ("part 5", ())


async def test_a_commit_that_came_after_a_newer_one_is_not_what_was_live_before_that(
    world: GitWorld, executor: Git
) -> None:
    world.commit({"prod/price": "0\n"}, "bad", 120)
    world.commit({"prod/price": "1\n"}, "from a slow clock", 80)
    way = await executor.plan(Goal(before=_moment(90)), NOW)
    assert way.point.label == "bad load"
    [warning] = way.warnings
    assert warning.startswith("The times of the points go back: ")
    assert "is dated 2026-11-22 13:20 UTC" in warning


async def test_a_slow_clock_long_before_the_moment_is_no_reason_to_warn(
    world: GitWorld, executor: Git
) -> None:
    world.commit({"prod/price": "0\n"}, "bad", 120)
    world.commit({"prod/price": "1\n"}, "from a slow clock", 80)
    world.commit({"prod/price": "2\n"}, "good", 180)
    way = await executor.plan(Goal(before=_moment(150)), NOW)
    assert (way.point.label, way.warnings) == ("from a slow clock", ())


@pytest.mark.parametrize("length", [0, 1, 6])
async def test_a_few_characters_are_no_commit_id_even_when_only_one_begins_so(
    executor: Git, length: int
) -> None:
    with pytest.raises(PointUnavailable, match="7 or more"):
        await executor.plan(Goal(point=(await _point(executor, "price 11"))[:length]), NOW)


async def test_a_commit_of_another_branch_is_no_point(world: GitWorld, executor: Git) -> None:
    git(world.colleague, "checkout", "--quiet", "-b", "experiment")
    (world.colleague / "prod" / "price").write_text("0\n")
    git(world.colleague, "commit", "--quiet", "--all", "-m", "experiment")
    git(world.colleague, "push", "--quiet", "origin", "experiment")
    with pytest.raises(PointUnavailable):
        await executor.plan(Goal(point=git(world.colleague, "rev-parse", "HEAD")), NOW)


async def test_content_that_is_live_already_is_a_blocker_and_never_an_empty_commit(
    world: GitWorld, executor: Git
) -> None:
    world.commit({"prod/price": "12\n"}, "repaired by hand", 9)
    way = await executor.plan(Goal(point=await _point(executor, "price 12")), NOW)
    assert any("live already" in blocker for blocker in way.blockers)
    with pytest.raises(Blocked):
        await executor.start(work_for(way))
    assert world.effects() == 0


# The commit


async def test_one_commit_is_added_and_the_history_stays(world: GitWorld, executor: Git) -> None:
    before = git(world.remote, "rev-parse", "main")
    work = await _work(executor)
    await carried_out(executor, work)
    assert git(world.remote, "rev-list", "--parents", "-1", "main").split()[1:] == [before]
    assert (
        git(world.remote, "log", "-1", "--format=%an <%ae>", "main")
        == "Rollback Bot <rollback-bot@localhost>"
    )
    assert git(world.remote, "log", "-1", "--format=%B", "main").splitlines() == [
        f"Roll back prod to {work.point[:8]}: price 11",
        "",
        f"Rollback-Operation: {work.op_id}",
        f"Rollback-Plan: {work.digest}",
    ]


async def test_nothing_beside_the_path_is_touched(world: GitWorld, executor: Git) -> None:
    await carried_out(executor, await _work(executor))
    assert _files(world) == {
        "prod/item0": "x",
        "prod/item1": "x",
        "prod/price": "11",
        "staging/price": "1",
    }


async def test_a_path_may_be_one_file(world: GitWorld) -> None:
    world.path = "prod/price"
    executor = world.executor()
    await carried_out(executor, await _work(executor))
    assert _files(world, "prod/") == {
        "prod/item0": "x",
        "prod/item1": "x",
        "prod/item2": "x",
        "prod/price": "11",
    }


async def test_an_empty_path_is_the_whole_repository(world: GitWorld) -> None:
    world.path = ""
    executor = world.executor()
    await carried_out(executor, await _work(executor))
    assert _files(world) == {"prod/item0": "x", "prod/item1": "x", "prod/price": "11"}


async def test_a_point_without_the_path_is_warned_of_and_removes_it(world: GitWorld) -> None:
    git(world.colleague, "rm", "-r", "--quiet", "prod")
    git(world.colleague, "commit", "--quiet", "-m", "nothing any more", at=NOON + 300)
    world.commit({"prod/price": "7\n"}, "again", 6)
    executor = world.executor()
    way = await executor.plan(Goal(point=await _point(executor, "nothing any more")), NOW)
    assert any("will be removed" in warning for warning in way.warnings)
    await carried_out(executor, work_for(way))
    assert _files(world) == {"staging/price": "1"}


# Beside others


async def test_commits_elsewhere_since_the_plan_are_kept_and_void_nothing(
    world: GitWorld, executor: Git
) -> None:
    work = await _work(executor)
    world.commit({"staging/price": "2\n"}, "staging goes on", 9)
    await carried_out(executor, work)
    assert _files(world)["staging/price"] == "2"
    assert _files(world)["prod/price"] == "11"


async def test_overtaken_by_a_commit_elsewhere_it_goes_on_top_of_that(world: GitWorld) -> None:
    executor = _raced(world, {"staging/price": "2\n"})
    await carried_out(executor, await _work(executor))
    assert _files(world)["staging/price"] == "2"
    assert _files(world)["prod/price"] == "11"
    assert world.effects() == 1


async def test_overtaken_by_a_commit_on_the_path_nothing_is_done(world: GitWorld) -> None:
    executor = _raced(world, {"prod/price": "13\n"})
    with pytest.raises(StateChanged, match="since the plan was made"):
        await executor.start(await _work(executor))
    assert world.effects() == 0


def _raced(world: GitWorld, files: dict[str, str]) -> Git:
    executor = world.executor()
    executor._repository = RacedRepository(world, files)
    return executor


class RacedRepository(Repository):
    """A colleague pushes just before the first push of ours."""

    def __init__(self, world: GitWorld, files: dict[str, str]) -> None:
        super().__init__(str(world.remote), "main", world.path, world.root / "raced", {})
        self._world = world
        self._files = files

    async def push(self, commit: str, tip: str, timeout: float) -> Push:
        if self._files:
            self._world.commit(self._files, "just before", 10)
            self._files = {}
        return await super().push(commit, tip, timeout)


async def test_of_twins_that_make_the_very_same_commit_only_the_first_has_landed_it(
    world: GitWorld, executor: Git
) -> None:
    repository = executor._repository
    tip = await repository.fetch()
    commit = await repository.commit(tip, (await _work(executor)).point, "twins")
    assert await repository.push(commit, tip, 30.0) is Push.LANDED
    assert await repository.push(commit, tip, 30.0) is Push.OVERTAKEN


async def test_a_push_that_the_remote_forbids_says_why(world: GitWorld) -> None:
    executor = world.executor(access=Access(runs_hooks=True))
    _hook(world, "pre-receive", "echo 'main is frozen until Monday'; exit 1")
    with pytest.raises(Denied, match="frozen until Monday"):
        await executor.start(await _work(executor))
    assert world.effects() == 0


async def test_a_push_without_an_answer_is_unknown_until_somebody_looks(world: GitWorld) -> None:
    executor = world.executor(access=Access(runs_hooks=True))
    _hook(world, "post-receive", "exec sleep 60")
    work = await _work(executor)
    with pytest.raises(OutcomeUnknown):
        await executor.start(replace(work, timeout=2.0))
    assert (await executor.find(work)).fate is Fate.DONE
    assert await executor.start(work) is Taken.TAKEN


def _hook(world: GitWorld, name: str, script: str) -> None:
    hook = world.remote / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


async def test_an_operation_is_not_mistaken_for_one_whose_name_begins_the_same(executor: Git) -> None:
    work = await _work(executor)
    await carried_out(executor, replace(work, op_id=f"{work.op_id}1"))
    assert (await executor.find(work)).fate is Fate.ABSENT


# The cache


async def test_a_cache_that_was_left_locked_or_broken_is_made_anew(world: GitWorld, executor: Git) -> None:
    await executor.points()
    (cache,) = world.root.glob("work-*/*.git")
    (cache / "refs" / "heads" / "main.lock").touch()  # as git leaves it when it is killed
    (cache / "HEAD").unlink()
    world.commit({"prod/price": "13\n"}, "price 13", 10)
    assert (await executor.points()).points[0].label == "price 13"


async def test_two_who_look_at_once_do_not_trip_over_each_other(world: GitWorld, tmp_path: Path) -> None:
    work = tmp_path / "shared"
    looks = [Git(str(world.remote), "main", world.path, work).points() for _ in range(6)]
    answers = await asyncio.gather(*looks)
    assert all(answer == answers[0] for answer in answers)


async def test_nothing_is_checked_out(world: GitWorld, executor: Git) -> None:
    await carried_out(executor, await _work(executor))
    (work,) = world.root.glob("work-*")
    assert sorted(path.suffix for path in work.iterdir()) == [".git", ".lock"]


# Where the remote is


async def test_no_configuration_of_anybody_leads_somewhere_else(world: GitWorld, tmp_path: Path) -> None:
    elsewhere = GitWorld.make(tmp_path / "elsewhere")
    elsewhere.commit({"prod/price": "666\n"}, "not ours", 20)
    git(elsewhere.colleague, "push", "--quiet", "origin", "main:production")
    led = f'[url "{elsewhere.remote}"]\n\tinsteadOf = {world.remote}\n\tpushInsteadOf = {world.remote}\n'
    home, work = tmp_path / "home", tmp_path / "checkout" / "spool" / "git"
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".gitconfig").write_text(led)
    (home / ".config" / "git" / "config").write_text(led)
    work.mkdir(parents=True)
    git(work.parent.parent, "init", "--quiet")
    with (work.parent.parent / ".git" / "config").open("a") as config:
        config.write(led)
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{elsewhere.remote}.insteadOf",
        "GIT_CONFIG_VALUE_0": str(world.remote),
    }
    executor = Git(str(world.remote), "main", world.path, work, environment)
    await carried_out(executor, await _work(executor))
    assert (world.effects(), elsewhere.effects()) == (1, 0)
    with pytest.raises(TargetMissing):  # the way to ask which needs no cache
        await Git(str(world.remote), "production", "", work, environment).points()


# What git must never be told


@pytest.mark.parametrize(
    ("remote", "branch", "path"),
    [
        ("ext::sh -c touch% outside", "main", ""),
        ("fd::17", "main", ""),
        ("--upload-pack=touch outside", "main", ""),
        ("", "main", ""),
        ("ssh://ana:secret@git.example/shop.git", "main", ""),
        ("/srv/shop.git\n--x", "main", ""),
        ("/srv/shop.git", "-main", ""),
        ("/srv/shop.git", "a..b", ""),
        ("/srv/shop.git", "main:other", ""),
        ("/srv/shop.git", "main.lock", ""),
        ("/srv/shop.git", "refs/@{1}", ""),
        ("/srv/shop.git", "", ""),
        ("/srv/shop.git", "main", "../elsewhere"),
        ("/srv/shop.git", "main", "/etc"),
        ("/srv/shop.git", "main", "-x"),
        ("/srv/shop.git", "main", "prod/.git/hooks"),
    ],
)
def test_hostile_settings_are_refused(tmp_path: Path, remote: str, branch: str, path: str) -> None:
    with pytest.raises(ConfigurationError):
        Git(remote, branch, path, tmp_path)


@pytest.mark.parametrize(
    ("remote", "branch"),
    [
        ("git@git.example:shop/config.git", "main"),
        ("ssh://git@git.example:22/shop.git", "release/2026-11"),
        ("https://ana@git.example/shop.git", "v1.x"),
        ("https://ana:secret@git.example/shop.git", "main"),
        ("file:///srv/shop.git", "feature/a_b+c"),
    ],
)
def test_usual_settings_are_taken(tmp_path: Path, remote: str, branch: str) -> None:
    Git(remote, branch, "prod/", tmp_path)


REFUSING = """\
#!/bin/sh
if [ "$*" = version ]; then echo git version 2.39.5; exit; fi
echo "$@" >>{said}
env >>{heard}
echo "fatal: Authentication failed" >&2
exit 128
"""


@pytest.mark.parametrize(
    ("credentials", "user", "password"),
    [("robot:c%40nary-9d1e", "robot", "c@nary-9d1e"), ("canary-9d1e", "canary-9d1e", "")],
)
async def test_credentials_in_an_address_are_handed_to_git_and_to_no_command_line(
    tmp_path: Path, credentials: str, user: str, password: str
) -> None:
    said, heard, program = tmp_path / "said", tmp_path / "heard", tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(REFUSING.format(said=said, heard=heard))
    program.chmod(0o755)
    remote = f"https://{credentials}@git.example:8443/shop.git"
    executor = Git(remote, "main", "", tmp_path / "w", {"PATH": f"{program.parent}:{os.environ['PATH']}"})
    (tmp_path / "w").mkdir()
    git(tmp_path, "init", "--quiet", "--bare", f"w/{sha256(remote.encode()).hexdigest()[:16]}.git")
    with pytest.raises(Denied) as refused:
        await executor.points()
    assert "https://git.example:8443/shop.git" in said.read_text()
    assert "nary-9d1e" not in said.read_text() + str(refused.value)
    lines = heard.read_text().splitlines()
    assert {f"ROLLBACK_GIT_USER={user}", f"ROLLBACK_GIT_PASSWORD={password}"} <= set(lines)
    assert "ROLLBACK_GIT_SITE=https://git.example:8443" in lines


async def test_credentials_in_an_address_reach_the_server(tmp_path: Path) -> None:
    heard: list[str | None] = []

    async def refuse(request: web.Request) -> web.Response:
        heard.append(request.headers.get("Authorization"))
        asking = {"WWW-Authenticate": 'Basic realm="shop"'}
        return web.Response(status=403) if heard[-1] else web.Response(status=401, headers=asking)

    app = web.Application()
    app.router.add_get("/shop.git/info/refs", refuse)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=certified(tmp_path))
    address = f"https://robot:canary-9d1e@127.0.0.1:{server.port}/shop.git"
    trusting = {"PATH": os.environ["PATH"], "GIT_SSL_NO_VERIFY": "1"}
    with pytest.raises(Denied):
        await Git(address, "main", "", tmp_path / "w", trusting).points()
    await server.close()
    assert set(heard) == {None, f"Basic {b64encode(b'robot:canary-9d1e').decode()}"}


async def test_a_branch_that_does_not_exist_is_said(world: GitWorld, tmp_path: Path) -> None:
    with pytest.raises(TargetMissing, match="no branch `production`"):
        await Git(str(world.remote), "production", "", tmp_path / "w").points()


async def test_a_path_that_nothing_ever_changed_is_said(world: GitWorld, tmp_path: Path) -> None:
    with pytest.raises(TargetMissing, match="`prdo`"):
        await Git(str(world.remote), "main", "prdo", tmp_path / "w").points()


async def test_a_repository_that_does_not_answer_is_unreachable_and_its_address_stays_ours(
    tmp_path: Path,
) -> None:
    with pytest.raises(Unreachable) as refused:
        await Git(str(tmp_path / "nowhere.git"), "main", "", tmp_path / "w").points()
    assert "nowhere" not in str(refused.value)


@pytest.mark.parametrize("date", ["99999999999999 +0000", "-5 +0000", "tomorrow", ""])
async def test_a_commit_whose_date_is_none_is_listed_without_one(world: GitWorld, date: str) -> None:
    tree, parent = (git(world.colleague, "rev-parse", of).strip() for of in ("HEAD~1^{tree}", "HEAD"))
    raw = f"tree {tree}\nparent {parent}\nauthor A <a@x> 1700000000 +0000\ncommitter A <a@x> {date}\n\nodd\n"
    written = world.root / "odd-commit"
    written.write_text(raw)
    odd = git(world.colleague, "hash-object", "-t", "commit", "-w", "--literally", str(written)).strip()
    git(world.colleague, "push", "--quiet", "origin", f"{odd}:refs/heads/main")
    points = (await world.executor().points()).points
    told = {point.label: point.at for point in points}
    assert told["odd"] is None or date == "-5 +0000"
    assert len(points) > 1


async def test_after_a_rollback_what_it_went_to_is_no_way_back_any_more(executor: Git) -> None:
    work = await _work(executor)
    await carried_out(executor, work)
    doubts = {point.id: point.doubt for point in (await executor.points()).points}
    assert doubts[work.point] == "It holds what is live already."
    assert [doubt for point, doubt in doubts.items() if point != work.point and doubt] == []


@pytest.mark.parametrize("link", [False, True], ids=["a file", "a link"])
async def test_a_file_in_the_place_of_a_folder_above_the_path_is_in_the_way(
    world: GitWorld, tmp_path: Path, link: bool
) -> None:
    for n, text in enumerate(("1", "2")):
        folder = world.colleague / "deep" / "down"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "f").write_text(text)
        git(world.colleague, "add", "--all")
        git(world.colleague, "commit", "--quiet", "-m", f"deep {text}", at=NOON + 60 * (50 + n))
    git(world.colleague, "rm", "-r", "--quiet", "deep")
    if link:
        (world.colleague / "deep").symlink_to("elsewhere")
    else:
        (world.colleague / "deep").write_text("a file now")
    git(world.colleague, "add", "--all")
    git(world.colleague, "commit", "--quiet", "-m", "flat", at=NOON + 60 * 60)
    git(world.colleague, "push", "--quiet", "origin", "main")
    executor = Git(str(world.remote), "main", "deep/down", tmp_path / "work", dict(os.environ))
    work = work_for(await executor.plan(Goal(point=await _point(executor, "deep 1")), NOW))
    way = await executor.plan(Goal(point=work.point), NOW)
    assert "`deep` is a file on the branch now" in " ".join(way.blockers)
    with pytest.raises(Blocked, match="is a file on the branch now"):
        await carried_out(executor, work)
