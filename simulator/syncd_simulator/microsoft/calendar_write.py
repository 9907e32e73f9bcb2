"""From the JSON of a POST or PATCH to the fields of an event, and the refusals of microsoft.md §14.

Public: Invalid, created, patched, tags_of, DEFAULTS. Knows no world and no request.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from syncd_simulator.microsoft import recurrence
from syncd_simulator.microsoft.calendar_store import JSON, instant, local, stored
from syncd_simulator.microsoft.calendar_view import NEVER
from syncd_simulator.microsoft.calendar_zones import zone_of
from syncd_simulator.microsoft.wire import ApiError

MOST_ATTENDEES = 500
DEFAULTS: JSON = {
    "categories": [],
    "originalStartTimeZone": "UTC",
    "originalEndTimeZone": "UTC",
    "reminderMinutesBeforeStart": 15,
    "isReminderOn": True,
    "hasAttachments": False,
    "subject": "",
    "importance": "normal",
    "sensitivity": "normal",
    "isAllDay": False,
    "isCancelled": False,
    "isOrganizer": True,
    "responseRequested": True,
    "showAs": "busy",
    "onlineMeetingUrl": None,
    "isOnlineMeeting": False,
    "onlineMeetingProvider": "unknown",
    "onlineMeeting": None,
    "allowNewTimeProposals": True,
    "isDraft": False,
    "hideAttendees": False,
    "responseStatus": {"response": "organizer", "time": NEVER},
    "body": {"contentType": "html", "content": ""},
    "location": {
        "displayName": "",
        "locationType": "default",
        "uniqueIdType": "unknown",
        "address": {},
        "coordinates": {},
    },
    "locations": [],
    "attendees": [],
    "recurrence": None,
}
ENUMS = {
    "importance": ("low", "normal", "high"),
    "sensitivity": ("normal", "personal", "private", "confidential"),
    "showAs": ("free", "tentative", "busy", "oof", "workingElsewhere", "unknown"),
    "onlineMeetingProvider": ("unknown", "teamsForBusiness", "skypeForBusiness", "skypeForConsumer"),
}
TYPES: dict[str, type | tuple[type, ...]] = {
    "subject": (str, type(None)), "categories": list, "reminderMinutesBeforeStart": int, "isReminderOn": bool,
    "isAllDay": bool, "responseRequested": bool, "isOnlineMeeting": bool, "allowNewTimeProposals": bool,
    "isDraft": bool, "hideAttendees": bool, "importance": str, "sensitivity": str, "showAs": str,
    "onlineMeetingProvider": str,
}  # fmt: skip
STRUCTURED = {"start", "end", "body", "location", "locations", "attendees", "recurrence"}
APART = {"transactionId", "singleValueExtendedProperties", "multiValueExtendedProperties", "extensions"}
READ_ONLY = {  # §14: accepted and ignored
    "id", "iCalUId", "uid", "type", "seriesMasterId", "changeKey", "webLink", "organizer", "isOrganizer",
    "responseStatus", "createdDateTime", "lastModifiedDateTime", "originalStart", "originalStartTimeZone",
    "originalEndTimeZone", "bodyPreview", "hasAttachments", "isCancelled", "onlineMeeting", "onlineMeetingUrl",
    "occurrenceId", "cancelledOccurrences",
}  # fmt: skip
ALL_DAY_TEXT = "The duration of an event marked as All day must be at least 24 hours."
ZONE_TEXT = "A valid TimeZone value must be specified. The following TimeZone value is not supported: '{}'."


class Invalid(ApiError):
    """A 400."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(400, code, message)


def _bad(message: str) -> Invalid:
    return Invalid("ErrorPropertyValidationFailure", message)


def created(body: JSON) -> JSON:
    """All fields of a new event."""
    if not isinstance(body.get("start"), dict) or not isinstance(body.get("end"), dict):
        raise _bad("At least one property failed validation: start and end are required.")
    fields = DEFAULTS | _given(body)
    return _checked(fields, body)


def patched(body: JSON, current: JSON) -> JSON:
    """The fields after a sparse update (§14)."""
    if "isAllDay" in body and not {"start", "end"} <= set(body):
        raise _bad("A change of isAllDay must carry start and end too.")
    given = _given(body)
    fields = current | given
    moved = "start" in given and fields["recurrence"] is not None and "recurrence" not in body
    if moved:  # a series that starts on another day
        scope = fields["recurrence"]["range"] | {"startDate": f"{_series_start(fields):%Y-%m-%d}"}
        fields["recurrence"] = {"pattern": fields["recurrence"]["pattern"], "range": scope}
    return _checked(fields, body)


def _given(body: JSON) -> JSON:
    """The writable values of a body, each in its stored form."""
    given: JSON = {}
    for name, value in body.items():
        if "@" in name or name in READ_ONLY or name in APART:
            continue
        if name in STRUCTURED:
            given |= _structured(name, value)
        elif name not in TYPES:
            message = f"The property '{name}' does not exist on type 'microsoft.graph.event'. Make sure to only use property names that are defined by the type."
            raise Invalid("RequestBodyRead", message)
        elif not isinstance(value, TYPES[name]) or (name in ENUMS and value not in ENUMS[name]):
            raise _bad(f"The value of {name} is not valid.")
        else:
            given[name] = value if value is not None else ""
    return given


def _structured(name: str, value: Any) -> JSON:
    if name in ("start", "end"):
        zone, when = _when(value)
        return {name: when, f"original{name.capitalize()}TimeZone": zone}
    if name == "body":
        return {"body": _body(value)}
    if name == "attendees":
        return {"attendees": _attendees(value)}
    if name == "location":  # §14: location and locations mirror each other
        place = DEFAULTS["location"] | {"locationType": "default"} | _object(value, name)
        return {"location": place, "locations": [place] if place["displayName"] else []}
    if name == "locations":
        places = [DEFAULTS["location"] | _object(each, name) for each in _list(value, name)]
        return {"locations": places, "location": places[0] if places else DEFAULTS["location"]}
    return {"recurrence": value}


def _object(value: Any, name: str) -> JSON:
    if not isinstance(value, dict):
        raise _bad(f"The value of {name} is not an object.")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _bad(f"The value of {name} is not a collection.")
    return value


def _when(value: Any) -> tuple[str, JSON]:
    value = _object(value, "start or end")
    zone = value.get("timeZone") or "UTC"
    try:
        there = zone_of(zone)
    except KeyError:
        raise Invalid("TimeZoneNotSupportedException", ZONE_TEXT.format(zone)) from None
    try:
        moment = datetime.fromisoformat(str(value.get("dateTime"))[:26])
        if str(value["dateTime"])[-1] in "zZ":
            moment = moment.replace(tzinfo=UTC)
    except (ValueError, KeyError):
        raise _bad("The value of dateTime is not a date and time.") from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(there).replace(tzinfo=None)
    return zone, stored(moment, zone)


def _body(value: Any) -> JSON:
    value = _object(value, "body")
    kind = str(value.get("contentType", "text")).lower()
    if kind not in ("text", "html"):
        raise _bad("The value of contentType is not valid.")
    return {"contentType": kind, "content": str(value.get("content") or "")}


def _attendees(value: Any) -> list[JSON]:
    people = []
    for each in _list(value, "attendees"):
        address = _object(each, "attendees").get("emailAddress")
        if not isinstance(address, dict) or not address.get("address"):
            raise _bad("An attendee needs an emailAddress.")
        kind = each.get("type", "required")
        if kind not in ("required", "optional", "resource"):
            raise _bad("The value of type is not valid.")
        shown = {"name": address.get("name") or address["address"], "address": address["address"]}
        people.append({"type": kind, "status": {"response": "none", "time": NEVER}, "emailAddress": shown})
    if len(people) > MOST_ATTENDEES:
        raise _bad(f"An event takes at most {MOST_ATTENDEES} attendees.")
    return people


def _checked(fields: JSON, body: JSON) -> JSON:
    start, end = fields["start"], fields["end"]
    if fields["isAllDay"]:
        _check_all_day(local(start), local(end), start["timeZone"] == end["timeZone"])
    elif instant(end) < instant(start):
        raise _bad("The end of an event must not come before its start.")
    if fields["recurrence"] is not None and {"recurrence", "start"} & set(body):
        try:
            zone = _zone_of_series(fields)
            filled = recurrence.filled(fields["recurrence"], _series_start(fields).date())
        except recurrence.BadRecurrence as error:
            raise _bad(str(error)) from None
        filled["range"]["recurrenceTimeZone"] = zone
        fields["recurrence"] = filled
    return fields


def _check_all_day(start: datetime, end: datetime, same_zone: bool) -> None:
    """§14: midnight to midnight, in one zone, at least a day."""
    if end - start < timedelta(hours=24):
        raise _bad(ALL_DAY_TEXT)
    if not same_zone or start.time() != datetime.min.time() or end.time() != datetime.min.time():
        raise _bad("An event marked as All day must start and end at midnight of one time zone.")


def _zone_of_series(fields: JSON) -> str:
    given = fields["recurrence"]
    scope = given.get("range") if isinstance(given, dict) else None
    zone = (scope.get("recurrenceTimeZone") if isinstance(scope, dict) else None) or fields["start"]["timeZone"]
    try:
        zone_of(zone)
    except (KeyError, TypeError):
        raise Invalid("TimeZoneNotSupportedException", ZONE_TEXT.format(zone)) from None
    return str(zone)


def _series_start(fields: JSON) -> datetime:
    """The series' start in the zone that it recurs in."""
    if fields["isAllDay"]:
        return local(fields["start"])
    return instant(fields["start"]).astimezone(zone_of(_zone_of_series(fields))).replace(tzinfo=None)


def tags_of(body: JSON) -> dict[str, str]:
    """The singleValueExtendedProperties of a body by their normal id; an empty value is kept."""
    tags = {}
    for each in _list(body.get("singleValueExtendedProperties", []), "singleValueExtendedProperties"):
        if not isinstance(each, dict) or not isinstance(each.get("id"), str) or not isinstance(each.get("value"), str):
            raise Invalid("ErrorInvalidProperty", "An extended property needs id and value.")
        tags[tag_id(each["id"])] = each["value"]
    return tags


def tag_id(text: str) -> str:
    """An extended property's id for comparison: `String {guid} Name xyz`, its guid in lower case (§14)."""
    head, brace, tail = text.partition("}")
    if not brace or not tail.lstrip().lower().startswith(("name ", "id ")):
        raise Invalid("ErrorInvalidProperty", f"The property id '{text}' is invalid.")
    kind, _, guid = head.partition("{")
    return f"{kind.strip().capitalize()} {{{guid.lower()}}} {tail.strip()}"
