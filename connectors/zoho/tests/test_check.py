"""`syncd check` against the simulated Zoho: which scope is missing, said by stream."""

import httpx
import pytest
from syncd_simulator import SimClock
from syncd_simulator.zoho import ZohoWorld, tiny_zoho, zoho_app
from syncd_zoho import ZohoConnector
from syncd_zoho.auth import ZohoAuth
from syncd_zoho.settings import SCOPES

from connectors.zoho.tests.canned import Noon, Quiet
from syncd.sdk import Context

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
    assert all(scope in said for said in found.values()), found
