import base64
import hashlib
import re
from datetime import timedelta

import pytest

from handlers.web.readers import PROXIES_SAY
from tests.handlers.conftest import Open
from tests.handlers.web.browsing import PROXIED, ask, links_of
from tests.handlers.world import STANDARD, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEN, GUEST, NOBODY = "U01BEN", "U01GUEST", "U01NOBODY"


async def test_the_page_tells_the_whole_run(rolled_back: World) -> None:
    run = await rolled_back.run("RB-1")
    answer = await ask(rolled_back, "/runs/RB-1")
    assert answer.status == 200
    for words in (
        "shop · PRODUCTION is back at v41, not looked at online",
        "“totals are broken”",
        run.code,
        run.approval.digest,
        "by Ben",
        "Ana asked: roll back shop",
        "Ana was refused “approve”",
        "Restore: done",
    ):
        assert words in answer.body


async def test_every_line_of_the_timeline_has_its_number_in_the_log(rolled_back: World) -> None:
    answer = await ask(rolled_back, "/runs/RB-1")
    logged = [entry["n"] for entry in await rolled_back.evidence() if entry["run_id"] == "RB-1"]
    assert [int(n) for n in re.findall(r">evidence (\d+)<", answer.body)] == logged


async def test_the_page_allows_its_own_style_and_nothing_else(rolled_back: World) -> None:
    answer = await ask(rolled_back, "/runs/RB-1")
    style = re.search(r"<style>(.*?)</style>", answer.body, re.DOTALL)
    assert style is not None
    known = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{known}';" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<img|<link|style=|src=|url\(|https?:", answer.body)


async def test_the_list_leads_to_the_page(rolled_back: World) -> None:
    answer = await ask(rolled_back, "/runs")
    assert answer.status == 200
    assert '<a href="/runs/RB-1">RB-1</a>' in answer.body


async def test_who_may_not_read_cannot_tell_a_run_from_no_run(rolled_back: World) -> None:
    there = await ask(rolled_back, "/runs/RB-1", PROXIED)
    missing = await ask(rolled_back, "/runs/RB-2", PROXIED)
    assert (there.status, missing.status) == (404, 404)
    assert there.body == missing.body
    assert "shop" not in there.body


async def test_on_this_machine_a_missing_run_looks_the_same(rolled_back: World) -> None:
    assert (await ask(rolled_back, "/runs/RB-2")).body == (await ask(rolled_back, "/runs/RB-1", PROXIED)).body


@pytest.mark.parametrize("name", PROXIES_SAY)
async def test_no_page_goes_through_a_proxy_without_a_link(rolled_back: World, name: str) -> None:
    assert (await ask(rolled_back, "/runs/RB-1", {name: "127.0.0.1"})).status == 404


@pytest.mark.parametrize("host", ["evil.example", "rollback.example"])
async def test_no_page_is_read_under_a_name_pointed_at_this_machine(rolled_back: World, host: str) -> None:
    assert (await ask(rolled_back, "/runs/RB-1", {"Host": host})).status == 404


# Links -----------------------------------------------------------------------------------------


async def test_a_signed_link_shows_its_run_to_its_person(rolled_back: World) -> None:
    link = links_of(rolled_back).make("/runs/RB-1", BEN, rolled_back.clock())
    answer = await ask(rolled_back, link, PROXIED)
    assert answer.status == 200
    assert "is back at v41" in answer.body
    assert "href=" not in answer.body  # it leads nowhere else


async def test_a_link_that_is_over_shows_nothing(rolled_back: World) -> None:
    link = links_of(rolled_back).make("/runs/RB-1", BEN, rolled_back.clock() - timedelta(minutes=15))
    assert (await ask(rolled_back, link, PROXIED)).status == 404


async def test_a_link_opens_no_other_page(rolled_back: World) -> None:
    query = links_of(rolled_back).make("/runs/RB-2", BEN, rolled_back.clock()).partition("?")[2]
    assert (await ask(rolled_back, f"/runs/RB-1?{query}", PROXIED)).status == 404
    assert (await ask(rolled_back, f"/runs?{query}", PROXIED)).status == 404


@pytest.mark.parametrize("person", [GUEST, NOBODY])
async def test_a_link_is_of_no_use_to_people_who_are_barred(rolled_back: World, person: str) -> None:
    link = links_of(rolled_back).make("/runs/RB-1", person, rolled_back.clock())
    assert (await ask(rolled_back, link, PROXIED)).status == 404


@pytest.mark.asyncio(loop_scope="function")
async def test_without_a_public_url_no_link_opens_anything(open_world: Open) -> None:
    world = await open_world(STANDARD)
    await world.asks()
    link = links_of(world).make("/runs/RB-1", BEN, world.clock())
    assert (await ask(world, link, PROXIED)).status == 404
    assert (await ask(world, link)).status == 200  # on this machine none is needed
