"""Messages through Apprise: mail, chat, webhooks.

Public: AppriseChannel.

Apprise blocks and knows no deadline of the whole, so each attempt has a thread of its own, which is left behind if it hangs; as
long as it does, the channel counts as failing and no second thread is begun. The URL is read anew for each
attempt, so that a rotated secret is picked up. Messages are given as plain text: Apprise escapes them for channels that speak
HTML or Markdown.
"""

import asyncio
import logging
import re
import threading
from concurrent.futures import Future
from typing import Any
from urllib.parse import unquote

from syncd.config.notify import load_apprise
from syncd.sdk import Secret, conceal, redact

from .channel import ChannelFailed
from .telling import Mood, Telling, clean

__all__ = ["AppriseChannel"]

LONGEST = 60.0  # seconds of one attempt
LONGEST_REASON = 300
SHORTEST_PART = 6  # characters of a URL's part that may be a secret


class AppriseChannel:
    """One URL of `daemon.notify`."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._hangs: threading.Event | None = None  # of an attempt that was given up; set once it has ended

    async def send(self, telling: Telling) -> None:
        if self._hangs is not None and not self._hangs.is_set():
            raise ChannelFailed("the last attempt still hangs")
        done: Future[None] = Future()
        ended = threading.Event()
        threading.Thread(target=self._attempt, args=(telling, done, ended), name="notice", daemon=True).start()
        self._hangs = ended
        try:
            await asyncio.wait_for(asyncio.wrap_future(done), LONGEST)
        except TimeoutError:
            raise ChannelFailed(f"no answer within {LONGEST:g} s") from None

    def _attempt(self, telling: Telling, done: "Future[None]", ended: threading.Event) -> None:
        """In the thread. Nobody may wait for `done` any more."""
        failure = self._failure(telling) if done.set_running_or_notify_cancel() else None
        ended.set()
        if failure is not None:
            done.set_exception(failure)
        elif not done.cancelled():
            done.set_result(None)

    def _failure(self, telling: Telling) -> ChannelFailed | None:
        try:
            self._send(telling)
        except ChannelFailed as error:
            return error
        except ModuleNotFoundError:
            return ChannelFailed("Apprise is not installed: install syncd[notify]")
        except Exception as error:
            return ChannelFailed(_reason(f"{type(error).__name__}: {error}"))
        return None

    def _send(self, telling: Telling) -> None:
        apprise = load_apprise()
        try:
            url = self._url.reveal()
        except (OSError, ValueError) as error:
            raise ChannelFailed(_reason(str(error))) from error
        plugin = apprise.Apprise.instantiate(url.strip(), asset=_asset(apprise))
        if plugin is None:
            raise ChannelFailed("Apprise cannot use this URL: `syncd status` says more")
        _conceal_parts(plugin)
        kind = apprise.NotifyType.SUCCESS if telling.mood is Mood.GOOD else apprise.NotifyType.FAILURE
        with _Overheard() as heard:
            sent = plugin.notify(
                title=telling.title, body=telling.body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
            )
        if not sent:
            raise ChannelFailed(_reason(heard.last or "the service did not take the message"))


def _asset(apprise: Any) -> Any:
    """How syncd presents itself; no images from elsewhere."""
    return apprise.AppriseAsset(
        app_id="syncd", app_desc="syncd", app_url="", image_url_mask="", image_url_logo="", image_path_mask=""
    )


def _conceal_parts(plugin: Any) -> None:
    """Remember the parts of a URL that Apprise itself hides, so that no log or answer shows them."""
    hidden = _parts(plugin.url(privacy=False)) - _parts(plugin.url(privacy=True))
    for part in hidden:
        if len(part) >= SHORTEST_PART:
            conceal(part)


def _parts(url: str) -> set[str]:
    return {unquote(part) for part in re.split(r"[/:@?&=,#]+", url)}


def _reason(text: str) -> str:
    return clean(" ".join(redact(text).split()), LONGEST_REASON)


class _Overheard(logging.Handler):
    """What Apprise logs in this thread: it says why a message was not taken only there."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        self._mine = threading.get_ident()

    def __enter__(self) -> "_Overheard":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._mine:
            self.last = record.getMessage()
