"""The envelopes of refusals, one per product, and the token errors of each (zoho.md §3.6).

Public: render, bad_token, missing_token, missing_scope, not_found, wrong_method.
"""

from collections.abc import Callable

from syncd_simulator.zoho.wire import JSON, ApiError, Reply

__all__ = ["bad_token", "missing_scope", "missing_token", "not_found", "render", "wrong_method"]

INVALID_INPUT = "Invalid Input"


def render(product: str, error: ApiError) -> Reply:
    """The refusal as the product writes it."""
    body = error.body if error.body is not None else ENVELOPES[product](error)
    return Reply(error.status, body, dict(error.headers), error.reason)


def _mail(error: ApiError) -> JSON:
    """§4.1: `data` is an object on errors."""
    data = {"errorCode": error.code} | ({"moreInfo": error.message} if error.message else {}) | error.details
    return {"status": {"code": error.status, "description": INVALID_INPUT}, "data": data}


def _calendar(error: ApiError) -> JSON:
    """§3.6, §5.5."""
    return {"error": [{"message": error.code} | ({"description": error.message} if error.message else {})]}


def _contacts(error: ApiError) -> JSON:
    """§3.6."""
    return {"status_code": error.status, "code": error.code, "message": error.message or error.code}


def _workdrive(error: ApiError) -> JSON:
    """§7.6."""
    return {"errors": [{"id": error.code, "title": error.message}]}


def _crm(error: ApiError) -> JSON:
    """§8, flat form."""
    return {"code": error.code, "details": error.details, "message": error.message, "status": "error"}


def _accounts(error: ApiError) -> JSON:
    """§3.3."""
    return {"error": error.code}


ENVELOPES: dict[str, Callable[[ApiError], JSON]] = {
    "mail": _mail,
    "calendar": _calendar,
    "contacts": _contacts,
    "workdrive": _workdrive,
    "download": _workdrive,
    "crm": _crm,
    "accounts": _accounts,
}


def bad_token(product: str) -> ApiError:
    """An unknown, expired or displaced access token, or one of another data centre."""
    if product in ("workdrive", "download"):
        headers = {"WWW-Authenticate": 'Bearer realm="workdrive", error="expired_token"'}
        return ApiError(401, "F7003", "Invalid OAuth token.", headers=headers)
    if product == "crm":
        return ApiError(401, "INVALID_TOKEN", "invalid oauth token")
    if product == "mail":
        return ApiError(401, "INVALID_OAUTHTOKEN")
    return ApiError(401, "INVALID_TOKEN", "invalid oauth token")


def missing_token(product: str) -> ApiError:
    """No Authorization header that this product understands."""
    if product == "crm":
        return ApiError(401, "AUTHENTICATION_FAILURE", "Authentication failed")
    return bad_token(product)


def missing_scope(product: str) -> ApiError:
    """The token is good, the grant lacks the scope: no token error, minting anew is of no use."""
    if product in ("workdrive", "download"):
        return ApiError(401, "INVALID_OAUTHSCOPE", "Invalid OAuth scope.", reason="INVALID_OAUTHSCOPE")
    if product == "mail":
        return ApiError(403, "INVALID_OAUTHSCOPE")
    if product in ("crm", "accounts"):
        return ApiError(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")
    return ApiError(403, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL")


def not_found(product: str) -> ApiError:
    """No such route."""
    if product == "mail":
        return ApiError(404, "URL_RULE_NOT_CONFIGURED")
    if product == "crm":
        return ApiError(404, "INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one")
    if product in ("workdrive", "download"):
        return ApiError(404, "F6016", "URL Rule is not configured")
    return ApiError(404, "URL_RULE_NOT_CONFIGURED", "no such resource")


def wrong_method(product: str) -> ApiError:
    """The path exists, the HTTP method does not."""
    if product == "crm":
        return ApiError(400, "INVALID_REQUEST_METHOD", "The http request method type is not a valid one")
    return ApiError(400, "INVALID_METHOD")
