"""Secrets that were planted everywhere a secret can stand are found nowhere that anybody reads (I9).

The configuration's secrets fail in use: that is when a library likes to say them. What is searched is what
was said to Slack, logged, stored, laid down in the state folder, shown on pages and printed by commands.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.handlers.conftest import Open
from tests.handlers.web.browsing import ask
from tests.handlers.world import STANDARD, World

CANARIES = {
    "CANARY_HTTP": "http://watcher:canary-one-of-http@127.0.0.1:9/healthz",
    "CANARY_SQL": "sqlite:///canary-two-of-sql/orders.db",
    "CANARY_REMOTE": "https://robot:canary-three-of-git@127.0.0.1:9/shop.git",
}
FILES = {"password": "canary-four-of-a-file"}
SECRET = ("canary-one-of-http", "canary-two-of-sql", "canary-three-of-git", *FILES.values())
PLANTED = (
    STANDARD
    + """      - {{type: http, name: page, url: {{env: CANARY_HTTP}}, when: offline, every: 10ms, wait: 0s}}
      - {{type: sql, name: rows, url: {{env: CANARY_SQL}}, query: "select 1", equals: 1, wait: 0s}}
      - {{type: http, name: door, url: {{file: password}}, when: offline, every: 10ms, wait: 0s}}
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
        await world.asks("ana", "shop to v41 because totals are broken")
        await world.clicks("ben", "Approve and start")
        await world.reaches("paused")
        processes = children()
        await world.clicks("ana", "Details")
        await world.sees_modal("ana", "page")
        pages = [
            (await ask(world, path)).body
            for path in ("/runs", "/runs/RB-1", "/runs/RB-2", "/metrics", "/readyz")
        ]
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


async def test_a_planted_secret_is_found_where_it_is(planted: World, tmp_path: Path) -> None:
    (tmp_path / "state" / "note").write_text(SECRET[0])
    assert [name for name, text in stored(tmp_path / "state") if SECRET[0] in text] == ["note"]
