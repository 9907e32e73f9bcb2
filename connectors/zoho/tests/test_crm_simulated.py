"""The CRM's streams keep the connector contract, against the simulator."""

import logging
import random
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.zoho import DOCUMENTED, Editor, tiny_zoho, zoho_app
from syncd_zoho import ZohoConnector

from syncd.sdk import (
    JSON,
    Account,
    Context,
    Partition,
    Record,
    Scan,
    Secret,
    SystemClock,
    Tombstone,
    VersionConflict,
)
from syncd.testing.suite import StreamSuite

BASE = "http://127.0.0.1:9"  # nobody listens: requests stay in this process
MODULES = {
    "crm_contacts": ("Contacts", "crm_contact"),
    "crm_leads": ("Leads", "lead"),
    "crm_events": ("Events", "crm_event"),
}
KEPT = ("Last_Name", "First_Name", "Email", "Phone", "Company", "Event_Title", "Venue", "Description")
LEFT_OUT = re.compile("restore")  # such a record need not show in a delta (§8.2): the weekly full round finds it
TROUBLES = (
    *("server_error", "bad_gateway", "unavailable", "gateway_timeout", "html_500", "html_200"),
    *("crm_throttle", "crm_limit_reached", "crm_rate_limit", "crm_page_token_expired"),
)


class CrmSource:
    """One module; pages of two."""

    def __init__(self, stream: str, seed: int) -> None:
        self.module, self.word = MODULES[stream]
        self.world = tiny_zoho(seed, SimClock())
        self.world.limits.enabled = False
        self.world.page_cap = {"crm": 2}
        self.editor = Editor(self.world, seed)
        for _ in range(6):
            self._edit(f"add_{self.word}" if self.word != "lead" else "add_crm_lead")
        self.settings: Mapping[str, Any] = {
            key: Secret(lambda value=value: value, "${env:X}") if key in ("client_secret", "refresh_token") else value
            for key, value in self.world.settings(BASE).items()
        }

    def transport(self) -> httpx.AsyncBaseTransport:
        return httpx.ASGITransport(zoho_app(self.world))

    def accounts(self) -> Mapping[str, str]:
        return {user.zuid: user.address for user in self.world.users.values()}

    def truth(self, account: Account) -> Mapping[str, Mapping[str, JSON]]:
        found = self.world.snapshot(self.world.owner, "crm")[self.module]
        return {"": {key: {name: row[name] for name in KEPT if name in row} for key, row in found.items()}}

    def change(self, rng: random.Random) -> None:
        self.editor.rng = rng
        edits = [
            edit for edit in self.editor.edits_of("crm") if self.word in repr(edit) and not LEFT_OUT.search(repr(edit))
        ]
        rng.choice(edits)()
        self.world.clock.advance(5)  # the watermark has an overlap of a second

    def delete(self, rng: random.Random) -> None:
        self.editor.rng = rng
        self._edit(f"delete_{self.word}" if self.word != "lead" else "delete_crm_lead")

    def _edit(self, name: str) -> None:
        next(edit for edit in self.editor.edits_of("crm") if name in repr(edit))()
        self.world.clock.advance(5)

    def troubles(self) -> Mapping[str, Any]:
        return {
            name: lambda name=name: self.world.faults.answer(name, times=2) for name in TROUBLES if name in DOCUMENTED
        }

    def calm(self) -> None:
        self.world.faults.clear()


class TestZohoCrmContacts(StreamSuite):
    connector, stream, seeds, idle_requests = ZohoConnector(), "crm_contacts", 1, 2

    def source(self, seed: int) -> Any:
        return CrmSource("crm_contacts", seed)


class TestZohoCrmLeads(StreamSuite):
    connector, stream, seeds, idle_requests = ZohoConnector(), "crm_leads", 1, 2

    def source(self, seed: int) -> Any:
        return CrmSource("crm_leads", seed)


class TestZohoCrmEvents(StreamSuite):
    connector, stream, seeds, idle_requests = ZohoConnector(), "crm_events", 1, 2

    def source(self, seed: int) -> Any:
        return CrmSource("crm_events", seed)


class Door:
    """The connector at work on one source."""

    def __init__(self, source: CrmSource, stream: str) -> None:
        self.source = source
        connector = ZohoConnector()
        self.stream: Any = next(one for one in connector.streams() if one.info.name == stream)
        self.http = httpx.AsyncClient(
            transport=source.transport(), auth=connector.auth(source.settings), timeout=30, base_url=BASE
        )
        self.bookmark: Any = None

    def context(self, **more: Any) -> Context:
        log: Any = logging.getLogger("zoho")
        return Context(self.http, SystemClock(), log, settings=self.source.settings, partition=Partition(), **more)

    async def read(self, scan: Scan = Scan.DELTA) -> list[Any]:
        """The items of a round."""
        pages = [
            page
            async for page in self.stream.pages(
                self.context(scan=scan, cursor=self.bookmark if scan is Scan.DELTA else None)
            )
        ]
        self.bookmark = pages[-1].bookmark
        self.source.world.clock.advance(5)
        return [item for page in pages for item in page.items]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_converted_lead_is_a_change_and_not_a_deletion() -> None:
    door = Door(CrmSource("crm_leads", 1), "crm_leads")
    before = {item.source_id for item in await door.read(Scan.FULL)}
    door.source._edit("convert_lead")
    (changed,) = await door.read()
    assert changed.source_id in before
    assert {item.source_id for item in await door.read(Scan.FULL)} == before
    assert [type(item) async for item in door.stream.get(door.context(), [changed.source_id])] == [Record]
    await door.http.aclose()


@pytest.mark.anyio
async def test_a_restored_contact_is_found_by_the_next_full_round() -> None:
    door = Door(CrmSource("crm_contacts", 1), "crm_contacts")
    before = {item.source_id for item in await door.read(Scan.FULL)}
    door.source._edit("delete_crm_contact")
    (gone,) = await door.read()
    assert isinstance(gone, Tombstone)
    door.source._edit("restore_crm_contact")
    await door.read()
    assert {item.source_id for item in await door.read(Scan.FULL)} == before
    await door.http.aclose()


@pytest.mark.anyio
async def test_what_is_written_is_what_is_read() -> None:
    door = Door(CrmSource("crm_contacts", 1), "crm_contacts")
    await door.read(Scan.FULL)
    stream, ctx = door.stream, door.context()
    made = await stream.create(ctx, {"Last_Name": "Paz", "Email": "paz@x.example"}, idempotency_key="k1")
    again = await stream.create(ctx, {"Last_Name": "Paz", "Email": "paz@x.example"}, idempotency_key="k1")
    assert again.source_id == made.source_id
    door.source.world.clock.advance(5)
    changed = await stream.update(ctx, made.source_id, {"Phone": "1"}, etag=made.etag, idempotency_key="k2")
    assert changed.summary["phones"] == ["1"]
    with pytest.raises(VersionConflict):
        await stream.update(ctx, made.source_id, {"Phone": "2"}, etag=made.etag, idempotency_key="k3")
    assert made.source_id in {item.source_id for item in await door.read()}
    await stream.delete(ctx, made.source_id, etag=changed.etag, idempotency_key="k4")
    await stream.delete(ctx, made.source_id, etag=changed.etag, idempotency_key="k4")
    assert made.source_id in {item.source_id for item in await door.read() if isinstance(item, Tombstone)}
    await door.http.aclose()


@pytest.mark.anyio
async def test_a_meeting_is_written_and_read() -> None:
    door = Door(CrmSource("crm_events", 1), "crm_events")
    await door.read(Scan.FULL)
    times = {"Start_DateTime": "2026-12-01T10:00:00+01:00", "End_DateTime": "2026-12-01T11:00:00+01:00"}
    made = await door.stream.create(door.context(), {"Event_Title": "Plan", **times}, idempotency_key="k1")
    assert made.summary["start"] == "2026-12-01T09:00:00Z"
    again = await door.stream.create(door.context(), {"Event_Title": "Plan", **times}, idempotency_key="k1")
    assert again.source_id == made.source_id
    await door.http.aclose()


@pytest.mark.anyio
async def test_a_channel_of_the_simulator_is_opened_renewed_and_closed() -> None:
    door = Door(CrmSource("crm_contacts", 1), "crm_contacts")
    stream, ctx = door.stream, door.context()
    opened = await stream.subscribe(ctx, "https://syncd.example/push", "secret")
    renewed = await stream.renew(ctx, opened)
    assert renewed["channel_id"] == opened["channel_id"]
    await stream.unsubscribe(ctx, renewed)
    await stream.unsubscribe(ctx, renewed)
    await door.http.aclose()
