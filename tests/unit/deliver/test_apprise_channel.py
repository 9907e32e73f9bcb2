"""Messages through Apprise to receivers on loopback: what arrives, and what is said when it does not."""

import logging
import socket
from collections.abc import Iterator

import pytest

from syncd.deliver import apprise_channel
from syncd.deliver.apprise_channel import AppriseChannel
from syncd.deliver.channel import ChannelFailed
from syncd.deliver.telling import Mood, Telling
from syncd.sdk import Secret, redact
from tests.support.receivers import MailHost, WebHook

pytestmark = pytest.mark.anyio
TELLING = Telling("nightly is paused", "3 failed runs: <script>alert(1)</script> & *more*", Mood.BAD)


def channel(url: str) -> AppriseChannel:
    return AppriseChannel(Secret(lambda: url, "${env:OPS}"))


@pytest.fixture
def hook() -> Iterator[WebHook]:
    with WebHook() as hook:
        yield hook


async def test_a_webhook_gets_title_text_and_mood(hook: WebHook) -> None:
    await channel(f"json://127.0.0.1:{hook.port}/x").send(TELLING)
    (got,) = hook.got
    assert (got["title"], got["message"], got["type"]) == (TELLING.title, TELLING.body, "failure")


async def test_mail_in_html_has_its_markup_escaped() -> None:
    with MailHost() as host:
        url = f"mailto://localhost:{host.port}?from=syncd@acme.example&to=ops@acme.example&format=html"
        await channel(url).send(TELLING)
    (mail,) = host.got
    text = mail.get_body(("html",))
    assert text is not None
    assert "&lt;script&gt;" in text.get_content()
    assert "<script>" not in text.get_content()
    assert mail["subject"] == "nightly is paused"


async def test_a_refusal_is_told_without_the_urls_secrets(hook: WebHook, caplog: pytest.LogCaptureFixture) -> None:
    hook.status = 403
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ChannelFailed, match="403") as failed:
        await channel(f"json://ops:pass-word-1234@127.0.0.1:{hook.port}/x").send(TELLING)
    assert "pass-word-1234" not in str(failed.value) + caplog.text
    assert redact("it was pass-word-1234") == "it was [secret]"  # by itself, not only as a part of the URL


async def test_a_rotated_url_is_used_from_the_next_message_on(hook: WebHook) -> None:
    urls = ["json://127.0.0.1:9/gone", f"json://127.0.0.1:{hook.port}/x"]
    rotated = AppriseChannel(Secret(lambda: urls.pop(0), "${env:OPS}"))
    with pytest.raises(ChannelFailed):
        await rotated.send(TELLING)
    await rotated.send(TELLING)
    assert hook.titles() == ["nightly is paused"]


async def test_a_url_that_is_none_and_a_secret_that_cannot_be_read_fail_with_words() -> None:
    with pytest.raises(ChannelFailed, match="cannot use this URL"):
        await channel("bogus://x").send(TELLING)

    def unreadable() -> str:
        raise ValueError("the environment variable 'OPS' is not set")

    with pytest.raises(ChannelFailed, match="'OPS' is not set"):
        await AppriseChannel(Secret(unreadable, "${env:OPS}")).send(TELLING)


async def test_a_server_that_takes_the_call_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_channel, "LONGEST", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = channel(f"json://127.0.0.1:{silent.getsockname()[1]}/x")
        with pytest.raises(ChannelFailed, match=r"no answer within 0\.2 s"):
            await hanging.send(TELLING)
        with pytest.raises(ChannelFailed, match="the last attempt still hangs"):
            await hanging.send(TELLING)
