"""Writing to Zoho Calendar against the simulated one: traps 26 and 42, versions, lost answers (§5.5)."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import httpx
import orjson
import pytest
from syncd_simulator import SimClock
from syncd_simulator.zoho import Editor, tiny_zoho, zoho_app
from syncd_simulator.zoho.calendars import calendars_of
from syncd_zoho import ZohoConnector
from syncd_zoho.auth import ZohoAuth

from connectors.zoho.tests.canned import Noon, Quiet
from syncd.sdk import Account, Context, Partition, Record, Stream, Transient, VersionConflict, Writable

pytestmark = pytest.mark.anyio
TIMES = {"start": "20261124T100000+0100", "end": "20261124T110000+0100", "timezone": "Europe/Madrid"}
EVENT = {"title": "Tea", "dateandtime": TIMES, "attendees": [{"email": "guest@elsewhere.example"}]}
WRITES = ("POST", "PUT", "DELETE")


class Wire(httpx.AsyncBaseTransport):
    """The simulated Zoho; keeps the writes, and loses the answer to the next one if told to."""

    def __init__(self, world: Any) -> None:
        self.inner = httpx.ASGITransport(zoho_app(world))
        self.writes: list[httpx.Request] = []
        self.lose = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        if request.method in WRITES and "/calendars/" in request.url.path:
            self.writes.append(request)
            if self.lose:
                self.lose = False
                raise Transient("the answer is lost")
        return response


class Door:
    """The owner's first calendar through the connector."""

    def __init__(self) -> None:
        self.world = tiny_zoho(1, SimClock.manual(Noon.moment.timestamp()))
        self.editor = Editor(self.world, 1)
        self.store = calendars_of(self.world)
        self.calendar = self.store.default(self.world.owner)
        self.wire = Wire(self.world)
        self.settings = self.world.settings("http://127.0.0.1:9")
        self.http = httpx.AsyncClient(transport=self.wire, auth=ZohoAuth(self.settings, Noon()))
        self.store.mails.clear()
        self.stream: Any = next(one for one in ZohoConnector().streams() if one.info.name == "calendar")
        owner = self.world.owner
        self.context = Context(
            self.http, Noon(), Quiet(), settings=self.settings, account=Account(owner.zuid, owner.address),
            partition=Partition(self.calendar.uid),
        )  # fmt: skip

    async def create(self, data: Any = EVENT) -> Record:
        made: Record = await self.stream.create(self.context, data, idempotency_key="k")
        return made

    async def update(self, key: str, data: Any, etag: str | None = None) -> Record:
        changed: Record = await self.stream.update(self.context, key, data, etag=etag, idempotency_key="k")
        return changed

    async def delete(self, key: str, etag: str | None = None) -> None:
        await self.stream.delete(self.context, key, etag=etag, idempotency_key="k")

    def sent(self, number: int = -1) -> dict[str, Any]:
        """The `eventdata` of a write."""
        request = self.wire.writes[number]
        form = {key: values[0] for key, values in parse_qs(request.content.decode()).items()}
        found: dict[str, Any] = orjson.loads({**dict(request.url.params), **form}["eventdata"])
        return found


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    one = Door()
    yield one
    await one.http.aclose()


def test_the_stream_can_be_written_to() -> None:
    (stream,) = [one for one in ZohoConnector().streams() if one.info.name == "calendar"]
    assert isinstance(stream, Stream)
    assert isinstance(stream, Writable)


async def test_trap_26_eventdata_is_a_parameter_with_times_in_gmt(door: Door) -> None:
    record = await door.create()
    (request,) = door.wire.writes
    assert request.content == b""
    times = {"start": "20261124T090000Z", "end": "20261124T100000Z", "timezone": "Europe/Madrid"}
    assert door.sent()["dateandtime"] == times
    assert door.calendar.events[record.source_id].values["title"] == "Tea"
    assert record.summary["start"] == "2026-11-24T09:00:00Z"


async def test_a_long_event_travels_as_a_form(door: Door) -> None:
    record = await door.create({**EVENT, "description": "long " * 2000})
    assert door.wire.writes[0].headers["content-type"] == "application/x-www-form-urlencoded"
    assert "eventdata" not in door.wire.writes[0].url.params
    assert len(door.calendar.events[record.source_id].values["description"]) == 10_000


async def test_trap_26_an_update_has_the_etag_inside_and_the_times_always(door: Door) -> None:
    made = await door.create()
    changed = await door.update(made.source_id, {"title": "Coffee"}, made.etag)
    assert door.sent()["etag"] == int(made.etag or 0)
    assert door.sent()["dateandtime"]["start"] == "20261124T090000Z"
    assert (changed.data["title"], changed.source_id) == ("Coffee", made.source_id)
    assert changed.etag != made.etag


async def test_trap_26_a_deletion_has_the_etag_as_a_header(door: Door) -> None:
    made = await door.create()
    await door.delete(made.source_id, made.etag)
    assert door.wire.writes[-1].headers["etag"] == made.etag
    assert made.source_id not in door.calendar.events
    await door.delete(made.source_id, made.etag)  # gone already
    assert len(door.wire.writes) == 2


async def test_trap_42_no_write_mails_anybody(door: Door) -> None:
    made = await door.create()
    changed = await door.update(made.source_id, {"title": "Coffee"}, made.etag)
    await door.delete(made.source_id, changed.etag)
    assert [door.sent(n)["notify_attendee"] for n in range(3)] == [0, 0, 0]
    assert door.store.mails == []


async def test_all_day_events_are_written_as_dates(door: Door) -> None:
    made = await door.create({"title": "Fair", "dateandtime": {"start": "20261124", "end": "20261125"}})
    assert (door.sent()["isallday"], door.sent()["dateandtime"]) == (True, {"start": "20261124", "end": "20261125"})
    assert (made.summary["start"], made.summary["end"]) == ("2026-11-24", "2026-11-25")


async def test_what_zoho_keeps_by_itself_is_not_sent_back(door: Door) -> None:
    made = await door.create()
    await door.update(made.source_id, {**made.data, "title": "Coffee"}, made.etag)
    assert not door.sent().keys() & {"uid", "id", "lastmodifiedtime", "createdby", "estatus", "start", "end"}


async def test_a_newer_version_is_not_overwritten(door: Door) -> None:
    made = await door.create()
    door.world.clock.advance(5)
    door.editor.edit_event(door.world.owner, door.calendar, made.source_id)
    with pytest.raises(VersionConflict):
        await door.update(made.source_id, {"title": "Coffee"}, made.etag)
    with pytest.raises(VersionConflict):
        await door.delete(made.source_id, made.etag)
    assert len(door.wire.writes) == 1
    assert (await door.update(made.source_id, {"title": "Coffee"})).data["title"] == "Coffee"


async def test_a_create_whose_answer_is_lost_is_made_once(door: Door) -> None:
    door.wire.lose = True
    made = await door.create()
    again = await door.create()
    assert made.source_id == again.source_id
    assert [one.method for one in door.wire.writes] == ["POST"]


async def test_an_update_that_got_through_is_not_a_conflict_the_second_time(door: Door) -> None:
    made = await door.create()
    first = await door.update(made.source_id, {"title": "Coffee"}, made.etag)
    again = await door.update(made.source_id, {"title": "Coffee"}, made.etag)
    assert (again.etag, len(door.wire.writes)) == (first.etag, 2)


async def test_one_occurrence_is_changed_and_called_off_alone(door: Door) -> None:
    series = await door.create({**EVENT, "rrule": "FREQ=DAILY;COUNT=5"})
    door.editor.change_instance(door.world.owner, door.calendar, series.source_id)
    (changed,) = [one for one in door.calendar.events if one.startswith(f"{series.source_id}_")]
    record = await door.update(changed, {"title": "Late"})
    assert (record.source_id, door.sent()["recurrence_edittype"]) == (changed, "only")
    await door.delete(changed, record.etag)
    assert "etag" not in door.wire.writes[-1].headers
    assert door.sent()["recurrenceid"] == door.sent(-2)["recurrenceid"]
    assert changed not in door.calendar.events
    assert series.source_id in door.calendar.events
