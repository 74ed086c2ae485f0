"""A fetch that takes long goes on, and one that fails says why."""

import asyncio
import json
import os
import select
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from backends.git.complaints import problem_of
from backends.git.executor import Git
from backends.git.fetching import SILENT_SECONDS, _far
from backends.git.program import Program
from backends.git.remote import Access
from bot.contract import Blocked, Busy, Denied, StillReading, TargetMissing, Unreachable
from bot.model import Points
from tests.backends.git.server import GitServer, served
from tests.backends.git.world import GitWorld, git

HURRIED = Access(patience=0.3)
PATIENCE_SECONDS = 30.0


class Slow:
    """A server that sends the objects when it is let go, and until then nothing."""

    def __init__(self, folder: Path) -> None:
        self.world = GitWorld.make(folder / "srv")
        self.work = folder / "w"
        self.let_go = asyncio.Event()
        self.fetches = 0  # how often somebody asked for objects
        self.instead: Callable[[], Awaitable[web.StreamResponse]] | None = None
        self._server = GitServer(self.world.root)
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if b"command=fetch" in await request.read():
            self.fetches += 1
            await self.let_go.wait()
            if self.instead is not None:
                return await self.instead()
        return await self._server.answer(request)

    def executor(self, access: Access = HURRIED) -> Git:
        """All share one copy, as the processes of one machine do."""
        return Git(f"{self.url}/remote.git", "main", "prod/", self.work, access=access)

    @property
    def copy(self) -> Path:
        [copy] = self.work.glob("*.git")
        return copy

    def pid(self) -> int:
        note = json.loads((self.copy / "fetch.json").read_text())
        return int(note["pid"])


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Slow]:
    slow = Slow(tmp_path)
    async with served(slow.answer) as slow.url:
        yield slow
        slow.let_go.set()
    slow.world.close()


async def _points(executor: Git) -> Points:
    """Asks until it is there, as whoever plans does."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await executor.points()
            except Busy:
                continue


async def test_a_fetch_that_takes_long_says_so_and_goes_on_until_whoever_asks_finds_it_done(
    slow: Slow,
) -> None:
    first = slow.executor()
    for _ in range(2):
        with pytest.raises(StillReading, match="still being fetched"):
            await first.points()
    with pytest.raises(StillReading):  # another process, after the first one is gone
        await slow.executor().points()
    slow.let_go.set()
    assert len((await _points(slow.executor())).points) == 4
    assert slow.fetches == 1


async def test_a_fetch_that_sends_nothing_any_more_is_stopped_and_the_next_begins_anew(slow: Slow) -> None:
    with pytest.raises(StillReading):
        await slow.executor().points()
    pid, long_ago = slow.pid(), time.time() - SILENT_SECONDS - 1
    os.utime(slow.copy / "fetch.log", (long_ago, long_ago))
    with pytest.raises(Unreachable, match="has sent nothing for 60 s"):
        await slow.executor().points()
    await asyncio.to_thread(_ends, pid)
    slow.let_go.set()
    assert (await _points(slow.executor())).points


async def test_a_fetch_has_a_time_limit_of_its_own(slow: Slow) -> None:
    with pytest.raises(StillReading):
        await slow.executor().points()
    with pytest.raises(Unreachable, match=r"within 0.1 s: raise `fetch_within`"):
        await slow.executor(Access(patience=5.0, fetch_within=0.1)).points()


async def test_why_a_fetch_failed_that_nobody_waited_for_is_told_to_who_asks_next(slow: Slow) -> None:
    with pytest.raises(StillReading):
        await slow.executor().points()

    async def trouble() -> web.StreamResponse:
        return web.Response(status=503)

    slow.instead = trouble
    slow.let_go.set()
    await asyncio.to_thread(_ends, slow.pid())
    slow.instead = None
    with pytest.raises(Unreachable, match="in trouble"):
        await _points(slow.executor())
    assert (await _points(slow.executor())).points


async def test_a_fetch_that_was_killed_leaves_nothing_in_the_way(slow: Slow) -> None:
    with pytest.raises(StillReading):
        await slow.executor().points()
    os.killpg(slow.pid(), signal.SIGKILL)
    (slow.copy / "objects" / "pack").mkdir(exist_ok=True)
    left = slow.copy / "objects" / "pack" / "tmp_pack_x1y2z3"
    left.touch()
    slow.let_go.set()
    assert (await _points(slow.executor())).points
    assert not left.exists()


async def test_that_it_answers_is_said_only_where_that_was_seen(slow: Slow) -> None:
    async def nonsense() -> web.StreamResponse:
        return web.Response(body=b"0000", content_type="application/x-git-upload-pack-result")

    slow.instead = nonsense
    slow.let_go.set()
    with pytest.raises(Unreachable, match="The repository answers, but cannot be fetched: "):
        await _points(slow.executor())


@pytest.mark.parametrize(
    ("page", "kind", "said"),
    [
        (
            "001e# service=git-upload-pack\n0000zzzz",
            "application/x-git-upload-pack-advertisement",
            "The repository cannot be read: ",
        ),
        ("<html>\n<h1>Welcome</h1>\n", "text/html", "There is no repository at its address"),
        ("welcome", "text/plain", "the repository is empty, or there is none"),
    ],
)
async def test_a_server_without_a_repository_is_not_said_to_answer(
    tmp_path: Path, page: str, kind: str, said: str
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=page, content_type=kind)

    async with served(answer) as site:
        with pytest.raises((Unreachable, TargetMissing), match=said):
            await Git(f"{site}/remote.git", "main", "", tmp_path / "w").points()


def _ends(pid: int) -> None:
    """Waits for a process that is no child of ours."""
    with suppress(ProcessLookupError), os.fdopen(os.pidfd_open(pid)) as ended:
        assert select.select([ended], [], [], PATIENCE_SECONDS)[0]


@pytest.mark.parametrize(
    ("said", "far"),
    [
        (b"", "its host has not begun to send"),
        (b"remote: Enumerating objects: 12, done.\n", "its host is counting its objects"),
        (
            b"remote: Counting objects: 9\rremote: Compressing objects:  57% (4/7)\r",
            "its host is packing it, 50 %",
        ),
        (
            b"Receiving objects:  42% (84/200)\rReceiving objects:  67% (134/200)\r",
            "60 % of its objects are here",
        ),
        (b"Receiving objects: 100%\nResolving deltas:  9% \r", "its objects are here, 0 % of them are read"),
        (b"Resolving deltas: 100% (3/3), done.\n", "its objects are here, and are looked over"),
    ],
)
def test_how_far_it_is_is_said_in_steps_of_ten_percent(said: bytes, far: str) -> None:
    assert _far(said) == far


# Why it fails


async def test_a_repository_that_lost_an_object_is_called_damaged(tmp_path: Path) -> None:
    world = GitWorld.make(tmp_path / "shop")
    lost = git(world.remote, "rev-parse", "main:staging/price")
    (world.remote / "objects" / lost[:2] / lost[2:]).unlink()
    with pytest.raises(Blocked, match="is damaged, an object of its is missing"):
        await world.executor().points()


@pytest.mark.parametrize(
    ("remote", "said"),
    [
        ("https://nobody.invalid/shop.git", "The name of the repository's host is not known"),
        ("ssh://nobody.invalid/shop.git", "The name of the repository's host is not known"),
        ("https://127.0.0.1:1/shop.git", "host refuses the connection"),
        ("ssh://127.0.0.1:1/shop.git", "host refuses the connection"),
    ],
)
async def test_a_host_that_is_not_there_has_words_of_its_own(tmp_path: Path, remote: str, said: str) -> None:
    with pytest.raises(Unreachable, match=said):
        await Git(remote, "main", "", tmp_path / "w").points()


# As OpenSSH 9.2, git 2.39 and the servers of others say it.
@pytest.mark.parametrize(
    ("complaint", "kind", "said"),
    [
        ("fatal: write error: No space left on device", Blocked, "The disk with our copy"),
        ("remote: fatal: write error: No space left on device", Blocked, "The disk of the repository's host"),
        ("git@git.example: Permission denied (publickey).", Denied, "refuses us"),
        ("Host key verification failed.", Denied, "known_hosts"),
        ("fatal: '/srv/x.git' does not appear to be a git repository", TargetMissing, "no repository"),
        (
            "ssh: connect to host git.example port 22: Connection timed out",
            Unreachable,
            "does not answer in time",
        ),
        ("kex_exchange_identification: Connection closed by remote host", Unreachable, "broke off"),
        ("fetch-pack: unexpected disconnect while reading sideband packet", Unreachable, "broke off"),
        ("remote: Permission to shop/config.git denied to robot.", Denied, "refuses us"),
    ],
)
def test_each_cause_has_its_own_words(complaint: str, kind: type[Exception], said: str) -> None:
    problem = problem_of(complaint, complaint)
    assert type(problem) is kind
    assert said in str(problem)


# The history that is kept


async def test_a_history_that_was_kept_is_the_one_that_is_there(tmp_path: Path) -> None:
    """Grown, merged from the other side, and rewritten."""
    world = GitWorld.make(tmp_path / "shop")
    executor = world.executor()

    async def is_right() -> None:
        assert (await executor.points()) == (await world.executor().points())

    await is_right()
    world.commit({"prod/price": "13\n"}, "price 13", 10)
    world.commit({"prod/price": "14\n"}, "price 14", 11)
    await is_right()
    world.commit({"staging/price": "9\n"}, "elsewhere", 12)
    await is_right()
    git(world.colleague, "checkout", "--quiet", "-b", "other", "main~2")
    (world.colleague / "prod" / "item9").write_text("x\n")
    git(world.colleague, "add", "--all")
    git(world.colleague, "commit", "--quiet", "-m", "on the side")
    git(world.colleague, "merge", "--quiet", "-m", "the other way round", "main", at=1_795_352_400)
    git(world.colleague, "push", "--quiet", "origin", "other:main")
    await is_right()
    git(world.colleague, "push", "--quiet", "--force", "origin", "main~3:main")
    await is_right()


# Its deadline


@pytest.mark.parametrize(("ends", "code"), [("exit 3", 3), ("sleep 300", None)])
async def test_a_grandchild_that_holds_stderr_open_keeps_nobody_waiting(
    tmp_path: Path, ends: str, code: int | None
) -> None:
    program, held = tmp_path / "git", tmp_path / "held"
    program.write_text(f"#!/bin/sh\nsetsid sleep 300 &\necho $! >{held}\necho said >&2\n{ends}\n")
    program.chmod(0o755)
    git_ = Program(tmp_path, {"PATH": f"{tmp_path}:{os.defpath}"}, {}, "remote")
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await git_.run("fetch", timeout=0.5)
    os.kill(int(held.read_text()), signal.SIGKILL)
    assert (answer.code, answer.words) == (code, "said")
