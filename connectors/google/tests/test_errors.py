"""What an answer of 400 or above means (wire reference §1.4, §3.2, §13.18)."""

from datetime import UTC, datetime

import httpx
import pytest
from syncd_google import GoogleConnector
from syncd_google.api import Api
from syncd_google.errors import CATALOGUE, fault_of, read_fault, refusal

from syncd.sdk import AccountGone, AuthFailed, Forbidden, ProtocolError, RateLimited, Transient

CALENDAR = "https://www.googleapis.com/calendar/v3/calendars/c/events"
DRIVE = "https://www.googleapis.com/drive/v3/files"
GMAIL = "https://gmail.googleapis.com/gmail/v1/users/me/messages"
PEOPLE = "https://people.googleapis.com/v1/people/me/connections"
ADMIN = "https://admin.googleapis.com/admin/directory/v1/users"
DATE = {"Date": "Tue, 07 Mar 2023 18:18:00 GMT"}


def error(http: int, reason: str = "", message: str = "", url: str = DRIVE, headers=None, **more) -> httpx.Response:
    body = {"code": http, "message": message, **more}
    if reason:
        body["errors"] = [{"domain": "usageLimits", "reason": reason, "message": message}]
    return httpx.Response(http, json={"error": body}, headers=headers, request=httpx.Request("GET", url))


def text(http: int, body: str, headers=None, url: str = ADMIN) -> httpx.Response:
    return httpx.Response(http, text=body, headers=headers, request=httpx.Request("GET", url))


PER_USER = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'gmail.googleapis.com' for consumer 'project_number:1'."
PER_PROJECT = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'gmail.googleapis.com' for consumer 'project_number:1'."
RATE_INFO = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"}]
LATER = [
    (error(403, "userRateLimitExceeded", "User Rate Limit Exceeded", CALENDAR), None, "account"),
    (error(403, "rateLimitExceeded", "Rate Limit Exceeded", CALENDAR), None, "lane"),
    (error(429, "rateLimitExceeded", "Rate Limit Exceeded", CALENDAR), None, "lane"),
    (error(403, "quotaExceeded", "Calendar usage limits exceeded.", CALENDAR), 3600, "account"),
    (error(403, "userRateLimitExceeded", "User rate limit exceeded."), None, "account"),
    (error(429, "rateLimitExceeded", "Rate limit exceeded"), None, "lane"),
    (error(403, "sharingRateLimitExceeded"), 3600, "account"),
    (error(403, "rateLimitExceeded", PER_USER, GMAIL), None, "account"),
    (error(403, "rateLimitExceeded", PER_PROJECT, GMAIL), None, "lane"),
    (error(429, "rateLimitExceeded", "Too many concurrent requests for user", GMAIL), None, "account"),
    (error(429, "rateLimitExceeded", "User-rate limit exceeded.  Retry after 2023-03-07T18:18:23.688Z", GMAIL, DATE), 23.688, "account"),
    (error(429, "rateLimitExceeded", "User-rate limit exceeded.  Retry after 2023-03-07T18:17:00.000Z", GMAIL, DATE), None, "account"),
    (error(429, "rateLimitExceeded", "User-rate limit exceeded.  Retry after 2093-03-07T18:17:00.000Z", GMAIL, DATE), None, "account"),
    (error(429, "rateLimitExceeded", "Resource has been exhausted (e.g. check quota).", GMAIL), None, "account"),
    (error(403, "userRateLimitExceeded", "", ADMIN), None, "account"),
    (error(403, "quotaExceeded", "", ADMIN), None, "account"),
    (error(403, "forbidden", "Request rate higher than configured.", ADMIN), None, "account"),
    (error(429, "", "Resource has been exhausted (e.g. check quota).", PEOPLE, status="RESOURCE_EXHAUSTED"), None, "account"),
    (error(403, "", "Quota exceeded for quota metric 'Critical read requests'", PEOPLE, details=RATE_INFO), None, "account"),
    (error(403, "dailyLimitExceeded", "", GMAIL, DATE), 13 * 3600 + 42 * 60, "lane"),
    (text(403, "quota exceeded for quota metric 'x'"), None, "account"),
    (text(429, "<html>"), None, "account"),
    (text(429, "", {"Retry-After": "7"}), 7, "account"),
    (text(503, "", {"Retry-After": "7"}), 7, "account"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "wait", "scope"), LATER)
def test_throttling(answer, wait, scope) -> None:
    told = GoogleConnector().retryable(answer)
    assert isinstance(told, RateLimited)
    assert told.retry_after == (pytest.approx(wait) if wait is not None else None)
    assert told.scope == scope


@pytest.mark.anyio
@pytest.mark.parametrize("api", ["people", "calendar", "drive", "gmail", "admin"])
async def test_each_api_has_a_lane_so_that_its_project_quota_holds_back_no_other(google, api) -> None:
    google.answer = lambda request: httpx.Response(200, json={})
    await Api(google.context(), api, None).get("/x", "x", {})
    assert google.requests[0].extensions["syncd.lane"] == api
    assert GoogleConnector.info.limits.lanes[api].per == "connection"


@pytest.mark.parametrize(
    "answer",
    [
        error(500, "backendError", "Backend Error"),
        error(503, status="UNAVAILABLE"),
        text(502, "<html>"),
        text(504, ""),
        text(408, ""),
    ],
)
def test_backend_faults_are_transient(answer) -> None:
    assert isinstance(GoogleConnector().retryable(answer), Transient)


BAD_TOKEN = "Request had invalid authentication credentials. Expected OAuth 2 access token"
FINAL = [
    (error(403, "domainPolicy"), Forbidden, "SYN-GOOGLE-007"),
    (error(403, "forbidden", "The caller does not have permission"), Forbidden, "SYN-AUTH-002"),
    (error(403, "insufficientPermissions", "Request had insufficient authentication scopes."), Forbidden, "SYN-GOOGLE-004"),
    (error(403, "", "x", details=[{"@type": "t/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]), Forbidden, "SYN-GOOGLE-004"),
    (error(403, "accessNotConfigured"), Forbidden, "SYN-GOOGLE-005"),
    (error(403, "", "x", details=[{"@type": "t/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}]), Forbidden, "SYN-GOOGLE-005"),
    (error(403, "exportSizeLimitExceeded", "This file is too large to be exported."), Forbidden, "SYN-AUTH-002"),
    (error(403, "notACalendarUser", "The user must be signed up for Google Calendar."), AccountGone, "SYN-ACCOUNT-001"),
    (error(403, "", "the authenticated user cannot access this service"), AccountGone, "SYN-ACCOUNT-001"),
    (error(401, "authError", "the authenticated user cannot access this service"), AccountGone, "SYN-ACCOUNT-001"),
    (error(401, "authError", BAD_TOKEN, status="UNAUTHENTICATED"), Forbidden, "SYN-GOOGLE-007"),
    (error(400, "failedPrecondition", "Mail service not enabled"), AccountGone, "SYN-ACCOUNT-001"),
    (error(400, "failedPrecondition", "Precondition check failed.", CALENDAR), ProtocolError, "SYN-PROTO-001"),
    (error(400, "", "Precondition check failed.", PEOPLE, status="FAILED_PRECONDITION"), ProtocolError, "SYN-PROTO-001"),
    (error(400, "invalid", "Bad"), ProtocolError, "SYN-PROTO-001"),
    (error(404, "notFound"), ProtocolError, "SYN-PROTO-001"),
    (text(403, "<html>nope"), Forbidden, "SYN-AUTH-002"),
    (text(400, ""), ProtocolError, "SYN-PROTO-001"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "kind", "code"), FINAL)
def test_trap_18_not_every_403_is_a_rate_limit(answer, kind, code) -> None:
    assert GoogleConnector().retryable(answer) is None
    told = refusal(fault_of(answer), "x")
    assert type(told) is kind
    assert told.code == code


def test_one_users_refused_token_is_the_connections_failure() -> None:
    assert isinstance(refusal(read_fault(401, b"{}"), "x", single=True), AuthFailed)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"7",
        b'{"error":{"errors":[7],"details":[7]}}',
        b'{"error":{"errors":{},"details":{"a":1}}}',
        b"\xff",
        b'{"error":null}',
    ],
)
def test_any_body_can_be_read(body) -> None:
    assert read_fault(418, body).http == 418


def test_daily_limit_without_a_date_waits() -> None:
    told = GoogleConnector().retryable(error(403, "dailyLimitExceeded"))
    assert told.retry_after >= 60
    assert datetime.now(UTC)


def test_catalogue_is_complete() -> None:
    assert GoogleConnector.info.errors == CATALOGUE
    assert len({entry.code for entry in CATALOGUE}) == len(CATALOGUE)
    assert all(entry.hint and entry.meaning and entry.action for entry in CATALOGUE)
