"""A real browser (Debian's Chromium, through Playwright) and a dashboard to use it on.

Where the browser is not installed the tests are skipped, unless SYNCD_BROWSER=required. Pictures of the pages go into
build/screenshots.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.site import TOKEN, Site, serve_site
from tests.browser.visit import Visit

FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"
REQUIRED = os.environ.get("SYNCD_BROWSER") == "required"  # read before tests clean their environment
PATIENCE = 20_000  # milliseconds: what a page does by itself takes long on a busy machine

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        assert not REQUIRED, "chromium is not installed"
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=FLAGS.split())


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serve_site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture(scope="module")
def session(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    """Logged in by the form, once."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(site.url)
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{site.url}/")
    page.close()
    yield context
    context.close()


@pytest.fixture
def visit(session: BrowserContext, site: Site) -> Iterator[Visit]:
    """A page of that session. At the end: nothing went wrong in it, and nobody else was asked for anything."""
    page: Page = session.new_page()
    page.set_default_timeout(PATIENCE)
    found = Visit(page, site)
    yield found
    page.close()
    assert found.console == []
    assert found.elsewhere == []


@pytest.fixture(scope="session")
def screenshots() -> Path:
    folder = Path(__file__).parent.parent.parent / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
