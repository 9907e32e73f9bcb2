"""Calendars and events as the API shows them (zoho.md §5.1 to §5.3).

Public: calendar_row, event_row, occurrence_row.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from syncd_simulator.zoho.calendars import Calendar, Event
from syncd_simulator.zoho.caltimes import Moment, cut_short, local, offset, utc
from syncd_simulator.zoho.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["calendar_row", "event_row", "occurrence_row"]

LARGE = ("description", "richtext_description")  # only with `Accept: application/json+large`
MINIMAL = (
    "uid", "id", "caluid", "calid", "title", "isallday", "start", "end", "dateandtime", "etag", "color", "role",
    "lastmodifiedtime", "estatus",
)  # fmt: skip


def calendar_row(calendar: Calendar, user: "User", order: int) -> JSON:
    """One entry of a calendar list."""
    return {
        "uid": calendar.uid,
        "id": calendar.id,
        "name": calendar.name,
        "description": calendar.description,
        "color": calendar.color,
        "textcolor": "#FFFFFF",
        "timezone": calendar.zone,
        "privilege": calendar.privilege(user),
        "category": calendar.category if calendar.category != "own" or calendar.owner is user else "shared",
        "caltype": "own" if calendar.owner is user else "other",
        "isdefault": calendar.default and calendar.owner is user,
        "status": not calendar.hidden,
        "visibility": not calendar.hidden,
        "include_infreebusy": True,
        "owner": calendar.owner.zuid,
        "createdtime": calendar.created,
        "modifiedtime": calendar.modified,
        "lastmodifiedtime": utc(calendar.modified),
        "ctag": calendar.ctag,
        "reminders": [{"action": "popup", "minutes": "-15"}],
        "order": order,
    }


def event_row(world: "ZohoWorld", calendar: Calendar, event: Event, *, large: bool, zone: ZoneInfo | None) -> JSON:
    """An event in full; `zone`: answer times in that zone."""
    values = event.values if large else {name: value for name, value in event.values.items() if name not in LARGE}
    row: JSON = {"uid": event.uid, "id": event.id, "caluid": calendar.uid, "calid": calendar.id}
    row |= {"estatus": "added", "etag": event.etag, "isallday": event.all_day} | values
    row |= _times(world, event, event.start, event.end, zone)
    row |= {
        "createdtime": cut_short(event.created),
        "createdtime_millis": event.created,
        "lastmodifiedtime": utc(event.modified),
        "viewEventURL": f"https://calendar.zoho.{world.dc}/event/{event.id}",
    }
    if event.rrule:
        row["rrule"] = event.rrule
    if event.recurrence:
        row["recurrenceid"] = event.recurrence
    return row


def occurrence_row(
    world: "ZohoWorld", calendar: Calendar, event: Event, slot: tuple[str, Moment, Moment] | None, zone: ZoneInfo | None
) -> JSON:
    """A row of `byinstance=true`: few fields (§5.2). `slot` is None for single events and changed occurrences."""
    full = event_row(world, calendar, event, large=False, zone=zone)
    row = {name: full[name] for name in MINIMAL if name in full}
    if event.recurrence:
        row["recurrenceid"] = event.recurrence
    if slot is not None:
        original, start, end = slot
        row |= _times(world, event, start, end, zone) | {"recurrenceid": original}
        del row["duration"]
    return row


def _times(world: "ZohoWorld", event: Event, start: Moment, end: Moment, zone: ZoneInfo | None) -> JSON:
    """§5.3: `dateandtime` has the offset, the top level is local without one."""
    begin, finish = event.span()
    shown = {"duration": int((finish - begin) * 1000)}
    if not isinstance(start, datetime) or not isinstance(end, datetime):
        if world.all_day_end == "exclusive":
            end = end + timedelta(days=1)
        times = {"start": local(start), "end": local(end)}
        return {"dateandtime": dict(times), **times, **shown}
    if zone is not None:
        start, end = start.astimezone(zone), end.astimezone(zone)
    name = zone.key if zone is not None else event.zone
    times = {"timezone": name, "start": offset(start), "end": offset(end)}
    return {"dateandtime": times, "start": local(start), "end": local(end), **shown}
