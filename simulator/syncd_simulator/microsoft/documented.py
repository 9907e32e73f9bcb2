"""Documented troubles by name, for `world.faults.answer(name)` (microsoft.md §2.2, §4, §10, §11). Public: DOCUMENTED.

Each is a transient or a cursor trouble, or (`aadsts_…`) a refusal of the token host.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from syncd_simulator.microsoft import auth
from syncd_simulator.microsoft.aadsts import AADSTS
from syncd_simulator.microsoft.wire import ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["DOCUMENTED"]

Builder = Callable[[Call, "MicrosoftWorld"], ApiError | Reply]
HTML = b"<!DOCTYPE html><html><head><title>Service Unavailable</title></head><body>Service Unavailable</body></html>"
RING = "[highest=841][841][839][840]"


def _error(status: int, code: str, message: str, **more: object) -> Builder:
    return lambda call, world: ApiError(status, code, message, **more)  # type: ignore[arg-type]


def _html(status: int, wait: str | None = None) -> Builder:
    headers = {"Retry-After": wait} if wait else {}
    return lambda call, world: ApiError(status, "", "", body=HTML, headers=dict(headers))


def _empty(status: int) -> Builder:
    return lambda call, world: ApiError(status, "", "", body=b"")


def throttled(call: Call, world: "MicrosoftWorld") -> ApiError:
    """The 429 of the family that is asked."""
    if call.api == "drive":
        return ApiError(429, "activityLimitReached", "The app or user has been throttled.",
                        headers={"Retry-After": "1", "RateLimit-Limit": "1200", "RateLimit-Remaining": "0",
                                 "RateLimit-Reset": "1"})  # fmt: skip
    if call.api == "directory":
        where = f"Tenant_Application/ReadWrite/{world.credentials.client_id}/{world.tenant}"
        return ApiError(429, "TooManyRequests", "Too many requests", headers={
            "Retry-After": "1", "x-ms-throttle-scope": where, "x-ms-throttle-limit-percentage": "1.2",
            "x-ms-throttle-information": "ResourceUnitLimitExceeded"})  # fmt: skip
    return concurrency(call, world)


def concurrency(call: Call, world: "MicrosoftWorld") -> ApiError:
    """Outlook's 429, without innerError."""
    return ApiError(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", bare=True,
                    headers={"Retry-After": "1"})  # fmt: skip


def retry_date(call: Call, world: "MicrosoftWorld") -> ApiError:
    """Retry-After as an HTTP date, two seconds ahead."""
    when = datetime.fromtimestamp(world.now() + 2, UTC)
    headers = {"Retry-After": f"{when:%a, %d %b %Y %H:%M:%S GMT}"}
    return ApiError(429, "TooManyRequests", "Too many requests", headers=headers)


def gone(call: Call, world: "MicrosoftWorld") -> ApiError:
    """A dead cursor in the way of the family that is asked; it may hit a nextLink too."""
    if call.api == "drive":
        where = f"{call.root}{call.path.partition('(')[0]}?token="
        return ApiError(410, "resyncRequired", "Resync required.",
                        inner={"code": "resyncChangesApplyDifferences"}, headers={"Location": where})  # fmt: skip
    if call.api == "directory":
        return directory_gone(call, world)
    return ApiError(410, "SyncStateNotFound", f"The sync state generation is not found; generation=605;{RING}.")


def directory_gone(call: Call, world: "MicrosoftWorld") -> ApiError:
    """The directory answers 400."""
    return ApiError(400, "syncStateNotFound", "The sync state generation is not found. The delta token is expired and "
                    "data must be synchronized again.")  # fmt: skip


def nested_gone(call: Call, world: "MicrosoftWorld") -> ApiError:
    """The code only in a nested inner error, in another case."""
    return ApiError(410, "", "", inner={"code": "generalException", "innererror": {"code": "SYNCSTATENOTFOUND"}})


def _aadsts(number: int) -> Builder:
    return lambda call, world: auth.refused(world.now(), number)


def insufficient_claims(call: Call, world: "MicrosoftWorld") -> ApiError:
    """Continuous access evaluation."""
    value = 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    value += 'error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ=="'
    return ApiError(401, "InvalidAuthenticationToken", "Continuous access evaluation resulted in challenge.",
                    headers={"WWW-Authenticate": value})  # fmt: skip


DOCUMENTED: dict[str, Builder] = {
    "throttled": throttled,
    "mailbox_concurrency": concurrency,
    "too_many_requests": _error(429, "TooManyRequests", "Too many requests", headers={"Retry-After": "1"}),
    "no_retry_after": _error(429, "TooManyRequests", "Too many requests"),
    "decimal_retry_after": _error(429, "TooManyRequests", "Too many requests", headers={"Retry-After": "0.5"}),
    "date_retry_after": retry_date,
    "unavailable": _error(503, "serviceNotAvailable", "The service is not available. Try again later."),
    "unavailable_wait": _error(503, "serviceNotAvailable", "Try again later.", headers={"Retry-After": "1"}),
    "html_503": _html(503, "1"),
    "html_502": _html(502),
    "html_504": _html(504),
    "empty_503": _empty(503),
    "empty_504": _empty(504),
    "gateway_timeout": _error(504, "UnknownError", ""),
    "internal": _error(500, "InternalServerError", "An internal server error occurred. The operation failed."),
    "transient": _error(500, "ErrorInternalServerTransientError", "An internal server error occurred. Try again."),
    "general_exception": _error(500, "generalException", "General exception while processing"),
    "bandwidth": _error(509, "bandwidthLimitExceeded", "The bandwidth limit was exceeded.",
                        headers={"Retry-After": "1"}),
    "bad_token": _error(401, "InvalidAuthenticationToken",
                        "CompactToken validation failed with reason code: 80049228."),
    "malformed_token": _error(401, "InvalidAuthenticationToken",
                              "CompactToken parsing failed with error code: 80049217"),
    "insufficient_claims": insufficient_claims,
    "cursor_gone": gone,
    "cursor_gone_directory": directory_gone,
    "cursor_gone_nested": nested_gone,
    "cursor_gone_unknown": _error(410, "UnknownError", ""),
    "cursor_invalid": _error(410, "SyncStateInvalid", "The sync state is invalid."),
    "resync_apply": _error(410, "resyncRequired", "Resync required.",
                           inner={"code": "resyncChangesApplyDifferences"}),
    "resync_upload": _error(410, "ResyncRequired", "Resync required.",
                            inner={"code": "resyncChangesUploadDifferences"}),
    "resync_text": _error(410, "resyncRequired",
                          "Resync required. Replace any local items (ResyncUploadDifferences)."),
    "mailbox_quota": _error(500, "ErrorQuotaExceeded", "The mailbox is over its quota."),
    "corrupt_data": _error(500, "ErrorCorruptData", "Data is corrupt."),
    "cannot_open_attachment": _error(500, "ErrorCannotOpenFileAttachment", "The attachment could not be opened."),
    "conflict_412": _error(412, "ErrorIrresolvableConflict", "The send or update operation could not be performed "
                           "because the change key passed in the request does not match the current change key for "
                           "the item."),
    "resource_locked": _error(423, "notAllowed", "Access to this site has been blocked.",
                              inner={"code": "resourceLocked"}),
    "inactive_mailbox": _error(404, "MailboxNotEnabledForRESTAPI",
                               "The mailbox is either inactive, soft-deleted, or is hosted on-premise."),
    "undiscovered": _error(404, "ResourceNotFound", "Resource could not be discovered."),
    "authentication_error": _error(403, "AuthenticationError", "Error authenticating with resource"),
    **{f"aadsts_{number}": _aadsts(number) for number in AADSTS},
}  # fmt: skip
