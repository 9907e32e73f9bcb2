"""What Google's error answers mean.

Public: CATALOGUE (this connector's own codes), Fault, fault_of, read_fault, throttled, later, refusal, no_mailbox, of_item,
obtainable.

Rules from the wire reference §1.4 (envelopes), §3.2 (throttling), §5.3, §6.4, §7.3, §8. The parse order that works for
every API: `errors[0].reason`, then the reason of an `ErrorInfo` detail, then `status`, then the HTTP code.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from syncd.sdk import (
    AccountGone,
    AuthFailed,
    Explanation,
    Forbidden,
    ProtocolError,
    RateLimited,
    SyncdError,
    SystemClock,
    Transient,
    retry_after_seconds,
)
from syncd.sdk.http import httpx

__all__ = [
    "CATALOGUE",
    "Fault",
    "fault_of",
    "later",
    "no_mailbox",
    "obtainable",
    "of_item",
    "read_fault",
    "refusal",
    "throttled",
]

KEY_REFUSED = "SYN-GOOGLE-001"
NOT_DELEGATED = "SYN-GOOGLE-002"
CONSENT_GONE = "SYN-GOOGLE-003"
SCOPE_MISSING = "SYN-GOOGLE-004"
API_DISABLED = "SYN-GOOGLE-005"
NOT_ADMIN = "SYN-GOOGLE-006"
USER_REFUSED = "SYN-GOOGLE-007"
DOWNLOAD_QUOTA = "SYN-GOOGLE-008"
CLOCK_WRONG = "SYN-GOOGLE-009"

CATALOGUE = (
    Explanation(
        KEY_REFUSED,
        "service account key refused",
        "Google refuses the key file: the key was deleted or rotated, the service account is disabled or deleted, or the "
        "file is not a service account's JSON key.",
        "All syncs of the connection are paused and one notice is sent. Nothing of the mirror changes.",
        "Google Cloud console → IAM & Admin → Service accounts → the account → Keys → Add key → JSON; put the new file "
        "where `service_account` points, then `syncd check` and `syncd resume NAME`.",
    ),
    Explanation(
        NOT_DELEGATED,
        "no domain-wide delegation",
        "The service account exists, and the Workspace administrator has not allowed it to act for users, or not with "
        "any of the scopes asked for.",
        "All syncs of the connection are paused and one notice is sent. Nothing of the mirror changes.",
        "admin.google.com → Security → Access and data control → API controls → Domain-wide delegation → Add new: the "
        "key file's `client_id` with the scopes of docs/providers/google.md. A new grant can take up to 24 hours.",
    ),
    Explanation(
        CONSENT_GONE,
        "consent withdrawn",
        "Google refuses the refresh token or the OAuth client: the user revoked the access or changed the password, the "
        "token was unused for 6 months or replaced by newer ones, or the client's secret is wrong.",
        "All syncs of the connection are paused and one notice is sent. Nothing of the mirror changes.",
        "Sign in again for a new `refresh_token` (and compare `client_id` and `client_secret` with Google Cloud console → "
        "APIs & Services → Credentials), then `syncd check` and `syncd resume NAME`.",
    ),
    Explanation(
        SCOPE_MISSING,
        "scope not granted",
        "The credential is good, and the scope that this stream needs is not among those granted.",
        "The stream is skipped, everything else goes on; the run is `partial`.",
        "Add the scope named in the message: admin.google.com → Security → API controls → Domain-wide delegation → the "
        "client → Edit; with a refresh token, sign in again with that scope. Or take the stream out of the sync.",
    ),
    Explanation(
        API_DISABLED,
        "API not enabled",
        "The Google Cloud project that the credential belongs to has not enabled the API of this stream.",
        "The stream is skipped, everything else goes on; the run is `partial`.",
        "Google Cloud console → APIs & Services → Library → enable the API named in the message; it takes a few minutes.",
    ),
    Explanation(
        NOT_ADMIN,
        "not allowed to list users",
        "The user named in `admin` may not read the directory, or `customer` is not this organisation's.",
        "The import ends without result; accounts imported before stay.",
        "Name an administrator with the privilege Users → Read in `admin`, and leave `customer` out unless you resell.",
    ),
    Explanation(
        USER_REFUSED,
        "user refused",
        "Google gives no access in the name of this user: suspended, restricted, or a policy of the organisation.",
        "The account is skipped, everything else goes on; the run is `partial`.",
        "Look at the user in admin.google.com; then `syncd import CONNECTION`, or exclude the account from the sync.",
    ),
    Explanation(
        DOWNLOAD_QUOTA,
        "download quota of a file",
        "This file was downloaded too often today, by anybody.",
        "The record landed without its content, the item counts as failed, and the content is tried by the next run.",
        "Nothing: Google lifts it within a day.",
    ),
    Explanation(
        CLOCK_WRONG,
        "token request out of time",
        "Google refuses the signed request for a token because of its times.",
        "All syncs of the connection are paused and one notice is sent. Nothing of the mirror changes.",
        "Set this machine's clock (`timedatectl`), then `syncd resume NAME`.",
    ),
)

RATE_REASONS = {"userratelimitexceeded", "ratelimitexceeded", "rate_limit_exceeded", "resource_exhausted"}
SLOW_REASONS = {"quotaexceeded", "sharingratelimitexceeded"}
RATE_WORDS = re.compile(
    r"rate limit|quota exceeded|request rate higher|too many concurrent|resource has been exhausted", re.IGNORECASE
)
UNTIL = re.compile(r"Retry after\s+(\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:?\d\d))", re.IGNORECASE)
NO_SERVICE = re.compile(r"cannot access this service|mail service not enabled", re.IGNORECASE)
SLOW = 3600.0  # seconds; for refusals that last "hours" (§3.2)
LONGEST = 86_400.0  # seconds; a time further away is not believed


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer, read. `reason` is the first that §1.4's order finds, in the provider's spelling."""

    http: int
    reason: str = ""
    status: str = ""
    message: str = ""
    location: str = ""

    def __str__(self) -> str:
        return f"{self.http} {self.reason or self.status}: {self.message[:300]}".strip(": ")

    def is_(self, *reasons: str) -> bool:
        return self.reason in reasons


def fault_of(response: httpx.Response) -> Fault:
    """The fault of an answer whose body is read."""
    return read_fault(response.status_code, response.content)


def read_fault(http: int, body: bytes) -> Fault:
    """Read an error body; HTML and plain text become the message (§1.4: they occur on 403, 429 and 5xx)."""
    try:
        error = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return Fault(http, message=body[:500].decode("utf-8", "replace").strip())
    if not isinstance(error, dict):  # §13.27: the token host's shape
        return Fault(http, reason=str(error))
    first = _first(error.get("errors"))
    status = _text(error.get("status"))
    reason = _text(first.get("reason")) or _detail(error.get("details")) or status
    message = _text(error.get("message")) or _text(first.get("message"))
    return Fault(http, reason, status, message, _text(first.get("location")))


def throttled(
    fault: Fault, retry_after: float | None = None, *, now: datetime | None = None, api: str = ""
) -> RateLimited | None:
    """RateLimited if the fault means "slow down" (§3.2): not every 403 is about permissions (§13.18)."""
    if fault.http not in (403, 429):
        return None
    reason = fault.reason.lower()
    message = f"Google asks to slow down: {fault}"
    if reason == "dailylimitexceeded":
        return RateLimited(message, retry_after or _quota_day_left(now), scope="lane")
    if reason in SLOW_REASONS and api != "admin":
        return RateLimited(message, retry_after or SLOW)
    limited = fault.http == 429 or reason in RATE_REASONS or reason in SLOW_REASONS or _says_rate(fault)
    if not limited:
        return None
    wait = retry_after if retry_after is not None else _until(fault.message, now)
    return RateLimited(message, wait, scope=_scope(fault, api))


def later(response: httpx.Response) -> RateLimited | Transient | None:
    """Whether an answer (body read) means "later": `Connector.retryable` of this connector."""
    if response.status_code < 400:
        return None
    wait = retry_after_seconds(response)
    if response.status_code >= 500 or response.status_code == 408:
        if response.status_code == 503 and wait is not None:
            return RateLimited("Google answered 503", wait)
        return Transient(f"Google answered {fault_of(response)}")
    if response.status_code not in (403, 429):
        return None
    return throttled(fault_of(response), wait, now=answered_at(response), api=api_of(response))


def refusal(fault: Fault, what: str, *, single: bool = False) -> SyncdError:
    """The error for an answer that is not "later" and that the caller has no special meaning for.

    `what` says what was asked; `single`: the connection has one user only, so its refusal is the connection's.
    """
    message = f"{what}: Google answered {fault}"
    if fault.http == 401 and not NO_SERVICE.search(fault.message):
        if single:
            return AuthFailed(message, code=CONSENT_GONE)
        return Forbidden(message, code=USER_REFUSED)
    if fault.is_("notACalendarUser") or NO_SERVICE.search(fault.message):
        return AccountGone(message, state=f"unavailable: {fault.message[:100]}")
    if fault.http == 403:
        return _forbidden(fault, message)
    return ProtocolError(message)


def no_mailbox(fault: Fault) -> SyncdError | None:
    """What a request to a mailbox as a whole means (§7.3): no licence or service off; or a token of somebody else.

    The precondition's text is general: of one message, and of other APIs, it says nothing about the account.
    """
    if fault.http == 400 and fault.is_("failedPrecondition", "FAILED_PRECONDITION"):
        return AccountGone(f"mail: {fault}", state="unavailable: no mailbox")
    if fault.http == 403 and "delegation denied" in fault.message.lower():
        return Forbidden(f"mail: {fault}")
    return None


def of_item(fault: Fault) -> bool:
    """Whether a 403 to a request for one item speaks of that item: not of a scope, an API, a policy or a proxy."""
    plain = fault.http == 403 and fault.is_("forbidden", "PERMISSION_DENIED")
    return plain and _forbidden(fault, "").code == Forbidden.default_code


@contextmanager
def obtainable() -> Iterator[None]:
    """For requests for one content: what is refused here is to be had once it is granted, so it is tried again later.

    Forbidden would say of the content that it can never be had; a fault that means that is ContentUnavailable.
    """
    try:
        yield
    except Forbidden as error:
        hint = error.hint or next((entry.hint for entry in CATALOGUE if entry.code == error.code), None)
        raise ProtocolError(error.message, code=error.code, hint=hint) from error


def _forbidden(fault: Fault, message: str) -> Forbidden:
    if fault.is_("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT") or "scope" in fault.message.lower():
        return Forbidden(message, code=SCOPE_MISSING)
    if fault.is_("accessNotConfigured", "SERVICE_DISABLED"):
        return Forbidden(message, code=API_DISABLED)
    if fault.is_("domainPolicy"):
        return Forbidden(message, code=USER_REFUSED)
    return Forbidden(message)


def answered_at(response: httpx.Response) -> datetime:
    """The provider's own time of the answer; this machine's if it does not say."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except (TypeError, ValueError):
        return SystemClock().now()
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def api_of(response: httpx.Response) -> str:
    """Which API answered, by the path: roots may be overridden, paths may not."""
    try:
        path = response.request.url.path
    except RuntimeError:  # an answer made by hand has no request
        return ""
    return next((api for api in ("calendar", "drive", "gmail", "admin") if f"/{api}/" in path), "people")


def _says_rate(fault: Fault) -> bool:
    return fault.reason.lower() in ("", "forbidden", "permission_denied") and bool(RATE_WORDS.search(fault.message))


def _scope(fault: Fault, api: str) -> str:
    """Whose budget is empty: a user's, or the project's for one API, which has a lane of its own.

    Calendar and Drive say `rateLimitExceeded` of a project (§3.2), the others of a user.
    """
    message = fault.message.lower()
    if "user" in fault.reason.lower() or "per user" in message or "for user" in message or "user-rate" in message:
        return "account"
    if "per minute" in message or "per day" in message or "per project" in message:
        return "lane"
    return "lane" if api in ("calendar", "drive") and fault.reason == "rateLimitExceeded" else "account"


def _until(message: str, now: datetime | None) -> float | None:
    """Gmail writes the end of its ban into the message: "Retry after 2023-03-07T18:18:23.688Z" (§3.2).

    None if that is over: asking at once would go round in a circle.
    """
    found = UNTIL.search(message)
    if found is None or now is None:
        return None
    try:
        wait = (datetime.fromisoformat(found.group(1)) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return wait if 0 < wait <= LONGEST else None


def _quota_day_left(now: datetime | None) -> float:
    """Seconds to the end of Google's quota day, which rolls at midnight in California."""
    if now is None:
        return SLOW
    local = now.astimezone(ZoneInfo("America/Los_Angeles"))
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(60.0, (midnight.astimezone(UTC) - now).total_seconds())


def _detail(details: Any) -> str:
    if not isinstance(details, list):
        return ""
    infos = (one for one in details if isinstance(one, dict) and str(one.get("@type", "")).endswith("ErrorInfo"))
    return next((_text(one.get("reason")) for one in infos), "")


def _first(errors: Any) -> dict[str, Any]:
    return errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
