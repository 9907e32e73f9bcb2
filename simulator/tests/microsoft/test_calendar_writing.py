"""Writing events over HTTP (microsoft.md §14)."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.microsoft import Editor, MicrosoftWorld, microsoft_app
from syncd_simulator.server import serve

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
WINDOW = "startDateTime=2026-10-01T00:00:00Z&endDateTime=2027-01-01T00:00:00Z"
START = 1795262400.0  # 2026-11-21T12:00:00Z
TAG = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name syncdLink"
GUEST = {"type": "required", "emailAddress": {"name": "Bob", "address": "bob@elsewhere.example"}}
DAILY = {"pattern": {"type": "daily", "interval": 1},
         "range": {"type": "numbered", "startDate": "2026-11-22", "numberOfOccurrences": 5}}  # fmt: skip


def when(text: str, zone: str = "Romance Standard Time") -> dict[str, str]:
    return {"dateTime": text, "timeZone": zone}


def meeting(**values: Any) -> dict[str, Any]:
    return {"subject": "New", "start": when("2026-11-22T09:00:00"), "end": when("2026-11-22T10:00:00")} | values


class Desk:
    """One person's calendar, written to over HTTP with immutable ids."""

    def __init__(self, world: MicrosoftWorld, url: str) -> None:
        self.world, self.url = world, url
        self.user = world.add_user("Ada", "Lovelace", admin=True)
        self.editor = Editor(world, 5)
        self.http = httpx.Client(timeout=10)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.world.credentials.issue()}"} | IMMUTABLE | headers
        url = path if path.startswith("http") else f"{self.url}/v1.0/users/{self.user.id}{path}"
        return self.http.request(method, url, json=body, headers=headers)

    def create(self, **values: Any) -> Any:
        """The event that a POST made."""
        response = self.ask("POST", "/events", meeting(**values))
        assert response.status_code == 201, response.text
        return response.json()

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Status and code of a request that must fail."""
        response = self.ask(method, path, body, **headers)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["error"]["code"]

    def events(self, query: str = "") -> list[Any]:
        found: list[Any] = self.ask("GET", f"/events{query}").json()["value"]
        return found

    def instances(self, key: str) -> list[Any]:
        """The instances of a series, in order."""
        found: list[Any] = self.ask("GET", f"/events/{key}/instances?{WINDOW}").json()["value"]
        return found


@pytest.fixture
def desk() -> Iterator[Desk]:
    world = MicrosoftWorld(3, SimClock.manual(START))
    with serve(microsoft_app(world)) as server:
        made = Desk(world, server.url)
        yield made
        made.http.close()


def test_a_created_event_reads_back_as_it_was_answered(desk: Desk) -> None:
    made = desk.create(location={"displayName": "Café"}, showAs="oof", sensitivity="private", categories=["Travel"])
    shown = desk.ask("GET", f"/events/{made['id']}").json()
    assert shown == made
    assert (made["subject"], made["type"], made["showAs"], made["isOrganizer"]) == (
        "New",
        "singleInstance",
        "oof",
        True,
    )
    assert made["organizer"]["emailAddress"]["address"] == desk.user.address
    assert made["locations"] == [made["location"]]
    assert made["start"] == when("2026-11-22T08:00:00.0000000", "UTC")
    assert made["@odata.etag"] == f'W/"{made["changeKey"]}"'
    assert "transactionId" not in made


def test_read_only_properties_are_ignored_and_unknown_ones_refused(desk: Desk) -> None:
    made = desk.create(iCalUId="mine", id="AAMkmine", organizer={"emailAddress": {"address": "x@y.example"}})
    assert (made["iCalUId"] != "mine", made["id"] != "AAMkmine") == (True, True)
    assert made["organizer"]["emailAddress"]["address"] == desk.user.address
    assert desk.refused("POST", "/events", meeting(title="x")) == (400, "RequestBodyRead")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"start": None}, "ErrorPropertyValidationFailure"),
        ({"end": when("2026-11-22T08:00:00")}, "ErrorPropertyValidationFailure"),
        ({"start": when("yesterday")}, "ErrorPropertyValidationFailure"),
        ({"start": when("2026-11-22T09:00:00", "Mars Standard Time")}, "TimeZoneNotSupportedException"),
        ({"showAs": "asleep"}, "ErrorPropertyValidationFailure"),
        ({"isAllDay": True}, "ErrorPropertyValidationFailure"),
        ({"attendees": [GUEST] * 501}, "ErrorPropertyValidationFailure"),
        ({"attendees": [{}]}, "ErrorPropertyValidationFailure"),
        ({"recurrence": {"pattern": {"type": "daily"}}}, "ErrorPropertyValidationFailure"),
        (
            {"recurrence": DAILY | {"range": DAILY["range"] | {"startDate": "2026-11-23"}}},
            "ErrorPropertyValidationFailure",
        ),
        ({"singleValueExtendedProperties": [{"id": "x", "value": "y"}]}, "ErrorInvalidProperty"),
    ],
)
def test_what_is_not_valid_is_refused_and_makes_nothing(desk: Desk, values: dict[str, Any], code: str) -> None:
    assert desk.refused("POST", "/events", meeting(**values)) == (400, code)
    assert desk.events() == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (when("2026-11-22T00:00:00"), when("2026-11-22T00:00:00")),
        (when("2026-11-22T01:00:00"), when("2026-11-23T01:00:00")),
        (when("2026-11-22T00:00:00"), when("2026-11-23T00:00:00", "UTC")),
    ],
)
def test_all_day_events_run_from_midnight_to_midnight_of_one_zone(desk: Desk, start: Any, end: Any) -> None:
    body = meeting(isAllDay=True, start=start, end=end)
    assert desk.refused("POST", "/events", body) == (400, "ErrorPropertyValidationFailure")
    good = desk.create(isAllDay=True, start=when("2026-11-22T00:00:00"), end=when("2026-11-23T00:00:00"))
    assert (good["start"]["dateTime"][:10], good["end"]["dateTime"][:10]) == ("2026-11-22", "2026-11-23")
    alone = {"isAllDay": False}
    assert desk.refused("PATCH", f"/events/{good['id']}", alone) == (400, "ErrorPropertyValidationFailure")
    times = {"start": when("2026-11-22T09:00:00"), "end": when("2026-11-22T10:00:00")}
    assert desk.ask("PATCH", f"/events/{good['id']}", alone | times).status_code == 200


def test_an_update_is_sparse_and_changes_the_change_key(desk: Desk) -> None:
    made = desk.create(categories=["Travel"])
    changed = desk.ask("PATCH", f"/events/{made['id']}", {"subject": "Changed"}).json()
    assert (changed["subject"], changed["categories"], changed["start"]) == ("Changed", ["Travel"], made["start"])
    assert changed["changeKey"] != made["changeKey"]
    located = desk.ask("PATCH", f"/events/{made['id']}", {"location": {"displayName": "B"}}).json()
    assert [each["displayName"] for each in located["locations"]] == ["B"]


def test_times_with_an_offset_count_as_instants(desk: Desk) -> None:
    made = desk.create(start=when("2026-11-22T09:00:00Z"), end=when("2026-11-22T11:00:00.0000000+01:00"))
    assert (made["start"]["dateTime"][11:16], made["end"]["dateTime"][11:16]) == ("09:00", "10:00")


def test_a_patched_occurrence_becomes_an_exception_with_the_same_id(desk: Desk) -> None:
    master = desk.create(recurrence=DAILY)
    assert master["type"] == "seriesMaster"
    assert master["recurrence"]["range"]["endDate"] == "0001-01-01"
    before = desk.instances(master["id"])
    changed = desk.ask("PATCH", f"/events/{before[1]['id']}", {"subject": "Other"}).json()
    assert (changed["id"], changed["type"], changed["seriesMasterId"]) == (before[1]["id"], "exception", master["id"])
    assert changed["originalStart"] == "2026-11-23T08:00:00Z"
    after = desk.instances(master["id"])
    assert [each["subject"] for each in after] == ["New", "Other", "New", "New", "New"]
    assert desk.ask("GET", f"/events/{master['id']}").json()["changeKey"] != master["changeKey"]


def test_a_deleted_occurrence_is_cancelled_and_its_series_goes_on(desk: Desk) -> None:
    master = desk.create(recurrence=DAILY)
    first, second, *_ = desk.instances(master["id"])
    desk.ask("PATCH", f"/events/{second['id']}", {"subject": "Other"})
    for each in (first, second):
        assert desk.ask("DELETE", f"/events/{each['id']}").status_code == 204
        assert desk.refused("GET", f"/events/{each['id']}") == (404, "ErrorItemNotFound")
    assert len(desk.instances(master["id"])) == 3
    shown = desk.ask("GET", f"/events/{master['id']}?$select=cancelledOccurrences").json()
    assert shown["cancelledOccurrences"] == [f"OID.{master['id']}.2026-11-{day}" for day in (22, 23)]
    truth = desk.world.snapshot(desk.user, "calendar")[desk.user.calendars.default.id]
    assert truth[master["id"]]["cancelledOccurrences"] == shown["cancelledOccurrences"]


def test_an_occurrence_cannot_pass_its_neighbours(desk: Desk) -> None:
    master = desk.create(recurrence=DAILY)
    second = desk.instances(master["id"])[1]["id"]
    late = {"start": when("2026-11-24T20:00:00"), "end": when("2026-11-24T21:00:00")}
    assert desk.refused("PATCH", f"/events/{second}", late) == (400, "ErrorOccurrenceCrossingBoundary")
    early = {"start": when("2026-11-22T20:00:00"), "end": when("2026-11-22T21:00:00")}
    assert desk.refused("PATCH", f"/events/{second}", early) == (400, "ErrorOccurrenceCrossingBoundary")
    same_day = {"start": when("2026-11-23T20:00:00"), "end": when("2026-11-23T21:00:00")}
    assert desk.ask("PATCH", f"/events/{second}", same_day).status_code == 200
    assert desk.refused("PATCH", f"/events/{second}", {"recurrence": DAILY})[0] == 400


def test_a_new_recurrence_drops_the_exceptions_of_a_series(desk: Desk) -> None:
    master = desk.create(recurrence=DAILY)
    first, second, *_ = desk.instances(master["id"])
    desk.ask("PATCH", f"/events/{second['id']}", {"subject": "Other"})
    desk.ask("DELETE", f"/events/{first['id']}")
    desk.ask("PATCH", f"/events/{master['id']}", {"subject": "Same pattern"})
    assert len(desk.instances(master["id"])) == 4
    shorter = DAILY | {"range": DAILY["range"] | {"numberOfOccurrences": 3}}
    desk.ask("PATCH", f"/events/{master['id']}", {"recurrence": shorter})
    assert [each["type"] for each in desk.instances(master["id"])] == ["occurrence"] * 3


def test_only_the_organiser_may_cancel(desk: Desk) -> None:
    event = desk.editor.add_event(desk.user, desk.user.calendars.default)
    event.fields |= {"isOrganizer": False, "attendees": [GUEST]}
    assert desk.refused("POST", f"/events/{event.id}/cancel", {"comment": "no"})[0] == 400
    mine = desk.create()
    assert desk.ask("POST", f"/events/{mine['id']}/cancel", {"comment": "no"}).status_code == 202
    assert [each["id"] for each in desk.events()] == [event.id]


def test_tags_are_found_by_filter_and_read_by_expand_only(desk: Desk) -> None:
    made = desk.create(singleValueExtendedProperties=[{"id": TAG, "value": "crm:123"}])
    desk.create()
    assert "singleValueExtendedProperties" not in made
    found = "?$filter=singleValueExtendedProperties/Any(ep: ep/id eq '{}' and ep/value eq '{}')"
    assert [each["id"] for each in desk.events(found.format(TAG.replace("66f5a359", "66F5A359"), "CRM:123"))] == [
        made["id"]
    ]
    assert desk.events(found.format(TAG.replace("syncdLink", "SyncdLink"), "crm:123")) == []
    expand = f"?$expand=singleValueExtendedProperties($filter=id eq '{TAG}')"
    shown = desk.ask("GET", f"/events/{made['id']}{expand}").json()
    assert [each["value"] for each in shown["singleValueExtendedProperties"]] == ["crm:123"]
    desk.ask("PATCH", f"/events/{made['id']}", {"singleValueExtendedProperties": [{"id": TAG, "value": "crm:9"}]})
    assert len(desk.events(found.format(TAG, "crm:9"))) == 1
    assert desk.refused("GET", "/events?$expand=attachments")[0] == 400
    assert desk.refused("GET", "/events?$filter=body/content eq 'x'")[0] == 400


def test_lists_filter_by_uid_and_by_time_and_sort(desk: Desk) -> None:
    late = desk.create(start=when("2026-12-22T09:00:00"), end=when("2026-12-22T10:00:00"))
    early = desk.create()
    ids = [late["id"], early["id"]]
    assert [each["id"] for each in desk.events(f"?$filter=iCalUId eq '{late['iCalUId']}'")] == ids[:1]
    before = "?$filter=start/dateTime lt '2026-12-01T00:00:00' and isAllDay eq false"
    assert [each["id"] for each in desk.events(before)] == ids[1:]
    assert [each["id"] for each in desk.events("?$orderby=start/dateTime")] == ids[::-1]
    assert [each["id"] for each in desk.events("?$orderby=start/dateTime desc")] == ids
    assert set(desk.events("?$select=subject")[0]) == {"@odata.etag", "id", "subject"}


# -- traps of §18 ---------------------------------------------------------------------------------------------------


def test_trap_40_whatever_has_attendees_sends_mail_and_nothing_else_does(desk: Desk) -> None:
    quiet = desk.create(recurrence=DAILY)
    desk.ask("PATCH", f"/events/{quiet['id']}", {"subject": "Changed"})
    desk.ask("DELETE", f"/events/{desk.instances(quiet['id'])[0]['id']}")
    desk.ask("DELETE", f"/events/{quiet['id']}")
    desk.editor.delete_event(event=desk.editor.add_event(desk.user, attendees=[GUEST]))  # people's own doing
    assert desk.world.outbox == []
    invited = desk.editor.add_event(desk.user, attendees=[GUEST])
    invited.fields |= {"isOrganizer": False}
    desk.ask("PATCH", f"/events/{invited.id}", {"showAs": "free"})
    desk.ask("DELETE", f"/events/{invited.id}")
    assert desk.world.outbox == []
    loud = desk.create(attendees=[GUEST], responseRequested=False, hideAttendees=True)
    desk.ask("PATCH", f"/events/{loud['id']}", {"subject": "Changed"})
    desk.ask("DELETE", f"/events/{loud['id']}")
    assert [(mail["kind"], mail["to"]) for mail in desk.world.outbox] == [
        (kind, ["bob@elsewhere.example"]) for kind in ("invitation", "update", "cancellation")
    ]


def test_a_series_with_changed_instances_sends_a_mail_for_each_of_them(desk: Desk) -> None:
    master = desk.create(recurrence=DAILY, attendees=[GUEST])
    event = desk.user.calendars.default.events[master["id"]]
    for day in (23, 24):
        desk.editor.change_instance(event=event, slot=date(2026, 11, day), subject="Other")
    del desk.world.outbox[:]
    desk.ask("PATCH", f"/events/{master['id']}", {"subject": "Changed"})
    assert len(desk.world.outbox) == 3


def test_trap_41_a_repeated_transaction_leaves_one_event(desk: Desk) -> None:
    body = meeting(transactionId="7e0f4b2a-0000-4000-8000-000000000001", attendees=[GUEST])
    first, again = desk.ask("POST", "/events", body), desk.ask("POST", "/events", body)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"] == desk.events()[0]["id"]
    assert again.json()["transactionId"] == body["transactionId"]
    assert (len(desk.events()), len(desk.world.outbox)) == (1, 1)
    desk.user.calendars.repeat_conflicts = True
    assert desk.refused("POST", "/events", body)[0] == 409
    changed = {"transactionId": "another"}
    assert desk.refused("PATCH", f"/events/{first.json()['id']}", changed)[0] == 400


def test_trap_42_a_stale_match_is_refused_and_none_overwrites(desk: Desk) -> None:
    made = desk.create()
    path, stale = f"/events/{made['id']}", made["@odata.etag"]
    fresh = desk.ask("PATCH", path, {"subject": "Newer"}).json()["@odata.etag"]
    refusal = (412, "ErrorIrresolvableConflict")
    assert desk.refused("PATCH", path, {"subject": "Older"}, **{"If-Match": stale}) == refusal
    assert desk.refused("DELETE", path, **{"If-Match": stale}) == refusal
    assert desk.ask("GET", path).json()["subject"] == "Newer"
    assert desk.ask("PATCH", path, {"subject": "Newest"}, **{"If-Match": fresh}).status_code == 200
    assert desk.ask("PATCH", path, {"subject": "Blind"}).status_code == 200
    assert desk.ask("GET", path).json()["subject"] == "Blind"


def test_trap_43_own_writes_come_back_in_delta_with_their_change_key(desk: Desk) -> None:
    link = desk.ask("GET", f"/calendarView/delta?{WINDOW}").json()["@odata.deltaLink"]
    made = desk.create()
    (item,) = desk.ask("GET", link).json()["value"]
    assert (item["id"], item["changeKey"]) == (made["id"], made["changeKey"])
