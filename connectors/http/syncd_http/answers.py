"""What an answer means: the settings' own rules first, then what HTTP says.

Public: Meanings.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from syncd.sdk import (
    AccountGone,
    AuthFailed,
    CursorExpired,
    Forbidden,
    PartitionGone,
    ProtocolError,
    RateLimited,
    SyncdError,
    Transient,
    retry_after_seconds,
    retryable,
)
from syncd.sdk.http import httpx

from .conditions import Condition
from .plan import ErrorRule, RateLimit

__all__ = ["Meanings", "date_of", "parsed"]

_LATER = ("rate_limited", "transient")
_MEANS: Mapping[str, Callable[[str], SyncdError]] = {
    "auth_failed": AuthFailed,
    "forbidden": Forbidden,
    "gone": PartitionGone,
    "account_gone": AccountGone,
    "cursor_expired": CursorExpired,
    "protocol_error": ProtocolError,
}
_LONGEST = 86_400.0 * 31  # seconds; what is longer is a date misread


class Meanings:
    """The rules of one connection."""

    def __init__(self, rules: list[ErrorRule], limit: RateLimit) -> None:
        self._rules = [(_statuses(rule), Condition(rule.when) if rule.when else None, rule.means) for rule in rules]
        self._limit = limit
        self._looks_into = {status for statuses, _, _ in self._rules for status in statuses if status < 400}

    def of(self, response: httpx.Response) -> str | None:
        """The rule that an answer meets; None if none does. Good answers are looked into where a rule names them."""
        if response.status_code < 400 and response.status_code not in self._looks_into:
            return None
        for statuses, condition, means in self._rules:
            if response.status_code in statuses and (condition is None or condition.holds(parsed(response))):
                return means
        return None

    def later(self, response: httpx.Response) -> RateLimited | Transient | None:
        """Whether an answer means "later"."""
        means = self.of(response)
        if means == "transient":
            return Transient(f"the API answered {response.status_code}, which the settings call transient")
        if means == "rate_limited":
            return RateLimited(
                f"the API answered {response.status_code}: slow down", self._wait(response), scope="connection"
            )
        found = retryable(response) if means is None else None
        if isinstance(found, RateLimited):
            return RateLimited(found.message, self._wait(response), scope="connection")
        return found

    def slower(self, response: httpx.Response) -> RateLimited | None:
        """Whether a good answer says that nothing is left."""
        if self._limit.remaining is None or response.headers.get(self._limit.remaining, "").strip() != "0":
            return None
        wait = self._wait(response)
        return None if wait is None else RateLimited("the API's quota is used up", wait, scope="connection")

    def error(self, response: httpx.Response, what: str, *, started: bool, otherwise: SyncdError) -> SyncdError:
        """The error that an answer is. `started`: it was asked from a cursor on. `otherwise`: what 404 and 410 are else."""
        status = response.status_code
        means = self.of(response)
        said = f"{what}: the API answered {status}"
        if (later := self.later(response)) is not None:
            return later
        if means is not None and means in _MEANS:
            return _MEANS[means](said)
        if status == 401:
            return AuthFailed(said)
        if status == 403:
            return Forbidden(said)
        if status == 410 and started:
            return CursorExpired(said)
        if status in (404, 410):
            return otherwise
        if 300 <= status < 400:
            return ProtocolError(f"{said}, which leads elsewhere: name the address itself in the settings")
        return ProtocolError(said)

    def _wait(self, response: httpx.Response) -> float | None:
        """Seconds to wait, by the headers that the API has for it."""
        if (wait := retry_after_seconds(response)) is not None:
            return wait
        if self._limit.retry_after is not None:
            wait = _seconds(response.headers.get(self._limit.retry_after, ""))
        if wait is None and self._limit.reset is not None:
            wait = self._until_reset(response, response.headers.get(self._limit.reset, "").strip())
        return wait

    def _until_reset(self, response: httpx.Response, text: str) -> float | None:
        if self._limit.reset_format == "seconds":
            return _seconds(text)
        now, until = date_of(response), _moment(text)
        if now is None or until is None:  # without the API's clock a time of day says nothing
            return None
        return min(max(0.0, (until - now).total_seconds()), _LONGEST)


def parsed(response: httpx.Response) -> Any:
    """The body as JSON; None if it is none."""
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def date_of(response: httpx.Response) -> datetime | None:
    """The API's clock when it answered."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _statuses(rule: ErrorRule) -> list[int]:
    return [rule.status] if isinstance(rule.status, int) else rule.status


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= _LONGEST else None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(text), UTC) if text[:1].isdigit() and "-" not in text else _iso(text)
    except (ValueError, OverflowError, OSError):
        return None


def _iso(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
