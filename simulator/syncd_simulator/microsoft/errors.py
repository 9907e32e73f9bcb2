"""Refusals in the envelope of Graph, and who may ask for what (microsoft.md §10).

Public: render, envelope, request_id, check_permission, check_user, mailbox_refusal.
"""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply, Route

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["check_permission", "check_user", "envelope", "mailbox_refusal", "render", "request_id"]

DENIED = "Access is denied. Check credentials and try again."
INACTIVE = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
UNDISCOVERED = "Resource could not be discovered."


def request_id(world: "MicrosoftWorld", call: Call) -> str:
    """One GUID per request, the same in header and body."""
    made = call.args.get("request-id")
    if made is None:
        made = call.args["request-id"] = str(uuid.uuid5(uuid.UUID(world.tenant), str(world.requests.next_number())))
    return made


def envelope(world: "MicrosoftWorld", call: Call, error: ApiError) -> JSON:
    """`{"error": {...}}`; innerError.date has no zone suffix."""
    body: JSON = {"code": error.code, "message": error.message}
    if not error.bare:
        made = request_id(world, call)
        body["innerError"] = error.inner | {
            "date": f"{datetime.fromtimestamp(world.now(), UTC):%Y-%m-%dT%H:%M:%S}",
            "request-id": made,
            "client-request-id": call.headers.get("client-request-id", made),
        }
    return {"error": body}


def render(world: "MicrosoftWorld", call: Call, error: ApiError) -> Reply:
    """The answer that a refusal makes."""
    headers = dict(error.headers)
    if error.body is not None:
        if error.body:
            headers.setdefault("Content-Type", "text/html; charset=utf-8")
        return Reply(error.status, error.body, headers)
    return Reply(error.status, envelope(world, call, error), headers)


def check_permission(world: "MicrosoftWorld", call: Call, route: Route) -> None:
    """403 in the words of the family when no permission of the app opens this route (§10, trap 34)."""
    token = call.token
    if token is not None and token.user is not None:
        if call.owner is None or call.owner is token.user or call.api not in ("contacts", "calendar", "mail"):
            return
    elif not route.permissions or route.permissions & world.permissions:
        return
    if call.api == "drive":
        raise ApiError(403, "accessDenied", "Access denied")
    if call.api in ("contacts", "calendar", "mail", "settings"):
        raise ApiError(403, "ErrorAccessDenied", DENIED)
    raise ApiError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def check_user(world: "MicrosoftWorld", call: Call, mailbox: bool) -> None:
    """404 for a user that the directory does not know, and the mailbox's own refusals."""
    if call.owner is None:
        key = call.args["u"]
        if mailbox:
            raise _unknown_to_exchange(world, key)
        raise ApiError(404, "Request_ResourceNotFound", f"Resource '{key}' does not exist or one of its queried "
                       "reference-property objects are not present.")  # fmt: skip
    if mailbox:
        refusal = mailbox_refusal(call.owner)
        if refusal is not None:
            raise refusal


def _unknown_to_exchange(world: "MicrosoftWorld", key: str) -> ApiError:
    if key in world.deleted_users:
        return ApiError(404, "MailboxNotEnabledForRESTAPI", INACTIVE)
    return ApiError(404, "ErrorInvalidUser", f"The requested user '{key}' is invalid.")


def mailbox_refusal(user: "User") -> ApiError | None:
    """How Exchange refuses this user, if it does; without a mailbox two codes come by turns (§10)."""
    if user.mailbox_trouble is None:
        return None
    user.troubled += 1
    if user.mailbox_trouble == "access_policy":
        return ApiError(403, "ErrorAccessDenied", "Access to OData is disabled.")
    if user.mailbox_trouble == "invalid_user":
        return ApiError(404, "ErrorInvalidUser", f"The requested user '{user.id}' is invalid.")
    if user.troubled % 2:
        return ApiError(404, "MailboxNotEnabledForRESTAPI", INACTIVE)
    return ApiError(404, "ResourceNotFound", UNDISCOVERED)
