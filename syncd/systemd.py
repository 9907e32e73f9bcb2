"""What systemd is told: readiness, reloads, a status line, and that the daemon still gets somewhere.

Public: Systemd (the notification socket), Pulse (what the watchdog goes by), status_line.

The protocol is sd_notify(3): datagrams of `NAME=value` lines to `$NOTIFY_SOCKET`. Outside systemd nothing is sent. A
message that cannot be sent is dropped: if it mattered, systemd's own timeouts act.
"""

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Pulse", "Systemd", "status_line"]

STALE = 60.0  # seconds without a finished due check after which the daemon is stuck; it looks once a second
SHOWN = 3  # runs named in the status line


class Systemd:
    """The service manager that started this process, if one did."""

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self._address = address
        self.watchdog_s = watchdog_s
        """A sign of life is expected this often; None: no watchdog."""
        self._status = ""

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> "Systemd":
        """As the environment says; a watchdog meant for another process is none."""
        address = environment.get("NOTIFY_SOCKET") or None
        micro, meant_for = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        watched = address is not None and micro.isdigit() and int(micro) > 0 and meant_for in ("", str(pid))
        return cls(address, int(micro) / 1e6 if watched else None)

    def ready(self) -> None:
        """The API answers, or a reload is over."""
        self._send("READY=1")

    def reloading(self, monotonic_us: int) -> None:
        """A reload begins; `monotonic_us`: CLOCK_MONOTONIC now, in microseconds."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_us}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        """For the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, line: str) -> None:
        """One line for `systemctl status`, sent when it differs from the last one."""
        line = " ".join(line.split())
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
            door.setblocking(False)
            door.sendto("\n".join(lines).encode(), address)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What proves that the daemon gets somewhere, on the monotonic clock, in seconds.

    That the event loop turns and the store's writer commits is proven by whoever makes one of these: it waits for both.
    """

    now: float
    began: float
    checked: float | None
    """When the scheduler last finished looking for what is due."""

    @property
    def alive(self) -> bool:
        return self.now - (self.began if self.checked is None else self.checked) <= STALE


def status_line(
    syncs: int, running: Sequence[tuple[str, int]], following: tuple[str, datetime] | None, problems: int
) -> str:
    """What the daemon is doing. `running`: (sync, items listed so far); `following`: what is due next, and when."""
    parts = [f"{syncs} sync" if syncs == 1 else f"{syncs} syncs"]
    if running:
        named = ", ".join(f"{name} ({items:,} items)" for name, items in running[:SHOWN])
        more = f" and {len(running) - SHOWN} more" if len(running) > SHOWN else ""
        parts.append(f"{len(running)} running: {named}{more}")
    elif following is not None:
        parts.append(f"next {following[0]} at {following[1].astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    if problems:
        parts.append(f"the configuration folder has {problems} problem{'' if problems == 1 else 's'}")
    return "; ".join(parts)
