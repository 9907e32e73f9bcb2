"""The real `syncd` command on a folder of its own, against a simulated organisation served by this process.

Public: Site, token_auth.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from syncd.sdk import SystemClock
from syncd.store import open_store
from tests.support.forked import Forked, run_command
from tests.support.providers import GOOGLE, Provider

EVENTS = {"accept": "text/event-stream"}
SYNCD = Path(sys.executable).with_name("syncd")


class Site:
    """A configuration folder, a state folder, and the command. `options`: the sync's streams."""

    def __init__(
        self,
        folder: Path,
        world: Any,
        url: str,
        streams: Mapping[str, Mapping[str, Any]],
        *,
        provider: Provider = GOOGLE,
        **sync: Any,
    ) -> None:
        self.state = folder / "state"
        self.config = folder / "config"
        self.state.mkdir(parents=True)
        self.config.mkdir()
        settings = provider.settings(world, url)
        for name in provider.secrets & settings.keys():
            (folder / name).write_text(settings[name])
            settings[name] = f"${{file:{folder / name}}}"
        limits = {"requests_per_second": 10_000}
        document = {
            "version": 1,
            "daemon": {"listen": "127.0.0.1:0"},
            "connections": {"acme": {"connector": provider.name, "settings": settings, "limits": limits}},
            "syncs": {"all": {"connection": "acme", "streams": streams, **sync}},
        }
        (self.config / "acme.yaml").write_text(json.dumps(document))  # JSON is YAML
        self.environment = {**os.environ, "SYNCD_CONFIG": str(self.config), "SYNCD_STATE": str(self.state)}

    def process(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, whatever its exit code."""
        return subprocess.run(
            [SYNCD, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def run(self, *arguments: str, code: int | None = 0) -> Any:
        """Run a command to its end; its JSON if it printed some. `code`: the exit code it must have."""
        done = self.process(*arguments)
        assert code is None or done.returncode == code, (
            f"{arguments} exited {done.returncode}: {done.stdout}{done.stderr}"
        )
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    @contextlib.contextmanager
    def daemon(self) -> Iterator["Daemon"]:
        """A daemon that answers; killed at the end if it still lives."""
        log = str(self.state.parent / "daemon.log")
        process = Forked(run_command, (("run",), self.environment, log))
        try:
            yield Daemon(process, self.state / "syncd.sock")
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait(20)

    def records(self, stream: str, **query: Any) -> list[dict[str, Any]]:
        """Read from the store itself, which no daemon may hold meanwhile."""
        store = open_store(self.state, SystemClock())
        try:
            return list(store.records("acme", stream, **query))
        finally:
            store.close()


def token_auth(state: Path) -> Callable[[httpx.Request], httpx.Request]:
    """What the API asks for: the token that the daemon made in its state directory, once it has."""

    def with_token(request: httpx.Request) -> httpx.Request:
        file = state / "api-token"
        if file.exists():
            request.headers["authorization"] = f"Bearer {file.read_text().strip()}"
        return request

    return with_token


class Daemon:
    """A daemon process and its socket."""

    def __init__(self, process: Forked, socket: Path) -> None:
        self.process = process
        self.socket = socket
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert self.process.poll() is None, "the daemon ended"
            try:
                with self.client() as client:
                    client.get("/status").raise_for_status()
                return
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError("the daemon does not answer")

    def client(self) -> httpx.Client:
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.socket)),
            base_url="http://syncd/api/v1",
            auth=token_auth(self.socket.parent),
            timeout=60,
        )

    def sync(self, name: str = "all") -> dict[str, Any]:
        """Run a sync to its end; the report."""
        with self.client() as client, client.stream("POST", f"/syncs/{name}/runs", json={}, headers=EVENTS) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    event = json.loads(line[5:])
                    if event["event"] == "report":
                        report: dict[str, Any] = event["report"]
                        return report
        raise AssertionError("no report")

    def begin(self, name: str = "all") -> None:
        """Start a run and look away as soon as it has begun."""
        with self.client() as client, client.stream("POST", f"/syncs/{name}/runs", json={}, headers=EVENTS) as answer:
            answer.raise_for_status()
            next(answer.iter_lines())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
