"""What stands between incidents, in a real Chromium: App Home and the page of drills, wide and on a phone."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from tests.browser.test_page import browser, opened, pytestmark, url
from tests.handlers.conftest import Open, open_world
from tests.handlers.test_drills import DRILLED, back_up, make_orders
from tests.handlers.world import World

__all__ = ["browser", "open_world", "pytestmark", "url"]

WIDTHS = [390, 1440]


async def fits(page: Page, width: int) -> None:
    """Nothing scrolls sideways, and no button lies outside."""
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """() => [...document.querySelectorAll('button, a')].map(each => each.getBoundingClientRect())
        .filter(box => box.width && box.right > innerWidth + 1).length"""
    assert await page.evaluate(outside) == 0


@pytest.mark.parametrize("width", WIDTHS)
async def test_app_home_can_be_read(browser: Browser, url: str, width: int) -> None:
    page = await opened(browser, url, width, 844)
    if width < 768:  # one column at a time
        await page.click("button[data-panel=channels]")
    await page.click("[data-app]")
    await page.click("[data-tab=home]")
    await page.wait_for_selector("[data-home] >> text=Awaits you")
    await fits(page, width)


@pytest.mark.parametrize("width", WIDTHS)
async def test_the_page_of_drills_can_be_read(browser: Browser, drilled: World, width: int) -> None:
    page = await browser.new_page(viewport={"width": width, "height": 844})
    await page.goto(f"{drilled.bot.url}/drills")
    await page.wait_for_selector("text=restored, verified")
    await page.wait_for_selector("svg")
    await fits(page, width)


@pytest.fixture
async def drilled(open_world: Open, tmp_path: Path) -> World:
    """Two drills of `orders` have passed, one has not."""
    make_orders(tmp_path)
    world = await open_world(DRILLED)
    for hours, total, state in ((5, 10, "succeeded"), (4, 10, "succeeded"), (3, -7, "failed")):
        await world.says("ana", f"drill orders {back_up(tmp_path, hours, total)}")
        await world.reaches(state)
    return world
