"""The organisation's users, their roles and what they have (wire reference §9, §10)."""

from typing import Any

import httpx
import pytest
from microsoft_answers import ROOT, TENANT, Microsoft, fail, is_batch, items_of, where
from syncd_microsoft.people import FIELDS

from syncd.sdk import Account, AuthFailed, Bookmark, CursorExpired, Departed, Forbidden, ProtocolError, Scan, Secret

pytestmark = pytest.mark.anyio
ADMIN = "62e90394-69f5-4237-9190-012177145e10"
DELTA = f"{ROOT}/users/delta?$deltatoken=d0"
SKU = [{"skuId": "x", "disabledPlans": []}]


def user(one: str, **more: Any) -> dict[str, Any]:
    found = {
        "id": one,
        "displayName": one.title(),
        "mail": f"{one}@acme.example",
        "userPrincipalName": f"{one}@acme.onmicrosoft.example",
        "accountEnabled": True,
        "userType": "Member",
        "assignedLicenses": SKU,
    }
    return {**found, **more}


class Tenant:
    """A directory in routes."""

    def __init__(self, *users: dict[str, Any]) -> None:
        self.users = list(users)
        self.changes: list[dict[str, Any]] = []
        self.roles: dict[str, tuple[str, list[dict[str, Any]]]] = {}
        self.purposes: dict[str, Any] = {}
        self.special: dict[str, Any] = {}

    def __call__(self, asked: str) -> Any:
        path = asked.split("?")[0]
        for found in (self.special.get(asked), self.special.get(path)):
            if found is not None:
                return found
        parts = path.strip("/").split("/")
        if path == "/users/delta":
            return {"value": self.changes if "latest" not in asked else [], "@odata.deltaLink": DELTA}
        if path == "/users":
            return {"value": self.users}
        if path == "/organization":
            return {"value": [{"id": TENANT}]}
        if path == "/directoryRoles":
            return {"value": [{"id": one, "roleTemplateId": template} for one, (template, _) in self.roles.items()]}
        if parts[0] == "directoryRoles":
            return {"value": self.roles[parts[1]][1]}
        if parts[-1] == "mailboxSettings":
            return self.purposes.get(parts[1], {"userPurpose": "user"})
        if parts[0] == "users" and len(parts) == 2:
            return next((one for one in self.users if one["id"] == parts[1]), fail(404, "Request_ResourceNotFound"))
        return {"id": "here"}


def member(one: str, kind: str = "user") -> dict[str, Any]:
    return {"@odata.type": f"#microsoft.graph.{kind}", "id": one}


async def imported(microsoft: Microsoft, tenant: Tenant, **more: Any) -> tuple[dict[str, Account], list[Any]]:
    class Everything(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            return tenant(key)

    microsoft.routes(Everything())
    found = await microsoft.accounts(**more)
    return {one.id: one for one in found if isinstance(one, Account)}, [
        one for one in found if not isinstance(one, Account)
    ]


async def again(microsoft: Microsoft, tenant: Tenant, place: Any) -> tuple[dict[str, Account], list[Any]]:
    return await imported(microsoft, tenant, scan=Scan.DELTA, cursor=place)


async def test_accounts_have_address_name_state_and_organisation(microsoft) -> None:
    tenant = Tenant(
        user("ana"),
        user("bob", mail=None),
        user("eve", userType="Guest", userPrincipalName="eve_x#EXT#@acme.example"),
        user("old", accountEnabled=False),
    )
    found, rest = await imported(microsoft, tenant)
    assert {one: account.state for one, account in found.items()} == {
        "ana": "active", "bob": "active", "eve": "guest", "old": "disabled",
    }  # fmt: skip
    assert found["ana"].address == "ana@acme.example"
    assert found["bob"].address == "bob@acme.onmicrosoft.example"
    assert found["ana"].name == "Ana"
    assert {account.organization for account in found.values()} == {TENANT}
    assert rest == [Bookmark(place())]


async def test_what_is_not_in_the_default_set_is_asked_for_in_large_pages(microsoft) -> None:
    await imported(microsoft, Tenant(user("ana")))
    (listing,) = [request for request in microsoft.requests if where(request).startswith("/users?")]
    asked = where(listing)
    assert "$top=999" in asked
    for field in ("accountEnabled", "userType", "assignedLicenses", "userPrincipalName", "mail"):
        assert field in asked


async def test_the_place_of_the_next_import_is_taken_before_the_listing(microsoft) -> None:
    await imported(microsoft, Tenant(user("ana")))
    order = [where(request).split("?")[0] for request in microsoft.requests]
    assert order.index("/users/delta") < order.index("/users")


async def test_pages_are_followed(microsoft) -> None:
    tenant = Tenant()
    link = f"{ROOT}/users?$skiptoken=2"
    first = "/users?$select=id,displayName,mail,userPrincipalName,accountEnabled,userType,assignedLicenses&$top=999"
    tenant.special = {
        first: {"value": [user("ana")], "@odata.nextLink": link},
        "/users?$skiptoken=2": {"value": [user("bob")]},
    }
    found, _ = await imported(microsoft, tenant)
    assert set(found) == {"ana", "bob"}


async def test_roles_of_members(microsoft) -> None:
    tenant = Tenant(user("ana"), user("bob"), user("cat"), user("dan"))
    tenant.roles = {
        "r1": (ADMIN, [member("ana"), member("g", "group"), member("p", "servicePrincipal")]),
        "r2": ("other", [member("ana"), member("bob")]),
        "r3": ("third", [member("dan", "group")]),
    }
    found, rest = await imported(microsoft, tenant)
    assert {one: account.role for one, account in found.items()} == {
        "ana": "admin", "bob": "delegated_admin", "cat": "user", "dan": "user",
    }  # fmt: skip
    assert rest[0].value["roles"] == {"ana": "admin", "bob": "delegated_admin"}


async def test_without_permission_for_roles_everybody_is_a_user_and_it_is_said(microsoft) -> None:
    tenant = Tenant(user("ana"))
    tenant.special = {"/directoryRoles": fail(403, "Authorization_RequestDenied")}
    found, rest = await imported(microsoft, tenant)
    assert found["ana"].role == "user"
    assert rest[0].value["roles"] is None
    assert any("roles" in line for line in microsoft.log.lines)


@pytest.mark.parametrize("kind", ["shared", "room", "equipment"])
async def test_mailboxes_without_a_person_are_active_though_their_sign_in_is_blocked(microsoft, kind) -> None:
    tenant = Tenant(user("hall", accountEnabled=False, assignedLicenses=[]), user("left", accountEnabled=False))
    tenant.purposes = {"hall": {"userPurpose": kind}}
    found, _ = await imported(microsoft, tenant)
    assert (found["hall"].state, found["hall"].kind) == ("active", kind)
    assert (found["left"].state, found["left"].kind) == ("disabled", "person")


async def test_the_mailboxs_kind_is_asked_for_only_where_it_matters(microsoft) -> None:
    await imported(microsoft, Tenant(user("ana"), user("hall", accountEnabled=False), user("eve", userType="Guest")))
    asked = [item["url"] for request in microsoft.requests if is_batch(request) for item in items_of(request)]
    assert [url for url in asked if "mailboxSettings" in url] == ["/users/hall/mailboxSettings"]
    assert not any("/users/eve/" in url for url in asked)


async def test_a_refused_look_at_the_mailboxs_kind_is_borne(microsoft) -> None:
    tenant = Tenant(user("hall", accountEnabled=False))
    tenant.purposes = {"hall": fail(403, "ErrorAccessDenied")}
    found, _ = await imported(microsoft, tenant)
    assert (found["hall"].state, found["hall"].kind) == ("disabled", "person")


async def test_users_without_mailbox_or_onedrive_have_states(microsoft) -> None:
    tenant = Tenant(user("ana"), user("bob"), user("cat"), user("dan"))
    tenant.special = {
        "/users/bob/mailFolders/inbox": fail(404, "MailboxNotEnabledForRESTAPI"),
        "/users/cat/mailFolders/inbox": fail(404, "ResourceNotFound"),
        "/users/bob/drive": fail(404, "ResourceNotFound", "User's mysite not found."),
        "/users/dan/drive": fail(429, "", "User's mysite not found."),
    }
    found, _ = await imported(microsoft, tenant)
    no_mailbox = dict.fromkeys(("contacts", "calendar", "mail"), "unavailable: no mailbox")
    assert found["ana"].streams == {}
    assert found["bob"].streams == {**no_mailbox, "files": "unavailable: no OneDrive"}
    assert found["cat"].streams == no_mailbox
    assert found["dan"].streams == {"files": "unavailable: no OneDrive"}


async def test_what_cannot_be_told_now_is_taken_as_there(microsoft) -> None:
    tenant = Tenant(user("ana"))
    tenant.special = {
        "/users/ana/mailFolders/inbox": fail(403, "ErrorAccessDenied"),
        "/users/ana/drive": fail(500, "generalException"),
    }
    found, _ = await imported(microsoft, tenant)
    assert found["ana"].streams == {}


async def test_probes_go_in_batches_of_20_users(microsoft) -> None:
    await imported(microsoft, Tenant(*[user(f"u{number}") for number in range(45)]))
    batches = [items_of(request) for request in microsoft.requests if is_batch(request)]
    assert sorted(len(items) for items in batches) == [5, 5, 20, 20, 20, 20]
    for items in batches:
        owners = [item["url"].split("/")[2] for item in items]
        assert len(set(owners)) == len(owners), "no mailbox sees two items of one batch"
        assert not any("dependsOn" in item for item in items)


async def test_users_that_may_not_be_listed_end_the_import(microsoft) -> None:
    tenant = Tenant()
    tenant.special = {"/users": fail(403, "Authorization_RequestDenied"), "/users/delta": fail(403, "x")}
    with pytest.raises(Forbidden, match=r"User\.Read\.All"):
        await imported(microsoft, tenant)


async def test_a_refused_token_is_the_connections_failure(microsoft) -> None:
    tenant = Tenant()
    tenant.special = {path: fail(401, "InvalidAuthenticationToken") for path in ("/users", "/users/delta")}
    with pytest.raises(AuthFailed):
        await imported(microsoft, tenant)


@pytest.mark.parametrize("broken", [{"value": 5}, {"value": [{"displayName": "x"}]}, {"value": [7]}, []])
async def test_an_incomplete_listing_is_none(microsoft, broken) -> None:
    tenant = Tenant()
    tenant.special = {"/users": httpx.Response(200, json=broken)}
    with pytest.raises(ProtocolError):
        await imported(microsoft, tenant)


async def test_where_there_is_no_delta_every_import_is_a_full_one(microsoft) -> None:
    tenant = Tenant(user("ana"))
    tenant.special = {"/users/delta": fail(400, "Request_UnsupportedQuery")}
    found, rest = await imported(microsoft, tenant)
    assert set(found) == {"ana"}
    assert rest == []


def place(roles: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "delta": DELTA,
        "roles": {} if roles is None else roles,
        "organization": TENANT,
        "absent": {},
        **more,
    }


async def test_a_delta_import_tells_what_changed_and_no_more(microsoft) -> None:
    tenant = Tenant(user("ana"), user("bob"), user("cat"))
    tenant.changes = [user("bob", displayName="Robert"), {"id": "old", "@removed": {"reason": "changed"}}]
    found, rest = await again(microsoft, tenant, place())
    assert set(found) == {"bob"}
    assert found["bob"].name == "Robert"
    assert rest == [Departed("old", "soft-deleted"), Bookmark(place())]
    assert str(microsoft.requests[0].url) == DELTA
    assert "/organization" not in [where(request).split("?")[0] for request in microsoft.requests]


async def test_nothing_changed_is_a_few_requests(microsoft) -> None:
    found, rest = await again(microsoft, Tenant(user("ana")), place())
    assert (found, rest) == ({}, [Bookmark(place())])
    assert len(microsoft.requests) == 2


async def test_the_last_word_on_a_user_counts(microsoft) -> None:
    tenant = Tenant()
    tenant.changes = [
        {"id": "back", "@removed": {"reason": "changed"}},
        user("back"),
        user("gone"),
        {"id": "gone", "@removed": {"reason": "deleted"}},
    ]
    found, rest = await again(microsoft, tenant, place())
    assert set(found) == {"back"}
    assert rest[0] == Departed("gone", "deleted")


async def test_a_user_of_whom_only_a_part_came_is_fetched(microsoft) -> None:
    tenant = Tenant(user("ana", displayName="Ana Díaz", accountEnabled=False))
    tenant.changes = [{"id": "ana", "displayName": "Ana Díaz"}]
    found, _ = await again(microsoft, tenant, place())
    assert (found["ana"].name, found["ana"].address, found["ana"].state) == ("Ana Díaz", "ana@acme.example", "disabled")


@pytest.mark.parametrize("absent", FIELDS.split(",")[1:])
async def test_what_a_change_leaves_out_is_as_before(microsoft, absent: str) -> None:
    """As a user who is not named by the address, has a name, and a mailbox without a licence."""
    ana = user("ana", userPrincipalName="ana@acme.onmicrosoft.com", assignedLicenses=[], displayName="Ana")
    tenant = Tenant(ana)
    (whole,) = (await imported(microsoft, tenant))[0].values()
    tenant.changes = [{key: value for key, value in ana.items() if key != absent}]
    found, _ = await again(microsoft, tenant, place())
    assert found == {"ana": whole}
    assert any(f"/users/ana?$select={FIELDS}" in item["url"] for ask in microsoft.requests for item in _items(ask))


def _items(request: httpx.Request) -> list[dict[str, Any]]:
    return items_of(request) if is_batch(request) else []


async def test_roles_that_changed_are_found_without_a_word_on_the_users(microsoft) -> None:
    tenant = Tenant(user("ana"), user("bob"), user("cat"))
    tenant.roles = {"r1": (ADMIN, [member("bob"), member("cat")])}
    found, rest = await again(microsoft, tenant, place({"ana": "admin", "cat": "admin"}))
    assert {one: account.role for one, account in found.items()} == {"ana": "user", "bob": "admin"}
    assert rest == [Bookmark(place({"bob": "admin", "cat": "admin"}))]


async def test_whoever_lacked_something_is_looked_at_again(microsoft) -> None:
    tenant = Tenant(user("ana"), user("bob"))
    tenant.special = {"/users/bob/drive": fail(404, "ResourceNotFound", "User's mysite not found.")}
    _, rest = await imported(microsoft, tenant)
    assert rest[0].value["absent"] == {"bob": ["files"]}
    assert await again(microsoft, tenant, rest[0].value) == ({}, rest), "and not told of while nothing changed"
    tenant.special.clear()
    found, rest = await again(microsoft, tenant, rest[0].value)
    assert {one: dict(account.streams) for one, account in found.items()} == {"bob": {}}
    assert rest[0].value["absent"] == {}


async def test_a_place_of_another_graph_starts_a_full_import(microsoft) -> None:
    with pytest.raises(CursorExpired):
        await again(microsoft, Tenant(), place(delta="https://graph.microsoft.us/v1.0/users/delta?$deltatoken=x"))


async def test_an_unknown_organisation_is_named_by_its_tenant_id(microsoft) -> None:
    tenant = Tenant(user("ana"))
    tenant.special = {"/organization": fail(403, "Authorization_RequestDenied")}
    found, _ = await imported(microsoft, tenant)
    assert found["ana"].organization == TENANT


@pytest.mark.parametrize("status", [400, 410])
async def test_a_dead_place_starts_a_full_import(microsoft, status) -> None:
    tenant = Tenant()
    tenant.special = {"/users/delta": fail(status, "syncStateNotFound")}
    with pytest.raises(CursorExpired):
        await again(microsoft, tenant, place())


@pytest.mark.parametrize("old", [{"v": 9}, {"v": 1}, {"v": 1, "delta": 5}])
async def test_a_place_that_cannot_be_used_starts_a_full_import(microsoft, old) -> None:
    with pytest.raises(CursorExpired):
        await again(microsoft, Tenant(), old)


async def test_one_users_credential_sees_that_user() -> None:
    microsoft = Microsoft(refresh_token=Secret(lambda: "0.refresh", "${env:R}"))
    microsoft.routes({"/me": user("ana")})
    found = await microsoft.accounts()
    assert [(one.id, one.address, one.state) for one in found] == [("ana", "ana@acme.example", "active")]


# -- check


async def checked(microsoft: Microsoft, tenant: Tenant) -> dict[str, str]:
    class Everything(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            return tenant(key)

    microsoft.routes(Everything())
    return dict(await microsoft.connector.check(microsoft.context(None, partition=None)))


async def test_check_of_a_good_credential(microsoft) -> None:
    found = await checked(microsoft, Tenant(user("ana")))
    assert found == dict.fromkeys(("contacts", "calendar", "files", "mail"), "ready")


async def test_check_names_each_missing_permission_and_where_to_click(microsoft) -> None:
    tenant = Tenant(user("ana"), user("bob"))
    for one in ("ana", "bob"):
        tenant.special[f"/users/{one}/mailFolders"] = fail(403, "ErrorAccessDenied")
        tenant.special[f"/users/{one}/drive"] = fail(403, "accessDenied")
    found = await checked(microsoft, tenant)
    assert found["contacts"] == "ready"
    assert "Mail.Read" in found["mail"]
    assert "Files.Read.All" in found["files"]
    assert "API permissions" in found["mail"]


async def test_check_asks_another_user_where_one_has_no_mailbox(microsoft) -> None:
    tenant = Tenant(user("ana"), user("bob"))
    tenant.special["/users/ana/mailFolders"] = fail(404, "MailboxNotEnabledForRESTAPI")
    tenant.special["/users/ana/drive"] = fail(404, "ResourceNotFound", "User's mysite not found.")
    found = await checked(microsoft, tenant)
    assert set(found.values()) == {"ready"}


async def test_check_says_that_users_cannot_be_listed(microsoft) -> None:
    tenant = Tenant()
    tenant.special = {"/users": fail(403, "Authorization_RequestDenied")}
    found = await checked(microsoft, tenant)
    assert "User.Read.All" in found["import"]
    assert all(state != "ready" for state in found.values())


async def test_check_says_that_roles_are_missing(microsoft) -> None:
    tenant = Tenant(user("ana"))
    tenant.special = {"/directoryRoles": fail(403, "Authorization_RequestDenied")}
    found = await checked(microsoft, tenant)
    assert "RoleManagement.Read.Directory" in found["import"]
    assert found["mail"] == "ready"


async def test_check_of_a_refused_credential_is_auth_failed(microsoft) -> None:
    microsoft.token = lambda request: httpx.Response(
        401, json={"error": "invalid_client", "error_description": "AADSTS7000215: x", "error_codes": [7000215]}
    )
    with pytest.raises(AuthFailed):
        await checked(microsoft, Tenant())
