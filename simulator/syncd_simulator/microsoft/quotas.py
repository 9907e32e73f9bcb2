"""Throttling by the rules of microsoft.md §11: mailboxes, the directory, drives.

Public: Quotas. Every limit may be set, or None for no limit; drives have none unless `drive_units` says so.
"""

from collections import deque
from typing import TYPE_CHECKING

from syncd_simulator.clock import SimClock
from syncd_simulator.microsoft.wire import ApiError, Call

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["Quotas"]

NEAR = 0.8  # the share of a budget from which answers speak of it


class Window:
    """Units spent within the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.spent: deque[tuple[float, int]] = deque()
        self.total = 0

    def add(self, now: float, units: int) -> None:
        """Spend, forgetting what is old."""
        while self.spent and self.spent[0][0] <= now - self.seconds:
            self.total -= self.spent.popleft()[1]
        if self.spent and self.spent[-1][0] == now:
            units, self.total = units + self.spent[-1][1], self.total - self.spent[-1][1]
            self.spent.pop()
        self.spent.append((now, units))
        self.total += units

    def wait(self, now: float) -> int:
        """Whole seconds until the oldest units are forgotten."""
        return max(1, int(self.spent[0][0] + self.seconds - now + 0.999)) if self.spent else 1


class Quotas:
    """The budgets of one app in one tenant."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.mailbox_requests: int | None = 10_000  # per 10 minutes, app and mailbox
        self.directory_units: int | None = 3_500  # per 10 seconds, app and tenant
        self.drive_units: int | None = None  # per minute, app and tenant; 1,200 for a small tenant
        self.retry_after: str | None = None  # what 429 answers say instead; "" leaves the header out
        self.mailboxes: dict[str, Window] = {}
        self.directory = Window(10)
        self.drives = Window(60)

    def spend(self, world: "MicrosoftWorld", call: Call, mailbox: str | None) -> None:
        """Count one request; 429 when it is one too many. Refused requests count too."""
        if mailbox is not None:
            self._mailbox(world, mailbox)
        elif call.api == "directory" and self.directory_units:
            self.directory.add(self.clock.time(), directory_units(call))
            if self.directory.total > self.directory_units:
                raise self._refusal("TooManyRequests", "Too many requests", self.directory, {
                    "x-ms-throttle-scope": f"Tenant_Application/ReadWrite/{world.credentials.client_id}/{world.tenant}",
                    "x-ms-throttle-information": "ResourceUnitLimitExceeded",
                })  # fmt: skip
        elif call.api == "drive" and self.drive_units:
            self.drives.add(self.clock.time(), drive_units(call))
            if self.drives.total > self.drive_units:
                raise self._refusal("activityLimitReached", "The app or user has been throttled", self.drives,
                                    self.headers(call))  # fmt: skip

    def _mailbox(self, world: "MicrosoftWorld", mailbox: str) -> None:
        now = self.clock.time()
        window = self.mailboxes.setdefault(mailbox, Window(600))
        window.add(now, 1)
        if world.in_flight[mailbox] > world.concurrency:
            raise ApiError(
                429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", bare=True,
                headers=self._wait("1"),
            )  # fmt: skip
        if self.mailbox_requests is not None and window.total > self.mailbox_requests:
            raise self._refusal("TooManyRequests", "Application is over its RequestCount limit.", window, {})

    def _refusal(self, code: str, text: str, window: Window, headers: dict[str, str]) -> ApiError:
        wait = self._wait(str(window.wait(self.clock.time())))
        return ApiError(429, code, text, headers=wait | headers)

    def _wait(self, seconds: str) -> dict[str, str]:
        said = seconds if self.retry_after is None else self.retry_after
        return {"Retry-After": said} if said else {}

    def headers(self, call: Call) -> dict[str, str]:
        """What answers say about the budgets that are running out."""
        if call.api == "directory" and self.directory_units:
            share = self.directory.total / self.directory_units
            said = {"x-ms-resource-unit": str(directory_units(call))}
            return said | ({"x-ms-throttle-limit-percentage": f"{share:.1f}"} if share > NEAR else {})
        if call.api == "drive" and self.drive_units and self.drives.total > NEAR * self.drive_units:
            left = max(0, self.drive_units - self.drives.total)
            reset = self.drives.wait(self.clock.time())
            return {"RateLimit-Limit": str(self.drive_units), "RateLimit-Remaining": str(left),
                    "RateLimit-Reset": str(reset)}  # fmt: skip
        return {}


def directory_units(call: Call) -> int:
    """§11: GET users 2, most GET 1; $select -1, $expand +1, $top < 20 -1, at least 1."""
    units = 2 if call.method == "GET /users" else 1
    units += bool(call.get("$expand")) - bool(call.get("$select"))
    top = call.get("$top") or ""
    return max(1, units - (top.isdigit() and int(top) < 20))


def drive_units(call: Call) -> int:
    """§11: 1 for a single item, a delta with token, a download; 5 with permissions; else 2."""
    if "permissions" in (call.get("$expand") or "").lower() or "/permissions" in call.method:
        return 5
    if call.http != "GET":
        return 2
    if call.method.endswith("/delta"):
        return 1 if call.get("token") else 2
    return 1 if call.method.endswith(("}", "/content", "/drive", "/root")) else 2
