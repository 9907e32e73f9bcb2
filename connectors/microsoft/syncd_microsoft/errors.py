"""What Graph's error answers mean.

Public: CATALOGUE (this connector's own codes), Fault, fault_of, read_fault, refusal, no_mailbox, no_drive, dead_cursor,
opens_drive.

Rules from the wire reference §10. Codes are compared without regard to case, the outer `code` and those of every nested
inner error alike; texts are looked at only where the reference says that nothing else tells.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from syncd.sdk import AccountGone, AuthFailed, CursorExpired, Explanation, Forbidden, ProtocolError, SyncdError
from syncd.sdk.http import httpx

__all__ = [
    "CATALOGUE",
    "Fault",
    "dead_cursor",
    "fault_of",
    "no_drive",
    "no_mailbox",
    "opens_drive",
    "read_fault",
    "refusal",
]

SECRET_REFUSED = "SYN-MICROSOFT-001"  # noqa: S105 - a code, as the next
SECRET_EXPIRED = "SYN-MICROSOFT-002"  # noqa: S105
CERTIFICATE_REFUSED = "SYN-MICROSOFT-003"
APP_UNKNOWN = "SYN-MICROSOFT-004"
TENANT_UNKNOWN = "SYN-MICROSOFT-005"
CONSENT_MISSING = "SYN-MICROSOFT-006"
SIGN_IN_AGAIN = "SYN-MICROSOFT-007"
POLICY_REFUSES = "SYN-MICROSOFT-008"
SCOPE_WRONG = "SYN-MICROSOFT-009"
PERMISSION_MISSING = "SYN-MICROSOFT-010"
MAILBOX_REFUSED = "SYN-MICROSOFT-011"
LOCKED = "SYN-MICROSOFT-012"

_PAUSED = "All syncs of the connection are paused and one notice is sent. Nothing of the mirror changes."
_SKIPPED = "What was refused is skipped, everything else goes on; the run is `partial`."
_APP = "entra.microsoft.com → Applications → App registrations → the app"

CATALOGUE = (
    Explanation(
        SECRET_REFUSED,
        "client secret refused",
        "Entra refuses the client secret: it is wrong, or its id was pasted instead of its value, or none was sent.",
        _PAUSED,
        f"{_APP} → Certificates & secrets → New client secret; put its *value* where `client_secret` points, then "
        "`syncd check` and `syncd resume NAME`.",
    ),
    Explanation(
        SECRET_EXPIRED,
        "client secret expired",
        "The client secret's time is over. Secrets live two years at the most.",
        _PAUSED,
        f"{_APP} → Certificates & secrets → New client secret; put its value where `client_secret` points, then "
        "`syncd check` and `syncd resume NAME`.",
    ),
    Explanation(
        CERTIFICATE_REFUSED,
        "certificate refused",
        "Entra does not accept what was signed: the certificate is not registered with the app, has expired, does not "
        "belong to the private key, or this machine's clock is wrong.",
        _PAUSED,
        f"{_APP} → Certificates & secrets → Certificates → Upload certificate, the one of `certificate`; compare the "
        "thumbprints, and this machine's clock (`timedatectl`). Then `syncd check` and `syncd resume NAME`.",
    ),
    Explanation(
        APP_UNKNOWN,
        "app unknown or disabled",
        "The organisation's directory has no app with this `client_id`, or an administrator disabled it.",
        _PAUSED,
        "Compare `client_id` with entra.microsoft.com → App registrations → Overview → Application (client) ID, and "
        "`tenant` with Directory (tenant) ID; under Enterprise applications → the app → Properties, 'Enabled for users "
        "to sign in' must be Yes.",
    ),
    Explanation(
        TENANT_UNKNOWN,
        "organisation unknown",
        "Entra knows no organisation by the name in `tenant`; often it lives in another national cloud.",
        _PAUSED,
        "Compare `tenant` with entra.microsoft.com → Overview → Tenant ID, and set `cloud` for GCC High (us-gov), DoD "
        "(us-dod) or 21Vianet (china).",
    ),
    Explanation(
        CONSENT_MISSING,
        "no consent",
        "The user or an administrator has not consented to the app's permissions.",
        _PAUSED,
        f"{_APP} → API permissions → Grant admin consent; with a refresh token, sign in again.",
    ),
    Explanation(
        SIGN_IN_AGAIN,
        "sign in again",
        "The refresh token is worth nothing any more: unused for too long, the password was changed, an administrator "
        "revoked the sessions, or a sign-in frequency policy ended it.",
        _PAUSED,
        "Sign in again and put the new token where `refresh_token` points, then `syncd check` and `syncd resume NAME`.",
    ),
    Explanation(
        POLICY_REFUSES,
        "conditional access refuses",
        "A policy of the organisation asks for more than a token can give: a second factor, a managed device, a place.",
        _PAUSED,
        "entra.microsoft.com → Protection → Conditional Access → Policies: leave the app or the user out; with a refresh "
        "token, sign in again with the second factor.",
    ),
    Explanation(
        SCOPE_WRONG,
        "scope refused",
        "Entra does not know the scope that was asked for in this cloud.",
        _PAUSED,
        "Compare `cloud` and `endpoints` with where the organisation lives: login, Graph and scope are one cloud's.",
    ),
    Explanation(
        PERMISSION_MISSING,
        "permission not granted",
        "The sign-in is good (Entra gives tokens to apps without any permission), and the permission that this needs is "
        "not granted.",
        _SKIPPED,
        f"{_APP} → API permissions → Add a permission → Microsoft Graph → Application permissions: the one named in the "
        "message; then Grant admin consent. It takes a few minutes. Or take the stream out of the sync.",
    ),
    Explanation(
        MAILBOX_REFUSED,
        "mailbox refused",
        "The app may not see this mailbox: no permission, or an application access policy that leaves it out.",
        "The account's stream is skipped, everything else goes on.",
        "Exchange Online PowerShell: Test-ApplicationAccessPolicy, and RBAC for applications; or exclude the account.",
    ),
    Explanation(
        LOCKED,
        "locked",
        "An administrator locked the site or the drive, or the item is checked out.",
        "It is skipped, everything else goes on; the run is `partial`. The next run tries again.",
        "SharePoint admin center → Active sites → the site → Unlock, if it should be open.",
    ),
)

PERMISSIONS = {  # §2.4, application permissions; least privilege first
    "contacts": "Contacts.Read",
    "calendar": "Calendars.Read",
    "mail": "Mail.Read",
    "files": "Files.Read.All",
    "users": "User.Read.All",
    "roles": "RoleManagement.Read.Directory",
    "organization": "User.Read.All",
    "mailboxes": "MailboxSettings.Read",
}
NO_MAILBOX_CODES = (
    "mailboxnotenabledforrestapi",
    "mailboxnotsupportedforrestapi",
    "resourcenotfound",
    "errorinvaliduser",
    "request_resourcenotfound",
    "errornonexistentmailbox",
)
CURSOR_CODES = (
    "syncstatenotfound",
    "syncstateinvalid",
    "resyncrequired",
    "resyncapplydifferences",
    "resyncuploaddifferences",
    "resyncchangesapplydifferences",
    "resyncchangesuploaddifferences",
)
DRIVE = re.compile(r"/(?:users/[^/]+|me)/drive(?:[/(?]|$)", re.IGNORECASE)
DEEPEST = 20  # nested inner errors that are looked at


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer, read. `codes`: the outer one first, then the inner ones, in the provider's spelling."""

    http: int
    codes: tuple[str, ...] = ()
    message: str = ""
    request_id: str = ""

    def __str__(self) -> str:
        code = "/".join(self.codes)
        tail = f" (request-id {self.request_id})" if self.request_id else ""
        return f"{self.http} {code}: {self.message[:300]}".strip(": ") + tail

    def has(self, *codes: str) -> bool:
        """Whether one of these (lower case) is the outer code or an inner one."""
        return any(code.lower() in codes for code in self.codes)

    def mentions(self, *words: str) -> bool:
        """Whether one of these (lower case) is part of a code."""
        return any(word in code.lower() for code in self.codes for word in words)

    def says(self, *texts: str) -> bool:
        """Whether the message contains one of these (lower case). Only for what no code tells (§10)."""
        return any(text in self.message.lower() for text in texts)


def fault_of(response: httpx.Response) -> Fault:
    """The fault of an answer whose body is read."""
    return read_fault(response.status_code, response.content)


def read_fault(http: int, body: bytes | dict[str, Any] | None) -> Fault:
    """Read an error body: Graph's object, the token host's string (§18.50), HTML, text or nothing."""
    answer = _json(body) if isinstance(body, bytes) else body
    if not isinstance(answer, dict):
        text = body[:500].decode("utf-8", "replace").strip() if isinstance(body, bytes) else ""
        return Fault(http, message=text)
    error = answer.get("error")
    if isinstance(error, str):
        return Fault(http, (error,) if error else (), _text(answer.get("error_description")))
    if not isinstance(error, dict):
        return Fault(http, message=_text(answer.get("message")))
    chain = list(_chain(error))
    codes = tuple(dict.fromkeys(code for one in chain if (code := _text(_get(one, "code")))))
    message = next((text for one in chain if (text := _text(_get(one, "message")))), "")
    request_id = next((text for one in chain if (text := _text(_get(one, "request-id")))), "")
    return Fault(http, codes, message, request_id)


def dead_cursor(fault: Fault, what: str) -> CursorExpired | None:
    """CursorExpired if the link's state is gone (§4): any 410, and a 400 with one of the codes."""
    if fault.http == 410 or (fault.http == 400 and fault.has(*CURSOR_CODES)):
        return CursorExpired(f"{what}: {fault}")
    return None


def no_mailbox(fault: Fault, what: str) -> AccountGone | None:
    """AccountGone if the account has no mailbox (§10), or one that a policy of the organisation keeps from this app."""
    if fault.http == 404 and fault.has(*NO_MAILBOX_CODES):
        return AccountGone(f"{what}: {fault}", state="unavailable: no mailbox")
    if fault.has("authenticationerror", "errornonexistentmailbox", "mailboxnotenabledforrestapi"):
        return AccountGone(f"{what}: {fault}", state="unavailable: no mailbox")
    if fault.http == 403 and fault.says("access to odata is disabled", "accesspolicy"):
        return AccountGone(
            f"{what}: {fault}", state="unavailable: kept out by an application access policy", code=MAILBOX_REFUSED
        )
    return None


def no_drive(fault: Fault, what: str) -> AccountGone | None:
    """AccountGone if a user has no OneDrive (§10): for requests that look for a user's drive, not for ones to items."""
    mysite = fault.says("mysite", "my site")
    if fault.says("spo license"):
        return AccountGone(f"{what}: {fault}", state="unavailable: no SharePoint licence")
    if fault.http in (401, 404) or (fault.http in (400, 429) and mysite) or fault.has("authenticationerror"):
        return AccountGone(f"{what}: {fault}", state="unavailable: no OneDrive")
    return None


def opens_drive(path: str) -> bool:
    """Whether a path leads to a user's drive, whose first opening may be answered 401 to a good token (§10)."""
    return DRIVE.search(path) is not None


def refusal(fault: Fault, what: str, stream: str | None = None) -> SyncdError:
    """The error for an answer that is not "later" and that the caller has no special meaning for.

    `what` says what was asked; `stream` names the permission that it needs.
    """
    message = f"{what}: Microsoft answered {fault}"
    if fault.http == 401:
        if stream in (None, "users") or fault.has("invalidauthenticationtoken"):
            return AuthFailed(message)
        return Forbidden(message)
    if fault.http == 403:
        return _forbidden(fault, message, stream)
    if fault.http == 402:
        return Forbidden(message, hint="This part of Graph is metered: the app needs an Azure subscription for it.")
    if fault.http == 423:
        return Forbidden(message, code=LOCKED)
    return dead_cursor(fault, what) or ProtocolError(message)


def _forbidden(fault: Fault, message: str, stream: str | None) -> Forbidden:
    if fault.has("resourcelocked"):
        return Forbidden(message, code=LOCKED)
    permission = PERMISSIONS.get(stream or "")
    needs = f"; {permission} is needed" if permission else ""
    return Forbidden(message + needs, code=PERMISSION_MISSING)


def _chain(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The error and its inner errors: `innerError` in Graph, `innererror` in OData texts."""
    one: Any = error
    for _ in range(DEEPEST):
        if not isinstance(one, dict):
            return
        yield one
        one = _get(one, "innererror")


def _get(value: dict[str, Any], key: str) -> Any:
    """A field by its name in lower case."""
    return next((found for name, found in value.items() if name.lower() == key), None)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
