"""The local workspace as a newcomer meets it: the whole story in a real Chromium, and a look at 360 px."""

import asyncio
import os
import re
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE = 30_000  # milliseconds; only a broken page needs them

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: Debian's package `chromium` has it"),
]


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """The demo as `make demo` starts it, in a folder of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handlers.cli",
        "demo",
        "--no-browser",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=PIPE,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
    found = re.search(r"http://\S+", line)
    assert found, line
    yield found[0]
    process.terminate()
    await process.wait()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


async def opened(browser: Browser, url: str, width: int, height: int) -> Page:
    page = await browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE)
    await page.goto(url)
    await page.wait_for_selector("#foot textarea")
    return page


async def ask(page: Page) -> None:
    await page.focus("#foot textarea")
    await page.keyboard.press("Enter")
    await page.click("[data-callback=start_rollback] [data-modal=submit]")
    await page.wait_for_selector("#messages [data-action=approve]")


async def read_for_a_second(page: Page) -> None:
    """A click within a second of the posting is refused as unread."""
    age = "Date.now() / 1000 - document.querySelector('#messages [data-ts]').dataset.ts"
    while await page.evaluate(age) < 1.1:
        await page.wait_for_timeout(50)


async def approve(page: Page) -> None:
    await page.click("#messages [data-action=approve]")
    await page.click("[data-confirm=yes]")


async def test_the_story_is_played_in_four_clicks_and_the_storefront_turns_green(
    browser: Browser, url: str
) -> None:
    page = await opened(browser, url, 1440, 900)
    await page.wait_for_selector('[data-storefront-status="500"]')
    await ask(page)
    await read_for_a_second(page)
    await approve(page)
    await page.wait_for_selector("text=You asked for this rollback, so you cannot approve it")
    await page.keyboard.press("Escape")
    await page.click("[data-user=U01BEN]")
    await approve(page)
    await page.wait_for_selector('[data-storefront-status="200"]')
    await page.wait_for_selector("#messages >> text=is back at v41 and online")
    await page.wait_for_selector("[data-strip=break]")


async def test_killing_the_bot_in_the_middle_leaves_one_result(browser: Browser, url: str) -> None:
    page = await opened(browser, url, 1440, 900)
    await page.click("text=Now break it")
    await page.click("[data-break=kill_bot]")
    await page.wait_for_selector("[data-link=bad]")
    await page.wait_for_selector("[data-link=good]")
    await page.wait_for_selector("#messages >> text=and online")
    assert await page.locator("#messages >> text=and online").count() == 1


@pytest.mark.parametrize("width", [360, 768, 1440])
async def test_nothing_is_cut_off_and_nothing_scrolls_sideways(
    browser: Browser, url: str, width: int
) -> None:
    page = await opened(browser, url, width, 740)
    await ask(page)
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    outside = await page.evaluate(
        """() => [...document.querySelectorAll('#messages [data-action]')].filter(
            b => b.getBoundingClientRect().right > innerWidth || b.getBoundingClientRect().left < 0).length"""
    )
    assert outside == 0
