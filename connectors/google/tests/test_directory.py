"""Accounts and the credential check (wire reference §8)."""

import httpx
import pytest
from syncd_google import GoogleConnector

from syncd.sdk import Account, AuthFailed, Forbidden, ProtocolError

pytestmark = pytest.mark.anyio
ANA = {
    "id": "1",
    "primaryEmail": "ana@acme.example",
    "name": {"fullName": "Ana Díaz"},
    "isAdmin": True,
    "customerId": "C0",
    "isMailboxSetup": True,
}
BOB = {
    "id": "2",
    "primaryEmail": "bob@acme.example",
    "isAdmin": False,
    "isDelegatedAdmin": True,
    "suspended": True,
    "customerId": "C0",
}
CAT = {"id": "3", "primaryEmail": "cat@acme.example", "archived": True, "isMailboxSetup": False}


def params(request: httpx.Request) -> dict[str, str]:
    return dict(request.url.params.multi_items())


async def listed(google) -> list[Account]:
    return [one async for one in google.connector.accounts(google.context(account=None))]


async def test_users_with_roles_states_and_services(google) -> None:
    google.replies(
        httpx.Response(200, json={"users": [ANA, BOB], "nextPageToken": "p"}),
        httpx.Response(200, json={"users": [CAT]}),
    )
    assert await listed(google) == [
        Account("1", "ana@acme.example", "Ana Díaz", "admin", "active", {}, "C0"),
        Account("2", "bob@acme.example", "", "delegated_admin", "suspended", {}, "C0"),
        Account("3", "cat@acme.example", "", "user", "archived", {"mail": "unavailable: no mailbox"}, None),
    ]


async def test_trap_28_customer_is_always_named_and_deleted_users_are_not_asked_for(google) -> None:
    google.replies(httpx.Response(200, json={}))
    assert await listed(google) == [], "trap 23: no users key when empty"
    asked = params(google.requests[0])
    assert asked["customer"] == "my_customer"
    assert asked["maxResults"] == "500"
    assert "showDeleted" not in asked
    assert asked["fields"].startswith("nextPageToken,")


async def test_trap_29_users_are_keyed_by_id(google) -> None:
    google.answer = lambda request: httpx.Response(200, json={"users": [ANA]})
    before = await listed(google)
    google.answer = lambda request: httpx.Response(
        200, json={"users": [{**ANA, "primaryEmail": "ana.diaz@acme.example"}]}
    )
    after = await listed(google)
    assert before[0].id == after[0].id


@pytest.mark.parametrize("user", [{"id": ""}, {"primaryEmail": "a@b.c"}, {"id": 7, "primaryEmail": "a@b.c"}, "x", None])
async def test_an_unreadable_user_fails_the_import(google, user) -> None:
    google.answer = lambda request: httpx.Response(200, json={"users": [ANA, user]})
    with pytest.raises(ProtocolError):
        await listed(google)


@pytest.mark.parametrize("address", [None, "", 7])
async def test_a_user_without_address_is_neither_gone_nor_in_the_others_way(google, address) -> None:
    user = {"id": "9", "name": {"fullName": "New"}} | ({} if address is None else {"primaryEmail": address})
    google.answer = lambda request: httpx.Response(200, json={"users": [user, ANA]})
    new, ana = await listed(google)
    assert (new.id, new.state, new.name) == ("9", "unavailable: no address", "New")
    assert (ana.id, ana.state) == ("1", "active")


async def test_endless_pages_fail_the_import(google) -> None:
    google.answer = lambda request: httpx.Response(200, json={"users": [ANA], "nextPageToken": "p"})
    with pytest.raises(ProtocolError, match="repeats"):
        await listed(google)


async def test_who_is_no_administrator_gets_a_hint(google) -> None:
    message = "Not Authorized to access this resource/api"
    google.answer = lambda request: httpx.Response(
        403,
        json={
            "error": {
                "code": 403,
                "message": message,
                "errors": [{"message": message, "domain": "global", "reason": "forbidden"}],
            }
        },
    )
    with pytest.raises(Forbidden) as caught:
        await listed(google)
    assert caught.value.code == "SYN-GOOGLE-006"


async def test_check_says_per_stream_what_is_missing(google) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "/gmail/" in request.url.path:
            return httpx.Response(
                403,
                json={
                    "error": {
                        "code": 403,
                        "message": "Gmail API has not been used in project 1 before or it is disabled.",
                        "status": "PERMISSION_DENIED",
                        "errors": [{"reason": "accessNotConfigured"}],
                        "details": [
                            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}
                        ],
                    }
                },
            )
        return httpx.Response(200, json={})

    google.answer = answer
    found = await google.connector.check(google.context(account=None))
    assert {stream for stream, state in found.items() if state == "ready"} == {"contacts", "calendar", "files"}
    assert "enable the API" in found["mail"]
    assert set(found) == {"contacts", "calendar", "files", "mail"}


async def test_check_asks_for_each_streams_scopes_although_the_client_belongs_to_none(google) -> None:
    class Engine(httpx.AsyncClient):
        async def send(self, request: httpx.Request, **more) -> httpx.Response:
            request.extensions |= {"syncd.account": None, "syncd.stream": None}
            return await super().send(request, **more)

    google.client = Engine(transport=httpx.MockTransport(google._handle), auth=google.connector.auth(google.settings))
    google.answer = lambda request: httpx.Response(200, json={})
    await google.connector.check(google.context(account=None))
    asked = {request.url.path.split("/")[1]: request.headers["authorization"] for request in google.requests}
    assert len(set(asked.values())) == len(google.token_requests) == 5


async def test_check_with_a_refused_key_raises(google) -> None:
    google.token = lambda request: httpx.Response(
        400, json={"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    )
    with pytest.raises(AuthFailed):
        await google.connector.check(google.context(account=None))


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        ((), Account("777", "me@acme.example", "Me", "admin", organization="C0")),
        (("/admin/",), Account("777", "me@acme.example", "Me D")),
        (("/admin/", "/v1/people"), Account("perm9", "me@acme.example", "Me D")),
        (("/admin/", "/gmail/", "/v1/people"), Account("perm9", "me@acme.example", "Me D")),
        (("/admin/", "/drive/", "/gmail/"), Account("777", "me@acme.example")),
    ],
)
async def test_a_refresh_token_knows_its_own_user(refused, expected) -> None:
    answers = {
        "/drive/v3/about": {
            "user": {"permissionId": "perm9", "emailAddress": "me@acme.example", "displayName": "Me D"}
        },
        "/gmail/v1/users/me/profile": {"emailAddress": "me@acme.example", "historyId": "1"},
        "/admin/directory/v1/users/me@acme.example": {
            "id": "777",
            "primaryEmail": "me@acme.example",
            "name": {"fullName": "Me"},
            "isAdmin": True,
            "customerId": "C0",
        },
        "/v1/people/me": {"metadata": {"sources": [{"type": "CONTACT", "id": "x"}, {"type": "PROFILE", "id": "777"}]}},
        "/calendar/v3/users/me/calendarList/primary": {"id": "me@acme.example"},
    }

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "ya29.x", "expires_in": 3599})
        if any(part in request.url.path for part in refused):
            return httpx.Response(
                403,
                json={
                    "error": {
                        "code": 403,
                        "message": "Request had insufficient authentication scopes.",
                        "status": "PERMISSION_DENIED",
                    }
                },
            )
        return httpx.Response(200, json=answers[request.url.path])

    values = {"client_id": "c", "client_secret": "hush-hush", "refresh_token": "1//refresh"}
    from syncd.sdk import Context, SystemClock

    connector = GoogleConnector()
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle), auth=connector.auth(values)) as client:
        ctx = Context(client, SystemClock(), None, settings=values)
        assert [one async for one in connector.accounts(ctx)] == [expected]
