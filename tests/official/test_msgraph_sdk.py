"""Microsoft's own msgraph-sdk drives the simulated Graph: typed models parse every answer (`make official` installs it)."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from syncd_simulator import serve
from syncd_simulator.microsoft import MicrosoftWorld, microsoft_app, tiny_microsoft

pytest.importorskip("msgraph", reason="the optional group is not installed: run `make official`")

from kiota_abstractions.authentication import AnonymousAuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.users.item.calendars.item.calendar_view.delta.delta_request_builder import (
    DeltaRequestBuilder as CalendarDelta,
)
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("default")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def world() -> MicrosoftWorld:
    return tiny_microsoft(4)


@pytest.fixture
async def graph(world: MicrosoftWorld) -> AsyncIterator[GraphServiceClient]:
    with serve(microsoft_app(world)) as server:
        settings = world.settings(server.url)
        form = {
            "grant_type": "client_credentials",
            "client_id": settings["client_id"],
            "client_secret": settings["client_secret"],
            "scope": "https://graph.microsoft.com/.default",
        }
        async with httpx.AsyncClient(base_url=f"{server.url}/v1.0") as http:
            answer = await http.post(f"{server.url}/{settings['tenant']}/oauth2/v2.0/token", data=form)
            http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            http.headers["Prefer"] = 'IdType="ImmutableId"'
            adapter = GraphRequestAdapter(AnonymousAuthenticationProvider(), http)
            adapter.base_url = f"{server.url}/v1.0"
            yield GraphServiceClient(request_adapter=adapter)


def _first(world: MicrosoftWorld) -> Any:
    return next(iter(world.users.values()))


async def test_users_and_roles(graph: GraphServiceClient, world: MicrosoftWorld) -> None:
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(select=["id", "mail", "accountEnabled"], top=999)
    users = await graph.users.get(RequestConfiguration(query_parameters=query))
    assert {user.id for user in users.value} == set(world.users)
    assert all(user.account_enabled is True for user in users.value)
    roles = await graph.directory_roles.get()
    members = [
        one.id
        for role in roles.value
        for one in (await graph.directory_roles.by_directory_role_id(role.id).members.get()).value
    ]
    assert _first(world).id in members


async def test_mail_by_delta_and_as_mime(graph: GraphServiceClient, world: MicrosoftWorld) -> None:
    user = _first(world)
    truth = world.snapshot(user, "mail")
    box = graph.users.by_user_id(user.id)
    for folder, items in truth.items():
        page = await box.mail_folders.by_mail_folder_id(folder).messages.delta.get()
        assert {message.id for message in page.value} == set(items)
        for message in page.value:
            assert message.subject == items[message.id]["subject"]
            assert b"Message-ID" in await box.messages.by_message_id(message.id).content.get()


async def test_contacts_by_delta(graph: GraphServiceClient, world: MicrosoftWorld) -> None:
    user = _first(world)
    for folder, items in world.snapshot(user, "contacts").items():
        at = graph.users.by_user_id(user.id).contact_folders.by_contact_folder_id(folder)
        page = await at.contacts.delta.get()
        assert {one.id: one.display_name for one in page.value} == {
            key: one["displayName"] for key, one in items.items()
        }


async def test_calendars_by_delta(graph: GraphServiceClient, world: MicrosoftWorld) -> None:
    user = _first(world)
    window = CalendarDelta.DeltaRequestBuilderGetQueryParameters(
        start_date_time="2025-11-01T00:00:00Z", end_date_time="2028-11-01T00:00:00Z"
    )
    seen: set[str] = set()
    for calendar in (await graph.users.by_user_id(user.id).calendars.get()).value:
        at = graph.users.by_user_id(user.id).calendars.by_calendar_id(calendar.id).calendar_view.delta
        page = await at.get(RequestConfiguration(query_parameters=window))
        while page:
            seen |= {event.id for event in page.value}
            page = await at.with_url(page.odata_next_link).get() if page.odata_next_link else None
    known = {event for events in world.snapshot(user, "calendar").values() for event in events}
    assert len(seen & known) > len(known) / 2


async def test_drive(graph: GraphServiceClient, world: MicrosoftWorld) -> None:
    user = _first(world)
    drive = await graph.users.by_user_id(user.id).drive.get()
    (truth,) = [items for part, items in world.snapshot(user, "files").items() if part == drive.id]
    for item_id, item in truth.items():
        found = await graph.drives.by_drive_id(drive.id).items.by_drive_item_id(item_id).get()
        assert (found.name, found.size) == (item["name"], item["size"])


async def test_batches(graph: GraphServiceClient, world: MicrosoftWorld) -> None:
    batch = BatchRequestContent()
    for user in world.users:
        batch.add_request_information(graph.users.by_user_id(user).to_get_request_information())
    answers = await graph.batch.post(batch_request_content=batch)
    assert {answer.status for answer in answers.responses.values()} == {200}
