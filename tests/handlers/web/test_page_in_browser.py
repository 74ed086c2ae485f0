"""The page as a browser shows it: nothing sticks out, nothing is blocked, it prints. Needs a Chromium."""

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from bot.views.words import duration
from handlers.web.drawing import draw
from handlers.web.drills_page import Drilled, target_row
from tests.bot.configured import CAREFUL
from tests.bot.stories import having
from tests.bot.views.drills import FAILED, SUCCEEDED
from tests.bot.views.examples import at
from tests.handlers.world import World

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
OFFLINE = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        yield browser
        await browser.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("path", ["/runs/RB-1", "/runs", "/drills", "/runs/RB-99"])
async def test_nothing_sticks_out(rolled_back: World, browser: Browser, path: str, width: int) -> None:
    page = await browser.new_page(viewport={"width": width, "height": 800})
    await page.goto(rolled_back.bot.url + path)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.close()


async def test_the_style_passes_its_own_policy_and_nothing_else_is_fetched(
    rolled_back: World, browser: Browser
) -> None:
    page = await browser.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{rolled_back.bot.url}/runs/RB-1")
    border = "getComputedStyle(document.querySelector('.card')).borderLeftWidth"
    assert await page.evaluate(border) != "0px"
    assert complaints == []
    assert asked == [f"{rolled_back.bot.url}/runs/RB-1"]
    await page.close()


async def test_a_page_elsewhere_cannot_frame_it(rolled_back: World, browser: Browser) -> None:
    page = await browser.new_page()
    await page.set_content(f'<iframe src="{rolled_back.bot.url}/runs/RB-1"></iframe>')
    frame = page.frames[-1]
    assert "shop" not in await frame.content()
    await page.close()


@pytest.mark.parametrize("width", [390, 1440])
async def test_a_year_of_drills_is_drawn_within_the_page(browser: Browser, width: int) -> None:
    now = at("11:00")
    drills = [having(SUCCEEDED, end_at=now - timedelta(days=30 * n)) for n in range(12)]
    row = target_row(Drilled(CAREFUL.model_copy(update={"rto": 60.0}), None, [FAILED, *drills]), now)
    shown: dict[str, Any] = {"targets": [row], "without": ("shop",), "duration": duration, "now": now}
    drawn = draw("drills.html", run_url=str, everything=True, **shown)
    page = await browser.new_page(viewport={"width": width, "height": 800})
    await page.set_content(str(drawn.text))
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    outside = (
        "[...document.querySelectorAll('circle')].filter(c => c.getBoundingClientRect().right > innerWidth)"
    )
    assert await page.evaluate(f"{outside}.length") == 0
    assert await page.locator("circle.failed").count() == len(drills) + 1  # each took longer than the RTO
    await page.close()
