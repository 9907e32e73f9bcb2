"""What a request gets to see of events and calendars (microsoft.md §6, §16).

Public: Lens, full, skeleton, removed, calendar_entry, body_text, seven, stamp. A Lens is what the request's `Prefer`
header asks for: the zone of start and end, the form of bodies, and which of the two ids of an event to show.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from syncd_simulator.microsoft.calendar_store import Calendar, Event, Instance, instant, local
from syncd_simulator.microsoft.calendar_zones import zone_of

JSON = dict[str, Any]
NEVER = "0001-01-01T00:00:00Z"
PREVIEW = 255
HEAD = '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n</head>\r\n<body>\r\n'
FOOT = "\r\n</body>\r\n</html>\r\n"


@dataclass(frozen=True)
class Lens:
    """How one request sees events. `id_of` gives the id to show for an event's or occurrence's immutable id."""

    id_of: Callable[[Event, str], str]
    viewer: str  # user id of the mailbox
    zone: str = "UTC"
    text: bool = False


def seven(moment: datetime) -> str:
    """`2016-12-09T20:30:00.0000000`: 7 fraction digits, no offset."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}0"


def stamp(moment: float) -> str:
    """A DateTimeOffset in UTC."""
    return seven(datetime.fromtimestamp(moment, UTC)) + "Z"


def shown(when: JSON, all_day: bool, zone: str) -> JSON:
    """Start or end for a viewer. Dates of all-day events are relabelled, never shifted (§6)."""
    moment = local(when) if all_day else instant(when).astimezone(zone_of(zone))
    return {"dateTime": seven(moment), "timeZone": zone}


def etag(event: Event) -> str:
    """§14: `W/"<changeKey>"`."""
    return f'W/"{event.change_key}"'


def skeleton(instance: Instance, lens: Lens) -> JSON:
    """An occurrence as delta rounds show it: nothing but its place in time and its master (§6)."""
    assert instance.slot is not None
    event = instance.event
    start, end = event.times(instance.slot)
    return {
        "@odata.type": "#microsoft.graph.event",
        "@odata.etag": etag(event),
        "id": lens.id_of(event, instance.id),
        "seriesMasterId": lens.id_of(event, event.id),
        "type": "occurrence",
        "start": shown(start, event.is_all_day, lens.zone),
        "end": shown(end, event.is_all_day, lens.zone),
    }


def removed(event_id: str) -> JSON:
    """A tombstone, for a deleted event as for one outside of the window."""
    return {"@odata.type": "#microsoft.graph.event", "id": event_id, "@removed": {"reason": "deleted"}}


def full(instance: Instance, lens: Lens) -> JSON:
    """Everything about a single event, master, exception or occurrence."""
    event, slot = instance.event, instance.slot
    master = event.master or (event if slot is not None else None)
    values = {name: value for name, value in event.fields.items() if name not in ("body", "recurrence")}
    start, end = event.times(slot) if slot is not None else (event.fields["start"], event.fields["end"])
    text = body_text(event.fields["body"])
    answer = {
        "@odata.etag": etag(event),
        "id": lens.id_of(event, instance.id),
        "createdDateTime": stamp(event.created),
        "lastModifiedDateTime": stamp(event.modified),
        "changeKey": event.change_key,
        **values,
        "iCalUId": event.uid if master is None else _occurrence_uid(master.uid, instance),
        "bodyPreview": text[:PREVIEW],
        "body": {"contentType": "text", "content": text} if lens.text else _html_body(event.fields["body"]),
        "type": "occurrence" if slot is not None else event.type,
        "seriesMasterId": None if master is None else lens.id_of(master, master.id),
        "recurrence": event.fields.get("recurrence") if slot is None else None,
        "start": shown(start, event.is_all_day, lens.zone),
        "end": shown(end, event.is_all_day, lens.zone),
        "isOrganizer": event.fields["isOrganizer"] and event.calendar.owner.id == lens.viewer,
        "webLink": f"https://outlook.office365.com/owa/?itemid={event.id}&exvsurl=1&path=/calendar/item",
    }
    if event.transaction is not None:
        answer["transactionId"] = event.transaction
    if master is not None:
        answer["originalStart"] = original_start(instance)
    return answer


def original_start(instance: Instance) -> str:
    """The slot that an instance of a series stands in: always UTC (§6)."""
    event, slot = instance.event, instance.slot
    master = event if slot is not None else event.master
    day = slot or event.slot
    assert master is not None
    assert day is not None
    start = master.times(day)[0]
    return f"{local(start) if master.is_all_day else instant(start):%Y-%m-%dT%H:%M:%S}Z"


def cancelled_occurrences(master: Event, lens: Lens) -> list[str]:
    """§6: `OID.<master id>.<date>` of every occurrence that was called off."""
    key = lens.id_of(master, master.id)
    return [f"OID.{key}.{day.isoformat()}" for day in sorted(master.cancelled)]


def _occurrence_uid(uid: str, instance: Instance) -> str:
    day = instance.slot or instance.event.slot
    assert day is not None
    return f"{uid[:32]}{day.year:04X}{day.month:02X}{day.day:02X}{uid[40:]}"  # iCalUId differs per occurrence


def body_text(body: JSON) -> str:
    """A body as plain text."""
    if body["contentType"] == "text":
        return str(body["content"])
    inner = re.sub(r"(?is)<head>.*?</head>|<[^>]+>", "", body["content"])
    return html.unescape(inner).strip()


def _html_body(body: JSON) -> JSON:
    content = str(body["content"])
    if body["contentType"] == "text":
        content = html.escape(content, quote=False)
    if content and "<html" not in content.lower():
        content = HEAD + content + FOOT
    return {"contentType": "html", "content": content}


def calendar_entry(calendar: Calendar, key: str, owner: JSON, *, mine: bool, can_edit: bool) -> JSON:
    """One calendar in somebody's list; `owner` is an emailAddress."""
    return {
        "id": key,
        "name": calendar.name,
        "color": "auto",
        "hexColor": "",
        "isDefaultCalendar": calendar.is_default and mine,
        "changeKey": calendar.world.change_key(calendar.seq),
        "canShare": mine,
        "canViewPrivateItems": mine,
        "canEdit": can_edit,
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": mine,
        "isRemovable": mine and not calendar.is_default,
        "owner": owner,
    }
