"""Every page in a real browser: legible for everybody, in light and dark and on a phone; a picture of each is kept."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.visit import Visit

PAGES = {
    "syncs": "/",
    "syncs-filtered": "/?q=mail",
    "syncs-nothing": "/?q=nothing",
    "sync": "/syncs/acme-mail",
    "run": "/runs/1",
    "streams": "/records",
    "records": "/records?in=acme/contacts",
    "search": "/records?q=ada",
    "search-nothing": "/records?q=zzzzzz",
    "record-contact": "/records?in=acme/contacts -> 1",
    "record-event": "/records?in=acme/calendar -> 1",
    "record-file": "/records?in=acme/files -> 1",
    "record-mail": "/records?in=acme/mail -> 1",
    "connections": "/connections",
    "connection": "/connections/acme",
    "plugins": "/plugins",
    "problems": "/problems",
    "codes": "/errors",
    "code": "/errors/SYN-AUTH-001",
}
LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "phone": ("light", 375)}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_by_everybody(visit: Visit, screenshots: Path, name: str) -> None:
    path, _, first = PAGES[name].partition(" -> ")
    visit.go(path)
    if first:
        visit.page.locator("tbody th a").first.click()
        visit.page.wait_for_url("**/records/*")
    for look, (scheme, width) in LOOKS.items():
        visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        visit.page.set_viewport_size({"width": width, "height": 900})
        visit.page.screenshot(path=screenshots / f"{name}-{look}.png", full_page=True)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width, look
        if look != "phone":  # its colours are those of light
            assert visit.faults() == [], look


def test_the_login_refuses_and_lets_in(visit: Visit, screenshots: Path) -> None:
    visit.expected = ["401"]
    context = visit.page.context.browser.new_context(color_scheme="dark")  # type: ignore[union-attr]
    with context.new_page() as page:
        page.goto(f"{visit.site.url}/records?q=ada")
        page.screenshot(path=screenshots / "login-dark.png")
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_have_text("The token is wrong.")
        assert Visit(page, visit.site).faults() == []
        page.get_by_label("Token").fill("the-token-of-the-dashboard-tests")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/records?q=ada")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto(visit.site.url)
        expect(page.get_by_label("Token")).to_be_visible()
    context.close()


def test_what_is_not_there_is_said_in_the_same_style(visit: Visit, screenshots: Path) -> None:
    visit.expected = ["404"]
    for path in (
        "/nothing",
        "/runs/999",
        "/runs/x",
        "/syncs/none",
        "/records/99999",
        "/connections/none",
        "/errors/SYN-NO",
    ):
        visit.go(path)
        expect(visit.page.locator(".empty .big")).to_have_text("404")
        expect(visit.page.get_by_role("link", name="To the syncs")).to_be_visible()
    visit.page.screenshot(path=screenshots / "not-found-light.png")
    assert visit.faults() == []


def test_every_page_works_with_the_keyboard_alone(visit: Visit, site: Site) -> None:
    page = visit.go("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("calendar")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=calendar")
    expect(page.locator(".card")).to_have_count(1)
    before = len(site.do(site.control.history("acme-calendar")))
    _tab_to(visit, "Sync acme-calendar now")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # where one stands can be seen
    with page.expect_response("**/syncs/acme-calendar/run") as answer:
        page.keyboard.press("Enter")
    assert answer.value.ok
    expect(page.locator(".card.s-running")).to_have_count(0)
    assert len(site.do(site.control.history("acme-calendar"))) == before + 1
    page.goto(f"{site.url}/syncs/acme-calendar")
    page.locator(".menu summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Forget cursors")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Forget cursors")).to_be_hidden()


def _tab_to(visit: Visit, label: str) -> None:
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("document.activeElement.getAttribute('aria-label')") == label:
            return
    raise AssertionError(f"Tab never comes to {label}")
