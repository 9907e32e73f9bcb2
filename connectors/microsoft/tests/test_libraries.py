"""Document libraries against the answers of the wire reference §7 and §10: refused sites, and one listing for all."""

import asyncio
from typing import Any

import httpx
import pytest
from files_answers import DRIVE, LIBRARY, ME
from microsoft_answers import ANA, BOB, Microsoft, fail, where

from syncd.sdk import Account, AccountGone, Forbidden, Partition

pytestmark = pytest.mark.anyio
SITES = "/sites/getAllSites"
OTHER = Partition("b!L2", "Club / Documents", shared=True)
SHARED = {"shared": True}
NO_SPO = fail(400, "BadRequest", "Tenant does not have a SPO license.")


def library(one: str) -> dict[str, Any]:
    return {"value": [{"id": one, "name": "Documents", "driveType": "documentLibrary"}]}


def organisation(**more: Any) -> dict[str, Any]:
    """Two sites with a library each; Ana has a OneDrive."""
    return {
        ME: {"id": "b!D1", "name": "OneDrive"},
        SITES: {"value": [{"id": "s1", "displayName": "Team"}, {"id": "s2", "displayName": "Club"}]},
        "/sites/s1/drives": library("b!L1"),
        "/sites/s2/drives": library("b!L2"),
        **more,
    }


async def listed(microsoft: Microsoft, account: Account = ANA, **more: Any) -> list[Partition]:
    context = microsoft.context(account, "files", partition=None, options=SHARED, **more)
    return list(await microsoft.stream("files").partitions(context))


def listings(microsoft: Microsoft) -> int:
    return sum(where(request).startswith(SITES) for request in microsoft.requests)


REFUSALS = [
    fail(403, "accessDenied", "Access denied"),
    fail(400, "invalidRequest"),
    fail(401, "unauthenticated"),
    fail(423, "notAllowed"),
    httpx.Response(200, json={"value": "garbage"}),
    httpx.Response(200, json={"value": [{"name": "a library without an id"}]}),
]


@pytest.mark.parametrize("answer", REFUSALS)
async def test_a_site_that_refuses_is_left_out_and_told(microsoft, answer: httpx.Response) -> None:
    microsoft.routes(organisation(**{"/sites/s2/drives": answer}))
    assert await listed(microsoft) == [DRIVE, LIBRARY]
    assert any("Club" in line for line in microsoft.log.lines)


@pytest.mark.parametrize("answer", REFUSALS)
async def test_what_a_site_listed_before_it_refused_stays_listed(microsoft, answer: httpx.Response) -> None:
    microsoft.routes(organisation())
    assert await listed(microsoft) == [DRIVE, LIBRARY, OTHER]
    microsoft.routes(organisation(**{"/sites/s2/drives": answer}))
    for _ in range(2):
        assert await listed(microsoft) == [DRIVE, LIBRARY, OTHER]
    microsoft.routes(organisation(**{"/sites/s2/drives": fail(404, "itemNotFound")}))
    assert await listed(microsoft) == [DRIVE, LIBRARY]


@pytest.mark.parametrize("refusal", [fail(403, "accessDenied"), fail(423, "notAllowed")])
async def test_a_refused_onedrive_hides_no_library(microsoft, refusal: httpx.Response) -> None:
    microsoft.routes(organisation(**{ME: refusal}))
    assert await listed(microsoft) == [LIBRARY, OTHER]
    assert any("OneDrive" in line for line in microsoft.log.lines)
    microsoft.routes({ME: refusal, SITES: {"value": []}})
    with pytest.raises(Forbidden):
        await listed(microsoft)


async def test_no_sharepoint_is_a_state_and_takes_no_onedrive_away(microsoft) -> None:
    microsoft.routes({SITES: NO_SPO})
    with pytest.raises(AccountGone) as caught:
        await listed(microsoft)
    assert caught.value.state == "unavailable: no SharePoint licence"
    assert await listed(microsoft, partitions=[DRIVE]) == [DRIVE]


async def test_sites_that_nobody_may_see_are_an_error(microsoft) -> None:
    microsoft.routes(organisation(**{SITES: fail(403, "accessDenied"), "/sites": fail(403, "accessDenied")}))
    with pytest.raises(Forbidden):
        await listed(microsoft)


# -- one listing for all


async def test_the_accounts_of_a_run_share_one_listing_and_the_next_run_has_its_own(microsoft) -> None:
    microsoft.routes(organisation())
    for runs in (1, 2):
        for account in (ANA, BOB):
            assert {LIBRARY, OTHER} <= set(await listed(microsoft, account))
        assert listings(microsoft) == runs


async def test_a_listing_grows_old(microsoft) -> None:
    microsoft.routes(organisation())
    await listed(microsoft)
    microsoft.clock.advance(61)
    await listed(microsoft, BOB)
    assert listings(microsoft) == 2


async def test_who_asks_meanwhile_waits_for_the_one_listing(microsoft) -> None:
    microsoft.clock.auto = False
    people = [Account(id=f"u{number}", address=f"u{number}@acme.example") for number in range(15)]
    microsoft.routes(organisation())
    found = await asyncio.gather(*(listed(microsoft, one, partitions=[DRIVE]) for one in people))
    assert all(one == [DRIVE, LIBRARY, OTHER] for one in found)
    assert len(microsoft.requests) == 2


async def test_who_waited_for_a_listing_that_failed_lists_for_itself(microsoft) -> None:
    microsoft.clock.auto = False
    answers = [fail(500, "generalException"), organisation()[SITES]]
    microsoft.routes(organisation(**{SITES: lambda _: answers.pop(0)}))
    found = await asyncio.gather(
        *(listed(microsoft, one, partitions=[DRIVE]) for one in (ANA, BOB)), return_exceptions=True
    )
    assert [isinstance(one, Exception) for one in found] == [True, False]


async def test_nobody_waits_for_ever_for_somebody_who_does_not_come_back(microsoft) -> None:
    microsoft.clock.auto = False
    microsoft.routes(organisation())
    held = asyncio.Event()
    context = microsoft.context(ANA, "files", partition=None, options=SHARED, partitions=[DRIVE])
    get = context.http.get

    async def never(*args: Any, **more: Any) -> httpx.Response:
        await held.wait()
        return await get(*args, **more)

    context.http.get = never
    stuck = asyncio.ensure_future(microsoft.stream("files").partitions(context))
    await asyncio.sleep(0)
    other = asyncio.ensure_future(listed(microsoft, BOB, partitions=[DRIVE]))
    await microsoft.clock.run(30)
    assert await other == [DRIVE, LIBRARY, OTHER]
    held.set()
    assert await stuck == [DRIVE, LIBRARY, OTHER]


async def test_users_with_sign_ins_of_their_own_share_nothing(microsoft) -> None:
    microsoft.settings["refresh_token"] = "mine"
    microsoft.routes(organisation())
    for account in (ANA, BOB):
        context = microsoft.context(account, "files", partition=None, options=SHARED, partitions=[DRIVE])
        await microsoft.stream("files").partitions(context)
    assert listings(microsoft) == 2
