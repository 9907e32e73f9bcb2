"""Writing to Zoho Calendar: `eventdata` as query or form parameter, etags, single occurrences (zoho.md §5.5).

Public: create, delete, find, find_event, update.
"""

import copy
from datetime import datetime, timedelta

import orjson

from syncd_simulator.zoho.calendars import Calendar, Event, calendars_of
from syncd_simulator.zoho.caltimes import BadTime, Moment, basic, moment_of, zone_of
from syncd_simulator.zoho.calview import event_row
from syncd_simulator.zoho.repeat import BadRule, check
from syncd_simulator.zoho.wire import JSON, ApiError, Call
from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["create", "delete", "find", "find_event", "update"]

PLAIN = (
    "title", "description", "richtext_description", "location", "url", "isprivate", "enable_eventmanagement", "color",
    "transparency", "attendees", "group_list", "group_attendees", "reminders", "allowForwarding", "conference",
)  # fmt: skip
LISTS = ("attendees", "reminders", "group_list")
WRITERS = ("owner", "edit", "delegate")
EDIT_TYPES = ("only", "following", "all")


def find(world: ZohoWorld, call: Call) -> Calendar:
    """The calendar of the path, which the user must see; the words `default` and `primary` mean the first one."""
    store = calendars_of(world)
    store.default(call.user)
    key = call.args["calendar"]
    if key in ("default", "primary"):
        return store.default(call.user)
    found = store.calendars.get(key)
    if found is None or found.privilege(call.user) is None:
        raise ApiError(404, "CALENDAR_NOT_FOUND")
    return found


def find_event(found: Calendar, uid: str, recurrence: str | None) -> Event:
    """An event, or with `recurrence` its changed occurrence."""
    event = found.events.get(f"{uid}_{recurrence}" if recurrence else uid)
    if event is None:
        raise ApiError(404, "EVENT_NOT_FOUND")
    return event


def _writable(world: ZohoWorld, call: Call) -> Calendar:
    found = find(world, call)
    if found.privilege(call.user) not in WRITERS:
        raise ApiError(403, "NO_PERMISSION")
    return found


# -- reading eventdata ------------------------------------------------------------------------------------------------


def _data(call: Call, *, needed: bool = True) -> JSON:
    """`eventdata` from the query or a form; a JSON body is not the documented form."""
    text = call.param("eventdata")
    if text is None:
        if needed:
            raise ApiError(400, "LESS_THAN_MIN_OCCURANCE", "eventdata is mandatory")
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ApiError(400, "JSON_PARSE_ERROR", "eventdata") from None
    if not isinstance(value, dict):
        raise ApiError(400, "JSON_PARSE_ERROR", "eventdata")
    return value


def _times(world: ZohoWorld, found: Calendar, data: JSON) -> tuple[Moment, Moment, str]:
    """`dateandtime` is always mandatory; an all-day end includes its day."""
    given = data.get("dateandtime")
    if not isinstance(given, dict) or not given.get("start") or not given.get("end"):
        raise ApiError(400, "LESS_THAN_MIN_OCCURANCE", "dateandtime is mandatory")
    name = given.get("timezone") or found.zone
    try:
        zone = zone_of(name)
        start, end = moment_of(str(given["start"]), zone), moment_of(str(given["end"]), zone)
    except BadTime as error:
        raise ApiError(400, "PATTERN_NOT_MATCHED", f"dateandtime: {error}") from None
    timed = isinstance(start, datetime) and isinstance(end, datetime)
    if isinstance(start, datetime) is not isinstance(end, datetime) or bool(data.get("isallday")) is timed:
        raise ApiError(400, "PATTERN_NOT_MATCHED", "dateandtime does not fit isallday")
    if not timed and world.all_day_end == "exclusive":
        end = end - timedelta(days=1)
    if end < start:  # both are of one sort here
        raise ApiError(400, "PATTERN_NOT_MATCHED", "the event ends before it starts")
    return start, end, name


def _rule(data: JSON) -> str:
    text = str(data.get("rrule") or "").removeprefix("RRULE:")
    try:
        if text:
            check(text)
    except BadRule:
        raise ApiError(400, "PATTERN_NOT_MATCHED", "rrule") from None
    return text


def _values(data: JSON) -> JSON:
    for name in LISTS:
        items = data.get(name, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ApiError(400, "PATTERN_NOT_MATCHED", name)
    return {name: copy.deepcopy(data[name]) for name in PLAIN if name in data}


def _defaults(world: ZohoWorld, call: Call) -> JSON:
    who = call.user.address
    return {
        "title": "(No title)", "organizer": who, "createdby": call.user.zuid, "modifiedby": call.user.zuid,
        "role": "organizer", "isprivate": False, "attendees": [], "reminders": [], "alarm": [],
    }  # fmt: skip


def _tell(world: ZohoWorld, call: Call, data: JSON, event: Event) -> None:
    """§5.5, trap 42: only `notify_attendee: 0` keeps people from getting mail."""
    level = str(data.get("notify_attendee", call.get("notify_attendee") or "1"))
    people = [str(attendee.get("email")) for attendee in event.values.get("attendees", [])]
    if level == "2":
        people.append(call.user.address)
    if level != "0" and people:
        calendars_of(world).mails.append((event.uid, people))


def _shown(world: ZohoWorld, found: Calendar, event: Event) -> JSON:
    return {"events": [event_row(world, found, event, large=True, zone=None)]}


# -- create -----------------------------------------------------------------------------------------------------------


def create(world: ZohoWorld, call: Call) -> JSON:
    """`POST /calendars/{calendar}/events?eventdata=`."""
    found, data = _writable(world, call), _data(call)
    start, end, zone = _times(world, found, data)
    now = world.millis()
    event = Event(
        calendars_of(world).new_event_uid(), world.new_id(), _defaults(world, call) | _values(data),
        start, end, zone, now, now, 0, _rule(data),
    )  # fmt: skip
    found.put(event, now)
    _tell(world, call, data, event)
    return _shown(world, found, event)


# -- update -----------------------------------------------------------------------------------------------------------


def _matches(event: Event, etag: object) -> None:
    """§5.5: the current etag is always required."""
    if str(etag or "") != str(event.etag):
        raise ApiError(412, "ETAG_MISMATCH")


def _edit_type(data: JSON) -> str:
    kind = str(data.get("recurrence_edittype") or ("only" if data.get("recurrenceid") else "all"))
    if kind not in EDIT_TYPES:
        raise ApiError(400, "PATTERN_NOT_MATCHED", "recurrence_edittype")
    return kind


def update(world: ZohoWorld, call: Call) -> JSON:
    """`PUT /calendars/{calendar}/events/{event}?eventdata=` with `etag` inside and `dateandtime` always."""
    found, data = _writable(world, call), _data(call)
    original = str(data.get("recurrenceid") or call.get("recurrenceid") or "")
    master = find_event(found, call.args["event"], None)
    current = found.events.get(f"{master.uid}_{original}", master) if original else master
    _matches(current, data.get("etag"))
    start, end, zone = _times(world, found, data)
    if data.get("convertToEventTZ") and isinstance(start, datetime) and isinstance(end, datetime):
        zone = current.zone
        start, end = start.astimezone(zone_of(zone)), end.astimezone(zone_of(zone))
    values = {**current.values, **_values(data), "modifiedby": call.user.zuid}
    rule = _rule(data) if "rrule" in data else master.rrule
    changed = Event(
        master.uid, master.id, values, start, end, zone, current.created, 0, current.etag, rule,
        gone=set(master.gone),
    )  # fmt: skip
    if original and _edit_type(data) == "only":
        _check_slot(found, master, original)
        changed.rrule, changed.recurrence, changed.gone = "", original, set()
        changed.id = current.id if current.recurrence else world.new_id()
    elif original and _edit_type(data) == "following":
        _check_slot(found, master, original)
        _cut(found, master, original, world.millis())
        changed.uid, changed.id, changed.gone = calendars_of(world).new_event_uid(), world.new_id(), set()
    elif changed.start != master.start or changed.rrule != master.rrule:
        changed.gone = set()  # another pattern: what was changed or called off has no place in it
        for event in found.exceptions(master.uid):
            del found.events[event.key]
    found.put(changed, world.millis())
    _tell(world, call, data, changed)
    return _shown(world, found, changed)


def _check_slot(found: Calendar, master: Event, original: str) -> None:
    known = f"{master.uid}_{original}" in found.events
    if not known and not master.rrule:
        raise ApiError(404, "EVENT_NOT_FOUND")
    if not known and not any(slot[0] == original for slot in found.occurrences(master, float("-inf"), float("inf"))):
        raise ApiError(404, "EVENT_NOT_FOUND")


def _cut(found: Calendar, master: Event, original: str, now: int) -> None:
    """The series ends before the occurrence that began at `original`; later changes of it go."""
    for event in found.exceptions(master.uid):
        if event.recurrence >= original:
            del found.events[event.key]
    first = moment_of(original, zone_of(master.zone))
    before = first - (timedelta(seconds=1) if isinstance(first, datetime) else timedelta(days=1))
    parts = [part for part in master.rrule.split(";") if not part.startswith(("UNTIL=", "COUNT="))]
    master.rrule = ";".join([*parts, f"UNTIL={basic(before)}"])
    found.put(master, now)


# -- delete -----------------------------------------------------------------------------------------------------------


def delete(world: ZohoWorld, call: Call) -> JSON:
    """`DELETE …/events/{event}` with header `etag`; one occurrence by `eventdata` without a header."""
    found, data = _writable(world, call), _data(call, needed=False)
    master = find_event(found, call.args["event"], None)
    original = str(data.get("recurrenceid") or "")
    current = found.events.get(f"{master.uid}_{original}", master) if original else master
    _matches(current, data.get("etag") or call.headers.get("etag"))
    shown = event_row(world, found, current, large=False, zone=None) | {"estatus": "deleted"}
    now = world.millis()
    if original and _edit_type(data) != "all":
        _check_slot(found, master, original)
        if _edit_type(data) == "following":
            _cut(found, master, original, now)
        else:
            found.call_off(master, original, now)
    else:
        found.remove(master.uid, now)
    _tell(world, call, data, current)
    return {"events": [shown]}
