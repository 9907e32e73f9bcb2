"""Everything that a simulated Microsoft organisation can answer conforms to Microsoft's published description of Graph."""

import random
from typing import Any

import httpx
import pytest
from syncd_simulator.microsoft import Editor, MicrosoftWorld, demo_microsoft, microsoft_app

from tests.support.graph_schema import GraphWitness, check_answer, check_request

pytestmark = pytest.mark.anyio
ROOT = "http://127.0.0.1:9"
MOST = 40  # single items looked at per person and kind
WINDOW = "startDateTime=2025-11-01T00:00:00Z&endDateTime=2028-11-01T00:00:00Z"
IMMUTABLE = {"Prefer": 'IdType="ImmutableId", odata.maxpagesize=50'}


class Crawler:
    """Asks for all that a connector could."""

    def __init__(self, world: MicrosoftWorld) -> None:
        self.world = world
        self.witness = GraphWitness(microsoft_app(world))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.witness), base_url=ROOT)

    async def sign_in(self) -> None:
        settings = self.world.settings(ROOT)
        form = {
            "grant_type": "client_credentials",
            "client_id": settings["client_id"],
            "client_secret": settings["client_secret"],
            "scope": "https://graph.microsoft.com/.default",
        }
        answer = await self.http.post(f"/{settings['tenant']}/oauth2/v2.0/token", data=form)
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path if path.startswith("http") else f"/v1.0{path}", headers=IMMUTABLE)
        kind = answer.headers.get("content-type", "")
        return answer.json() if kind.startswith("application/json") else None

    async def pages(self, path: str) -> list[Any]:
        """All items of a listing or a delta round, and of the round after it."""
        found, link, rounds = [], path, 0
        while link:
            page = await self.get(link) or {}
            found += page.get("value") or []
            link = page.get("@odata.nextLink") or ""
            if not link and "@odata.deltaLink" in page and not rounds:
                link, rounds = page["@odata.deltaLink"], 1
        return found

    async def everything(self) -> None:
        users = await self.pages("/users?$select=id,displayName,mail,userPrincipalName,accountEnabled,userType&$top=5")
        await self.pages("/users/delta?$select=id,displayName,mail,accountEnabled")
        await self.get("/organization")
        for role in (await self.get("/directoryRoles"))["value"]:
            await self.get(f"/directoryRoles/{role['id']}/members")
        for user in users:
            await self.person(f"/users/{user['id']}")
        await self.batch(users)

    async def person(self, at: str) -> None:
        await self.get(f"{at}/mailboxSettings")
        folders = await self.pages(f"{at}/contactFolders")
        default = await self.get(f"{at}/contactFolders/contacts")
        await self.pages(f"{at}/contactFolders/delta")
        for folder in [*folders, default]:
            if "id" in folder:
                contacts = await self.pages(f"{at}/contactFolders/{folder['id']}/contacts/delta")
                for one in contacts[:MOST]:
                    await self.get(f"{at}/contacts/{one['id']}")
        await self.mail(at)
        await self.calendars(at)
        await self.drive(at)

    async def mail(self, at: str) -> None:
        await self.pages(f"{at}/mailFolders?includeHiddenFolders=true")
        for folder in await self.pages(f"{at}/mailFolders/delta"):
            await self.get(f"{at}/mailFolders/{folder['id']}/childFolders")
            for one in (await self.pages(f"{at}/mailFolders/{folder['id']}/messages/delta"))[:MOST]:
                await self.get(f"{at}/messages/{one['id']}")
                await self.get(f"{at}/messages/{one['id']}/$value")

    async def calendars(self, at: str) -> None:
        await self.pages(f"{at}/calendarGroups")
        for calendar in await self.pages(f"{at}/calendars"):
            await self.pages(f"{at}/calendars/{calendar['id']}/events")
            await self.pages(f"{at}/calendars/{calendar['id']}/calendarView?{WINDOW}")
            for one in (await self.pages(f"{at}/calendars/{calendar['id']}/calendarView/delta?{WINDOW}"))[:MOST]:
                await self.get(f"{at}/events/{one['id']}")

    async def drive(self, at: str) -> None:
        drive = await self.get(f"{at}/drive") or {}
        await self.pages(f"{at}/drive/root/delta")
        if "id" in drive:
            for one in (await self.pages(f"/drives/{drive['id']}/root/delta"))[:MOST]:
                await self.get(f"/drives/{drive['id']}/items/{one['id']}")
                await self.get(f"/drives/{drive['id']}/items/{one['id']}/content")

    async def batch(self, users: list[Any]) -> None:
        asked = [
            {"id": str(n), "method": "GET", "url": f"/users/{user['id']}/drive"} for n, user in enumerate(users[:20])
        ]
        await self.http.post("/v1.0/$batch", json={"requests": asked})


async def crawl(world: MicrosoftWorld) -> GraphWitness:
    crawler = Crawler(world)
    async with crawler.http:
        await crawler.sign_in()
        await crawler.everything()
    return crawler.witness


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_answer_conforms_before_and_after_many_edits(seed: int) -> None:
    world = demo_microsoft(seed, people=6)
    witness = await crawl(world)
    assert witness.violations[:10] == []
    assert len(witness.seen) > 20
    editor = Editor(world, seed)
    editor.rng = random.Random(seed)
    for _ in range(300):
        editor.random_edit()
    assert (await crawl(world)).violations[:10] == []


def test_the_witness_sees_what_is_wrong() -> None:
    message = {"id": "1", "isRead": "yes", "subjekt": "x", "receivedDateTime": "2026-11-21", "importance": "very"}
    found = "\n".join(check_answer("GET", "/users/u/messages/m", message))
    for wrong in ("isRead: 'yes' is no bool", "subjekt: unknown to Message", "is no dt", "is no Importance"):
        assert wrong in found
    page = {"value": {"id": "1"}}
    assert "instead of a list" in check_answer("GET", "/users/u/mailFolders/f/messages/delta", page)[0]
    assert check_request("GET", "/users/u/mailboxes", "")
    assert check_request("GET", "/users/u/contacts", "$fields=x")
    assert not check_request("GET", "/users/u/calendarView/delta", "startdatetime=a&endDateTime=b")
    assert not check_request("GET", "/drives/d/root/delta(token='x')", "")
