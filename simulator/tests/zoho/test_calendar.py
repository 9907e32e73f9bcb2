"""Zoho Calendar: lists, windows, changes, writes."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson
import pytest
from syncd_simulator.zoho.calendars import Calendar, calendars_of
from syncd_simulator.zoho.caltimes import BadTime, cut_short, moment_of, offset
from syncd_simulator.zoho.repeat import BadRule, check, slots

CALENDARS = "/api/v1/calendars"
FAR = "20990101T000000Z"


@pytest.fixture
def calendar(site: Any) -> Calendar:
    """The owner's default calendar."""
    return calendars_of(site.world).default(site.owner)


def path(calendar: Calendar, uid: str = "") -> str:
    """Of the events of a calendar, or of one event."""
    return f"{CALENDARS}/{quote(calendar.uid)}/events" + (f"/{quote(uid)}" if uid else "")


def at(site: Any, days: float, hour: int = 10, zone: str = "UTC") -> datetime:
    """A whole hour some days from the world's first day."""
    day = datetime.fromtimestamp(site.world.base, UTC) + timedelta(days=days)
    return day.replace(hour=hour, tzinfo=ZoneInfo(zone))


def rows(site: Any, calendar: Calendar, first: float = -15, last: float = 15, **params: Any) -> list[Any]:
    """The events of a window."""
    found: list[Any] = site.get("calendar", path(calendar), range=site.window(first, last), **params)["events"]
    return found


def write(site: Any, method: str, where: str, **values: Any) -> Any:
    """A write with `eventdata` in the query; the one event of the answer."""
    response = site.ask(method, "calendar", where, params={"eventdata": orjson.dumps(values).decode()})
    assert response.status_code == 200, response.text
    return response.json()["events"][0]


def test_the_list_holds_calendars_of_others_with_their_privilege(site: Any) -> None:
    store, other = calendars_of(site.world), list(site.world.users.values())[1]
    store.default(other).shared[site.owner.id] = "view"
    app = store.create(site.owner, "CRM", "UTC", category="app")
    app.shared[site.owner.id] = "view"
    listed = site.get("calendar", CALENDARS)["calendars"]
    assert [(c["privilege"], c["category"], c["isdefault"]) for c in listed] == [
        ("owner", "own", True), ("view", "shared", False), ("view", "app", False),
    ]  # fmt: skip
    assert len(site.get("calendar", CALENDARS, category="own")["calendars"]) == 1
    assert list(site.world.snapshot(site.owner, "calendar")) == [listed[0]["uid"]]
    refused = site.ask("POST", "calendar", path(app), params={"eventdata": "{}"})
    assert refused.status_code == 403


@pytest.mark.parametrize("word", ["default", "primary"])
def test_words_stand_for_the_default_calendar(site: Any, calendar: Calendar, word: str) -> None:
    assert [c["uid"] for c in site.get("calendar", f"{CALENDARS}/{word}")["calendars"]] == [calendar.uid]


def test_calendars_of_others_are_not_found(site: Any) -> None:
    other = calendars_of(site.world).default(list(site.world.users.values())[1])
    assert site.refused("calendar", path(other), params={"range": site.window()})[0] == 404


def test_ctag_changes_with_every_event(site: Any, calendar: Calendar) -> None:
    def ctag() -> int:
        found: int = site.get("calendar", f"{CALENDARS}/default")["calendars"][0]["ctag"]
        return found

    seen = [ctag(), ctag()]
    for edit in (site.editor.add_event, site.editor.edit_event, site.editor.delete_event):
        edit(site.owner, calendar)
        seen.append(ctag())
    assert seen[0] == seen[1] < seen[2] < seen[3] < seen[4]


def test_a_window_holds_what_touches_it(site: Any, calendar: Calendar) -> None:
    inside = site.editor.add_event(calendar=calendar, start=at(site, 15, hour=20))
    outside = site.editor.add_event(calendar=calendar, start=at(site, 17))
    series = site.editor.add_event(calendar=calendar, start=at(site, -200), rule="FREQ=WEEKLY")
    ended = site.editor.add_event(calendar=calendar, start=at(site, -200), rule="FREQ=WEEKLY;COUNT=3")
    found = {row["uid"] for row in rows(site, calendar)}
    assert found == {inside, series}
    assert {row["uid"] for row in rows(site, calendar, 16, 18)} >= {outside}
    assert ended not in found


@pytest.mark.parametrize(
    "text", [None, "{}", "[]", "20240101", '{"start":"2024-01-01","end":"2024-01-05"}',
             '{"start":"20240105","end":"20240101"}'],
)  # fmt: skip
def test_a_listing_needs_a_good_range(site: Any, calendar: Calendar, text: str | None) -> None:
    params = {"range": text} if text is not None else {}
    assert site.ask("GET", "calendar", path(calendar), params=params).status_code == 400


def test_a_range_may_have_times(site: Any, calendar: Calendar) -> None:
    uid = site.editor.add_event(calendar=calendar, start=at(site, 1))
    for hours, found in ((1, [uid]), (0, [])):
        end = at(site, 1) + timedelta(hours=hours)
        text = f'{{"start":"{at(site, 0):%Y%m%dT%H%M%SZ}","end":"{end:%Y%m%dT%H%M%SZ}"}}'
        assert [row["uid"] for row in site.get("calendar", path(calendar), range=text)["events"]] == found


def test_occurrences_are_rows_of_their_own_by_instance(site: Any, calendar: Calendar) -> None:
    uid = site.editor.add_event(calendar=calendar, start=at(site, -3), rule="FREQ=DAILY;COUNT=5", description="x")
    changed = site.editor.change_instance(site.owner, calendar)
    found = rows(site, calendar, byinstance="true")
    assert {row["uid"] for row in found} == {uid}
    assert len({row["recurrenceid"] for row in found}) == 5
    assert all("description" not in row and "rrule" not in row for row in found)
    masters = rows(site, calendar)
    assert [row.get("recurrenceid") for row in masters] == [None, changed.partition("_")[2]]
    assert set(site.world.snapshot(site.owner, "calendar")[calendar.uid]) == {uid, changed}


def test_a_changed_occurrence_is_read_by_its_recurrenceid(site: Any, calendar: Calendar) -> None:
    uid = site.editor.add_event(calendar=calendar, start=at(site, 0), rule="FREQ=DAILY;COUNT=5")
    original = site.editor.change_instance(site.owner, calendar).partition("_")[2]
    series, changed = (
        site.get("calendar", path(calendar, uid), **params)["events"][0]
        for params in ({}, {"recurrenceid": original})
    )  # fmt: skip
    assert ("rrule" in series, "rrule" in changed) == (True, False)
    assert changed["recurrenceid"] == original


def test_answers_can_be_in_another_zone(site: Any, calendar: Calendar) -> None:
    site.editor.add_event(calendar=calendar, start=at(site, 1, zone="Europe/Madrid"))
    shown = rows(site, calendar, timezone="Asia/Tokyo")[0]["dateandtime"]
    assert (shown["timezone"], shown["start"][-5:]) == ("Asia/Tokyo", "+0900")


def test_events_of_utc_have_a_z(site: Any, calendar: Calendar) -> None:
    site.editor.add_event(calendar=calendar, start=at(site, 1))
    assert rows(site, calendar)[0]["dateandtime"]["start"].endswith("T100000Z")


@pytest.mark.parametrize(("form", "days"), [("inclusive", 1), ("exclusive", 2)])
def test_all_day_ends_follow_the_knob(site: Any, calendar: Calendar, form: str, days: int) -> None:
    site.world.all_day_end = form
    site.editor.add_all_day(calendar=calendar, days=2)
    (row,) = next(iter(site.world.snapshot(site.owner, "calendar").values())).values()
    first, last = (datetime.strptime(row[name], "%Y%m%d") for name in ("start", "end"))  # noqa: DTZ007
    assert ((last - first).days, row["isallday"], row["dateandtime"]["end"]) == (days, True, row["end"])


@pytest.mark.parametrize(
    ("mode", "status", "count"), [("supported", 200, 0), ("ignored", 200, 1), ("rejected", 400, 0)]
)
def test_lastmodified_has_three_behaviours(
    site: Any, calendar: Calendar, mode: str, status: int, count: int
) -> None:  # fmt: skip
    site.world.lastmodified = mode
    site.editor.add_event(calendar=calendar, start=at(site, 1))
    params = {"range": site.window(), "lastmodified": FAR}
    response = site.ask("GET", "calendar", path(calendar), params=params)
    assert response.status_code == status
    assert len(response.json().get("events", [])) == count
    without = site.ask("GET", "calendar", path(calendar), params={"lastmodified": FAR})
    assert without.status_code == (200 if mode == "supported" else 400)


def test_lastmodified_is_no_number(site: Any, calendar: Calendar) -> None:
    assert site.ask("GET", "calendar", path(calendar), params={"lastmodified": "1700000000000"}).status_code == 400


def test_lastmodified_gives_what_changed_after_a_second(site: Any, calendar: Calendar) -> None:
    site.editor.add_event(calendar=calendar)
    since = f"{datetime.fromtimestamp(site.clock.time(), UTC):%Y%m%dT%H%M%SZ}"
    site.clock.advance(1)
    later = site.editor.add_event(calendar=calendar)
    assert [row["uid"] for row in site.get("calendar", path(calendar), lastmodified=since)["events"]] == [later]


def test_two_edits_in_one_second_differ_by_etag(site: Any, calendar: Calendar) -> None:
    uid = site.editor.add_event(calendar=calendar, start=at(site, 1))
    first = rows(site, calendar)[0]
    site.editor.edit_event(key=uid, title="Other")
    second = rows(site, calendar)[0]
    assert (first["lastmodifiedtime"], first["etag"]) != (second["lastmodifiedtime"], second["etag"])
    assert first["lastmodifiedtime"] == second["lastmodifiedtime"]


def test_an_empty_window_may_have_words(site: Any, calendar: Calendar) -> None:
    assert rows(site, calendar) == []
    site.world.empty_events_message = True
    assert rows(site, calendar) == [{"message": "No events found."}]


# -- writes -----------------------------------------------------------------------------------------------------------


def timed(site: Any, days: float = 1) -> dict[str, str]:
    """`dateandtime` of an hour."""
    start = at(site, days)
    end = start + timedelta(hours=1)
    return {"start": f"{start:%Y%m%dT%H%M%SZ}", "end": f"{end:%Y%m%dT%H%M%SZ}", "timezone": "Europe/Madrid"}


def test_a_form_works_as_well_as_a_query(site: Any, calendar: Calendar) -> None:
    body = {"eventdata": orjson.dumps({"title": "Tea", "dateandtime": timed(site)}).decode()}
    made = site.ask("POST", "calendar", path(calendar), data=body).json()["events"][0]
    assert rows(site, calendar)[0]["uid"] == made["uid"]


def test_all_day_events_are_written_as_dates(site: Any, calendar: Calendar) -> None:
    made = write(
        site, "POST", path(calendar), isallday=True, dateandtime={"start": "20261120", "end": "20261121"}
    )  # fmt: skip
    assert (made["start"], made["end"], made["isallday"]) == ("20261120", "20261121", True)


@pytest.mark.parametrize("values", [{"title": "x"}, {"dateandtime": {"start": "20261120T100000Z"}},
                                    {"dateandtime": {"start": "2026-11-20", "end": "2026-11-21"}}])  # fmt: skip
def test_events_need_their_times(site: Any, calendar: Calendar, values: Any) -> None:
    params = {"eventdata": orjson.dumps(values).decode()}
    assert site.ask("POST", "calendar", path(calendar), params=params).status_code == 400


def test_one_occurrence_is_changed_by_its_recurrenceid(site: Any, calendar: Calendar) -> None:
    made = write(site, "POST", path(calendar), dateandtime=timed(site), rrule="FREQ=DAILY;COUNT=4")
    original = rows(site, calendar, byinstance="true")[1]["recurrenceid"]
    changed = write(
        site, "PUT", path(calendar, made["uid"]), title="Late", recurrenceid=original, etag=made["etag"],
        dateandtime=timed(site, 2),
    )  # fmt: skip
    assert (changed["uid"], changed["recurrenceid"]) == (made["uid"], original)
    assert len(rows(site, calendar, byinstance="true")) == 4


def test_later_occurrences_become_a_series_of_their_own(site: Any, calendar: Calendar) -> None:
    made = write(site, "POST", path(calendar), dateandtime=timed(site), rrule="FREQ=DAILY;COUNT=6")
    original = rows(site, calendar, byinstance="true")[2]["recurrenceid"]
    later = write(
        site, "PUT", path(calendar, made["uid"]), title="New", recurrenceid=original, etag=made["etag"],
        recurrence_edittype="following", dateandtime=timed(site, 3), rrule="FREQ=DAILY;COUNT=4",
    )  # fmt: skip
    assert later["uid"] != made["uid"]
    found = [row["uid"] for row in rows(site, calendar, byinstance="true")]
    assert (found.count(made["uid"]), found.count(later["uid"])) == (2, 4)


def test_one_occurrence_is_deleted_without_a_header(site: Any, calendar: Calendar) -> None:
    made = write(site, "POST", path(calendar), dateandtime=timed(site), rrule="FREQ=DAILY;COUNT=4")
    original = rows(site, calendar, byinstance="true")[1]["recurrenceid"]
    values = {"uid": made["uid"], "recurrenceid": original, "etag": made["etag"], "recurrence_edittype": "only"}
    write(site, "DELETE", path(calendar, made["uid"]), **values)
    assert original not in [row["recurrenceid"] for row in rows(site, calendar, byinstance="true")]
    assert len(rows(site, calendar, byinstance="true")) == 3


# -- times ------------------------------------------------------------------------------------------------------------


def test_creation_times_are_cut_short() -> None:
    noon = 1_499_940_000_000  # 2017-07-13 10:00:00
    assert [cut_short(noon + extra) for extra in (0, 60_000, 61_000)] == [
        "20170713T10Z", "20170713T1001Z", "20170713T100101Z",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["20261120T100000Z", "20261120T153000+0530", "20261120T110000"])
def test_one_instant_has_many_spellings(text: str) -> None:
    moment = moment_of(text, ZoneInfo("Europe/Madrid"))
    assert isinstance(moment, datetime)
    assert moment.timestamp() == 1_795_168_800
    assert offset(moment) == "20261120T110000+0100"


@pytest.mark.parametrize("text", ["", "2026-11-20", "20261341", "20261120T1000Z", "tomorrow"])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(BadTime):
        moment_of(text, ZoneInfo("UTC"))


# -- repeating --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=DAILY;COUNT=3", ["0105", "0106", "0107"]),
        ("FREQ=DAILY;INTERVAL=2;UNTIL=20260109", ["0105", "0107", "0109"]),
        ("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=3", ["0105", "0107", "0112"]),
        ("FREQ=WEEKLY;INTERVAL=2;COUNT=2", ["0105", "0119"]),
        ("FREQ=MONTHLY;BYDAY=2TU;COUNT=2", ["0113", "0210"]),
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=2", ["0130", "0227"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=2", ["0131", "0331"]),
        ("FREQ=YEARLY;COUNT=2", ["0105", "0105"]),
    ],
)
def test_rules_have_their_days(rule: str, days: list[str]) -> None:
    assert [f"{slot:%m%d}" for slot in slots(date(2026, 1, 5), rule)] == days


@pytest.mark.parametrize(
    "rule", ["", "DAILY", "FREQ=HOURLY", "FREQ=DAILY;COUNT=0", "FREQ=DAILY;INTERVAL=x", "FREQ=WEEKLY;BYDAY=XX",
             "FREQ=MONTHLY;BYDAY=MO,TU", "FREQ=MONTHLY;BYMONTHDAY=32"],
)  # fmt: skip
def test_other_rules_are_refused(site: Any, calendar: Calendar, rule: str) -> None:
    with pytest.raises(BadRule):
        check(rule)
    params = {"eventdata": orjson.dumps({"dateandtime": timed(site), "rrule": rule or "x"}).decode()}
    assert site.ask("POST", "calendar", path(calendar), params=params).status_code == 400


def test_a_rule_without_end_ends() -> None:
    assert len(list(slots(date(2026, 1, 5), "FREQ=YEARLY;INTERVAL=9000"))) == 1
    assert len(list(slots(date(2024, 2, 29), "FREQ=YEARLY"))) > 1000


def test_a_series_of_another_pattern_forgets_its_changes(site: Any, calendar: Calendar) -> None:
    made = write(site, "POST", path(calendar), dateandtime=timed(site), rrule="FREQ=DAILY;COUNT=4")
    site.editor.change_instance(site.owner, calendar)
    write(site, "PUT", path(calendar, made["uid"]), etag=made["etag"], dateandtime=timed(site, 3))
    assert list(site.world.snapshot(site.owner, "calendar")[calendar.uid]) == [made["uid"]]


def test_single_events_have_no_occurrences(site: Any, calendar: Calendar) -> None:
    made = write(site, "POST", path(calendar), dateandtime=timed(site))
    values = {"recurrenceid": "20261120T100000Z", "etag": made["etag"], "dateandtime": timed(site)}
    params = {"eventdata": orjson.dumps(values).decode()}
    assert site.ask("PUT", "calendar", path(calendar, made["uid"]), params=params).status_code == 404
