"""What the service manager is told."""

import socket
from datetime import datetime, timedelta, timezone
from pathlib import Path

from syncd.systemd import STALE, Pulse, Systemd, status_line


def listen(path: str) -> socket.socket:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    door.settimeout(5)
    door.bind(path)
    return door


def test_messages_are_datagrams_of_lines(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listen(address) as door:
        manager = Systemd.of({"NOTIFY_SOCKET": address}, 1)
        manager.ready()
        manager.reloading(7)
        manager.alive()
        manager.stopping()
        got = [door.recv(1000) for _ in range(4)]
    assert got == [b"READY=1", b"RELOADING=1\nMONOTONIC_USEC=7", b"WATCHDOG=1", b"STOPPING=1"]


def test_an_abstract_address_works_too() -> None:
    with listen("\0syncd-test-notify") as door:
        Systemd.of({"NOTIFY_SOCKET": "@syncd-test-notify"}, 1).ready()
        assert door.recv(100) == b"READY=1"


def test_the_status_line_is_sent_when_it_differs_and_is_one_line(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listen(address) as door:
        manager = Systemd(address)
        for line in ("a\nREADY=1", "a READY=1", "b"):
            manager.status(line)
        assert [door.recv(100) for _ in range(2)] == [b"STATUS=a READY=1", b"STATUS=b"]


def test_nobody_listening_is_no_error(tmp_path: Path) -> None:
    Systemd(str(tmp_path / "nobody")).ready()
    Systemd.of({}, 1).ready()


def test_the_watchdog_counts_for_this_process_only() -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}
    assert Systemd.of(environment, 42).watchdog_s == 30
    assert Systemd.of(environment, 43).watchdog_s is None
    assert Systemd.of({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "nonsense"}, 1).watchdog_s is None
    assert Systemd.of({"WATCHDOG_USEC": "30000000"}, 1).watchdog_s is None


def test_a_scheduler_that_stands_still_has_no_pulse() -> None:
    assert Pulse(now=100, began=0, checked=99.5).alive
    assert not Pulse(now=100 + STALE, began=0, checked=99.5).alive
    assert Pulse(now=STALE, began=0, checked=None).alive
    assert not Pulse(now=STALE + 1, began=0, checked=None).alive


def test_the_status_line_says_what_happens() -> None:
    at = datetime(2026, 11, 22, 3, 0, tzinfo=timezone(timedelta(hours=1)))
    assert status_line(1, [], None, 0) == "1 sync"
    assert status_line(3, [], ("mail", at), 0) == "3 syncs; next mail at 2026-11-22 02:00 UTC"
    line = status_line(9, [("a", 1200), ("b", 0), ("c", 1), ("d", 2)], ("mail", at), 2)
    assert line == (
        "9 syncs; 4 running: a (1,200 items), b (0 items), c (1 items) and 1 more; the configuration folder has 2 problems"
    )
