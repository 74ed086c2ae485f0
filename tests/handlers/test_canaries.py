"""Secrets that were planted everywhere a secret can stand are found nowhere that anybody reads (I9).

The configuration's secrets fail in use: that is when a library likes to say them. What is searched is what
was said to Slack, logged, stored, laid down in the state folder, shown on pages and printed by commands.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection, sql
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection as Connection
from structlog.testing import capture_logs

from bot.views.limits import escape
from tests.handlers.conftest import Open
from tests.handlers.web.browsing import ask
from tests.handlers.world import STANDARD, World
from tests.replicas.backend import CREDENTIAL, PASSWORD, Target
from tests.replicas.world import Replicas

CANARIES = {
    "CANARY_HTTP": "http://watcher:canary-one-of-http@127.0.0.1:9/healthz",
    "CANARY_SQL": "sqlite:///canary-two-of-sql/orders.db",
    "CANARY_REMOTE": "https://robot:canary-three-of-git@127.0.0.1:9/shop.git",
    "CANARY_CHECK": "canary-five-of-a-check",
    "CANARY_SWITCH": "canary-six-of-maintenance",
}
FILES = {"password": "canary-four-of-a-file", "token": "canary-seven-of-a-tool"}
SECRET = (
    "canary-one-of-http",
    "canary-two-of-sql",
    "canary-three-of-git",
    CANARIES["CANARY_CHECK"],
    CANARIES["CANARY_SWITCH"],
    *FILES.values(),
)
PLANTED = (
    STANDARD
    + """      - {{type: http, name: page, url: {{env: CANARY_HTTP}}, when: offline, every: 10ms, wait: 0s}}
      - {{type: sql, name: rows, url: {{env: CANARY_SQL}}, query: "select 1", equals: 1, wait: 0s}}
      - {{type: http, name: door, url: {{file: password}}, when: offline, every: 10ms, wait: 0s}}
      - type: command
        name: smoke
        argv: [sh, -c, 'echo "refused: $KEY" >&2; exit 1']
        environment: {{KEY: {{env: CANARY_CHECK}}}}
        wait: 0s
    maintenance:
      enter: {{type: command, argv: ["{ctl}", enter], environment: {{KEY: {{env: CANARY_SWITCH}}}}}}
      leave: {{type: command, argv: ["{ctl}", leave], environment: {{KEY: {{env: CANARY_SWITCH}}}}}}
  tool:
    kind: dataset
    loss: {{declared: none, by: shop, because: rebuilt}}
    executor:
      type: command
      points: {{argv: [sh, -c, 'echo "no entry with $TOKEN" >&2; exit 1']}}
      current: {{argv: ["{ctl}", current]}}
      restore: {{argv: ["{ctl}", restore, "{{point}}"]}}
      environment: {{TOKEN: {{file: token}}}}
  config:
    kind: dataset
    loss: {{declared: none, by: shop, because: rebuilt}}
    executor: {{type: git, remote: {{env: CANARY_REMOTE}}, branch: main}}
"""
)
READING = (
    ["check"],
    ["doctor", "--json"],
    ["points", "config", "--json"],
    ["points", "tool", "--json"],
    ["run", "RB-1", "--json"],
    ["run", "RB-1"],
)


@pytest.fixture
async def planted(open_world: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    for name, value in FILES.items():
        (tmp_path / name).write_text(value)
    return await open_world(PLANTED, mode="http")


def found_in(place: str, text: str, secrets: tuple[str, ...]) -> list[str]:
    return [f"{secret} in {place}" for secret in secrets if secret in text]


def stored(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below, the database and the spool among them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes().decode("latin-1")


def said(world: World) -> str:
    """Everything that Slack was ever told, and every answer that it was given."""
    calls = [(call.method, call.args, call.error) for call in world.workspace.calls]
    answers = [delivered.body for delivered in world.slack.delivery.log]
    return json.dumps([calls, answers], default=str)


def children() -> str:
    """What anybody on this machine sees of the processes that run."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text())
        except OSError:
            continue  # it has ended
    return "\n".join(lines)


async def printed(environment: Mapping[str, str], words: list[str]) -> str:
    """Both outputs of a command, as somebody types it beside the running bot."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handlers.cli",
        *words,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return (await process.communicate())[0].decode()


async def test_no_planted_secret_is_found_anywhere(planted: World, tmp_path: Path) -> None:
    world = planted
    secrets = (*SECRET, world.slack.bot_token, world.slack.app_token, world.slack.signing_secret)
    with capture_logs() as logged:
        await world.says("ana", "points config")
        await world.says("ana", "config to deadbeef because it is broken")
        await world.ends()
        await world.says("ana", "points tool")
        await world.says("ana", "tool to v41 because it is broken")
        await world.ends()
        await world.asks("ana", "shop to v41 because totals are broken")
        await world.clicks("ben", "Approve and start")
        await world.reaches("paused")
        processes = children()
        await world.clicks("ana", "Details")
        await world.sees_modal("ana", "page")
        paths = ("/runs", "/runs/RB-1", "/runs/RB-2", "/runs/RB-3", "/metrics", "/readyz")
        pages = [(await ask(world, path)).body for path in paths]
        prints = [await printed(world.environment(), words) for words in READING]
    leaks = [
        *found_in("Slack", said(world), secrets),
        *found_in("the logs", str(logged), secrets),
        *found_in("the process list", processes, secrets),
        *(leak for name, text in stored(tmp_path / "state") for leak in found_in(name, text, secrets)),
        *(leak for page in pages for leak in found_in("a page", page, secrets)),
        *(
            leak
            for words, text in zip(READING, prints, strict=True)
            for leak in found_in(" ".join(words), text, secrets)
        ),
    ]
    assert leaks == []
    assert json.dumps(escape("refused: ***")).strip('"') in said(world), (
        "the check has not repeated its secret"
    )


OF_DATABASE = "canary-eight-of-the-database"


class Complaining(Replicas):
    """Replicas whose checks repeat the target's credential, and whose database URL holds a password."""

    log = "text"

    def _of_every_role(self, name: str) -> dict[str, str]:
        url = make_url(self.database).set(password=OF_DATABASE)
        return {
            **super()._of_every_role(name),
            "ROLLBACK_DATABASE_URL": url.render_as_string(hide_password=False),
            "ROLLBACK_LOG": self.log,
        }

    def _configuration(self) -> dict[str, Any]:
        configuration = super()._configuration()
        check = {
            "type": "command",
            "argv": ["sh", "-c", f'echo "refused: ${CREDENTIAL}" >&2; exit 1'],
            "environment": {CREDENTIAL: {"env": CREDENTIAL}},
            "wait": "0s",
        }
        configuration["targets"]["shop"]["checks"] = [check]
        return configuration

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key of the fronts line by line, without the lines that every key has."""
        key = (self.folder / "front.key").read_text().splitlines()[1:-1]
        of_slack = (self.slack.bot_token, self.slack.app_token, self.slack.signing_secret)
        return (OF_DATABASE, PASSWORD, *of_slack, *key)

    def logs(self) -> dict[str, str]:
        return {log.name: log.read_text() for log in self.folder.glob("*.log")}


@pytest.fixture(params=["json", "text"])
async def complaining(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: str
) -> AsyncIterator[Complaining]:
    world = Complaining(tmp_path, postgres, [Target("shop", maintained=True)])
    world.log = request.param
    await world.open()
    await asyncio.gather(world.front("front"), world.worker("worker"))
    yield world
    await world.close()


async def test_real_processes_of_both_roles_tell_no_planted_secret(
    complaining: Complaining, tmp_path: Path
) -> None:
    world = complaining
    await world.approves("shop")
    await world.reaches("shop", "paused")
    processes = children()
    async with world.store.database.read() as connection:
        rows = [row for name in await tables(connection) for row in await contents(connection, name)]
    async with shut(world.database):
        await world.until(lambda: all(world.logs().values()) or None, "both to complain of the database")
    leaks = [
        *found_in(
            "Slack", json.dumps([call.args for call in world.workspace.calls], default=str), world.secrets
        ),
        *found_in("the logs", str(world.logs()), world.secrets),
        *found_in("the process list", processes, world.secrets),
        *found_in("the database", str(rows), world.secrets),
        *(
            leak
            for role in ("front", "worker")
            for name, content in stored(tmp_path / f"state-{role}")
            for leak in found_in(name, content, world.secrets)
        ),
    ]
    assert leaks == []
    assert "refused: ***" in str(rows), "the check has not repeated its secret"


@contextlib.asynccontextmanager
async def shut(database: str) -> AsyncIterator[None]:
    """A database that throws everybody out and lets nobody in."""
    url = make_url(database)
    server = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    name = sql.Identifier(str(url.database))
    async with await AsyncConnection.connect(server, autocommit=True) as connection:
        await connection.execute(sql.SQL("alter database {} with allow_connections false").format(name))
        try:
            throw_out = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
            await connection.execute(throw_out, [url.database])
            yield
        finally:
            await connection.execute(sql.SQL("alter database {} with allow_connections true").format(name))


async def tables(connection: Connection) -> list[str]:
    """All of them, the queue's too."""
    found = await connection.execute(text("select tablename from pg_tables where schemaname = 'public'"))
    return list(found.scalars())


async def contents(connection: Connection, table: str) -> list[str]:
    rows = await connection.execute(text(f'select t::text from "{table}" t'))
    return list(rows.scalars())


@pytest.mark.parametrize("form", ["json", "text"])
async def test_a_database_that_cannot_be_reached_is_told_without_its_password(
    planted: World, tmp_path: Path, form: str
) -> None:
    environment = {
        **planted.environment(),
        "ROLLBACK_DATABASE_URL": f"postgresql+psycopg://rollback:{OF_DATABASE}@127.0.0.1:9/rollback",
        "ROLLBACK_STATE_DIR": str(tmp_path / "elsewhere"),
        "ROLLBACK_LOG": form,
    }
    for words in (["serve"], ["doctor"], ["runs"], ["db", "upgrade"]):
        told = await printed(environment, words)
        assert told
        assert OF_DATABASE not in told, words


async def test_a_planted_secret_is_found_where_it_is(planted: World, tmp_path: Path) -> None:
    (tmp_path / "state" / "note").write_text(SECRET[0])
    assert [name for name, text in stored(tmp_path / "state") if SECRET[0] in text] == ["note"]
