"""Each trap of the wire reference §18 that concerns sign-in, directory, contacts, mail and batches, by its number."""

from typing import Any

import httpx
import pytest
from microsoft_answers import ANA, BOB, ROOT, Microsoft, batched, fail, is_batch, items_of, knowing, where
from syncd_microsoft.api import IMMUTABLE, Graph
from syncd_microsoft.batch import Batch
from syncd_microsoft.contacts import FIELDS

from syncd.sdk import (
    Account,
    AccountGone,
    AuthFailed,
    Bookmark,
    CursorExpired,
    Departed,
    Forbidden,
    Partition,
    ProtocolError,
    RateLimited,
    Scan,
    StreamInfo,
)
from syncd.testing import Mirror

pytestmark = pytest.mark.anyio
USER = f"/users/{ANA.id}"
CONTACTS = f"{USER}/contactFolders/F1/contacts/delta"
# upper case in a path, escapes in lower case, quotes and brackets: all must go back as they came
ODD = f"{ROOT}{USER}/mailfolders('F1')/messages/microsoft.graph.delta()?$skiptoken=R%2bx%2F-_~!*(a),'b'&$select=subject%2cisRead"
DELTA = f"{ROOT}{CONTACTS}?$deltatoken=d1"
NEXT = f"{ROOT}{CONTACTS}?$skiptoken=n1"


def cursor(link: str) -> dict[str, Any]:
    return {"v": 1, "ids": "immutable", "link": link}


def page(*items: Any, headers: dict[str, str] | None = None, **links: str) -> httpx.Response:
    named = {f"@odata.{name}Link": link for name, link in links.items()}
    return httpx.Response(200, json={"value": list(items), **named}, headers=headers)


def gone(one: str) -> dict[str, Any]:
    return {"id": one, "@removed": {"reason": "deleted"}}


def person(one: str, **more: Any) -> dict[str, Any]:
    return {"id": one, "@odata.etag": f'W/"{one}"', "displayName": one, **more}


def mirrored(mirror: Mirror, partition: str, pages: list[Any]) -> Mirror:
    for found in pages:
        for item in found.items:
            mirror.apply(partition, item)
    return mirror


def mirror_of(microsoft: Microsoft, name: str) -> Mirror:
    info: StreamInfo = microsoft.stream(name).info
    return Mirror(info)


def holding(mirror: Mirror) -> dict[str, Any]:
    return knowing(**{key[1]: kept.tag for key, kept in mirror.live.items()})


async def test_trap_01_links_go_back_byte_for_byte(microsoft) -> None:
    microsoft.replies(page(next=ODD), page(delta=ODD + "2"))
    first, last = await microsoft.pages("mail")
    sent = microsoft.requests[1].url
    assert f"https://graph.microsoft.com{sent.raw_path.decode()}" == ODD
    assert first.resume == cursor(ODD)
    assert last.bookmark == cursor(ODD + "2")
    microsoft.replies(page(delta=ODD))
    await microsoft.pages("mail", scan=Scan.DELTA, cursor=last.bookmark)
    assert microsoft.requests[-1].url.raw_path.decode() == (ODD + "2").removeprefix("https://graph.microsoft.com")


async def test_trap_02_an_empty_page_with_a_link_is_not_the_end(microsoft) -> None:
    microsoft.replies(page(next=NEXT), page(person("a"), delta=DELTA))
    found = await microsoft.pages("contacts")
    assert [one.last for one in found] == [False, True]
    assert [item.source_id for item in found[1].items] == ["a"]


async def test_trap_03_the_bookmark_comes_with_the_last_page_only(microsoft) -> None:
    microsoft.replies(page(person("a"), next=NEXT), page(person("b"), delta=DELTA))
    first, last = await microsoft.pages("contacts")
    assert (first.bookmark, first.resume) == (None, cursor(NEXT))
    assert last.bookmark == cursor(DELTA)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("end", ["gone", "live"])
async def test_trap_04_of_one_id_in_a_round_the_last_occurrence_wins(microsoft, end, split) -> None:
    words = [person("a", title="1"), gone("a") if end == "gone" else person("a", title="2")]
    words = words if end == "gone" else [gone("a"), *words]
    pages = [page(*words[:-1], next=NEXT), page(words[-1], delta=DELTA)] if split else [page(*words, delta=DELTA)]
    microsoft.replies(*pages)
    mirror = mirrored(mirror_of(microsoft, "contacts"), "F1", await microsoft.pages("contacts"))
    mirror.settle()
    assert [kept.data["title"] for kept in mirror.live.values()] == ([] if end == "gone" else ["2"])


async def test_trap_05_a_replayed_item_is_the_same_record(microsoft) -> None:
    whole = person(
        "a",
        **dict.fromkeys(FIELDS - {"displayName"}, "x") | {"emailAddresses": [], "businessPhones": [], "homePhones": []},
    )
    microsoft.replies(page(whole, delta=DELTA), page(whole, whole, delta=DELTA))
    mirror = mirrored(mirror_of(microsoft, "contacts"), "F1", await microsoft.pages("contacts"))
    before = mirror.copy()
    more = await microsoft.pages("contacts", scan=Scan.DELTA, cursor=cursor(DELTA), **holding(mirror))
    assert len(more[0].items) == 1
    assert mirrored(mirror, "F1", more).stable() == before.stable()


async def test_trap_06_a_tombstone_in_the_first_round_says_nothing(microsoft) -> None:
    microsoft.replies(page(gone("never-seen"), person("a"), delta=DELTA))
    mirror = mirrored(mirror_of(microsoft, "contacts"), "F1", await microsoft.pages("contacts"))
    assert mirror.pending == {}
    assert [key[1] for key in mirror.live] == ["a"]


async def test_trap_07_missing_properties_stay_and_null_clears(microsoft) -> None:
    whole = person("a", title="Dr", companyName="Acme", emailAddresses=[{"address": "a@x.example"}])
    update = {"id": "a", "@odata.etag": 'W/"2"', "title": None, "jobTitle": "CEO"}
    microsoft.replies(page(whole, delta=DELTA), page(update, delta=DELTA))
    mirror = mirrored(mirror_of(microsoft, "contacts"), "F1", await microsoft.pages("contacts"))
    mirrored(
        mirror,
        "F1",
        await microsoft.pages("contacts", scan=Scan.DELTA, cursor=cursor(DELTA), **holding(mirror)),
    )
    (kept,) = mirror.live.values()
    assert kept.data["companyName"] == "Acme"
    assert kept.data["emailAddresses"] == [{"address": "a@x.example"}]
    assert kept.data["jobTitle"] == "CEO"
    assert kept.data.get("title") is None


async def test_trap_08_links_in_headers_are_no_links(microsoft) -> None:
    headers = {"@odata.nextLink": NEXT, "@odata.deltaLink": DELTA, "Link": f"<{NEXT}>; rel=next"}
    microsoft.answer = lambda request: page(person("a"), headers=headers)
    with pytest.raises(ProtocolError):
        await microsoft.pages("contacts")
    microsoft.replies(page(person("a"), headers={"@odata.nextLink": NEXT}, delta=DELTA))
    (only,) = await microsoft.pages("contacts")
    assert only.last


async def test_trap_09_no_mailbox_wide_feed_is_ever_asked_for(microsoft) -> None:
    microsoft.answer = lambda request: (
        batched(request, lambda asked: httpx.Response(200, json={"id": "F1", "value": []}))
        if is_batch(request)
        else page(delta=DELTA)
    )
    for name in ("contacts", "mail"):
        await microsoft.partitions(name)
        await microsoft.pages(name)
    asked = {where(request).split("?")[0].lower() for request in microsoft.requests}
    refused = {f"{USER}/{kind}/delta" for kind in ("messages", "events", "contacts")}
    assert not asked & refused
    assert f"{USER}/mailfolders/f1/messages/delta" in asked


async def test_trap_14_the_default_contact_folder_is_mirrored_though_not_listed(microsoft) -> None:
    microsoft.routes(
        {
            f"{USER}/contactFolders": {"value": [{"id": "F2"}]},
            f"{USER}/contactFolders/contacts": {"id": "DEFAULT"},
            f"{USER}/contactFolders/contacts/childFolders": {"value": []},
            f"{USER}/contactFolders/F2/childFolders": {"value": []},
            f"{USER}/contacts": {"value": []},
        }
    )
    assert {one.id for one in await microsoft.partitions("contacts")} == {"DEFAULT", "F2"}


async def test_trap_15_and_16_nested_and_new_folders_are_partitions_of_their_own(microsoft) -> None:
    feed = f"{USER}/mailFolders/delta"
    top, nested = {"id": "top", "parentFolderId": "r"}, {"id": "nested", "parentFolderId": "top"}
    table: dict[str, Any] = {
        f"{USER}/mailFolders": {"value": [top]},
        feed: {"value": [top, nested], "@odata.deltaLink": DELTA},
    }
    microsoft.routes(table)
    assert {one.id for one in await microsoft.partitions("mail")} == {"top", "nested"}
    table[feed] = {"value": [top, nested, {"id": "new", "parentFolderId": "nested"}], "@odata.deltaLink": DELTA}
    found = await microsoft.partitions("mail", partitions=[Partition("top"), Partition("nested")])
    assert "new" in {one.id for one in found}
    microsoft.replies(page({"id": "m", "subject": "s"}, delta=DELTA))
    (first,) = await microsoft.pages("mail", partition=Partition("new"))
    assert "/mailFolders/new/messages/delta" in where(microsoft.requests[-1])
    assert [item.source_id for item in first.items] == ["m"]


@pytest.mark.parametrize("order", [("F1", "F2"), ("F2", "F1")])
async def test_trap_17_a_move_keeps_its_record_in_whichever_order_folders_are_read(microsoft, order) -> None:
    mail = {"id": "m", "subject": "s", "parentFolderId": "F1"}
    rounds = {"F1": page(gone("m"), delta=DELTA), "F2": page({**mail, "parentFolderId": "F2"}, delta=DELTA)}
    microsoft.replies(page(mail, delta=DELTA))
    mirror = mirrored(mirror_of(microsoft, "mail"), "F1", await microsoft.pages("mail"))
    for folder in order:
        microsoft.replies(rounds[folder])
        pages = await microsoft.pages(
            "mail", scan=Scan.DELTA, cursor=cursor(DELTA), partition=Partition(folder), **holding(mirror)
        )
        mirrored(mirror, folder, pages)
    assert mirror.pending == {}
    assert {key[1]: kept.partition for key, kept in mirror.live.items()} == {"m": "F2"}


async def test_trap_18_page_sizes_are_preferred_on_every_request_and_top_is_never_sent(microsoft) -> None:
    for name in ("contacts", "mail"):
        microsoft.replies(page(next=NEXT), page(delta=DELTA))
        await microsoft.pages(name)
    assert len(microsoft.requests) == 4
    for request in microsoft.requests:
        assert "odata.maxpagesize=" in request.headers["prefer"]
        assert "$top" not in where(request)


async def test_trap_19_every_outlook_request_asks_for_immutable_ids(microsoft) -> None:
    answers = {
        f"{USER}/contactFolders": {"value": [], "@odata.nextLink": f"{ROOT}{USER}/contactFolders?$skip=1"},
        f"{USER}/mailFolders/delta": {"value": [{"id": "F1"}], "@odata.deltaLink": DELTA},
        CONTACTS: {"value": [person("a")], "@odata.nextLink": NEXT},
    }
    table = {**answers, where(httpx.Request("GET", NEXT)): {"value": [], "@odata.deltaLink": DELTA}}
    table[f"{USER}/contactFolders?$skip=1"] = {"value": []}
    microsoft.routes(table)
    await microsoft.partitions("contacts")
    await microsoft.partitions("mail", options={"spam_trash": False})
    await microsoft.pages("contacts")
    await microsoft.get("contacts", ["a", "b"])
    await microsoft.get("mail", ["a", "b", "c", "d"])
    assert len(microsoft.requests) > 8
    for request in microsoft.requests:
        items = items_of(request) if is_batch(request) else [{"headers": {"Prefer": request.headers["prefer"]}}]
        assert all(IMMUTABLE in item["headers"]["Prefer"] for item in items)


async def test_trap_29_a_dead_cursor_is_one_folders(microsoft) -> None:
    microsoft.answer = lambda request: (
        fail(410, "SyncStateNotFound") if "F1" in str(request.url) else page(person("b"), delta=DELTA)
    )
    with pytest.raises(CursorExpired):
        await microsoft.pages("mail", scan=Scan.DELTA, cursor=cursor(DELTA), partition=Partition("F1"))
    other = f"{ROOT}{USER}/mailfolders/F2/messages/delta?$deltatoken=d"
    (found,) = await microsoft.pages("mail", scan=Scan.DELTA, cursor=cursor(other), partition=Partition("F2"))
    assert found.bookmark == cursor(DELTA)


def listing(*users: dict[str, Any], changes: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "/users": {"value": list(users)},
        "/users/delta": lambda asked: httpx.Response(
            200,
            json={
                "value": [] if "latest" in asked else changes or [],
                "@odata.deltaLink": f"{ROOT}/users/delta?$deltatoken=x",
            },
        ),
        "/organization": {"value": [{"id": "org"}]},
        "/directoryRoles": {"value": []},
    }


def user(one: str, **more: Any) -> dict[str, Any]:
    found = {"id": one, "userPrincipalName": f"{one}@acme.example", "accountEnabled": True, "userType": "Member"}
    return {**found, "displayName": one, "mail": None, "assignedLicenses": [{"skuId": "x"}], **more}


async def test_trap_30_a_soft_deleted_user_who_returns_is_the_same_account(microsoft) -> None:
    bookmark = {"v": 1, "delta": f"{ROOT}/users/delta?$deltatoken=x", "roles": {}, "organization": "org"}
    microsoft.routes(listing(changes=[{"id": "u1", "@removed": {"reason": "changed"}}]))
    left = await microsoft.accounts(scan=Scan.DELTA, cursor=bookmark)
    assert left[0] == Departed("u1", "soft-deleted")
    microsoft.routes(listing(changes=[user("u1")]))
    back = await microsoft.accounts(scan=Scan.DELTA, cursor=bookmark)
    assert [type(one) for one in back] == [Account, Bookmark]
    assert (back[0].id, back[0].state) == ("u1", "active")


async def test_trap_31_a_blocked_sign_in_is_a_state_and_is_asked_for_by_name(microsoft) -> None:
    microsoft.routes(listing(user("u1", accountEnabled=False)))
    found = await microsoft.accounts()
    assert [(one.id, one.state) for one in found if isinstance(one, Account)] == [("u1", "disabled")]
    assert not any(isinstance(one, Departed) for one in found)
    listed = [where(request) for request in microsoft.requests if where(request).startswith("/users?")]
    assert all("accountEnabled" in one for one in listed)


@pytest.mark.parametrize(
    "answer",
    [
        fail(
            404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise."
        ),
        fail(404, "ResourceNotFound", "Resource could not be discovered."),
        fail(404, "ErrorInvalidUser"),
        fail(403, "ErrorAccessDenied", "Access to OData is disabled."),
    ],
)
@pytest.mark.parametrize("name", ["contacts", "mail"])
async def test_trap_32_a_user_without_mailbox_is_skipped_with_a_state(microsoft, name, answer) -> None:
    microsoft.answer = lambda request: batched(request, lambda asked: answer) if is_batch(request) else answer
    with pytest.raises(AccountGone) as caught:
        await microsoft.partitions(name)
    assert caught.value.state.startswith("unavailable")


@pytest.mark.parametrize("name", ["contacts", "mail"])
async def test_trap_33_a_mailbox_that_stops_answering_loses_nothing(microsoft, name) -> None:
    missing = fail(404, "MailboxNotEnabledForRESTAPI")
    microsoft.answer = lambda request: batched(request, lambda asked: missing) if is_batch(request) else missing
    with pytest.raises(AccountGone):
        await microsoft.partitions(name)
    with pytest.raises(AccountGone):
        await microsoft.pages(name, scan=Scan.DELTA, cursor=cursor(DELTA))
    with pytest.raises(AccountGone):
        await microsoft.get(name, ["a", "b"])


async def test_trap_34_a_missing_permission_is_not_a_bad_credential(microsoft) -> None:
    denied = fail(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    microsoft.answer = lambda request: batched(request, lambda asked: denied) if is_batch(request) else denied
    with pytest.raises(Forbidden, match=r"Mail\.Read") as caught:
        await microsoft.partitions("mail")
    assert not isinstance(caught.value, AuthFailed)
    assert len(microsoft.token_requests) == 1


async def test_trap_35_a_401_is_one_new_token_and_one_more_try(microsoft) -> None:
    microsoft.replies(fail(401, "InvalidAuthenticationToken", "Lifetime validation failed."), page(delta=DELTA))
    await microsoft.pages("contacts")
    assert [len(microsoft.token_requests), len(microsoft.requests)] == [2, 2]
    assert microsoft.signed == ["Bearer eyJ.1", "Bearer eyJ.2"]
    microsoft.requests.clear()
    microsoft.answer = lambda request: fail(401, "InvalidAuthenticationToken")
    with pytest.raises(AuthFailed):
        await microsoft.pages("contacts")
    assert len(microsoft.requests) == 2


STALE = fail(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
CHALLENGE = fail(401, "unknown", headers={"WWW-Authenticate": 'Bearer realm="", error="insufficient_claims"'})


@pytest.mark.parametrize("refusal", [STALE, CHALLENGE])
async def test_trap_35_a_401_inside_a_batch_too(microsoft, refusal: httpx.Response) -> None:
    """All of its items were refused: one is asked for alone, with the old token and a new one, the others after that."""

    def answer(request: httpx.Request) -> httpx.Response:
        old = request.headers["authorization"] == "Bearer eyJ.1"
        found = httpx.Response(200, json={"id": "x"})
        if is_batch(request):
            return batched(request, lambda _: refusal if old else found)
        return refusal if old else found

    microsoft.answer = answer
    paths = [f"/users/u{number}/contacts" for number in range(25)]
    found = await Batch(Graph(microsoft.context(None), None), serial=False).get(paths)
    assert {found[path].status for path in paths} == {200}
    assert len(microsoft.token_requests) == 2
    assert [is_batch(request) for request in microsoft.requests] == [True, True, False, False, True, True]


async def test_trap_35_a_401_that_stays_is_the_credentials(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, lambda _: STALE) if is_batch(request) else STALE
    with pytest.raises(AuthFailed):
        await microsoft.partitions("contacts")
    assert len(microsoft.token_requests) == 2
    assert len(microsoft.requests) == 3


async def test_trap_35_a_drive_that_was_never_opened_is_asked_for_once(microsoft) -> None:
    microsoft.answer = lambda request: batched(request, lambda _: STALE)
    found = await Batch(Graph(microsoft.context(None), None), serial=False).get(["/users/u/drive?$select=id"])
    assert [part.status for part in found.values()] == [401]
    assert [len(microsoft.token_requests), len(microsoft.requests)] == [1, 1]


async def test_trap_36_a_throttle_is_the_mailboxs_and_lasts_as_long_as_told(microsoft) -> None:
    busy = fail(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", {"Retry-After": "9"})
    microsoft.answer = lambda request: batched(request, lambda asked: busy) if is_batch(request) else busy
    asks = (
        microsoft.pages("mail"),
        microsoft.partitions("contacts"),
        microsoft.partitions("mail"),
    )
    for ask in asks:
        with pytest.raises(RateLimited) as caught:
            await ask
        assert (caught.value.retry_after, caught.value.scope) == (9.0, "account")
    microsoft.replies(page(delta=DELTA))
    other = microsoft.stream("mail").pages(microsoft.context(BOB, "mail"))
    assert (await anext(other)).last


async def test_trap_37_one_mailbox_never_sees_two_items_of_a_batch_at_once(microsoft) -> None:
    assert microsoft.connector.info.limits.account_concurrency == 4
    microsoft.answer = lambda request: batched(
        request, lambda asked: httpx.Response(200, json={"id": "F1", "value": []})
    )
    await microsoft.partitions("contacts")
    await microsoft.get("mail", [f"m{number}" for number in range(30)])
    for request in microsoft.requests:
        items = items_of(request)
        assert [item.get("dependsOn") for item in items] == [None] + [[str(place)] for place in range(1, len(items))]


async def test_trap_38_each_answer_of_a_batch_is_judged_alone(microsoft) -> None:
    tries: dict[str, int] = {}

    def one(asked: str) -> httpx.Response:
        tries[asked] = tries.get(asked, 0) + 1
        if asked.endswith("busy") and tries[asked] == 1:
            return fail(429, "ApplicationThrottled", headers={"RETRY-AFTER": "2"})
        return fail(404, "ErrorItemNotFound") if asked.endswith("gone") else httpx.Response(200, json={"id": asked})

    microsoft.answer = lambda request: batched(request, one)
    graph = Graph(microsoft.context(stream="mail"), "mail", (IMMUTABLE,))
    paths = ["/users/a/x", "/users/b/busy", "/users/c/gone", "/users/d/y"]
    found = await Batch(graph, serial=False, patience=60).get(paths)
    assert [found[path].status for path in paths] == [200, 200, 404, 200]
    assert tries == {"/users/a/x": 1, "/users/b/busy": 2, "/users/c/gone": 1, "/users/d/y": 1}
    serial = await Batch(graph, serial=True).get(["/users/a/1", "/users/a/gone", "/users/a/2"])
    assert [part.status for part in serial.values()].count(424) == 0
    assert len(serial) == 3


async def test_trap_39_batches_hold_at_most_20_items(microsoft) -> None:
    microsoft.answer = lambda request: batched(
        request, lambda asked: httpx.Response(200, json={"id": "x", "parentFolderId": "F1"})
    )
    found = await microsoft.get("contacts", [f"c{number}" for number in range(50)])
    assert len(found) == 50
    assert [len(items_of(request)) for request in microsoft.requests] == [20, 20, 10]


@pytest.mark.parametrize(
    ("more", "login", "graph"),
    [
        ({"cloud": "us-gov"}, "login.microsoftonline.us", "graph.microsoft.us"),
        ({"cloud": "us-dod"}, "login.microsoftonline.us", "dod-graph.microsoft.us"),
        ({"cloud": "china"}, "login.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn"),
        ({"endpoints": {"graph": "https://graph.microsoft.us"}}, "login.microsoftonline.us", "graph.microsoft.us"),
    ],
)
async def test_trap_49_authority_host_and_scope_are_one_clouds(more, login, graph) -> None:
    microsoft = Microsoft(**more)
    microsoft.answer = lambda request: page(delta=f"https://{graph}/v1.0{CONTACTS}?$deltatoken=1")
    await microsoft.pages("contacts")
    assert microsoft.token_requests[0].url.host == login
    assert f"scope=https%3A%2F%2F{graph}%2F.default" in microsoft.token_requests[0].content.decode()
    assert {request.url.host for request in microsoft.requests} == {graph}
    abroad = "https://graph.microsoft.com/v1.0/users/x/contactFolders/F1/contacts/delta?$skiptoken=1"
    microsoft.answer = lambda request: page(next=abroad)
    with pytest.raises(ProtocolError):
        await microsoft.pages("contacts")
    assert {request.url.host for request in microsoft.requests} == {graph}


async def test_trap_50_error_is_a_text_in_token_answers_and_an_object_in_graphs(microsoft) -> None:
    microsoft.token = lambda request: httpx.Response(
        401,
        json={
            "error": "invalid_client",
            "error_description": "AADSTS7000215: Invalid client secret.",
            "error_codes": [7000215],
        },
    )
    with pytest.raises(AuthFailed, match="AADSTS7000215"):
        await microsoft.pages("contacts")
    other = Microsoft()
    other.answer = lambda request: fail(403, "ErrorAccessDenied", "Access is denied.")
    with pytest.raises(Forbidden, match="Access is denied"):
        await other.pages("contacts")
