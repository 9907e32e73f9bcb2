"""Errors inside an answer of 200: the status that Mail's and Contacts' bodies tell counts as if HTTP had said it (§4.1, §6.2)."""

import httpx
import pytest
from syncd_zoho.connector import ZohoConnector
from syncd_zoho.rawmail import exists, raw_message

from syncd.sdk import (
    AccountGone,
    AuthFailed,
    Blob,
    ContentUnavailable,
    Forbidden,
    Partition,
    PartitionGone,
    ProtocolError,
    RateLimited,
    Scan,
    Transient,
)

pytestmark = pytest.mark.anyio
BOX, FOLDER = "4130903383240676875", "9000000002014"
TOKEN = {"errorCode": "INVALID_OAUTHTOKEN"}


def told(code, data=None):
    body = {"status": {"code": code, "description": "words of Zoho"}}
    return httpx.Response(200, json=body if data is None else {**body, "data": data})


def mail(zoho):
    cursor, options = {"v": 1, "mailbox": BOX}, {"content": "metadata"}
    return zoho.pages("mail", partition=Partition(FOLDER), scan=Scan.FULL, cursor=cursor, options=options)


@pytest.mark.parametrize(
    ("code", "data", "kind"),
    [
        (500, {"errorCode": "INTERNAL_ERROR"}, Transient),
        ("500", None, Transient),
        (429, {"errorCode": "X"}, RateLimited),
        (403, {"errorCode": "INVALID_OAUTHSCOPE"}, Forbidden),
        ("403", None, Forbidden),
        (404, {"errorCode": "INVALID_FOLDER"}, PartitionGone),
        (404, {"errorCode": "URL_RULE_NOT_CONFIGURED"}, ProtocolError),
        (401, TOKEN, AuthFailed),
        ("401", None, AuthFailed),
    ],
)
async def test_the_status_inside_a_mail_answer_counts(zoho, code, data, kind):
    zoho.answer = lambda request: told(code, data)
    with pytest.raises(kind) as raised:
        await mail(zoho)
    assert type(raised.value) is kind
    assert str(int(code)) in str(raised.value)


async def test_a_mailbox_that_is_not_there_is_a_state_also_inside(zoho):
    zoho.answer = lambda request: (
        told(404, {"errorCode": "INVALID_ACCOUNT"})
        if request.url.path.endswith("/folders")
        else httpx.Response(
            200,
            json={"status": {"code": 200}, "data": [{"accountId": BOX, "zuid": "60012345678", "type": "ZOHO_ACCOUNT"}]},
        )
    )
    with pytest.raises(AccountGone):
        await zoho.stream("mail").partitions(zoho.context())


async def test_a_token_that_is_refused_inside_is_renewed_once(zoho):
    """16 tokens alive end the first one: it may be dead within its hour (§3.4)."""
    zoho.answer = lambda request: told(401, TOKEN) if len(zoho.requests) == 1 else told(200, [])
    assert (await mail(zoho))[-1].last
    assert [one.headers["authorization"][-1] for one in zoho.requests] == ["1", "2"]
    zoho.answer = lambda request: told(401, TOKEN)
    with pytest.raises(AuthFailed):
        await mail(zoho)
    assert len(zoho.token_requests) == 3


async def test_answers_to_one_dead_token_lead_to_one_new_one(zoho):
    zoho.answer = lambda request: told(200, [])
    await zoho.client.get("https://mail.zoho.eu/api/accounts")
    first = zoho.requests[0]
    zoho.auth.outlive(first)
    await zoho.client.get("https://mail.zoho.eu/api/accounts")
    zoho.auth.outlive(first)  # an echo
    await zoho.client.get("https://mail.zoho.eu/api/accounts")
    assert len(zoho.token_requests) == 2


async def raw(zoho):
    return [one async for one in raw_message(zoho.context(), BOX, "1")]


async def test_a_raw_message_that_is_gone_says_so_inside(zoho):
    zoho.answer = lambda request: told(404, {"errorCode": "INVALID_MESSAGE"})
    with pytest.raises(ContentUnavailable):
        await raw(zoho)
    assert await exists(zoho.context(), BOX, "1") is False
    zoho.answer = lambda request: told(200, {"content": ""})
    assert await exists(zoho.context(), BOX, "1") is True
    zoho.answer = lambda request: told(500)
    with pytest.raises(Transient):
        await exists(zoho.context(), BOX, "1")


async def test_a_raw_message_whose_token_is_refused_inside_comes_with_the_next_one(zoho):
    zoho.answer = lambda request: told(401, TOKEN) if len(zoho.requests) == 1 else told(200, {"content": "Subject: a"})
    with pytest.raises(Transient):
        await raw(zoho)
    assert b"".join(await raw(zoho)) == b"Subject: a"
    assert len(zoho.token_requests) == 2


async def test_a_raw_message_without_the_scope_waits_for_it(zoho):
    for status in (200, 401):
        body = {"status": {"code": 401}, "data": {"errorCode": "INVALID_OAUTHSCOPE"}}
        zoho.answer = lambda request, status=status, body=body: httpx.Response(status, json=body)
        blob = Blob({"mailbox": BOX, "id": "1"}, "t")
        with pytest.raises(ProtocolError, match=r"ZohoMail\.messages\.READ") as raised:
            _ = [one async for one in zoho.stream("mail").fetch(zoho.context(), blob)]
        assert raised.value.code == "SYN-ZOHO-004"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, RateLimited),
        ("429", RateLimited),
        (500, Transient),
        (403, Forbidden),
        (401, Forbidden),
        (400, ProtocolError),
    ],
)
async def test_the_status_inside_a_contacts_answer_is_judged_first_in_zohos_words(zoho, status, kind):
    zoho.answer = lambda request: httpx.Response(200, json={"status_code": status, "message": "words of Zoho"})
    with pytest.raises(kind, match="words of Zoho") as raised:
        await zoho.pages("contacts")
    assert type(raised.value) is kind


async def test_a_contact_that_speaks_of_codes_is_no_error(zoho):
    one = {
        "contact_id": "4685191000000029001",
        "code": "404",
        "notes": '"status_code":500',
        "created_time": 1532600990202,
    }
    zoho.answer = lambda request: httpx.Response(200, json={"status_code": 200, "has_more": False, "contacts": [one]})
    (page,) = await zoho.pages("contacts")
    assert [item.source_id for item in page.items] == ["4685191000000029001"]


def test_an_answer_of_another_product_is_not_looked_into():
    request = httpx.Request("GET", "https://calendar.zoho.eu", extensions={"zoho.product": "calendar"})
    response = httpx.Response(200, json={"status": {"code": 500}, "status_code": 500}, request=request)
    assert ZohoConnector().retryable(response) is None
