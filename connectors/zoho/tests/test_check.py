"""`syncd check` against the simulated Zoho: which scope is missing, said by stream."""

import httpx
import pytest
from syncd_simulator import SimClock
from syncd_simulator.zoho import ZohoWorld, tiny_zoho, zoho_app
from syncd_zoho import ZohoConnector
from syncd_zoho.auth import ZohoAuth
from syncd_zoho.settings import SCOPES

from connectors.zoho.tests.canned import Noon, Quiet
from syncd.sdk import JSON, Account, Context, Forbidden, Stream

pytestmark = pytest.mark.anyio
EVERY = {scope for scopes in SCOPES.values() for scope in scopes.split(",")}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def checked(world: ZohoWorld) -> dict[str, str]:
    settings = world.settings("http://127.0.0.1:9")
    auth, transport = ZohoAuth(settings, Noon()), httpx.ASGITransport(zoho_app(world))
    async with httpx.AsyncClient(transport=transport, auth=auth) as client:
        found = await ZohoConnector().check(Context(client, Noon(), Quiet(), settings=settings))
    return {stream: said for stream, said in found.items() if said != "ready"}


async def test_with_every_scope_all_streams_are_ready() -> None:
    world = tiny_zoho(1, SimClock.manual())
    world.credentials.granted_scopes = set(EVERY)
    assert await checked(world) == {}


@pytest.mark.parametrize(
    ("scope", "streams"),
    [
        ("ZohoFiles.files.READ", {"files"}),
        ("WorkDrive.team.READ", {"files"}),
        ("WorkDrive.files.READ", {"files"}),
        ("WorkDrive.workspace.READ", {"files"}),
        ("ZohoCRM.settings.ALL", {"crm_contacts", "crm_leads", "crm_events"}),
        ("ZohoCRM.modules.leads.READ", {"crm_leads"}),
        ("ZohoCalendar.event.READ", {"calendar"}),
        ("ZohoCalendar.calendar.READ", {"calendar"}),
        ("zohocontacts.contactapi.READ", {"contacts"}),
        ("ZohoMail.folders.READ", {"mail"}),
        ("ZohoMail.messages.READ", {"mail"}),
    ],
)
async def test_a_scope_that_is_missing_is_named_by_its_stream(scope: str, streams: set[str]) -> None:
    world = tiny_zoho(1, SimClock.manual())
    world.credentials.granted_scopes = EVERY - {scope}
    found = await checked(world)
    assert found.keys() == streams
    for said in found.values():
        assert scope in said, found
        assert not [other for other in EVERY - {scope} if other in said], found  # that one is the only one to be added


async def test_files_are_ready_without_team_folders_and_without_contents_they_are_not() -> None:
    world = tiny_zoho(1, SimClock.manual())
    world.credentials.granted_scopes = EVERY - {"WorkDrive.workspace.READ"}
    said = (await checked(world))["files"]
    assert said.startswith("ready: ")
    assert "`shared: true`" in said
    world.credentials.granted_scopes = EVERY - {"WorkDrive.workspace.READ", "ZohoFiles.files.READ"}
    said = (await checked(world))["files"]
    assert not said.startswith("ready")
    assert "ZohoFiles.files.READ" in said


async def test_a_request_that_one_of_several_scopes_allows_names_them_all() -> None:
    world = tiny_zoho(1, SimClock.manual())
    world.credentials.granted_scopes = {scope for scope in EVERY if not scope.startswith("WorkDrive.")}
    said = (await checked(world))["files"]
    assert "one of WorkDrive.team.READ, WorkDrive.workspace.READ, WorkDrive.files.READ" in said


@pytest.mark.parametrize(
    ("stream", "scope"),
    [
        ("calendar", "ZohoCalendar.calendar.READ"),
        ("files", "WorkDrive.team.READ"),
        ("mail", "ZohoMail.folders.READ"),
        ("crm_leads", "ZohoCRM.modules.leads.READ"),
    ],
)
async def test_a_run_names_the_scope_of_the_request_that_was_refused(stream: str, scope: str) -> None:
    world = tiny_zoho(1, SimClock.manual())
    world.credentials.granted_scopes = EVERY - {scope}
    settings, account = world.settings("http://127.0.0.1:9"), Account(world.owner.zuid, world.owner.address)
    auth, transport = ZohoAuth(settings, Noon()), httpx.ASGITransport(zoho_app(world))
    (one,) = [each for each in ZohoConnector().streams() if each.info.name == stream]
    async with httpx.AsyncClient(transport=transport, auth=auth) as client:
        options: dict[str, JSON] = {"shared": True} if stream == "files" else {}
        ctx = Context(client, Noon(), Quiet(), settings=settings, account=account, options=options)
        with pytest.raises(Forbidden, match=f"lacks {scope} "):
            await _read(one, ctx)


async def _read(stream: Stream, ctx: Context) -> None:
    await stream.partitions(ctx)
    async for _ in stream.pages(ctx):
        pass
