"""Who there is: Mail's organisation, the CRM's users, the owner alone (wire reference §4.2, §8.6)."""

from dataclasses import replace

import httpx
import pytest

from syncd.sdk import AccountGone, Forbidden, ProtocolError, Scan

pytestmark = pytest.mark.anyio
ME = {
    "accountId": "4130903383240676875",
    "zuid": "60012345678",
    "primaryEmailAddress": "rebecca@zylker.eu",
    "displayName": "Rebecca",
    "type": "ZOHO_ACCOUNT",
    "role": "super_admin",
    "policyId": {"zoid": 20012345678},
    "enabled": "true",
}
TOM = {
    **ME,
    "accountId": "4130903383240676999",
    "zuid": 60012345999,
    "primaryEmailAddress": "tom@zylker.eu",
    "role": "member",
}
OFF = {**TOM, "zuid": "60012345111", "primaryEmailAddress": "off@zylker.eu", "enabled": False}


def said(data, code=200):
    return httpx.Response(code, json={"status": {"code": str(code), "description": "success"}, "data": data})


def refused(code):
    return httpx.Response(403, json={"status": {"code": 403}, "data": {"errorCode": code}})


def organisation(users, *, crm=None, first=0):
    """`first`: whether `start` counts from 0 or from 1."""

    def answer(request):
        path = request.url.path
        if path == "/api/accounts":
            return said([{**ME, "type": "IMAP_ACCOUNT", "zuid": None}, ME])
        if path.endswith("/folders"):
            return refused("ACCESS_DENIED") if ME["accountId"] not in path else said([])
        if path.endswith("/messages/view"):
            return said([])
        if path == "/crm/v8/users":
            return (
                httpx.Response(204)
                if crm is None
                else httpx.Response(200, json={"users": crm, "info": {"more_records": False}})
            )
        if users is None:
            return refused("ACCESS_DENIED")
        if (zuid := path.rpartition("/")[2]).isdigit():
            return said(next(one for one in users if str(one["zuid"]) == zuid))
        start = max(0, int(request.url.params["start"]) - first)
        page = users[start : start + 2]
        return said(page[0] if len(page) == 1 else page)

    return answer


async def accounts(zoho):
    return [one async for one in zoho.connector.accounts(zoho.context(account=None))]


@pytest.mark.parametrize("first", [0, 1])
async def test_all_users_are_found_once_whether_start_counts_from_zero_or_one(zoho, first):
    zoho.answer = organisation([ME, TOM, OFF], first=first)
    found = await accounts(zoho)
    assert [(one.id, one.role, one.state) for one in found] == [
        ("60012345678", "admin", "active"),
        ("60012345999", "user", "active"),
        ("60012345111", "user", "suspended"),
    ]
    assert {one.organization for one in found} == {"20012345678"}


async def test_only_the_owner_has_streams_and_a_mailbox_that_is_not_readable_says_so(zoho):
    zoho.answer = organisation([ME, TOM])
    me, tom = await accounts(zoho)
    assert me.streams == {}
    assert all(
        tom.streams[name].startswith("unavailable") for name in ("contacts", "calendar", "files", "mail", "crm_events")
    )


@pytest.mark.parametrize("stream", ["contacts", "calendar", "files", "crm_contacts", "crm_leads", "crm_events"])
async def test_the_owners_data_is_never_read_for_a_colleague(zoho, stream):
    """The import's word is doubted after a day; what `self` answers is the owner's all the same."""
    zoho.answer = organisation([ME, TOM])
    _, tom = await accounts(zoho)
    zoho.requests.clear()
    context = zoho.context(account=tom, scan=Scan.FULL)
    with pytest.raises(AccountGone) as raised:
        await anext(aiter(zoho.stream(stream).pages(context)))
    assert raised.value.state == tom.streams[stream]
    assert zoho.requests == []


async def test_a_mailbox_that_was_never_readable_is_no_failure_and_one_that_was_is(zoho):
    zoho.answer = organisation([ME, TOM])
    _, tom = await accounts(zoho)
    with pytest.raises(AccountGone) as raised:
        await zoho.stream("mail").partitions(zoho.context(account=tom))
    assert raised.value.state == tom.streams["mail"]
    with pytest.raises(Forbidden):
        await zoho.stream("mail").partitions(zoho.context(account=replace(tom, streams={})))


async def test_who_is_no_administrator_is_imported_alone(zoho):
    zoho.answer = organisation(None)
    assert [one.id for one in await accounts(zoho)] == ["60012345678"]
    assert len(zoho.token_requests) == 1


async def test_users_of_the_crm_are_joined_by_zuid_or_address(zoho):
    crm = [
        {"id": "1000000000000000001", "zuid": "60012345999", "email": "other@zylker.eu", "status": "disabled"},
        {"id": "1000000000000000002", "zuid": None, "email": "REBECCA@zylker.eu"},
        {"id": "1000000000000000003", "zuid": "60012345222", "email": "crm@zylker.eu", "status": "deleted"},
    ]
    zoho.answer = organisation([ME, TOM], crm=crm)
    assert [(one.id, one.address, one.state) for one in await accounts(zoho)] == [
        ("60012345678", "rebecca@zylker.eu", "active"),
        ("60012345999", "tom@zylker.eu", "active"),
        ("60012345222", "crm@zylker.eu", "deleted"),
    ]


async def test_a_user_without_zuid_ends_the_import(zoho):
    zoho.answer = organisation([ME, {**TOM, "zuid": 6.0012345999e10}])
    with pytest.raises(ProtocolError):
        await accounts(zoho)


async def test_a_token_that_does_not_tell_whose_it_is_names_the_scopes(zoho):
    zoho.answer = lambda request: refused("INVALID_OAUTHSCOPE")
    with pytest.raises(Forbidden) as raised:
        await accounts(zoho)
    assert "ZohoMail.accounts.READ" in raised.value.hint


async def test_the_check_names_the_scope_that_is_missing(zoho):
    whole = organisation([ME])
    lacking = {"code": "OAUTH_SCOPE_MISMATCH", "details": {}, "message": "invalid oauth scope", "status": "error"}

    def answer(request):
        if request.url.host == "www.zohoapis.eu":
            return httpx.Response(401, json=lacking)
        return httpx.Response(200, json={}) if "/v1/" in request.url.path else whole(request)

    zoho.answer = answer
    found = await zoho.connector.check(zoho.context(account=None))
    assert {name for name, state in found.items() if state == "ready"} == {"contacts", "calendar", "mail"}
    assert "ZohoCRM.modules.leads.READ" in found["crm_leads"]
    assert "WorkDrive.files.READ" in found["files"]
