"""Those who receive notices, on loopback: a web server and a mail server.

Public: WebHook, MailHost.
"""

import json
import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class _Served:
    """A server for the length of a `with` block."""

    server: socketserver.BaseServer

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()


class WebHook(_Served):
    """Takes JSON by POST. `status`: what it answers."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if hook.status == 200:
                    hook.got.append(json.loads(body))
                self.send_response(hook.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server, self.port = server, server.server_port

    def titles(self) -> list[str]:
        return [one["title"] for one in self.got]


class MailHost(_Served):
    """Takes mail by SMTP, without encryption and from anybody."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        host = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 here")
                while line := self.rfile.readline():
                    match line[:4].upper():
                        case b"DATA":
                            self._say("354 go on")
                            host.got.append(self._message())
                            self._say("250 taken")
                        case b"QUIT":
                            return self._say("221 bye")
                        case _:
                            self._say("250 well")
                return None

            def _say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

            def _message(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b"."))
                found: Any = message_from_bytes(b"".join(lines), policy=policy.default)
                return found  # type: ignore[no-any-return]

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.server, self.port = server, int(server.server_address[1])
