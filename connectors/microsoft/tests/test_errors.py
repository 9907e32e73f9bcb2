"""Error answers (wire reference §10) and throttling (§11)."""

import httpx
import orjson
import pytest
from microsoft_answers import ROOT, error
from syncd_microsoft.errors import CATALOGUE, dead_cursor, no_drive, no_mailbox, read_fault, refusal
from syncd_microsoft.throttle import later, slow_down

from syncd.sdk import AccountGone, AuthFailed, CursorExpired, Forbidden, ProtocolError, RateLimited, Transient


def fault(status, code="", message="", **inner):
    return read_fault(status, orjson.dumps(error(code, message, **inner)))


def answer(status, path="/users/u/messages", headers=None, stream=None, code="TooManyRequests", message=""):
    request = httpx.Request("GET", ROOT + path, extensions={"syncd.stream": stream})
    return httpx.Response(status, json=error(code, message), headers=headers, request=request)


def test_codes_are_found_in_inner_errors_whatever_their_case() -> None:
    body = {
        "error": {
            "code": "notAllowed",
            "message": "Outer",
            "innererror": {"code": "accessDenied", "innerError": {"Code": "RESOURCELOCKED", "request-id": "r1"}},
        }
    }
    found = read_fault(423, orjson.dumps(body))
    assert found.has("resourcelocked")
    assert found.has("notallowed")
    assert not found.has("itemnotfound")
    assert "r1" in str(found)


@pytest.mark.parametrize(
    "body", [b"", b"<html>FILE NOT FOUND", b"[]", b"null", b'{"error":{}}', b'{"error":5}', b"\xff"]
)
def test_bodies_of_any_kind_are_borne(body) -> None:
    assert read_fault(503, body).http == 503
    assert str(read_fault(503, body)).startswith("503")


def test_endless_nesting_is_borne() -> None:
    inner: dict = {"code": "deep"}
    for _ in range(500):
        inner = {"code": "x", "innerError": inner}
    assert read_fault(400, {"error": inner}).http == 400


@pytest.mark.parametrize(
    ("found", "dead"),
    [
        (fault(410, "SyncStateNotFound"), True),
        (fault(410, "whoKnows"), True),
        (fault(410), True),
        (fault(400, "syncStateNotFound"), True),
        (fault(400, "badRequest", innerCode="x", code2="y"), False),
        (read_fault(400, {"error": {"code": "badRequest", "innererror": {"code": "ResyncRequired"}}}), True),
        (fault(400, "BadRequest"), False),
        (fault(404, "SyncStateNotFound"), False),
    ],
)
def test_what_a_dead_cursor_is(found, dead) -> None:
    assert isinstance(dead_cursor(found, "x"), CursorExpired) is dead


@pytest.mark.parametrize(
    "found",
    [
        fault(404, "MailboxNotEnabledForRESTAPI", "REST API is not yet supported for this mailbox."),
        fault(404, "ResourceNotFound", "Resource could not be discovered."),
        fault(404, "ErrorInvalidUser", "The requested user 'x' is invalid."),
        fault(404, "Request_ResourceNotFound"),
        fault(404, "ErrorNonExistentMailbox"),
        fault(401, "AuthenticationError"),
        fault(403, "ErrorAccessDenied", "Access to OData is disabled."),
    ],
)
def test_accounts_without_a_mailbox(found) -> None:
    assert isinstance(no_mailbox(found, "mail"), AccountGone)


@pytest.mark.parametrize(
    "found",
    [
        fault(404, "ErrorItemNotFound"),
        fault(404, "ErrorFolderNotFound"),
        fault(404),
        fault(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again."),
        fault(500, "ErrorInternalServerError"),
    ],
)
def test_what_says_nothing_about_the_mailbox(found) -> None:
    assert no_mailbox(found, "mail") is None


@pytest.mark.parametrize(
    "found",
    [
        fault(404, "ResourceNotFound", "User's mysite not found."),
        fault(400, "BadRequest", "Unable to retrieve user's mysite URL."),
        fault(400, "UnknownError", "Unable to retrieve user's mysite URL."),
        read_fault(404, b"FILE NOT FOUND"),
        fault(429, "", "User's mysite not found."),
        fault(401, "unauthenticated"),
        fault(400, "BadRequest", "Tenant does not have a SPO license."),
    ],
)
def test_users_without_a_onedrive(found) -> None:
    assert isinstance(no_drive(found, "files"), AccountGone)


def test_other_refusals_of_drives_are_not_missing_drives() -> None:
    assert no_drive(fault(403, "accessDenied"), "files") is None
    assert no_drive(fault(400, "invalidRequest"), "files") is None


@pytest.mark.parametrize(
    ("found", "kind", "code"),
    [
        (fault(403, "Authorization_RequestDenied"), Forbidden, "SYN-MICROSOFT-010"),
        (fault(403, "ErrorAccessDenied"), Forbidden, "SYN-MICROSOFT-010"),
        (fault(423, "accessDenied", code2=""), Forbidden, "SYN-MICROSOFT-012"),
        (fault(401, "InvalidAuthenticationToken"), AuthFailed, "SYN-AUTH-001"),
        (fault(410, "x"), CursorExpired, "SYN-CURSOR-001"),
        (fault(400, "BadRequest"), ProtocolError, "SYN-PROTO-001"),
        (fault(501, "NotImplemented"), ProtocolError, "SYN-PROTO-001"),
    ],
)
def test_what_is_raised(found, kind, code) -> None:
    error = refusal(found, "mail", "mail")
    assert type(error) is kind
    assert error.code == code


def test_a_missing_permission_is_named() -> None:
    for stream, permission in (("mail", "Mail.Read"), ("contacts", "Contacts.Read"), ("users", "User.Read.All")):
        assert permission in str(refusal(fault(403, "ErrorAccessDenied"), stream, stream))


def test_codes_are_unique_and_hint_at_entra() -> None:
    codes = [entry.code for entry in CATALOGUE]
    assert len(set(codes)) == len(codes)
    assert all(entry.hint and entry.meaning and entry.action for entry in CATALOGUE)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "10"}, 10.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        ({}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"RateLimit-Limit": "1200", "RateLimit-Remaining": "0", "RateLimit-Reset": "31"}, 31.0),
    ],
)
def test_retry_after_in_all_its_forms(headers, wait) -> None:
    found = later(answer(429, headers=headers))
    assert isinstance(found, RateLimited)
    assert found.retry_after == wait


@pytest.mark.parametrize(
    ("path", "stream", "scope"),
    [
        ("/users/u/mailFolders/f/messages/delta", "mail", "account"),
        ("/users/u/mailfolders/f/messages/delta?$skiptoken=x", "mail", "account"),
        ("/users/u/contactFolders/f/contacts/delta", "contacts", "account"),
        ("/users/u/calendarView/delta", "calendar", "account"),
        ("/users/u/calendars/c/calendarView/delta", "calendar", "account"),
        ("/users/u/events/e", "calendar", "account"),
        ("/users/u/mailboxSettings", None, "account"),
        ("/$batch", "mail", "account"),
        ("/$batch", None, "connection"),
        ("/$batch", "files", "connection"),
        ("/users/u/drive/root/delta", "files", "connection"),
        ("/drives/d/items/i/content", "files", "connection"),
        ("/users", None, "connection"),
        ("/subscriptions", "mail", "connection"),
    ],
)
def test_whose_budget_a_throttle_speaks_of(path, stream, scope) -> None:
    found = later(answer(429, path, stream=stream))
    assert isinstance(found, RateLimited)
    assert found.scope == scope


def test_503_with_a_time_is_a_throttle_and_without_one_a_fault() -> None:
    assert isinstance(later(answer(503, headers={"Retry-After": "9"})), RateLimited)
    assert type(later(answer(503))) is Transient
    assert type(later(answer(504))) is Transient


def test_a_mysite_429_is_no_throttle() -> None:
    assert later(answer(429, "/users/u/drive", message="User's mysite not found.")) is None


def test_corrupt_items_and_full_mailboxes_are_not_asked_again() -> None:
    assert later(answer(500, code="ErrorCorruptData")) is None
    assert later(answer(507, code="ErrorQuotaExceeded")) is None
    assert type(later(answer(500, code="ErrorInternalServerError"))) is Transient


def test_the_bandwidth_cap_is_a_long_wait() -> None:
    found = later(answer(509, "/drives/d/root/delta"))
    assert isinstance(found, RateLimited)
    assert found.retry_after is not None
    assert found.retry_after >= 60


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 412])
def test_all_else_is_not_later(status) -> None:
    assert later(answer(status, code="x")) is None


def test_sharepoints_budget_is_slowed_down_on_sight() -> None:
    used_up = answer(200, headers={"RateLimit-Limit": "1200", "RateLimit-Remaining": "0", "RateLimit-Reset": "31"})
    found = slow_down(used_up)
    assert found is not None
    assert (found.retry_after, found.scope) == (31.0, "connection")
    assert slow_down(answer(200)) is None
    some = answer(200, headers={"RateLimit-Limit": "1200", "RateLimit-Remaining": "120", "RateLimit-Reset": "30"})
    assert slow_down(some).retry_after == 0.5
    half = answer(200, headers={"RateLimit-Limit": "1200", "RateLimit-Remaining": "600", "RateLimit-Reset": "31"})
    assert slow_down(half) is None
