"""Error envelopes: the same refusal looks different in each API family (google.md §1.4)."""

from syncd_simulator.google.wire import JSON, ApiError, Call, Reply

RPC_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

INVALID_CREDENTIALS = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
MISSING_CREDENTIALS = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
UNREGISTERED = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)


def render(api: str, error: ApiError, call: Call) -> Reply:
    """The answer for a refusal by `api`."""
    inner: JSON = {"code": error.code, "message": error.top_message}
    status = error.status or RPC_STATUS.get(error.code, "UNKNOWN")
    if api != "people" or call.get("alt") == "json" or call.get("$.xgafv") == "1":
        inner["errors"] = [_item(error)]
    if api in ("people", "gmail") or (api == "drive" and error.auth):
        inner["status"] = status
    if error.details and api in ("people", "gmail", "drive"):
        inner["details"] = error.details
    if api == "calendar" and error.code == 401:
        inner["message"] = error.message
    return Reply(error.code, {"error": inner}, dict(error.headers))


def _item(error: ApiError) -> JSON:
    item = {"message": error.message, "domain": error.domain, "reason": error.reason}
    if error.location:
        item["location"] = error.location
        item["locationType"] = error.location_type
    return item


def missing_bearer(api: str) -> ApiError:
    """No Authorization header: Drive says 403, the others 401."""
    if api == "drive":
        return ApiError(403, "forbidden", UNREGISTERED, auth=True)
    return ApiError(401, "required", MISSING_CREDENTIALS, location="Authorization", location_type="header", auth=True)


def bad_bearer() -> ApiError:
    """A bearer that is unknown or expired: a long text on top, a short one inside."""
    return ApiError(
        401, "authError", "Invalid Credentials",
        location="Authorization", location_type="header", top_message=INVALID_CREDENTIALS, auth=True,
    )  # fmt: skip


def missing_scope(api: str, wanted: frozenset[str]) -> ApiError:
    """The token lacks every scope that opens the method."""
    listed = " ".join(sorted(wanted))
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
            "metadata": {"service": f"{api}.googleapis.com"},
        }
    ]
    challenge = f'Bearer realm="https://accounts.google.com/", error="insufficient_scope", scope="{listed}"'
    return ApiError(
        403, "insufficientPermissions", "Insufficient Permission",
        top_message="Request had insufficient authentication scopes.",
        status="PERMISSION_DENIED", details=details, headers={"WWW-Authenticate": challenge}, auth=True,
    )  # fmt: skip


def invalid_argument(message: str = "Request contains an invalid argument.") -> ApiError:
    """The plain 400 of People and Gmail."""
    return ApiError(400, "badRequest", message, status="INVALID_ARGUMENT")


def not_found(message: str = "Requested entity was not found.") -> ApiError:
    """The plain 404 of People and Gmail."""
    return ApiError(404, "notFound", message, status="NOT_FOUND")
