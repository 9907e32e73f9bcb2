"""What Zoho's error answers mean.

Public: CATALOGUE and its codes, Fault, fault_of, status_of, later, postponed, refusal, ungranted, is_token_fault,
is_scope_fault.

Every product has an error envelope of its own (§1, §3.6). `fault_of` reads them all, whatever the status; which product
answered stands in the request's `extensions["zoho.product"]` (put there by `Api`).
"""

import random
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from syncd.sdk import AuthFailed, Explanation, Forbidden, ProtocolError, RateLimited, SyncdError, Transient
from syncd.sdk import retry_after_seconds as retry_after
from syncd.sdk.http import httpx

__all__ = [
    "CATALOGUE",
    "CLIENT_REFUSED",
    "NOT_ADMIN",
    "NO_SERVICE",
    "SCOPE_MISSING",
    "TOKEN_BUDGET",
    "TOKEN_REFUSED",
    "WRONG_CENTER",
    "Fault",
    "fault_of",
    "is_scope_fault",
    "is_token_fault",
    "later",
    "postponed",
    "refusal",
    "status_of",
    "ungranted",
]

TOKEN_REFUSED = "SYN-ZOHO-001"  # noqa: S105 - codes of the catalogue
CLIENT_REFUSED = "SYN-ZOHO-002"
WRONG_CENTER = "SYN-ZOHO-003"
SCOPE_MISSING = "SYN-ZOHO-004"
TOKEN_BUDGET = "SYN-ZOHO-005"  # noqa: S105
NOT_ADMIN = "SYN-ZOHO-006"
NO_SERVICE = "SYN-ZOHO-007"
ACCESS_REFUSED = "SYN-ZOHO-008"

_PAUSED = "All syncs of the connection are paused and one notice is sent. Nothing of the mirror changes."
_GRANT = "Make a new refresh token with the scopes named in the message, or take the stream out of the sync."
CATALOGUE = (
    Explanation(
        TOKEN_REFUSED,
        "refresh token refused",
        "Zoho refuses the refresh token. It says the same for two causes: the token was revoked (or pushed out by the "
        "21st one of that user and client), or it belongs to another data centre than `data_center`.",
        _PAUSED,
        "Compare `data_center` with the address you sign in at (accounts.zoho.eu is eu); then make a new refresh token "
        "in that data centre's API console, `syncd check` and `syncd resume NAME`.",
    ),
    Explanation(
        CLIENT_REFUSED,
        "OAuth client refused",
        "Zoho does not know the client id in this data centre, or the secret is wrong. With a multi-DC client the secret "
        "differs per data centre.",
        _PAUSED,
        "Compare `data_center`, `client_id` and `client_secret` with the API console of that data centre, then "
        "`syncd check` and `syncd resume NAME`.",
    ),
    Explanation(
        WRONG_CENTER,
        "other data centre",
        "Zoho gave a token for another data centre, or another API domain, than the one configured.",
        _PAUSED,
        "Put the data centre that the message names into `data_center`, then `syncd check` and `syncd resume NAME`.",
    ),
    Explanation(
        SCOPE_MISSING,
        "scope not granted",
        "The credential is good, and the scope that this stream needs is not among those granted.",
        "The stream is skipped, everything else goes on; the run is `partial`.",
        _GRANT,
    ),
    Explanation(
        TOKEN_BUDGET,
        "too many access tokens",
        "Zoho gives 10 access tokens in 10 minutes per refresh token. That many were asked for, or Zoho said so itself.",
        "No more are asked for until the time is over. Nothing is paused, nothing is lost.",
        "Usually nothing. If it keeps coming back, another program uses the same refresh token: give it one of its own.",
    ),
    Explanation(
        NOT_ADMIN,
        "not allowed to list users",
        "The credential's owner is no administrator, or the token lacks the scopes to list users.",
        "Only the credential's owner is imported.",
        "Let an administrator make the refresh token, with the scopes ZohoMail.organization.accounts.READ or "
        "ZohoCRM.users.READ.",
    ),
    Explanation(
        NO_SERVICE,
        "no access to this service",
        "The credential's owner has no effective access to this service of Zoho.",
        "The stream is skipped with a state; everything else goes on.",
        "Give the owner the service in the Zoho admin console, or take the stream out of the sync.",
    ),
    Explanation(
        ACCESS_REFUSED,
        "access token refused",
        "A service of Zoho refuses an access token that was made a moment ago: a token of another data centre or "
        "environment, or of a client that the organisation has blocked.",
        "What was asked for is not read; with Mail, WorkDrive and CRM the connection is paused.",
        "Compare `data_center`, `environment` and `endpoints` with where the token was made.",
    ),
)

THROTTLED = {"TOO_MANY_REQUESTS", "LIMIT_REACHED", "RATE_LIMIT_EXCEEDED", "F7008"}  # §7.6, §8.9
THROTTLE_WORDS = ("too many", "rate limit", "request limit", "throttl", "limit exceeded for request", "try again later")
TOKEN_CODES = {"INVALID_TOKEN", "AUTHENTICATION_FAILURE", "INVALID_OAUTHTOKEN", "F7003"}  # §3.6
BY_STATUS = {"calendar", "contacts"}  # §3.6: their 401 has no confirmed shape
MAIL_PAUSE = 60.0  # seconds (§4.7)
DRIVE_PAUSE = 60.0  # §7.6
RETRIED = {500, 502, 503, 504, 509}  # §7.6
TOLD_INSIDE = {
    "mail": ("status", "code"),
    "contacts": ("status_code",),
}  # §4.1, §6.2: where an answer's body tells its status
FAILED = re.compile(rb'"(?:status_)?code"\s*:\s*"?[45]\d\d\b')  # without which a body need not be read for it


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer. `code`: the product's word for it, "" if it gave none. `body`: the parsed JSON or None.

    `http`: the status, or the one that the body of an answer of 200 tells of itself.
    """

    http: int
    code: str = ""
    message: str = ""
    product: str = ""
    reason: str = ""  # the HTTP reason phrase and WWW-Authenticate, where WorkDrive hides what it means
    details: dict[str, Any] = field(default_factory=dict)
    body: Any = None

    def is_(self, *codes: str) -> bool:
        return self.code in codes

    def __str__(self) -> str:
        return f"{self.http} {self.code}: {self.message}".strip(": ").replace(" :", ":")


def status_of(response: httpx.Response) -> int:
    """An answer's status (body read): Mail's and Contacts' tell it inside too, and there it counts (§4.1, §6.2)."""
    path = TOLD_INSIDE.get(str(response.request.extensions.get("zoho.product", "")))
    if response.status_code >= 400 or path is None or not FAILED.search(response.content):
        return response.status_code
    try:
        found = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return response.status_code
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    told = int(found) if isinstance(found, int | str) and str(found).isdecimal() else 0
    return told if told >= 400 else response.status_code


def fault_of(response: httpx.Response) -> Fault:
    """Read an error answer (body read) of any product."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    found = _innermost(body)
    words = (found[key] for key in ("errorCode", "code", "id") if isinstance(found.get(key), str))
    code = next((word for word in words if not word.isdecimal()), "")  # a number is the status again
    message = next(
        (
            found[key]
            for key in ("moreInfo", "message", "title", "description", "error")
            if isinstance(found.get(key), str)
        ),
        response.content[:200].decode("utf-8", "replace") if not found else "",
    )
    details = found.get("details")
    return Fault(
        status_of(response),
        code,
        message[:300],
        str(response.request.extensions.get("zoho.product", "")),
        f"{response.reason_phrase} {response.headers.get('www-authenticate', '')}".strip(),
        details if isinstance(details, dict) else {},
        body,
    )


def _innermost(body: Any) -> dict[str, Any]:
    """The object that says what is wrong: §4.1 `status`+`data`, §3.6 `errors[]`, `error[]`, a bare list, CRM's `data[]`."""
    if isinstance(body, list):
        return _innermost(body[0]) if body else {}
    if not isinstance(body, dict):
        return {}
    if isinstance(body.get("code"), str):
        return body
    for key in ("errors", "error", "data"):
        inner = body.get(key)
        if isinstance(inner, list | dict) and inner:
            found = _innermost(inner)
            if found:
                status = body.get("status")
                return {**status, **found} if isinstance(status, dict) else found
    status = body.get("status")
    return status if isinstance(status, dict) else body


def is_scope_fault(fault: Fault) -> bool:
    """Whether a scope is lacking; a fresh token would not help (§3.6)."""
    if fault.http not in (400, 401, 403):
        return False
    words = f"{fault.code} {fault.reason} {fault.message}".upper()
    return "OAUTHSCOPE" in words or "SCOPE_MISMATCH" in words or ("SCOPE" in words and "OAUTH" in words)


def is_token_fault(fault: Fault) -> bool:
    """Whether a 401 speaks of the access token: then, and only then, a fresh one may help (§3.6, trap 9)."""
    if fault.http != 401 or is_scope_fault(fault):
        return False
    if fault.product in BY_STATUS or fault.code in TOKEN_CODES or "expired_token" in fault.reason:
        return True
    return not fault.code and not fault.reason.upper().startswith("INVALID_OAUTHSCOPE")


def later(response: httpx.Response) -> RateLimited | Transient | None:
    """Whether an answer of 400 or above means "later": throttling comes in several statuses and words (§4.7, §7.6, §8.9)."""
    return postponed(fault_of(response), retry_after(response))


def postponed(fault: Fault, wait: float | None) -> RateLimited | Transient | None:
    """The same of a fault, and the time that it asks for."""
    if fault.http == 429 or fault.code in THROTTLED or (fault.product == "mail" and throttle_text(fault)):
        return throttled(fault, wait)
    if fault.http == 503 and wait is not None:
        return throttled(fault, wait)
    if fault.http >= 500:
        return Transient(f"Zoho answered {fault}")
    return None


def throttle_text(fault: Fault) -> bool:
    words = f"{fault.code} {fault.message}".lower().replace("_", " ")
    return fault.http in (400, 403, 429, 500) and any(word in words for word in THROTTLE_WORDS)


def throttled(fault: Fault, wait: float | None) -> RateLimited:
    """How long to stay away, and from what: each product counts for itself."""
    if fault.product == "mail":
        pause = wait if wait is not None else MAIL_PAUSE * random.uniform(1.0, 1.5)  # noqa: S311 - jitter
        return RateLimited(f"Zoho Mail answered {fault}", pause, scope="lane")
    if fault.product in ("workdrive", "download"):  # calling early lengthens the penalty (§7.6)
        return RateLimited(f"WorkDrive answered {fault}", DRIVE_PAUSE if wait is None else wait + 1, scope="lane")
    scope = "lane" if fault.product in ("calendar", "crm") else "account"
    return RateLimited(f"Zoho answered {fault}", wait, scope=scope)


def ungranted(fault: Fault, what: str, scope: str) -> ProtocolError | None:
    """The error for a content whose scope is lacking: it is to be had once the scope is granted.

    Forbidden would say of the item that it can never be had.
    """
    if not is_scope_fault(fault):
        return None
    return ProtocolError(f"{what}: the token lacks {_named(scope)} ({fault})", code=SCOPE_MISSING, hint=_GRANT)


def refusal(fault: Fault, what: str, scope: str = "") -> SyncdError:
    """What an answer of 400 or above means that does not mean "later". `scope`: what the request needs; of several, any."""
    message = f"{what}: Zoho answered {fault}"
    if is_scope_fault(fault):
        return Forbidden(f"{what}: the token lacks {_named(scope)} ({fault})", code=SCOPE_MISSING)
    if is_token_fault(fault):
        kind = Forbidden if fault.product in BY_STATUS else AuthFailed
        needs = f"; it needs {_named(scope)}" if scope and kind is Forbidden else ""
        return kind(f"{message} to a token made just now{needs}", code=ACCESS_REFUSED)
    if fault.http in (401, 403) or fault.is_("NO_PERMISSION", "ACCESS_DENIED"):
        return Forbidden(message)
    return ProtocolError(message)


def _named(scope: str) -> str:
    """A request's scope in words."""
    several = scope.split(",")
    return f"one of {', '.join(several)}" if len(several) > 1 else scope or "a scope"
