"""When Microsoft says "later".

Public: later (`Connector.retryable`), slow_down (`Connector.pace`), inner_later (one answer of a batch), wait_of, scope_of,
LANES, lane_of, ANSWERED, CORRUPT.

Rules from the wire reference §10 and §11. Outlook's budget is a mailbox's; all drives have one of the app's in the tenant,
and the directory has another: lanes. Batches as such have neither: they are the app's.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from syncd.sdk import Lane, RateLimited, SystemClock, Transient
from syncd.sdk.http import httpx

from .errors import Fault, fault_of, read_fault

__all__ = [
    "ANSWERED",
    "CORRUPT",
    "LANES",
    "headers_of",
    "inner_later",
    "lane_of",
    "later",
    "scope_of",
    "slow_down",
    "wait_of",
]

OUTLOOK = re.compile(
    r"^/v1\.0/users/[^/]+/(?:messages|mailfolders|contacts|contactfolders|calendar|calendars|calendargroups|calendarview|"
    r"events|outlook|mailboxsettings|translateexchangeids)(?:[/?('(]|$)",
    re.IGNORECASE,
)
DRIVES, DIRECTORY = "drives", "directory"
LANES = {  # the largest budgets that there are (§11): smaller ones make themselves known by their headers
    DRIVES: Lane(100, 1.0, per="connection"),
    DIRECTORY: Lane(800, 1.0, per="connection"),
}
LANE_OF = {"files": DRIVES, "users": DIRECTORY, "roles": DIRECTORY, "organization": DIRECTORY}  # by what is needed
MAILBOX_STREAMS = ("contacts", "calendar", "mail")
ANSWERED = "Microsoft answered"  # how the message of a server's fault begins
CORRUPT = ("errorcorruptdata", "errorcannotopenfileattachment", "errormimecontentconversionfailed")  # §8
FOR_GOOD = (*CORRUPT, "errorquotaexceeded")  # 5xx that no repeating mends (§4, §8)
SPARE = 0.25  # share of SharePoint's budget above which nothing is held back
COST, DEAREST = 2.0, 5.0  # units of a usual request, and of the dearest (§11)
UNTOLD = 1.0  # seconds, where a throttled item tells none
BANDWIDTH = 300.0  # seconds; for 509, which has no time (§10)
LONGEST = 86_400.0  # seconds; a time further away is not believed


def later(response: httpx.Response) -> RateLimited | Transient | None:
    """Whether an answer of 400 or above (body read) means "later"."""
    if response.status_code < 400:
        return None
    return inner_later(fault_of(response), response.headers, scope_of(response))


def inner_later(fault: Fault, headers: Mapping[str, str], scope: str = "account") -> RateLimited | Transient | None:
    """The same for an answer that may have come inside a batch; `headers` must find names in any case."""
    if fault.http >= 500 and fault.has(*FOR_GOOD):
        return None
    if fault.http == 429:
        if fault.says("mysite"):  # a user without OneDrive (§10), which no waiting changes
            return None
        return RateLimited(f"Microsoft asks to slow down: {fault}", wait_of(headers), scope=scope)
    if fault.http == 503 and wait_of(headers) is not None:
        return RateLimited(f"Microsoft asks to slow down: {fault}", wait_of(headers), scope=scope)
    if fault.http == 509:
        return RateLimited(f"Microsoft's bandwidth cap: {fault}", wait_of(headers) or BANDWIDTH, scope=scope)
    if fault.http in (408, 500, 502, 503, 504):
        return Transient(f"{ANSWERED} {fault}")
    return None


def lane_of(needs: str | None) -> str | None:
    """The lane of requests that need this permission; None: the mailbox's budget, or the app's."""
    return LANE_OF.get(needs or "")


def slow_down(response: httpx.Response) -> RateLimited | None:
    """An answer below 400 that asks to slow down: by its headers, or a batch by what is in it.

    So a throttled item holds back all traffic of its budget, not only the batch (§18.36).
    """
    return _nearly_used_up(response) or _throttled_inside(response)


def _throttled_inside(response: httpx.Response) -> RateLimited | None:
    """The longest wait of a batch whose items are all of one budget, if its body was read."""
    if not _is_batch(response) or (scope := scope_of(response)) == "connection":
        return None
    try:
        body = response.content
    except httpx.ResponseNotRead:
        return None
    if b"429" not in body and b"503" not in body and b"509" not in body:
        return None
    found = [
        waiting for fault, headers in _items(body) if isinstance(waiting := inner_later(fault, headers), RateLimited)
    ]
    if not found:
        return None
    return RateLimited(found[0].message, max(one.retry_after or UNTOLD for one in found), scope=scope)


def _items(body: bytes) -> Iterator[tuple[Fault, Mapping[str, str]]]:
    try:
        listed = orjson.loads(body).get("responses")
    except (orjson.JSONDecodeError, AttributeError):
        return
    for one in listed if isinstance(listed, list) else []:
        status = one.get("status") if isinstance(one, dict) else None
        if isinstance(status, int) and status >= 400:
            fault = one.get("body")
            yield read_fault(status, fault if isinstance(fault, dict) else {}), headers_of(one.get("headers"))


def headers_of(given: Any) -> dict[str, str]:
    """The headers of an item of a batch: names come in varying case (§12)."""
    return {str(name).lower(): str(value) for name, value in given.items()} if isinstance(given, dict) else {}


def _nearly_used_up(response: httpx.Response) -> RateLimited | None:
    """SharePoint's RateLimit headers (§11): what is left is spread over the time that is left."""
    remaining = _number(response.headers.get("ratelimit-remaining"))
    limit, reset = _number(response.headers.get("ratelimit-limit")), _number(response.headers.get("ratelimit-reset"))
    if remaining is None or not reset or (limit is not None and remaining > limit * SPARE):
        return None
    wait = reset if remaining <= DEAREST else min(reset, reset * COST / remaining)
    scope = "lane" if scope_of(response) == "lane" else "connection"
    return RateLimited("SharePoint's budget is nearly used up", min(wait, LONGEST), scope=scope)


def wait_of(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait: `Retry-After` as integer, decimal or date, else `RateLimit-Reset`; None if neither is there."""
    value = (headers.get("retry-after") or "").strip()
    seconds = _number(value)
    if seconds is None and value:
        seconds = _until(value, headers.get("date"), now)
    if seconds is None and _number(headers.get("ratelimit-remaining")) == 0:
        seconds = _number(headers.get("ratelimit-reset"))
    return None if seconds is None else min(seconds, LONGEST)


def scope_of(response: httpx.Response) -> str:
    """Whose budget an answer speaks of: a mailbox's ("account"), its "lane", or the app's ("connection")."""
    try:
        request = response.request
    except RuntimeError:  # an answer made by hand has no request
        return "account"
    path = request.url.path
    if OUTLOOK.search(path[path.find("/v1.0/") :] if "/v1.0/" in path else path):
        return "account"
    if _is_batch(response) and request.extensions.get("syncd.stream") in MAILBOX_STREAMS:
        return "account"
    return "connection" if request.extensions.get("syncd.lane") is None else "lane"


def _is_batch(response: httpx.Response) -> bool:
    try:
        return response.request.url.path.endswith("/$batch")
    except RuntimeError:
        return False


def _number(value: str | None) -> float | None:
    """A number of seconds that is not negative; None for anything else."""
    try:
        found = float(value or "")
    except ValueError:
        return None
    return found if 0 <= found < float("inf") else None


def _until(value: str, date: str | None, now: datetime | None) -> float | None:
    """Seconds until a date, compared with the answer's own `Date` where it has one."""
    until = _date(value)
    if until is None:
        return None
    since = _date(date) or now or SystemClock().now()
    return max(0.0, (until - since).total_seconds())


def _date(value: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value or "")
    except (TypeError, ValueError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
