"""Asking the bot's HTTP as browsers, proxies and scrapers do."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import ClientSession

from handlers.web.links import Links, links_from
from tests.handlers.world import STANDARD, World

PUBLIC = f"public_url: https://rollback.example{STANDARD}"
PROXIED = {"X-Forwarded-For": "203.0.113.9"}  # what a proxy on the same machine adds


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


async def ask(
    world: World,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    data: bytes | None = None,
) -> Answer:
    async with (
        ClientSession() as session,
        session.request(method, world.bot.url + path, headers=headers, data=data) as response,
    ):
        return Answer(response.status, response.headers.copy(), await response.text())


def links_of(world: World) -> Links:
    return links_from(world.folder / "state" / "front.key")
