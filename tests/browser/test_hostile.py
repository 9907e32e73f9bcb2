"""What a provider or a sender writes is shown and does nothing: no script, no request elsewhere, no way out of the frame."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.site import HOSTILE_NAME
from tests.browser.visit import Visit

SEEN = HOSTILE_NAME.replace("\u202e", "\ufffd")


def mail(visit: Visit) -> str:
    """Where the hostile mail stands."""
    visit.go("/records?in=acme/mail&q=win")
    visit.page.locator("tbody th a").first.click()
    visit.page.wait_for_url("**/records/*")
    return visit.page.url.removeprefix(visit.site.url)


@pytest.mark.parametrize("stream", ["contacts", "calendar", "files"])
def test_a_name_with_markup_is_a_text(visit: Visit, stream: str, screenshots: Path) -> None:
    visit.go(f"/records?in=acme/{stream}&q=script")
    expect(visit.page.locator("tbody th a")).to_have_text(SEEN)
    visit.page.locator("tbody th a").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text(SEEN)
    for line in visit.page.locator("details > summary").all():
        line.click()
    visit.page.screenshot(path=screenshots / f"hostile-{stream}-light.png", full_page=True)
    assert visit.page.evaluate("document.title") == f"{SEEN} · syncd"
    assert visit.page.evaluate("document.querySelectorAll('main img, main script').length") == 0
    assert visit.faults() == []


def test_a_mail_reaches_nobody(visit: Visit, screenshots: Path) -> None:
    place = mail(visit)
    frame = visit.page.frame_locator("iframe.mail")
    expect(frame.locator("body")).to_contain_text("Dear Ada, you have won.")
    expect(frame.locator("body")).to_contain_text("[a prize]")
    visit.page.screenshot(path=screenshots / "hostile-mail-light.png", full_page=True)
    assert frame.locator("img").get_attribute("src").startswith("data:image/png;base64,")  # type: ignore[union-attr]
    expect(frame.locator("script, form, input, button, iframe, svg, meta[http-equiv], base, link, [style], [href], [onload]")).to_have_count(0)  # fmt: skip
    frame.get_by_text("Claim your prize").click()
    visit.page.wait_for_timeout(200)
    assert visit.page.url.endswith(place)
    assert visit.page.title() == "Win <script>alert(1)</script> now · syncd"
    assert len(visit.page.frames) == 2
    assert visit.faults() == []


def test_the_frame_can_do_nothing_even_if_its_markup_were_not_cleaned(visit: Visit) -> None:
    """The second wall alone: the same mail as it was sent, under the frame's policy."""
    answer = visit.page.context.request.get(f"{visit.site.url}{mail(visit)}/mail")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:;")
    visit.expected = ["tracker.invalid", "Blocked script", "Refused", "sandbox", "violates", "ERR_BLOCKED"]
    raw = (
        "<meta http-equiv=refresh content='0;url=http://tracker.invalid/r'><img src='http://tracker.invalid/i.png'>"
        "<script>top.document.title='owned'</script><link rel=stylesheet href='http://tracker.invalid/s.css'>"
        "<form action='http://tracker.invalid/f'><button>send</button></form><iframe src='http://tracker.invalid/x'></iframe>"
    )
    url = f"{visit.site.url}{mail(visit)}"
    headers = {"content-type": "text/html", "content-security-policy": policy}
    visit.page.route("**/mail", lambda route: route.fulfill(body=raw, headers=headers))
    visit.page.goto(url)
    visit.page.frame_locator("iframe.mail").get_by_role("button").click()
    visit.page.wait_for_timeout(200)
    assert visit.page.title().endswith("now · syncd")
    assert visit.elsewhere == []


def test_what_is_downloaded_is_named_by_us_and_opened_by_nobody(visit: Visit) -> None:
    place = mail(visit)
    with visit.page.expect_download() as started:
        visit.page.get_by_role("link", name="../../etc/<b>prize</b>.pdf").click()
    number = place.rpartition("/")[2]
    assert started.value.suggested_filename == f"record-{number}-3.pdf"
    request = visit.page.context.request
    for path in ("/data.json", "/attachments/3"):
        answer = request.get(f"{visit.site.url}{place}{path}")
        assert answer.status == 200
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
    link = visit.page.get_by_role("link", name="Download .eml").get_attribute("href")
    assert request.get(f"{visit.site.url}{link}").body().startswith(b'From: "Mallory')
    other = str(link).rpartition("/")[0] + "/" + "0" * 64
    assert request.get(f"{visit.site.url}{other}").status == 404


def test_pages_forbid_what_they_do_not_need(visit: Visit) -> None:
    answer = visit.page.context.request.get(f"{visit.site.url}/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = answer.text()
    assert "style=" not in text
    assert " onclick" not in text
    assert "<script>" not in text
