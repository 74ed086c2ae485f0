"""An http(s) remote: git's own server on loopback, with and without credentials."""

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backends.conformance.harness import carried_out, work_for
from backends.git.executor import Git, build
from backends.git.settings import GitSettings
from backends.pins import pins_of
from backends.references import Resolver
from backends.surroundings import Surroundings
from bot.clock import utc_now
from bot.contract import Blocked, Denied, Executor, TargetMissing, Unreachable, Work
from bot.errors import ConfigurationError
from bot.model import Goal
from tests.backends.git.certificates import certified
from tests.backends.git.server import GitServer, served
from tests.backends.git.world import GitWorld

TOKEN = "canary-of-a-token-4f1b"


class Shop:
    """A repository behind a server, and the settings of somebody who goes there."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.world = GitWorld.make(folder / "srv")
        self.server = GitServer(self.world.root)
        self.environ = {"GIT_TOKEN": TOKEN}
        around = Surroundings(folder, folder / "spool", {"PATH": os.environ["PATH"]})
        self.resolver = Resolver(around, self.environ)
        self._stack = stack

    async def opened(self, context: ssl.SSLContext | None = None) -> str:
        self.server.url = await self._stack.enter_async_context(served(self.server.answer, context))
        return self.remote

    @property
    def remote(self) -> str:
        return f"{self.server.url}/remote.git"

    def executor(self, **settings: Any) -> Git:
        given = {"type": "git", "remote": self.remote, "path": "prod/", **settings}
        return build(GitSettings.model_validate(given), self.resolver)

    def asks_for(self, user: str, password: str) -> None:
        self.server.user, self.server.password = user, password

    def stored(self) -> str:
        """Everything that was laid down on the way."""
        files = (file for file in (self.folder / "spool").rglob("*") if file.is_file())
        return "".join(file.read_bytes().decode("latin-1") for file in files)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        shop = Shop(tmp_path, stack)
        await shop.opened()
        yield shop
        shop.world.close()


def _credentials(**given: object) -> Mapping[str, object]:
    return {"user": "robot", "password": {"env": "GIT_TOKEN"}, **given}


async def _work(executor: Executor) -> Work:
    oldest = (await executor.points()).points[-1]
    return work_for(await executor.plan(Goal(point=oldest.id), utc_now()))


async def test_a_restore_goes_through_a_server(shop: Shop) -> None:
    executor = shop.executor()
    await carried_out(executor, await _work(executor))
    assert shop.world.effects() == 1


async def test_the_credentials_of_the_settings_open_the_server_and_are_written_nowhere(shop: Shop) -> None:
    shop.asks_for("robot", TOKEN)
    executor = shop.executor(credentials=_credentials())
    await carried_out(executor, await _work(executor))
    assert shop.world.effects() == 1
    assert TOKEN not in shop.stored()


async def test_who_only_looks_needs_no_right_to_push(shop: Shop) -> None:
    shop.asks_for("robot", TOKEN)
    shop.server.reader = "eyes", "may look"
    shop.environ["EYES"] = "may look"
    looking = {"user": "eyes", "password": {"env": "EYES"}}
    executor = shop.executor(credentials=looking, push_credentials=_credentials())
    with suppress(Denied):
        await carried_out(executor, await _work(executor))
    assert shop.world.effects() == 1


async def test_a_token_that_was_renewed_works_at_once_and_voids_no_plan(shop: Shop, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("the first\n")
    shop.asks_for("robot", "the first")
    credentials = _credentials(password={"file": "token"})
    executor = shop.executor(credentials=credentials)
    await executor.points()
    given = {"type": "git", "remote": {"env": "REMOTE"}, "credentials": credentials}
    settings = GitSettings.model_validate(given)
    shop.environ["REMOTE"] = shop.remote
    before = pins_of(settings, shop.resolver)
    token.write_text("the second\n")
    shop.asks_for("robot", "the second")
    await executor.points()
    assert [pin.name for pin in before] == ["`remote`"]
    assert pins_of(settings, shop.resolver, agreed=before) == before


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ({}, "asks for a user name and a password: name them by `credentials`"),
        (_credentials(), "refuses the user name and the password"),
        (_credentials(password={"env": "NOBODY"}), "cannot be read: The environment variable NOBODY"),
        (_credentials(password={"env": "TWO_LINES"}), "the password must be one line"),
    ],
)
async def test_a_credential_that_is_missing_or_wrong_is_denied_in_one_sentence(
    shop: Shop, credentials: Mapping[str, object], said: str
) -> None:
    shop.asks_for("robot", "another")
    shop.environ["TWO_LINES"] = f"{TOKEN}\nhost=elsewhere"
    with pytest.raises(Denied, match=said) as refused:
        await shop.executor(credentials=credentials).points()
    assert TOKEN not in str(refused.value)


async def test_a_redirect_to_another_host_is_given_no_credentials(shop: Shop) -> None:
    elsewhere: list[str | None] = []

    async def ask(request: web.Request) -> web.Response:
        elsewhere.append(request.headers.get("Authorization"))
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="shop"'})

    async with served(ask) as other:

        async def lead_away(request: web.Request) -> web.Response:
            raise web.HTTPFound(f"{other}{request.path_qs}")

        async with served(lead_away) as first:
            named = shop.executor(remote=f"{first}/remote.git", credentials=_credentials())
            carried = shop.executor(remote=f"{first.replace('//', f'//robot:{TOKEN}@')}/remote.git")
            for executor in (named, carried):
                with pytest.raises(Denied, match="moved to another host"):
                    await executor.points()
    assert elsewhere
    assert set(elsewhere) == {None}


async def test_a_redirect_on_the_same_host_keeps_them(shop: Shop) -> None:
    shop.asks_for("robot", TOKEN)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/old.git"):
            raise web.HTTPFound(request.path_qs.replace("/old.git", "/remote.git"))
        return await shop.server.answer(request)

    async with served(answer) as site:
        await shop.executor(remote=f"{site}/old.git", credentials=_credentials()).points()


async def test_a_token_that_may_only_read_is_found_before_anybody_approves(shop: Shop) -> None:
    shop.server.may_push = False
    executor = shop.executor()
    points = (await executor.points()).points
    way = await executor.plan(Goal(point=points[-1].id), utc_now())
    assert way.blockers == (
        "We may not push to `main`: The repository refuses us: fatal: unable to access 'the remote/': "
        "The requested URL returned error: 403",
    )


async def test_a_server_in_trouble_is_no_blocker_but_tried_again(shop: Shop) -> None:
    executor = shop.executor()
    points = (await executor.points()).points

    async def answer(request: web.Request) -> web.StreamResponse:
        if "git-receive-pack" in request.path_qs:
            return web.Response(status=503)
        return await shop.server.answer(request)

    async with served(answer) as site:
        executor = shop.executor(remote=f"{site}/remote.git")
        with pytest.raises(Unreachable, match="in trouble"):
            await executor.plan(Goal(point=points[-1].id), utc_now())


async def test_a_push_that_never_reached_its_server_may_be_tried_again(shop: Shop) -> None:
    """The server goes away between the last look and the push."""
    executor = shop.executor()
    repository, work = executor._repository, await _work(executor)
    tip = await repository.fetch()
    commit = await repository.commit(tip, work.point, "never sent")
    shop.server.answer = _trouble  # type: ignore[method-assign]
    async with served(_trouble) as site:
        repository._url = f"{site}/remote.git"
    with pytest.raises(Unreachable, match="refuses the connection"):
        await repository.push(commit, tip, 30.0)


async def _trouble(request: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


async def test_a_repository_that_the_server_does_not_know_is_missing(shop: Shop) -> None:
    with pytest.raises(TargetMissing, match="no repository at its address"):
        await shop.executor(remote=f"{shop.server.url}/unknown.git").points()


async def test_a_certificate_that_nobody_vouches_for_is_said_until_its_authority_is_named(
    shop: Shop, tmp_path: Path
) -> None:
    await shop.opened(certified(tmp_path))
    with pytest.raises(Blocked, match=r"not trusted: name its authority by `ca_file`"):
        await shop.executor().points()
    with pytest.raises(Blocked, match="that `ca_file` names cannot be read"):
        await shop.executor(ca_file="nowhere.pem").points()
    assert (await shop.executor(ca_file="server.pem").points()).points


@pytest.mark.parametrize("remote", ["git@git.example:shop.git", "https://robot:x@git.example/shop.git"])
async def test_credentials_that_could_not_be_used_are_refused_when_it_is_built(
    shop: Shop, remote: str
) -> None:
    with pytest.raises(ConfigurationError, match="credentials"):
        shop.executor(remote=remote, credentials=_credentials())
