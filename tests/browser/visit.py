"""A page of the dashboard in a browser, and what a test looks at.

Public: Visit.
"""

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Locator, Page, Request

from tests.browser.site import Site

__all__ = ["Visit"]


class Visit:
    """`console`: errors and warnings that the page wrote; `elsewhere`: requests to another host."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.console: list[str] = []
        self.elsewhere: list[str] = []
        self.expected: list[str] = []  # parts of messages that the test brings about
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", self._request)
        page.on("requestfailed", self._blocked)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(part in message.text for part in self.expected):
            self.console.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.site.url + "/", "data:")):
            self.elsewhere.append(request.url)

    def _blocked(self, request: Request) -> None:
        """What the page's own policy forbids is never sent."""
        if request.failure == "csp":
            self.elsewhere.remove(request.url)

    def go(self, path: str) -> Page:
        answer = self.page.goto(f"{self.site.url}{path}")
        assert answer is not None
        return self.page

    def card(self, name: str) -> Locator:
        return self.page.locator(".card", has=self.page.get_by_role("heading", name=name, exact=True))

    def press(self, name: str | re.Pattern[str]) -> None:
        self.page.get_by_role("button", name=name).click()

    def said(self) -> str:
        return self.page.locator(".said").inner_text()

    def faults(self) -> list[str]:
        """What axe-core finds that keeps people out: serious and critical."""
        found: dict[str, Any] = Axe().run(self.page).response
        return [
            f"{one['id']}: {node['target']} {node.get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
