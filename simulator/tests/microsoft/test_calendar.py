"""Calendars over HTTP: lists, single events, views, and delta rounds (microsoft.md §6)."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest
from syncd_simulator.clock import SimClock
from syncd_simulator.microsoft import Editor, MicrosoftWorld, microsoft_app
from syncd_simulator.microsoft.calendar_snapshot import calendar_truth
from syncd_simulator.server import serve

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
WINDOW = "startDateTime=2026-10-01T00:00:00Z&endDateTime=2027-01-01T00:00:00Z"
START = 1795262400.0  # 2026-11-21T12:00:00Z
DAILY = {"type": "daily", "interval": 1}


class Desk:
    """A world of two people on a clock that stands still, and requests about the first one's calendars."""

    def __init__(self, world: MicrosoftWorld, url: str) -> None:
        self.world, self.url = world, url
        self.user, self.other = world.add_user("Ada", "Lovelace", admin=True), world.add_user("Alan", "Turing")
        self.editor = Editor(world, 5)
        self.calendar = self.user.calendars.default
        self.http = httpx.Client(timeout=10)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request below the user; a full URL goes as it is."""
        url = path if path.startswith("http") else f"{self.url}/v1.0/users/{self.user.id}{path}"
        headers = {"Authorization": f"Bearer {self.world.credentials.issue()}"} | more.pop("headers", {})
        return self.http.request(method, url, headers=headers, **more)

    def get(self, path: str, **headers: str) -> Any:
        """The JSON of a GET that must answer 200."""
        response = self.ask("GET", path, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, method: str, path: str, **more: Any) -> tuple[int, str]:
        """Status and code of a request that must fail."""
        response = self.ask(method, path, **more)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["error"]["code"]

    def round(self, link: str | None = None, query: str = WINDOW, **headers: str) -> tuple[list[Any], str]:
        """All items of a round with immutable ids, and its deltaLink."""
        link, items = link or f"/calendarView/delta?{query}", []
        while True:
            page = self.get(link, **(IMMUTABLE | headers))
            items += page["value"]
            if "@odata.deltaLink" in page:
                assert "@odata.nextLink" not in page
                return items, page["@odata.deltaLink"]
            link = page["@odata.nextLink"]

    def series(self, **values: Any) -> Any:
        """A daily series of five from the day after the world's first, 9:00 in Madrid; no surprises in it."""
        scope = {"type": "numbered", "numberOfOccurrences": 5}
        times = {"start": when("2026-11-22T09:00:00"), "end": when("2026-11-22T10:00:00")}
        return self.editor.add_series(self.user, self.calendar, DAILY, scope, **(times | {"subject": "Daily"} | values))

    def single(self, day: str = "2026-11-25", **values: Any) -> Any:
        """A single event, 9:00 in Madrid."""
        times = {"start": when(f"{day}T09:00:00"), "end": when(f"{day}T10:00:00")}
        return self.editor.add_event(self.user, self.calendar, **(times | {"subject": "One"} | values))


def when(text: str, zone: str = "Romance Standard Time") -> dict[str, str]:
    return {"dateTime": text, "timeZone": zone}


@pytest.fixture
def desk() -> Iterator[Desk]:
    world = MicrosoftWorld(3, SimClock.manual(START))
    with serve(microsoft_app(world)) as server:
        made = Desk(world, server.url)
        yield made
        made.http.close()


def kinds(items: list[Any]) -> list[str]:
    return sorted("removed" if "@removed" in item else item["type"] for item in items)


# -- calendars ------------------------------------------------------------------------------------------------------


def test_calendars_of_the_default_group_are_listed_with_those_that_others_share(desk: Desk) -> None:
    second = desk.editor.add_calendar(desk.user, "Projects", grouped=False)
    apart = desk.editor.add_calendar(desk.user, "Private", grouped=True)
    desk.editor.share_calendar(desk.other, desk.user)
    listed = desk.get("/calendars")["value"]
    assert [each["name"] for each in listed] == ["Calendar", "Projects", "Calendar"]
    assert [each["isDefaultCalendar"] for each in listed] == [True, False, False]
    assert [(each["owner"]["address"], each["canEdit"]) for each in listed[1:]] == [
        (desk.user.address, True),
        (desk.other.address, False),
    ]
    groups = desk.get("/calendarGroups")["value"]
    assert [each["id"] for each in desk.get(f"/calendarGroups/{groups[1]['id']}/calendars")["value"]] == [apart.id]
    assert desk.get(f"/calendars/{second.id}")["name"] == "Projects"
    assert desk.refused("GET", f"/calendars/{apart.id[:-1]}x") == (404, "ErrorItemNotFound")


def test_shared_calendars_show_their_events_and_take_no_changes(desk: Desk) -> None:
    theirs = desk.other.calendars.default
    event = desk.editor.add_event(desk.other, theirs, days=1)
    desk.editor.share_calendar(desk.other, desk.user)
    key = desk.get("/calendars")["value"][1]["id"]
    assert [each["id"] for each in desk.get(f"/calendars/{key}/events", **IMMUTABLE)["value"]] == [event.id]
    assert desk.round(f"/calendars/{key}/calendarView/delta?{WINDOW}")[0][0]["isOrganizer"] is False
    body = {"start": when("2026-11-25T09:00:00"), "end": when("2026-11-25T10:00:00")}
    assert desk.refused("POST", f"/calendars/{key}/events", json=body) == (403, "ErrorAccessDenied")
    assert desk.ask("DELETE", f"/calendars/{key}").status_code == 204
    assert theirs.id in desk.other.calendars.owned


def test_a_deleted_calendar_is_gone_and_the_default_one_stays(desk: Desk) -> None:
    made = desk.ask("POST", "/calendars", json={"name": "Short-lived"})
    assert made.status_code == 201
    key = made.json()["id"]
    assert desk.refused("POST", "/calendars", json={"name": "short-lived"}) == (409, "ErrorFolderExists")
    assert desk.ask("PATCH", f"/calendars/{key}", json={"name": "Renamed"}).json()["name"] == "Renamed"
    assert desk.ask("DELETE", f"/calendars/{key}").status_code == 204
    assert desk.refused("GET", f"/calendars/{key}/calendarView/delta?{WINDOW}") == (404, "ErrorItemNotFound")
    assert desk.refused("DELETE", f"/calendars/{desk.calendar.id}")[0] == 400


# -- plain reads ----------------------------------------------------------------------------------------------------


def test_plain_lists_hold_singles_and_masters_page_by_page(desk: Desk) -> None:
    desk.series()
    for day in range(10, 22):
        desk.single(f"2026-12-{day}")
    page = desk.get("/events?$count=true")
    assert (len(page["value"]), page["@odata.count"]) == (10, 13)
    rest = desk.get(page["@odata.nextLink"])
    assert "@odata.nextLink" not in rest
    assert kinds(page["value"] + rest["value"]) == ["seriesMaster"] + ["singleInstance"] * 12
    assert len(desk.get("/events?$top=4")["value"]) == 4
    assert len(desk.get("/events", Prefer="odata.maxpagesize=3")["value"]) == 3


def test_times_come_in_utc_or_in_the_zone_asked_for_with_seven_digits(desk: Desk) -> None:
    event = desk.single()
    assert desk.get(f"/events/{event.id}")["start"] == when("2026-11-25T08:00:00.0000000", "UTC")
    response = desk.ask("GET", f"/events/{event.id}", headers={"Prefer": 'outlook.timezone="Pacific Standard Time"'})
    assert response.json()["start"] == when("2026-11-25T00:00:00.0000000", "Pacific Standard Time")
    assert response.json()["originalStartTimeZone"] == "Romance Standard Time"
    assert response.headers["Preference-Applied"] == 'outlook.timezone="Pacific Standard Time"'
    refused = desk.refused("GET", "/events", headers={"Prefer": 'outlook.timezone="Mars Standard Time"'})
    assert refused == (400, "TimeZoneNotSupportedException")


def test_bodies_come_as_html_or_as_text(desk: Desk) -> None:
    event = desk.single(body={"contentType": "text", "content": "1 < 2"})
    body = desk.get(f"/events/{event.id}")["body"]
    assert body["contentType"] == "html"
    assert "1 &lt; 2" in body["content"]
    response = desk.ask("GET", f"/events/{event.id}", headers={"Prefer": 'outlook.body-content-type="text"'})
    assert response.json()["body"] == {"contentType": "text", "content": "1 < 2"}
    assert response.headers["Preference-Applied"] == 'outlook.body-content-type="text"'


def test_both_id_forms_name_one_event_and_a_move_changes_the_plain_one_only(desk: Desk) -> None:
    event = desk.single()
    plain = desk.get("/events")["value"][0]["id"]
    assert plain != event.id == desk.get("/events", **IMMUTABLE)["value"][0]["id"]
    assert desk.get(f"/events/{plain}", **IMMUTABLE)["id"] == event.id
    desk.editor.move_event(event=event, target=desk.editor.add_calendar(desk.user, grouped=False))
    assert desk.refused("GET", f"/events/{plain}") == (404, "ErrorItemNotFound")
    assert desk.get(f"/events/{event.id}")["id"] not in (plain, event.id)
    assert desk.refused("GET", "/events/x") == (400, "ErrorInvalidIdMalformed")


def test_a_single_get_knows_occurrences_and_what_hangs_on_a_master_when_asked(desk: Desk) -> None:
    master = desk.series()
    desk.editor.change_instance(event=master, slot=date(2026, 11, 23), subject="Moved")
    desk.editor.cancel_instance(event=master, slot=date(2026, 11, 24))
    shown = desk.get(f"/events/{master.id}", **IMMUTABLE)
    assert not {"cancelledOccurrences", "exceptionOccurrences"} & set(shown)
    path = f"/events/{master.id}?$select=subject,cancelledOccurrences&$expand=exceptionOccurrences"
    shown = desk.get(path, **IMMUTABLE)
    assert shown["cancelledOccurrences"] == [f"OID.{master.id}.2026-11-24"]
    assert [each["originalStart"] for each in shown["exceptionOccurrences"]] == ["2026-11-23T08:00:00Z"]
    assert "start" not in shown
    occurrence = next(item for item in desk.round()[0] if item["type"] == "occurrence")
    full = desk.get(f"/events/{occurrence['id']}", **IMMUTABLE)
    assert (full["subject"], full["seriesMasterId"], full["type"]) == ("Daily", master.id, "occurrence")
    assert full["iCalUId"] != desk.get(f"/events/{master.id}")["iCalUId"]


def test_instances_and_calendar_view_expand_a_series_in_full(desk: Desk) -> None:
    master = desk.series()
    desk.editor.cancel_instance(event=master, slot=date(2026, 11, 24))
    window = "startDateTime=2026-11-23T00:00:00Z&endDateTime=2026-11-26T00:00:00Z"
    for path in (f"/events/{master.id}/instances?{window}", f"/calendarView?{window}"):
        found = desk.get(path)["value"]
        assert [each["start"]["dateTime"][:13] for each in found] == ["2026-11-23T08", "2026-11-25T08"]
        assert {each["subject"] for each in found} == {"Daily"}
        assert kinds(found) == ["occurrence"] * 2
    assert desk.refused("GET", f"/events/{master.id}/instances")[0] == 400


def test_daylight_saving_time_keeps_the_hour_of_a_series(desk: Desk) -> None:
    pattern = {"type": "weekly", "interval": 1, "daysOfWeek": ["sunday"]}
    times = {"start": when("2026-10-18T09:00:00"), "end": when("2026-10-18T10:00:00")}
    desk.editor.add_series(desk.user, desk.calendar, pattern, {"type": "numbered", "numberOfOccurrences": 2}, **times)
    found = desk.get(f"/calendarView?{WINDOW}")["value"]
    assert [each["start"]["dateTime"][5:13] for each in found] == ["10-18T07", "10-25T08"]


# -- delta rounds ---------------------------------------------------------------------------------------------------


def test_the_first_round_expands_series_and_shows_the_rest_in_full(desk: Desk) -> None:
    master, single = desk.series(), desk.single()
    desk.editor.change_instance(event=master, slot=date(2026, 11, 23), subject="Changed")
    items, _ = desk.round()
    assert kinds(items) == ["exception"] + ["occurrence"] * 4 + ["seriesMaster", "singleInstance"]
    named = {item["id"]: item for item in items}
    assert (named[single.id]["subject"], named[master.id]["subject"]) == ("One", "Daily")
    assert next(item["subject"] for item in items if item["type"] == "exception") == "Changed"
    assert all(item["@odata.type"] == "#microsoft.graph.event" and item["@odata.etag"] for item in items)


def test_an_idle_round_is_empty_and_gives_another_link(desk: Desk) -> None:
    desk.series()
    _, link = desk.round()
    items, again = desk.round(link)
    assert items == []
    assert again != link


def test_events_outside_of_the_window_are_removed_in_later_rounds_only(desk: Desk) -> None:
    far = desk.single("2029-01-10")
    near = desk.single()
    items, link = desk.round()
    assert [item["id"] for item in items] == [near.id]
    desk.editor.edit_event(event=far, subject="Still far away")
    desk.editor.edit_event(event=near, start=when("2029-02-01T09:00:00"), end=when("2029-02-01T10:00:00"))
    items, link = desk.round(link)
    assert {item["id"]: item["@removed"] for item in items} == {key: {"reason": "deleted"} for key in (far.id, near.id)}
    assert desk.get(f"/events/{near.id}")["start"]["dateTime"].startswith("2029")  # §6: removed is not deleted
    desk.editor.delete_event(event=near)
    assert [item["id"] for item in desk.round(link)[0]] == [near.id]
    assert desk.refused("GET", f"/events/{near.id}") == (404, "ErrorItemNotFound")


def test_an_exception_that_left_the_window_is_removed_and_its_series_comes_again(desk: Desk) -> None:
    weekly = {"type": "weekly", "interval": 1, "daysOfWeek": ["sunday"]}
    times = {"start": when("2026-12-20T09:00:00"), "end": when("2026-12-20T10:00:00")}
    scope = {"type": "numbered", "numberOfOccurrences": 4}
    master = desk.editor.add_series(desk.user, desk.calendar, weekly, scope, **times)
    _, link = desk.round()
    moved = {"start": when("2027-01-02T09:00:00"), "end": when("2027-01-02T10:00:00")}
    exception = desk.editor.change_instance(event=master, slot=date(2026, 12, 27), **moved)
    items, _ = desk.round(link)
    assert kinds(items) == ["occurrence", "removed", "seriesMaster"]
    assert [item["id"] for item in items if "@removed" in item] == [exception.id]


def test_deleting_a_series_removes_its_master_and_says_nothing_of_occurrences(desk: Desk) -> None:
    master = desk.series()
    _, link = desk.round()
    desk.editor.delete_event(event=master)
    assert desk.round(link)[0] == [
        {"@odata.type": "#microsoft.graph.event", "id": master.id, "@removed": {"reason": "deleted"}}
    ]


def test_an_event_moved_to_another_calendar_leaves_one_round_and_comes_in_the_other(desk: Desk) -> None:
    second = desk.editor.add_calendar(desk.user, grouped=False)
    event = desk.single()
    there = f"/calendars/{second.id}/calendarView/delta?{WINDOW}"
    (first, link), (_, link_there) = desk.round(Prefer="odata.maxpagesize=5"), desk.round(there)
    desk.editor.move_event(event=event, target=second)
    assert first[0]["id"] != event.id  # that round asked for plain ids
    gone = desk.get(link)["value"]
    assert [(item["id"], "@removed" in item) for item in gone] == [(first[0]["id"], True)]
    assert [item["id"] for item in desk.round(link_there)[0]] == [event.id]


@pytest.mark.parametrize(
    "query", ["$select=subject", "$filter=isAllDay eq true", "$expand=attachments", "$orderby=subject"]
)
def test_query_options_are_refused_in_rounds(desk: Desk, query: str) -> None:
    assert desk.refused("GET", f"/calendarView/delta?{WINDOW}&{query}")[0] == 400


def test_the_window_is_required_once_and_its_names_have_no_case(desk: Desk) -> None:
    desk.single()
    assert desk.refused("GET", "/calendarView/delta")[0] == 400
    assert desk.refused("GET", "/calendarView/delta?startDateTime=2026-10-01T00:00:00Z")[0] == 400
    assert desk.refused("GET", "/calendarView/delta?startDateTime=soon&endDateTime=later")[0] == 400
    items, link = desk.round(query="startdatetime=2026-10-01&enddatetime=2027-01-01T00:00:00%2B02:00")
    assert len(items) == 1
    assert "datetime" not in link.lower()
    too_long = "startDateTime=2020-01-01T00:00:00Z&endDateTime=2027-01-01T00:00:00Z"
    assert desk.refused("GET", f"/calendarView/delta?{too_long}")[0] == 400


def test_an_altered_link_is_refused(desk: Desk) -> None:
    desk.single()
    _, link = desk.round()
    for altered in (link + "&$select=subject", link.replace("deltatoken=", "deltatoken=x"), link.replace("$", "%24")):
        assert desk.refused("GET", altered)[0] == 400


def test_pages_are_as_small_as_asked_and_may_be_capped(desk: Desk) -> None:
    desk.series()
    page = desk.get(f"/calendarView/delta?{WINDOW}", Prefer="odata.maxpagesize=2")
    assert len(page["value"]) == 2
    desk.world.page_cap["calendar"] = 1
    assert len(desk.get(page["@odata.nextLink"])["value"]) == 1
    assert len(desk.round()[0]) == 6


def test_expired_cursors_of_a_calendar_answer_410(desk: Desk) -> None:
    _, link = desk.round()
    desk.world.expire("calendar", desk.user)
    assert desk.refused("GET", link) == (410, "SyncStateNotFound")
    assert desk.round()[0] == []


def test_a_world_may_leave_masters_out_of_rounds(desk: Desk) -> None:
    desk.user.calendars.master_in_delta = False
    master = desk.series()
    items, link = desk.round()
    assert kinds(items) == ["occurrence"] * 5
    desk.editor.cancel_instance(event=master, slot=date(2026, 11, 24))
    assert kinds(desk.round(link)[0]) == ["occurrence"] * 4


# -- traps of §18 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/events/delta", "/calendar/events/delta", "/calendars/{c}/events/delta"])
def test_trap_09_events_delta_is_refused(desk: Desk, path: str) -> None:
    response = desk.ask("GET", path.format(c=desk.calendar.id))
    assert response.status_code == 400
    text = "Unsupported request: Change tracking is not supported against 'microsoft.graph.event'."
    assert (response.json()["error"]["code"], response.json()["error"]["message"]) == ("BadRequest", text)


def test_trap_10_occurrences_are_skeletal(desk: Desk) -> None:
    master = desk.series()
    occurrence = next(item for item in desk.round()[0] if item["type"] == "occurrence")
    wanted = {"@odata.type", "@odata.etag", "id", "seriesMasterId", "type", "start", "end"}
    assert (set(occurrence), occurrence["seriesMasterId"]) == (wanted, master.id)


def test_trap_11_the_master_carries_its_original_start(desk: Desk) -> None:
    times = {"start": when("2020-03-02T09:00:00"), "end": when("2020-03-02T10:00:00")}
    desk.editor.add_series(desk.user, desk.calendar, DAILY, {"type": "noEnd"}, **times)
    items, _ = desk.round(query="startDateTime=2026-11-01T00:00:00Z&endDateTime=2026-11-03T00:00:00Z")
    assert kinds(items) == ["occurrence"] * 2 + ["seriesMaster"]
    starts = {item["type"]: item["start"]["dateTime"][:10] for item in items}
    assert starts == {"seriesMaster": "2020-03-02", "occurrence": "2026-11-02"}


def test_trap_12_a_deleted_occurrence_leaves_no_tombstone(desk: Desk) -> None:
    master = desk.series()
    before, link = desk.round()
    desk.editor.cancel_instance(event=master, slot=date(2026, 11, 24))
    items, _ = desk.round(link)
    assert kinds(items) == ["occurrence"] * 4 + ["seriesMaster"]  # all that remains, sent again
    missing = {item["id"] for item in before} - {item["id"] for item in items}
    assert len(missing) == 1
    assert desk.refused("GET", f"/events/{missing.pop()}") == (404, "ErrorItemNotFound")


def test_trap_13_the_window_is_frozen_in_the_cursor(desk: Desk) -> None:
    _, link = desk.round(query="startDateTime=2026-11-20T00:00:00Z&endDateTime=2026-11-30T00:00:00Z")
    desk.world.clock.advance(60 * 86400)
    inside, outside = desk.single("2026-11-29"), desk.single("2026-12-02")
    items, _ = desk.round(link)
    assert {item["id"]: "@removed" in item for item in items} == {inside.id: False, outside.id: True}


def test_trap_44_all_day_events_end_on_the_next_midnight_and_never_shift(desk: Desk) -> None:
    event = desk.editor.add_all_day(desk.user, desk.calendar, days=4, length=1)
    for zone in ("UTC", "Tokyo Standard Time", "Pacific Standard Time"):
        shown = desk.get(f"/events/{event.id}", Prefer=f'outlook.timezone="{zone}"')
        assert shown["start"] == when("2026-11-25T00:00:00.0000000", zone)
        assert shown["end"] == when("2026-11-26T00:00:00.0000000", zone)
    day_before = "startDateTime=2026-11-20T00:00:00Z&endDateTime=2026-11-25T00:00:00Z"
    assert desk.get(f"/calendarView?{day_before}")["value"] == []


def test_trap_45_zones_are_windows_names_or_none_that_maps(desk: Desk) -> None:
    event = desk.single()
    event.fields |= {"originalStartTimeZone": "tzone://Microsoft/Custom"}
    shown = desk.get(f"/events/{event.id}")
    assert shown["originalStartTimeZone"] == "tzone://Microsoft/Custom"
    assert (shown["originalEndTimeZone"], shown["start"]["timeZone"]) == ("Romance Standard Time", "UTC")
    assert "Romance Standard Time" in [each["alias"] for each in desk.get("/outlook/supportedTimeZones")["value"]]


# -- a mirror and the truth -----------------------------------------------------------------------------------------


QUIRKS = [None, "empty_page", "duplicates", "replays", "unknown_removed", "long_links"]
WIDE = "startDateTime=2026-10-01T00:00:00Z&endDateTime=2027-02-01T00:00:00Z"


@pytest.mark.parametrize("quirk", QUIRKS)
@pytest.mark.parametrize("form", ["immutable", "plain"])
def test_a_mirror_made_of_rounds_shows_what_takes_place(desk: Desk, quirk: str | None, form: str) -> None:
    if quirk:
        setattr(desk.world.quirks, quirk, {"calendar"})
    prefer = {"Prefer": 'IdType="ImmutableId"' if form == "immutable" else "odata.maxpagesize=30"}
    links: dict[str, str] = {}
    held: dict[str, dict[str, Any]] = {}
    for _ in range(8):
        for _ in range(6):
            desk.editor.random_edit("calendar", desk.user)
        for key in desk.user.calendars.owned:
            path = f"/calendars/{key}"
            items, links[key] = desk.round(links.get(key) or f"{path}/calendarView/delta?{WIDE}", **prefer)
            held[key] = applied(held.get(key, {}), items)
            shown = everything(desk, f"{path}/calendarView?{WIDE}", prefer)
            assert {name for name, item in held[key].items() if item["type"] != "seriesMaster"} == set(shown)
            for name, item in held[key].items():
                full = shown.get(name, item)
                assert {field: full[field] for field in item if field[0] != "@"} == {
                    field: value for field, value in item.items() if field[0] != "@"
                }


def test_a_replay_is_of_an_item(desk: Desk) -> None:
    """Also where no item is left."""
    desk.world.quirks.replays = desk.world.quirks.duplicates = {"*"}
    made = desk.single()
    items, link = desk.round()
    assert {item["id"] for item in items} == {made.id}
    desk.editor.delete_event(desk.user, made)
    for _ in range(2):
        items, link = desk.round(link)
        assert all(item["id"] for item in items)


def everything(desk: Desk, link: str, headers: dict[str, str]) -> dict[str, Any]:
    items = []
    while link:
        page = desk.get(link, **headers)
        items += page["value"]
        link = page.get("@odata.nextLink")
    return {item["id"]: item for item in items}


def applied(held: dict[str, Any], items: list[Any]) -> dict[str, Any]:
    """What §6 says: the last of an id counts, tombstones take children along, instances not sent again are gone."""
    last = {item["id"]: item for item in items}
    masters = {key for key, item in last.items() if item.get("type") == "seriesMaster"}
    gone = {key for key, item in last.items() if "@removed" in item}
    kept = {
        key: item for key, item in held.items()
        if key not in gone and item.get("seriesMasterId") not in gone
        and not (item.get("seriesMasterId") in masters and key not in last)
    }  # fmt: skip
    return kept | {key: item for key, item in last.items() if "@removed" not in item}


def test_snapshots_hold_what_plain_lists_show_and_the_instances_that_differ(desk: Desk) -> None:
    master, single = desk.series(), desk.single()
    changed = desk.editor.change_instance(event=master, slot=date(2026, 11, 23), subject="Changed")
    desk.editor.cancel_instance(event=master, slot=date(2026, 11, 24))
    desk.editor.share_calendar(desk.other, desk.user)
    desk.editor.add_event(desk.other, desk.other.calendars.default)
    truth = desk.world.snapshot(desk.user, "calendar")
    assert {key: set(events) for key, events in truth.items()} == {desk.calendar.id: {master.id, single.id, changed.id}}
    for name, item in truth[desk.calendar.id].items():
        shown = desk.get(f"/events/{name}", **IMMUTABLE)
        assert item.pop("cancelledOccurrences", None) == (
            [f"OID.{master.id}.2026-11-24"] if name == master.id else None
        )
        assert shown["calendar@odata.navigationLink"].endswith(f"/calendars('{desk.calendar.id}')")
        assert item == {key: value for key, value in shown.items() if "@odata." not in key or key == "@odata.etag"}
    assert len(calendar_truth(desk.world, desk.user, owned=False)) == 2
