"""Contacts by the sync endpoint (§6.3): what is believed, and when the whole book is read instead."""

from datetime import timedelta
from email.utils import formatdate

import httpx
import pytest
from syncd_zoho.contacts import Contacts

from connectors.zoho.tests.canned import Canned, ids, query
from syncd.sdk import DELTA, FULL, CursorExpired, Deletes, Record, Tombstone

pytestmark = pytest.mark.anyio
BOOK, SYNC = "GET /api/v1/accounts/self/contacts", "GET /api/v1/sync/self/contacts"
DAY = 1_790_000_000_000  # ms; the server's clock is told by `answers(at=…)`
OPTIONS = {"source": "sync"}
STREAM = Contacts()


def contact(n, changed, **more):
    return {
        "contact_id": f"{n:019d}",
        "first_name": f"Ana {n}",
        "emails": [{"email_id": f"ana{n}@acme.example"}],
        "status": -10,
        "created_time": changed,
        "updated_time": -1,
        **more,
    }


def gone(n, changed, status=-1, **more):
    return {"contact_id": f"{n:019d}", "updated_time": changed, "status": status, **more}


def answers(*rows, more=False, at=DAY + 3_600_000):
    body = {"status_code": 200, "has_more": more, "contacts": list(rows)}
    return httpx.Response(200, json=body, headers={"date": formatdate(at / 1000, usegmt=True)})


async def read(zoho, scan, cursor=None, options=OPTIONS):
    return await zoho.pages(STREAM, scan=scan, cursor=cursor, options=options)


async def begun(*rows, at=DAY + 3_600_000):
    """A source whose book has been read, and the bookmark."""
    zoho = Canned()
    zoho.routes[BOOK] = answers(*rows, at=at)
    return zoho, (await read(zoho, FULL))[-1].bookmark


def test_the_option_decides_what_the_stream_declares():
    assert (STREAM.info.scans, STREAM.info.deletes) == ({FULL}, Deletes.SWEEP)
    assert STREAM.info_with({}) == STREAM.info_with({"source": "full"}) == STREAM.info
    synced = STREAM.info_with(OPTIONS)
    assert (synced.scans, synced.deletes, synced.full_every) == ({FULL, DELTA}, Deletes.REPORTED, timedelta(days=7))


async def test_the_whole_book_is_read_without_the_sync_endpoint_by_default():
    zoho = Canned()
    zoho.routes[BOOK] = answers(contact(1, DAY))
    [page] = await read(zoho, FULL, options={})
    assert (page.last, page.bookmark, len(zoho.requests)) == (True, None, 1)


async def test_both_parameters_and_the_sub_lists_are_asked_for():
    zoho, bookmark = await begun(contact(1, DAY))
    zoho.routes[SYNC] = answers()
    await read(zoho, DELTA, bookmark)
    asked = query(zoho.requests[-1])
    assert set(asked["include"].split(",")) == {"show_deleted", "emails", "phones", "ims", "urls", "address"}
    assert DAY - 60_000 < int(asked["filter_updated_time"]) < DAY
    assert (asked["page"], asked["per_page"]) == ("1", "100")


async def test_a_delta_gives_what_changed_and_what_went_and_nothing_that_is_known():
    zoho, bookmark = await begun(contact(1, DAY), contact(2, DAY - 1000))
    edited = contact(2, DAY - 1000, updated_time=DAY + 7_200_000, first_name="Ann")
    zoho.routes[SYNC] = answers(contact(1, DAY), edited, gone(3, DAY + 7_201_000), at=DAY + 8_000_000)
    [page] = await read(zoho, DELTA, bookmark)
    assert [(type(item), item.source_id[-1]) for item in page.items] == [(Record, "2"), (Tombstone, "3")]
    zoho.routes[SYNC] = answers(edited, gone(3, DAY + 7_201_000), at=DAY + 9_000_000)
    [page] = await read(zoho, DELTA, page.bookmark)
    assert (page.items, page.last) == ([], True)
    zoho.routes[SYNC] = answers(at=DAY + 9_100_000)
    [idle] = await read(zoho, DELTA, page.bookmark)
    assert idle.bookmark == page.bookmark


async def test_a_contact_that_was_never_edited_is_told_by_its_creation():
    zoho, bookmark = await begun(contact(1, DAY))
    zoho.routes[SYNC] = answers(contact(2, DAY + 4_000_000), at=DAY + 5_000_000)
    [page] = await read(zoho, DELTA, bookmark)
    zoho.routes[SYNC] = answers()
    await read(zoho, DELTA, page.bookmark)
    assert int(query(zoho.requests[-1])["filter_updated_time"]) > DAY + 3_900_000


@pytest.mark.parametrize(
    "row",
    [
        gone(1, DAY + 7_200_000, first_name="Ana"),
        gone(1, DAY + 7_200_000, -3, emails=[{"email_id": "a@acme.example"}]),
        {**contact(1, DAY), "emails": None, "updated_time": DAY + 7_200_000},
        gone(1, DAY + 7_200_000, -10),
        gone(1, DAY + 7_200_000, None),
        gone(1, DAY + 7_200_000, 0),
    ],
)
async def test_a_row_in_doubt_has_the_whole_book_read(row):
    zoho, bookmark = await begun(contact(1, DAY))
    zoho.routes[SYNC] = answers(row)
    with pytest.raises(CursorExpired):
        await read(zoho, DELTA, bookmark)


@pytest.mark.parametrize("status", [-1, -2, "-1", -100])
async def test_any_other_negative_status_of_a_bare_row_is_a_deletion(status):
    zoho, bookmark = await begun(contact(1, DAY))
    zoho.routes[SYNC] = answers(gone(1, DAY + 7_200_000, status), at=DAY + 8_000_000)
    [page] = await read(zoho, DELTA, bookmark)
    assert [type(item) for item in page.items] == [Tombstone]


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_an_endpoint_that_is_not_there_leaves_the_whole_book(status):
    zoho, bookmark = await begun(contact(1, DAY))
    zoho.routes[SYNC] = httpx.Response(status, json={"status_code": status, "message": "no such thing"})
    with pytest.raises(CursorExpired):
        await read(zoho, DELTA, bookmark)


async def test_a_change_during_a_full_walk_is_asked_for_again():
    """The first page was read before contact 1 changed; the last one shows a later change."""
    zoho = Canned()
    began = DAY + 1_000_000
    late = contact(2, DAY, updated_time=began + 90_000)
    zoho.routes[BOOK] = [answers(contact(1, DAY), more=True, at=began), answers(late, at=began + 120_000)]
    bookmark = (await read(zoho, FULL))[-1].bookmark
    zoho.routes[SYNC] = answers()
    await read(zoho, DELTA, bookmark)
    assert int(query(zoho.requests[-1])["filter_updated_time"]) < began + 60_000


async def test_a_walk_that_was_cut_remembers_when_it_began():
    zoho = Canned()
    began = DAY + 1_000_000
    zoho.routes[BOOK] = [answers(contact(1, DAY), more=True, at=began), answers(contact(2, DAY))]
    first, _ = await read(zoho, FULL)
    late = contact(2, DAY, updated_time=began + 9_000_000)
    zoho.routes[BOOK] = [answers(late, at=began + 9_500_000)]
    [page] = await read(zoho, FULL, first.resume)
    assert query(zoho.requests[-1])["page"] == "2"
    zoho.routes[SYNC] = answers()
    await read(zoho, DELTA, page.bookmark)
    assert int(query(zoho.requests[-1])["filter_updated_time"]) < began


async def test_a_deletion_during_the_full_walk_is_told_and_has_the_book_read_again():
    """Pages count by position: what follows a contact that goes moves up, perhaps over the edge of a page read before."""
    zoho = Canned()
    began = DAY + 1_000_000
    zoho.routes[BOOK] = [
        answers(contact(1, DAY), more=True, at=began),
        answers(contact(3, DAY), at=began + 120_000),
    ]
    bookmark = (await read(zoho, FULL))[-1].bookmark
    zoho.routes[SYNC] = answers(gone(1, began + 60_000), at=began + 200_000)
    pages = STREAM.pages(zoho.context(scan=DELTA, cursor=bookmark, options=OPTIONS))
    page = await anext(pages)
    assert (ids([page]), page.last) == (["0" * 18 + "1"], False)
    with pytest.raises(CursorExpired):
        await anext(pages)
    later = answers(gone(1, began + 400_000), at=began + 500_000)
    zoho.routes[SYNC] = later
    [page] = await read(zoho, DELTA, bookmark)
    assert (ids([page]), page.last) == (["0" * 18 + "1"], True)


async def test_pages_that_may_have_shifted_are_asked_for_again_from_the_same_time():
    zoho, bookmark = await begun(contact(1, DAY))
    at = DAY + 7_200_000
    moved = contact(5, DAY, updated_time=at + 30_000)
    zoho.routes[SYNC] = [answers(contact(2, at - 9000), more=True, at=at), answers(moved, at=at + 60_000)]
    pages = await read(zoho, DELTA, bookmark)
    zoho.routes[SYNC] = answers(contact(2, at - 9000), contact(3, at - 8000), moved, at=at + 90_000)
    before = int(query(zoho.requests[-1])["filter_updated_time"])
    [page] = await read(zoho, DELTA, pages[-1].bookmark)
    assert int(query(zoho.requests[-1])["filter_updated_time"]) == before
    assert ids([page]) == [f"{3:019d}"]


@pytest.mark.parametrize("cursor", [None, {"v": 2}, {"v": 1, "since": "soon"}, {"v": 1, "marks": [1]}, "1"])
async def test_a_cursor_that_cannot_be_read_has_expired(cursor):
    with pytest.raises(CursorExpired):
        await read(Canned(), DELTA, cursor)
