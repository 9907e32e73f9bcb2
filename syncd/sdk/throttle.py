"""Reading a provider's "slow down".

Public: retryable (the default of `Connector.retryable`), retry_after_seconds.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .errors import RateLimited, Transient
from .http import httpx

__all__ = ["retry_after_seconds", "retryable"]


def retryable(response: httpx.Response, now: datetime | None = None) -> RateLimited | Transient | None:
    """What 429, 503 with Retry-After and other 5xx mean; None for everything else."""
    wait = retry_after_seconds(response, now)
    if response.status_code == 429 or (response.status_code == 503 and wait is not None):
        return RateLimited(f"the provider answered {response.status_code}", wait)
    if response.status_code >= 500:
        return Transient(f"the provider answered {response.status_code}")
    return None


def retry_after_seconds(response: httpx.Response, now: datetime | None = None) -> float | None:
    """`Retry-After` (RFC 9110 §10.2.3) in seconds from now; a date is compared with the answer's own `Date`.

    `now` is used where the answer carries no usable Date. None if the header is absent or unreadable.
    """
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    until = _date(value)
    since = _date(response.headers.get("date", "")) or now
    if until is None or since is None:
        return None
    return max(0.0, (until - since).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
