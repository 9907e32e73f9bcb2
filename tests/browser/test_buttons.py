"""Every button does what it says: pressed in the browser, looked for in the store."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.site import Site
from tests.browser.visit import Visit


@contextmanager
def held_up(site: Site) -> Iterator[None]:
    """The provider answers nothing before this is over: a run stays under way as long as it is looked at."""
    gate = threading.Event()

    def wait(body: bytes) -> bytes:
        gate.wait(60)
        return body

    site.world.faults.rewrite_bytes(wait, times=None)
    try:
        yield
    finally:
        site.world.faults.clear()
        gate.set()


def test_sync_now_stays_on_the_card_and_shows_the_run_as_it_goes(visit: Visit, screenshots: Path) -> None:
    site = visit.site
    with site.world.lock:
        added = [site.editor.add_contact(site.ada) for _ in range(3)]
    visit.go("/")
    card = visit.card("acme-contacts")
    with held_up(site):
        card.get_by_role("button", name="Sync acme-contacts now").click()
        expect(card.locator(".pill")).to_have_text("running")
        expect(card.locator("progress")).to_be_visible()
        visit.page.screenshot(path=screenshots / "syncs-running-light.png", full_page=True)
        assert visit.faults() == []
    expect(card.locator(".pill")).to_have_text("idle")
    assert visit.page.url == f"{site.url}/"
    last = site.card("acme-contacts")["last_run"]
    assert (last["status"], last["counts"]["new"]) == ("completed", len(added))


def test_a_run_is_live_until_it_is_over_and_can_be_cancelled(visit: Visit, screenshots: Path) -> None:
    site = visit.site
    visit.go("/syncs/acme-mail")
    with held_up(site):
        visit.press("Sync now")
        visit.page.wait_for_url("**/runs/*")
        number = int(re.search(r"/runs/(\d+)", visit.page.url).group(1))  # type: ignore[union-attr]
        expect(visit.page.locator("h1 .pill")).to_have_text("running")
        visit.page.screenshot(path=screenshots / "run-running-light.png", full_page=True)
        assert visit.faults() == []
        visit.press("Cancel")
        expect(visit.page.locator(".said")).to_contain_text("ends after the page that it has in hand")
    expect(visit.page.locator("h1 .pill")).to_have_text("cancelled")
    assert site.do(site.control.show(number))["status"] == "cancelled"
    expect(visit.page.get_by_role("button", name="Cancel")).to_have_count(0)
    assert site.sync("acme-mail")["status"] == "completed"


def test_disable_and_enable_switch_the_schedule(visit: Visit) -> None:
    visit.go("/")
    visit.press("Disable acme-files")
    assert "disabled" in visit.said()
    assert visit.site.card("acme-files")["state"] == "disabled"
    expect(visit.card("acme-files").locator(".pill")).to_have_text("disabled")
    visit.go("/syncs/acme-files")
    visit.press("Enable")
    assert visit.site.card("acme-files")["enabled"] is True
    expect(visit.page.locator("h1 .pill")).to_have_text("idle")


def test_a_paused_sync_says_why_and_resumes(visit: Visit, screenshots: Path) -> None:
    site = visit.site
    site.world.faults.raw(500, b"down", api="calendar", times=None)
    since = site.control.parts.clock.now()
    site.do(
        site.control.parts.store.set_sync_state(
            "acme-calendar", paused="auto", code="SYN-RUN-001", reason="3 failed runs in a row <b>", since=since
        )
    )
    site.world.faults.clear()
    visit.go("/?state=paused")
    expect(visit.card("acme-calendar").locator(".note")).to_contain_text("3 failed runs in a row <b>")
    visit.page.screenshot(path=screenshots / "syncs-paused-light.png", full_page=True)
    assert visit.faults() == []
    visit.press("Resume acme-calendar")
    assert visit.said() == "acme-calendar is resumed."
    assert site.card("acme-calendar")["paused"] is None
    visit.go("/errors/SYN-RUN-001")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("SYN-RUN-001")


def test_held_deletions_are_shown_and_rejected_then_approved(visit: Visit, screenshots: Path) -> None:
    site = visit.site
    with site.world.lock:
        gone = list(site.grace.contacts.alive())[:12]
        for name in gone:
            site.editor.delete_contact(site.grace, name)
    assert site.sync("acme-contacts")["status"] == "held"
    before = site.card("acme-contacts")["streams"][0]["records"]
    visit.go("/")
    expect(visit.page.locator(".card").first.get_by_role("heading")).to_have_text("acme-contacts")  # troubles first
    visit.page.get_by_role("link", name="Look at them").click()
    panel = visit.page.locator("#held")
    expect(panel).to_contain_text("12 deletions wait for your decision")
    expect(panel).to_contain_text("grace.hopper@acme.example")
    for look in ("light", "dark"):
        visit.page.emulate_media(color_scheme=look)  # type: ignore[arg-type]
        visit.page.screenshot(path=screenshots / f"held-{look}.png", full_page=True)
        assert visit.faults() == []
    visit.press("Reject: keep the records")
    assert visit.said() == "12 deletions rejected: the records stay."
    assert site.card("acme-contacts")["streams"][0]["records"] == before
    site.do(site.control.reset("acme-contacts"))
    assert site.sync("acme-contacts")["status"] == "held"
    visit.go("/syncs/acme-contacts")
    visit.press("Approve: delete 12")
    assert visit.said() == "12 deletions approved: the records are deleted."
    assert site.card("acme-contacts")["streams"][0]["records"] == before - 12
    assert site.do(site.control.held("acme-contacts"))["count"] == 0
    visit.go("/records?in=acme/contacts&deleted=1")
    expect(visit.page.locator("tbody tr")).to_have_count(12)


def test_a_decision_on_what_has_changed_since_is_refused(visit: Visit) -> None:
    site = visit.site
    with site.world.lock:
        for name in [one.id for one in site.grace.mailbox.mails.values()][:12]:
            site.editor.delete_mail(site.grace, site.grace.mailbox.mails[name])
    assert site.sync("acme-mail")["status"] == "held"
    visit.go("/syncs/acme-mail")
    visit.page.evaluate("document.querySelector('form[action$=approve] [name=shown]').value = 'another'")
    visit.press("Approve: delete 12")
    assert "has changed since it was shown" in visit.said()
    assert site.do(site.control.held("acme-mail"))["count"] == 12
    visit.press("Approve: delete 12")
    assert site.do(site.control.held("acme-mail"))["count"] == 0


def test_forget_cursors_and_read_all(visit: Visit) -> None:
    site = visit.site
    visit.go("/syncs/acme-files")
    visit.page.get_by_text("More", exact=True).click()
    visit.press("Forget cursors")
    assert "the next run reads all" in visit.said()
    visit.page.get_by_text("More", exact=True).click()
    visit.press("Sync now, read all")
    visit.page.wait_for_url("**/runs/*")
    expect(visit.page.locator("h1 .pill")).to_have_text("completed")
    counts = site.card("acme-files")["last_run"]["counts"]
    assert counts["unchanged"] > 0
    assert counts["new"] == counts["deleted"] == 0


def test_accounts_are_imported_and_credentials_checked(visit: Visit) -> None:
    site = visit.site
    with site.world.lock:
        site.world.add_user("Edsger", "Dijkstra")
    visit.go("/connections")
    visit.press("Import accounts of acme")
    assert visit.said() == "3 accounts imported: 1 new, 0 gone."
    expect(visit.page.locator("tbody tr")).to_have_count(3)
    visit.press("Check credential")
    assert visit.said().startswith("The credential works.")
    site.world.faults.answer("token_unauthorized", api="token", times=None)
    site.do(_forget(site))
    visit.press("Check credential")
    expect(visit.page.locator(".said.refused")).to_be_visible()
    site.world.faults.clear()


async def _forget(site: Site) -> None:
    site.control.parts.executor.forget("acme")


def test_problems_are_named_with_their_place_and_go_when_mended(visit: Visit, screenshots: Path) -> None:
    site = visit.site
    file = site.config / "broken.yaml"
    file.write_text("version: 1\nsyncs:\n  other:\n    conection: acme\n")
    site.reload()
    visit.go("/")
    visit.page.get_by_role("link", name="Look at").click()
    expect(visit.page.locator(".errors")).to_contain_text("broken.yaml:4:5")
    visit.page.screenshot(path=screenshots / "problems-found-light.png", full_page=True)
    assert visit.faults() == []
    file.unlink()
    site.reload()
    expect(visit.page.locator(".empty")).to_contain_text("No problems")  # by itself


def test_errors_of_a_run_lead_to_what_to_do(visit: Visit, screenshots: Path) -> None:
    site = visit.site
    refusal = {"code": 403, "message": "Forbidden <b>", "errors": [{"reason": "forbidden", "domain": "global"}]}
    body = json.dumps({"error": refusal}).encode()
    site.world.faults.raw(403, body, "application/json", api="calendar", user=site.grace.address, times=None)
    report = site.sync("acme-calendar")
    site.world.faults.clear()
    assert report["status"] == "partial"
    visit.go(f"/runs/{report['run']}")
    error = visit.page.locator(".errors li").first
    expect(error).to_contain_text("grace.hopper@acme.example")
    expect(error).to_contain_text("What to do")
    visit.page.get_by_text("accounts in detail").first.click()
    visit.page.screenshot(path=screenshots / "run-partial-light.png", full_page=True)
    assert visit.faults() == []
    code = error.get_by_role("link").first.inner_text()
    error.get_by_role("link").first.click()
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text(code)


def test_the_history_has_the_same_in_table_and_chart(visit: Visit) -> None:
    runs = visit.site.do(visit.site.control.history("acme-contacts"))
    visit.go("/syncs/acme-contacts")
    expect(visit.page.locator("section:has(#history) tbody tr")).to_have_count(len(runs))
    titles = visit.page.locator("svg.chart rect title").all_text_contents()
    told = {f"run {run['run']}: {run['counts'][kind]} {kind}" for run in runs for kind in ("new", "updated", "deleted", "failed", "held", "unchanged") if run["counts"][kind]}  # fmt: skip
    assert set(titles) == told


def test_a_changed_record_shows_what_it_was_before(visit: Visit) -> None:
    site = visit.site
    with site.world.lock:
        name = site.editor.add_contact(site.ada, names=[{"givenName": "Before"}])
    site.sync("acme-contacts")
    with site.world.lock:
        site.editor.edit_contact(site.ada, name, names=[{"givenName": "Afterwards"}])
    site.sync("acme-contacts")
    visit.go("/records?in=acme/contacts")
    visit.page.locator("tbody th a").first.click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Afterwards")
    expect(visit.page.locator("section:has(#versions) tbody tr")).to_have_count(1)
    expect(visit.page.locator("section:has(#versions) tbody")).to_contain_text("Before")
    assert visit.faults() == []


@pytest.mark.parametrize("name", ["acme-contacts", "acme-files"])
def test_everything_works_without_a_script(visit: Visit, name: str) -> None:
    site = visit.site
    cookies = visit.page.context.cookies()
    context = visit.page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    context.add_cookies(cookies)  # type: ignore[arg-type]
    page = context.new_page()
    before = len(site.do(site.control.history(name)))
    page.goto(site.url)
    page.get_by_role("button", name=f"Sync {name} now").click()
    expect(page.locator(".said")).to_contain_text("has begun")
    page.get_by_role("button", name=f"Disable {name}").click()
    expect(page.locator(".said")).to_contain_text(f"{name} is disabled")
    page.get_by_role("button", name=f"Enable {name}").click()
    expect(page.locator(".said")).to_contain_text(f"{name} is enabled")
    context.close()
    assert len(site.do(site.control.history(name))) == before + 1


def test_a_form_of_another_site_does_nothing(visit: Visit) -> None:
    cookies = {one["name"]: one["value"] for one in visit.page.context.cookies()}  # type: ignore[typeddict-item]
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {}):
        answer = visit.page.context.request.post(
            f"{visit.site.url}/syncs/acme-files/disable", form={"csrf": "guessed"}, headers=headers
        )
        assert answer.status == 403, json.dumps([headers, list(cookies)])
    assert visit.site.card("acme-files")["enabled"] is True
