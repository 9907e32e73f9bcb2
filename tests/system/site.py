"""The real `syncd` command with a connector of its own, installed as an entry point in a folder on PYTHONPATH.

Public: FakeSite, Daemon.
"""

import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.mock import patch

import httpx
import structlog

from syncd.cli.app import run as command_line
from tests.support.forked import Forked, run_command
from tests.support.process import token_auth

SYNCD = str(Path(sys.executable).with_name("syncd"))
HERE = Path(__file__).parent


class FakeSite:
    """A folder with plugin, world, configuration and state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state, self.config = folder / "state", folder / "config"
        self.gate = folder / "gate"
        self.config.mkdir(parents=True)
        self._install(folder / "plugins")
        self.world: dict[str, Any] = {
            "accounts": [
                {"id": "1", "address": "ann@acme.example", "name": "Ann", "role": "admin"},
                {"id": "2", "address": "bob@acme.example", "name": "Bob"},
            ],
            "notes": {"ann@acme.example": notes("a", 12), "bob@acme.example": notes("b", 3)},
        }
        self.save()
        self.syncs: dict[str, Any] = {"nightly": {"connection": "acme", "streams": ["notes"]}}
        self.configure()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SYNCD_")},
            "PYTHONPATH": str(folder / "plugins"),
            "SYNCD_CONFIG": str(self.config),
            "SYNCD_STATE": str(self.state),
            "FAKE_KEY": "a-key-that-nobody-may-see",
        }

    def _install(self, plugins: Path) -> None:
        info = plugins / "fake-1.0.dist-info"
        info.mkdir(parents=True)
        shutil.copy(HERE / "fake_connector.py", plugins)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[syncd.connectors]\nfake = fake_connector:Fake\n")

    def save(self, **changes: Any) -> None:
        """Let the provider say something else."""
        self.world.update(changes)
        part = self.folder / "world.part"
        part.write_text(json.dumps(self.world))
        part.replace(self.folder / "world.json")

    def configure(self, text: str | None = None, **settings: Any) -> None:
        """Write the configuration folder's one file."""
        settings = {"world": str(self.folder / "world.json"), "key": "${env:FAKE_KEY}", **settings}
        document = {
            "version": 1,
            "daemon": {"listen": "127.0.0.1:0"},
            "connections": {"acme": {"connector": "fake", "settings": settings}},
            "syncs": self.syncs,
        }
        part = self.folder / "config.part"
        part.write_text(json.dumps(document, indent=1) if text is None else text)
        part.replace(self.config / "acme.yaml")

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """A command in this process, as `main` runs it: imports are paid once."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        root, before, path = logging.getLogger(), logging.getLogger().handlers[:], sys.path[:]
        sys.path.insert(0, self.environment["PYTHONPATH"])
        try:
            with patch.dict(os.environ, self.environment, clear=True), redirect_stdout(out), redirect_stderr(err):
                given = command_line(arguments)
        finally:
            sys.path[:], root.handlers[:] = path, before
            structlog.reset_defaults()
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
        return self._checked(subprocess.CompletedProcess(arguments, given, *texts), code)

    def process(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """The real command in a process of its own."""
        done = subprocess.run(
            [SYNCD, *arguments], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return self._checked(done, code)

    def _checked(self, done: subprocess.CompletedProcess[str], code: int) -> subprocess.CompletedProcess[str]:
        arguments = done.args
        assert done.returncode == code, f"{arguments} exited {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        """A command's one JSON document."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [SYNCD, *arguments], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def daemon(self, *arguments: str) -> "Daemon":
        return Daemon(self, arguments)


class Daemon:
    """`syncd run` for the length of a `with` block."""

    def __init__(self, site: FakeSite, arguments: tuple[str, ...]) -> None:
        self.site = site
        self.log = site.folder / "daemon.log"
        self.process = Forked(run_command, (("run", *arguments), site.environment, str(self.log)))
        self.http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(site.state / "syncd.sock")),
            base_url="http://syncd/api/v1",
            auth=token_auth(site.state),
            timeout=20,
        )

    def __enter__(self) -> "Daemon":
        self.until(self._answers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.stop()

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with suppress(httpx.TransportError):
            return self.http.get("/status").status_code in (200, 401)  # a site may have a token of its own
        return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)

    def status(self) -> Any:
        return self.http.get("/status").raise_for_status().json()

    def sync(self, name: str = "nightly") -> Any:
        return next(one for one in self.status()["syncs"] if one["name"] == name)

    def runs(self, name: str = "nightly") -> Any:
        return self.http.get(f"/syncs/{name}/runs").raise_for_status().json()

    def until(self, condition: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Wait until it holds; its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.05)
        raise AssertionError(f"did not happen in {seconds} s; the daemon's log:\n{self.log.read_text()}")


def notes(prefix: str, count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"{prefix}{number}", "title": f"Note {number}", "content": f"text of {prefix}{number}"}
        for number in range(count)
    ]
