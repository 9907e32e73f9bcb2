"""The daemon under a service manager: a notification socket of the test's own in systemd's place."""

import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.site import FakeSite


class Manager:
    """Receives what the daemon tells systemd."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.bind(self.address)

    def close(self) -> None:
        self._door.close()

    def until(self, wanted: str, seconds: float = 20) -> str:
        """The next message that begins with `wanted`; others on the way are dropped."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._door.settimeout(left)
            try:
                message = self._door.recv(4096).decode()
            except TimeoutError:
                break
            if message.startswith(wanted):
                return message
        raise AssertionError(f"no {wanted} in {seconds} s")

    def drain(self) -> list[str]:
        self._door.setblocking(False)
        got = []
        while True:
            try:
                got.append(self._door.recv(4096).decode())
            except BlockingIOError:
                return got


@pytest.fixture
def manager(site: FakeSite) -> Iterator[Manager]:
    door = Manager(site.folder / "notify")
    site.environment["NOTIFY_SOCKET"] = door.address
    yield door
    door.close()


def test_ready_reloading_status_and_stopping(site: FakeSite, manager: Manager) -> None:
    with site.daemon() as daemon:
        manager.until("READY=1")
        assert daemon.status()["daemon"]["running"] is True
        assert manager.until("STATUS=").startswith("STATUS=1 sync; next nightly at ")
        daemon.process.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in manager.until("RELOADING=1")
        manager.until("READY=1")
        site.configure("version: 1\nsyncs: {a: {connection: none, streams: [x]}}\n")
        daemon.process.send_signal(signal.SIGHUP)
        assert manager.until("STATUS=").endswith("the configuration folder has 1 problem")
        daemon.stop()
        manager.until("STOPPING=1")


def test_no_sign_of_life_while_the_store_cannot_be_written(site: FakeSite, manager: Manager) -> None:
    site.environment["WATCHDOG_USEC"] = "1500000"
    with site.daemon():
        for _ in range(3):
            manager.until("WATCHDOG=1")
        store = next(site.state.glob("*.db"))
        with sqlite3.connect(store, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(0.6)  # one that was under way
            manager.drain()
            time.sleep(2)
            assert not [message for message in manager.drain() if message.startswith("WATCHDOG=1")]
            other.execute("ROLLBACK")
        other.close()
        manager.until("WATCHDOG=1")


def test_without_a_service_manager_nothing_is_sent(site: FakeSite, manager: Manager) -> None:
    del site.environment["NOTIFY_SOCKET"]
    with site.daemon() as daemon:
        daemon.stop()
    assert manager.drain() == []
