"""Calendar API v3: lists, events with sync tokens, recurring instances, writes (google.md §5)."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from syncd_simulator.clock import parse_rfc3339, rfc3339
from syncd_simulator.google import recurrence
from syncd_simulator.google.calendars import RANK, Calendar, ListEntry
from syncd_simulator.google.tokens import BadToken, digest, seal, unseal
from syncd_simulator.google.wire import JSON, ApiError, Call, Handler, Reply, Route, scopes
from syncd_simulator.google.world import DAY, GoogleWorld, User

LIST_READ = scopes("calendar", "calendar.readonly", "calendar.calendarlist", "calendar.calendarlist.readonly")
CALENDAR_READ = scopes("calendar", "calendar.readonly", "calendar.calendars", "calendar.calendars.readonly")
CALENDAR_WRITE = scopes("calendar", "calendar.calendars", "calendar.calendarlist")
EVENT_READ = scopes(
    "calendar", "calendar.readonly", "calendar.events", "calendar.events.readonly", "calendar.events.owned",
    "calendar.events.owned.readonly",
)  # fmt: skip
EVENT_WRITE = scopes("calendar", "calendar.events", "calendar.events.owned")
ACL_READ = scopes("calendar", "calendar.acls", "calendar.acls.readonly")

FORBIDDEN_WITH_TOKEN = (
    "iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax", "updatedMin",
)  # fmt: skip
NO_TOKEN_WITH = ("iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "updatedMin")
EQUAL = ("singleEvents", "maxResults", "eventTypes", "maxAttendees", "timeZone", "alwaysIncludeEmail")
ID = re.compile(r"[a-v0-9]{5,1024}")
CLIENT_FIELDS = frozenset(
    [
        "anyoneCanAddSelf",
        "attachments",
        "attendees",
        "attendeesOmitted",
        "birthdayProperties",
        "colorId",
        "conferenceData",
        "description",
        "end",
        "eventLabelId",
        "eventType",
        "extendedProperties",
        "focusTimeProperties",
        "gadget",
        "guestsCanInviteOthers",
        "guestsCanModify",
        "guestsCanSeeOtherGuests",
        "location",
        "originalStartTime",
        "outOfOfficeProperties",
        "recurrence",
        "reminders",
        "sequence",
        "source",
        "start",
        "status",
        "summary",
        "transparency",
        "visibility",
        "workingLocationProperties",
    ]
)
SHARED_FIELDS = ("summary", "description", "location", "start", "end", "recurrence", "attendees")
HORIZON = 730 * DAY  # how far endless series are expanded
CANCELLED_HORIZON = 182 * DAY  # §5.4: how far a deleted endless series yields cancelled instances


# -- errors ---------------------------------------------------------------------------------------------------------


def _not_found() -> ApiError:
    return ApiError(404, "notFound", "Not Found")


def _bad_request() -> ApiError:
    return ApiError(400, "badRequest", "Bad Request")


def _invalid_sync_token() -> ApiError:
    return ApiError(400, "invalid", "Invalid sync token value.", location="syncToken")


def _invalid_page_token() -> ApiError:
    return ApiError(400, "invalid", "Invalid page token value.", location="pageToken")


def full_sync_required() -> ApiError:
    """§5.3: 410 with reason fullSyncRequired."""
    message = "Sync token is no longer valid, a full sync is required."
    return ApiError(410, "fullSyncRequired", message, domain="calendar", location="syncToken")


def _check_service(call: Call) -> None:
    if not call.user.calendar_enabled:
        message = "The user must be signed up for Google Calendar."
        raise ApiError(403, "notACalendarUser", message, domain="calendar")


def _calendar(world: GoogleWorld, call: Call, name: str = "calendarId", least: str = "freeBusyReader") -> Calendar:
    """The calendar of the request when the caller's role is at least `least`."""
    _check_service(call)
    calendar = world.calendars.find(call.user, call.args.get(name) or call.get(name) or "")
    if calendar is None:
        raise _not_found()
    if RANK[calendar.role(call.user) or "none"] < RANK[least]:
        raise ApiError(
            403, "requiredAccessLevel", f"You need to have {least} access to this calendar.", domain="calendar"
        )
    return calendar


# -- calendar list --------------------------------------------------------------------------------------------------


def entry_json(user: User, entry: ListEntry) -> JSON:
    """One calendarList entry."""
    calendar = entry.calendar
    value: JSON = {"kind": "calendar#calendarListEntry", "etag": f'"{entry.version}000"', "id": entry.id}
    role = calendar.role(user)
    if entry.deleted or role is None:
        return value | {"deleted": True}
    value |= {
        "summary": calendar.summary,
        "timeZone": calendar.zone,
        "colorId": entry.color,
        "backgroundColor": "#9fe1e7",
        "foregroundColor": "#000000",
        "accessRole": role,
        "defaultReminders": [{"method": "popup", "minutes": 30}] if role == "owner" else [],
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    }
    if calendar.description:
        value["description"] = calendar.description
    if entry.override:
        value["summaryOverride"] = entry.override
    if entry.selected:
        value["selected"] = True
    if entry.hidden:
        value["hidden"] = True
    if calendar.is_primary and calendar.owner is user:
        value["primary"] = True
    return value


def calendar_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET users/me/calendarList`: hidden and deleted entries always come with a sync token."""
    _check_service(call)
    user = call.user
    log = user.calendars.log
    since, after = _list_position(world, call)
    size = world.capped("calendar", call.integer("maxResults", 100, 250))
    start = log.visible(world.now(), world.delay.get("calendar", 0.0))
    delta = since is not None
    items: list[JSON] = []
    last, more = after, False
    for seq, key in log.walk(after, start if delta else None):
        entry = user.calendars.entries[key]
        if not _entry_wanted(call, user, entry, delta):
            continue
        if len(items) == size:
            more = True
            break
        items.append(entry_json(user, entry))
        last = seq
    answer: JSON = {"kind": "calendar#calendarList", "etag": f'"p{log.seq}"', "items": items}
    if more:
        head = [user.id, call.get("syncToken"), _list_equal(call)]
        return answer | {"nextPageToken": seal("calendarlist page", head, since, last)}
    promise = start if not delta else max(since or 0, start)
    return answer | {
        "nextSyncToken": seal("calendarlist", user.id, promise, world.epoch("calendar", user), _list_equal(call))
    }


def _list_equal(call: Call) -> str:
    return digest(call.get("maxResults"))


def _list_position(world: GoogleWorld, call: Call) -> tuple[int | None, int]:
    """(sync position or None, position to go on from) of a calendarList request."""
    token = call.get("syncToken")
    if token:
        narrowing = ("minAccessRole", "showOwnOrganizationOnly")
        refused = any(call.get(name) for name in narrowing)
        if refused or any(call.get(name) == "false" for name in ("showDeleted", "showHidden")):
            raise _bad_request()
    if page := call.get("pageToken"):
        try:
            head, since, after = unseal("calendarlist page", page)
        except BadToken:
            raise _invalid_page_token() from None
        if head != [call.user.id, token, _list_equal(call)]:
            raise _invalid_page_token()
        return since, after
    if not token:
        return None, 0
    try:
        who, since, epoch, equal = unseal("calendarlist", token)
    except BadToken:
        raise _invalid_sync_token() from None
    if who != call.user.id or equal != _list_equal(call):
        raise _invalid_sync_token()
    if epoch != world.epoch("calendar", call.user):
        raise full_sync_required()
    return since, since


def _entry_wanted(call: Call, user: User, entry: ListEntry, delta: bool) -> bool:
    if delta:
        return True
    if entry.deleted and not call.flag("showDeleted"):
        return False
    if entry.hidden and not call.flag("showHidden"):
        return False
    least = call.get("minAccessRole")
    return not least or RANK[entry.calendar.role(user) or "none"] >= RANK.get(least, 0)


def calendar_list_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET users/me/calendarList/{id}`."""
    calendar = _calendar(world, call)
    entry = call.user.calendars.shown().get(calendar.id)
    if entry is None:
        raise _not_found()
    return entry_json(call.user, entry)


def calendar_list_insert(world: GoogleWorld, call: Call) -> JSON:
    """`POST users/me/calendarList`: show a calendar that one has access to."""
    _check_service(call)
    body = call.json()
    calendar = world.calendars.find(call.user, body.get("id", ""))
    if calendar is None:
        raise _not_found()
    entry = call.user.calendars.add(
        calendar, world.now(), hidden=bool(body.get("hidden")), override=body.get("summaryOverride", "")
    )
    return entry_json(call.user, entry)


def calendar_list_patch(world: GoogleWorld, call: Call) -> JSON:
    """`PATCH users/me/calendarList/{id}`: hide, select, rename for oneself."""
    calendar = _calendar(world, call)
    entry = call.user.calendars.shown().get(calendar.id)
    if entry is None:
        raise _not_found()
    body = call.json()
    entry.hidden = bool(body.get("hidden", entry.hidden))
    entry.selected = bool(body.get("selected", entry.selected))
    entry.override = str(body.get("summaryOverride", entry.override))
    call.user.calendars.touch(calendar.id, world.now())
    return entry_json(call.user, entry)


def calendar_list_delete(world: GoogleWorld, call: Call) -> None:
    """`DELETE users/me/calendarList/{id}`: out of the list, access stays."""
    calendar = _calendar(world, call)
    if calendar.id not in call.user.calendars.shown():
        raise _not_found()
    call.user.calendars.remove(calendar.id, world.now())


# -- calendars ------------------------------------------------------------------------------------------------------


def calendar_json(calendar: Calendar) -> JSON:
    """The calendar resource."""
    value: JSON = {
        "kind": "calendar#calendar",
        "etag": f'"c{zlib.crc32(calendar.summary.encode()):x}"',
        "id": calendar.id,
        "summary": calendar.summary,
        "timeZone": calendar.zone,
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
    }
    return value | ({"description": calendar.description} if calendar.description else {})


def calendars_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET calendars/{id}`."""
    return calendar_json(_calendar(world, call))


def calendars_insert(world: GoogleWorld, call: Call) -> JSON:
    """`POST calendars`: a secondary calendar of the caller."""
    _check_service(call)
    body = call.json()
    if not body.get("summary"):
        raise ApiError(400, "required", "Missing title.")
    key = f"c_{world.rng.getrandbits(240):060x}"
    return calendar_json(
        world.calendars.create(call.user, key, body["summary"], body.get("timeZone", "UTC"), world.now())
    )


def calendars_patch(world: GoogleWorld, call: Call) -> JSON:
    """`PATCH calendars/{id}`: the owner renames it."""
    calendar = _calendar(world, call, least="owner")
    body = call.json()
    calendar.summary = body.get("summary", calendar.summary)
    calendar.description = body.get("description", calendar.description)
    calendar.zone = body.get("timeZone", calendar.zone)
    call.user.calendars.touch(calendar.id, world.now())
    return calendar_json(calendar)


def calendars_delete(world: GoogleWorld, call: Call) -> None:
    """`DELETE calendars/{id}`: secondary calendars only."""
    calendar = _calendar(world, call, least="owner")
    if calendar.is_primary:
        raise ApiError(400, "cannotDeletePrimaryCalendar", "Cannot delete primary calendar.", domain="calendar")
    world.calendars.delete(calendar, list(world.users.values()), world.now())


def acl_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET calendars/{id}/acl`, on one page."""
    calendar = _calendar(world, call, least="owner")
    items = [
        {
            "kind": "calendar#aclRule",
            "etag": f'"{calendar.acl_version}"',
            "id": f"user:{world.users[user_id].address}",
            "scope": {"type": "user", "value": world.users[user_id].address},
            "role": role,
        }
        for user_id, role in calendar.roles.items()
        if user_id in world.users
    ]
    token = seal("acl", calendar.uid, calendar.acl_version)
    return {"kind": "calendar#acl", "etag": f'"{calendar.acl_version}"', "items": items, "nextSyncToken": token}


# -- events: listing ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Listing:
    """A resolved events.list request."""

    since: int | None
    after: int
    time_min: float | None
    time_max: float | None
    start: int
    emptied: bool = False  # an empty page was sent already


def events_list(world: GoogleWorld, call: Call) -> Reply | JSON:
    """`GET calendars/{id}/events`."""
    calendar = _calendar(world, call)
    _check_listing(world, call)
    place = _place(world, call, calendar)
    etag = f'"p{calendar.uid}{calendar.log.seq}"'
    if call.headers.get("if-none-match") == etag:
        return Reply(304)
    if world.empty_event_pages and not place.emptied:
        items: list[JSON] = []
        after: int | None = place.after
        place.emptied = True
    else:
        size = world.capped("calendar", call.integer("maxResults", 250, 2500))
        items, after = _events_page(world, call, calendar, place, size)
    role = calendar.role(call.user)
    answer: JSON = {
        "kind": "calendar#events",
        "etag": etag,
        "summary": calendar.summary,
        "updated": rfc3339(calendar.log.time_at(calendar.log.seq) or world.base),
        "timeZone": call.get("timeZone") or calendar.zone,
        "accessRole": role,
        "defaultReminders": [{"method": "popup", "minutes": 30}] if role == "owner" else [],
        "items": items,
    }
    if calendar.description:
        answer["description"] = calendar.description
    return answer | _events_token(world, call, calendar, place, after)


def _check_listing(world: GoogleWorld, call: Call) -> None:
    """Refuse combinations of parameters that §5.3 forbids."""
    if call.get("syncToken"):
        if any(name in call.query for name in FORBIDDEN_WITH_TOKEN) or call.get("showDeleted") == "false":
            raise _bad_request()
        return
    order = call.get("orderBy")
    if order == "startTime" and not call.flag("singleEvents"):
        message = "The requested ordering is not available for the particular query."
        raise ApiError(400, "invalid", message, location="orderBy")
    if order not in (None, "startTime", "updated"):
        raise ApiError(400, "invalid", "Invalid value for: orderBy", location="orderBy")
    low, high = _time(call, "timeMin"), _time(call, "timeMax")
    if low is not None and high is not None and low >= high:
        message = "The specified time range is empty."
        raise ApiError(400, "timeRangeEmpty", message, domain="calendar", location="timeMax")
    updated = _time(call, "updatedMin")
    if updated is not None and updated < world.now() - 30 * DAY:
        message = "The requested minimum modification time lies too far in the past."
        raise ApiError(410, "updatedMinTooLongAgo", message, domain="calendar", location="updatedMin")


def _time(call: Call, name: str) -> float | None:
    text = call.get(name)
    if text is None:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise _bad_request() from None


def _equal(call: Call) -> str:
    """What must not change between calls of one sync."""
    return digest(*[sorted(call.many(name)) for name in EQUAL])


def _whole_query(call: Call) -> str:
    """What must not change while paging."""
    return digest(sorted((name, values) for name, values in call.query.items() if name not in ("pageToken", "fields")))


def _place(world: GoogleWorld, call: Call, calendar: Calendar) -> Listing:
    start = calendar.log.visible(world.now(), world.delay.get("calendar", 0.0))
    if page := call.get("pageToken"):
        try:
            uid, who, query, *values = unseal("events page", page)
        except BadToken:
            raise _invalid_page_token() from None
        if (uid, who, query) != (calendar.uid, call.user.id, _whole_query(call)):
            raise _invalid_page_token()
        return Listing(*values)
    token = call.get("syncToken")
    if not token:
        return Listing(None, 0, _time(call, "timeMin"), _time(call, "timeMax"), start)
    try:
        uid, who, since, acl, epoch, equal, low, high = unseal("events", token)
    except BadToken:
        raise _invalid_sync_token() from None
    if (uid, who) != (calendar.uid, call.user.id) or equal != _equal(call):
        raise _invalid_sync_token()
    if acl != calendar.acl_version or epoch != world.epoch("calendar", call.user):
        raise full_sync_required()
    return Listing(since, since, low, high, max(since, start))


def _events_token(world: GoogleWorld, call: Call, calendar: Calendar, place: Listing, after: int | None) -> JSON:
    """`nextPageToken` when more follows, else `nextSyncToken` unless the query cannot be synced."""
    if after is not None:
        values = [place.since, after, place.time_min, place.time_max, place.start, place.emptied]
        return {"nextPageToken": seal("events page", calendar.uid, call.user.id, _whole_query(call), *values)}
    if any(call.get(name) for name in NO_TOKEN_WITH):
        return {}
    head = [calendar.uid, call.user.id, place.start, calendar.acl_version, world.epoch("calendar", call.user)]
    return {"nextSyncToken": seal("events", *head, _equal(call), place.time_min, place.time_max)}


def _events_page(
    world: GoogleWorld, call: Call, calendar: Calendar, place: Listing, size: int
) -> tuple[list[JSON], int | None]:
    """The items of one page and where the next one begins."""
    if place.since is None and (call.flag("singleEvents") or call.get("orderBy")):
        return _sorted_page(world, call, calendar, place, size)
    view = _View(world, call, calendar)
    items: list[JSON] = []
    last = place.after
    until = place.start if place.since is not None else None
    for seq, key in calendar.log.walk(place.after, until):
        shown = _shown(view, calendar.events[key], place)
        if shown and len(items) + len(shown) > size and items:
            return items, last
        items += shown
        last = seq
    return items, None


def _sorted_page(
    world: GoogleWorld, call: Call, calendar: Calendar, place: Listing, size: int
) -> tuple[list[JSON], int | None]:
    """Expanded or ordered listings: sorted anew for each page, `after` is an offset."""
    view = _View(world, call, calendar)
    items = [item for event in list(calendar.events.values()) for item in _shown(view, event, place)]
    if call.get("orderBy") == "updated":
        items.sort(key=lambda item: (item.get("updated", ""), item["id"]))
    else:
        items.sort(key=lambda item: (_start_of(item), item["id"]))
    more = place.after + size < len(items)
    return items[place.after : place.after + size], place.after + size if more else None


def _start_of(item: JSON) -> float:
    when = item.get("start") or item.get("originalStartTime")
    return recurrence.instant(recurrence.moment_of(when)) if when else 0.0


def _shown(view: "_View", event: JSON, place: Listing) -> list[JSON]:
    """What one stored event contributes to a list."""
    if not view.selected(event):
        return []
    delta = place.since is not None
    if view.single:
        return list(view.expanded(event, place, delta))
    cancelled = event["status"] == "cancelled"
    if delta:
        if cancelled:
            return [view.gone(event)]
        return [view.details(event)] if _in_window(event, place) else [view.gone(event)]
    if cancelled and not view.show_deleted:
        master = view.calendar.events.get(event.get("recurringEventId", ""))
        if master is None or master["status"] == "cancelled":
            return []
    if not _in_window(event, place):
        return []
    return [view.gone(event) if cancelled else view.details(event)]


def _in_window(event: JSON, place: Listing) -> bool:
    """§11: ends after timeMin, starts before timeMax; a series counts when one occurrence does."""
    if place.time_min is None and place.time_max is None:
        return True
    low = place.time_min if place.time_min is not None else float("-inf")
    high = place.time_max if place.time_max is not None else float("inf")
    if "recurrence" in event:
        return next(recurrence.between(event, low, high), None) is not None
    start, end = recurrence.span(event)
    return end > low and start < high


class _View:
    """How the caller sees the events of a calendar."""

    def __init__(self, world: GoogleWorld, call: Call, calendar: Calendar) -> None:
        self.world, self.calendar = world, calendar
        self.single = call.flag("singleEvents")
        self.show_deleted = call.flag("showDeleted")
        role = calendar.role(call.user) or "none"
        self.hides_all = RANK[role] <= RANK["freeBusyReader"]
        self.hides_private = RANK[role] <= RANK["writerWithoutPrivateAccess"]
        self.max_attendees = call.integer("maxAttendees", 0, 10**6)
        self._types = call.many("eventTypes")
        self._uid = call.get("iCalUID")
        self._text = (call.get("q") or "").lower()
        self._updated = _time(call, "updatedMin")
        self._private = [pair.partition("=") for pair in call.many("privateExtendedProperty")]
        self._shared = [pair.partition("=") for pair in call.many("sharedExtendedProperty")]

    def selected(self, event: JSON) -> bool:
        """Whether the filters of the query let the event in."""
        if self._types and event.get("eventType") not in self._types:
            return False
        if self._uid and event["iCalUID"] != self._uid:
            return False
        if self._updated is not None and parse_rfc3339(event["updated"]) < self._updated:
            return False
        if (
            self._text
            and self._text
            not in " ".join(str(event.get(name, "")) for name in ("summary", "description", "location")).lower()
        ):
            return False
        properties = event.get("extendedProperties", {})
        wanted = [("private", pair) for pair in self._private] + [("shared", pair) for pair in self._shared]
        return all(properties.get(kind, {}).get(key) == value for kind, (key, _, value) in wanted)

    def details(self, event: JSON) -> JSON:
        """The event as the caller may see it."""
        if self.hides_all or (self.hides_private and event.get("visibility") == "private"):
            keep = ("kind", "etag", "id", "status", "start", "end", "recurrence", "recurringEventId",
                    "originalStartTime", "iCalUID", "updated", "created", "eventType", "visibility")  # fmt: skip
            return {key: event[key] for key in keep if key in event} | {"visibility": "private"}
        guests = event.get("attendees", ())
        if self.max_attendees and len(guests) > self.max_attendees:
            mine = [guest for guest in guests if guest.get("self")]
            return event | {"attendees": mine, "attendeesOmitted": True}
        return event

    def gone(self, event: JSON) -> JSON:
        """A cancelled event: details only with showDeleted, else the guaranteed fields (§5.4)."""
        if self.show_deleted and event["status"] == "cancelled":
            return self.details(event)
        keep = ("kind", "etag", "id", "recurringEventId", "originalStartTime")
        return {key: event[key] for key in keep if key in event} | {"status": "cancelled"}

    def expanded(self, event: JSON, place: Listing, delta: bool) -> Iterator[JSON]:
        """The instances that one stored event stands for when singleEvents is true."""
        cancelled = event["status"] == "cancelled"
        if "recurrence" not in event:
            if not cancelled and _in_window(event, place):
                yield self.details(event)
            elif delta or (cancelled and self.show_deleted and _in_window(event, place)):
                yield self.gone(event)
            return
        if cancelled and not delta:
            return
        horizon = CANCELLED_HORIZON if cancelled else HORIZON
        low = place.time_min if place.time_min is not None else float("-inf")
        high = place.time_max if place.time_max is not None else self.world.now() + horizon
        for slot in recurrence.between(event, low, high):
            item = recurrence.instance(event, slot)
            if item["id"] not in self.calendar.events:
                yield self.gone(item) if cancelled else self.details(item)


# -- events: single -------------------------------------------------------------------------------------------------


def _event(calendar: Calendar, event_id: str) -> JSON:
    """A stored event, or the virtual instance that an id like `<master>_<stamp>` names; 404 otherwise."""
    event = calendar.events.get(event_id)
    if event is not None:
        return event
    master_id, mark, suffix = event_id.rpartition("_")
    master = calendar.events.get(master_id)
    if mark and master is not None and "recurrence" in master and master["status"] != "cancelled":
        for slot in recurrence.occurrences(master):
            if recurrence.stamp(slot) == suffix:
                return recurrence.instance(master, slot)
    raise _not_found()


def events_get(world: GoogleWorld, call: Call) -> Reply | JSON:
    """`GET calendars/{c}/events/{id}`: cancelled events too."""
    calendar = _calendar(world, call)
    event = _event(calendar, call.args["eventId"])
    if call.headers.get("if-none-match") == event["etag"]:
        return Reply(304)
    return _View(world, call, calendar).details(event)


def events_instances(world: GoogleWorld, call: Call) -> JSON:
    """`GET calendars/{c}/events/{id}/instances`."""
    calendar = _calendar(world, call)
    master = _event(calendar, call.args["eventId"])
    if "recurrence" not in master:
        raise _bad_request()
    low, high = _time(call, "timeMin"), _time(call, "timeMax")
    place = Listing(None, 0, low, high, 0)
    view = _View(world, call, calendar)
    exceptions = [calendar.events[key] for key in sorted(calendar.exceptions.get(master["id"], ()))]
    items = [item for event in [master, *exceptions] for item in view.expanded(event, place, False)]
    original = call.get("originalStart")
    if original:
        wanted = parse_rfc3339(original) if "T" in original else None
        items = [item for item in items if _original(item) == wanted]
    items.sort(key=lambda item: (_start_of(item), item["id"]))
    size = world.capped("calendar", call.integer("maxResults", 250, 2500))
    offset = _offset(call)
    answer: JSON = {
        "kind": "calendar#events", "etag": f'"i{calendar.log.seq}"', "summary": calendar.summary,
        "timeZone": calendar.zone, "accessRole": calendar.role(call.user), "defaultReminders": [],
        "updated": master["updated"], "items": items[offset : offset + size],
    }  # fmt: skip
    if offset + size < len(items):
        answer["nextPageToken"] = seal("instances", offset + size)
    return answer


def _original(item: JSON) -> float:
    return recurrence.instant(recurrence.moment_of(item["originalStartTime"]))


def _offset(call: Call) -> int:
    text = call.get("pageToken")
    if not text:
        return 0
    try:
        return int(unseal("instances", text)[0])
    except BadToken:
        raise _invalid_page_token() from None


def _check_match(call: Call, event: JSON) -> None:
    wanted = call.headers.get("if-match")
    if wanted and wanted not in ("*", event["etag"]):
        raise ApiError(412, "conditionNotMet", "Precondition Failed", location="If-Match", location_type="header")


def _check_times(event: JSON) -> None:
    for name in ("start", "end"):
        when = event.get(name)
        if not when or not (when.get("date") or when.get("dateTime")):
            raise ApiError(400, "required", f"Missing {name} time.")
        if event.get("recurrence") and "dateTime" in when and not when.get("timeZone"):
            raise ApiError(400, "required", f"Missing time zone definition for {name} time.")
    try:
        start, end = recurrence.span(event)
    except (ValueError, KeyError):
        raise ApiError(400, "invalid", "Invalid start time.") from None
    if end < start:
        raise ApiError(400, "timeRangeEmpty", "The specified time range is empty.", domain="calendar")


def _check_organizer(event: JSON, changed: JSON) -> None:
    if event.get("organizer", {}).get("self", True):
        return
    if any(name in changed and changed[name] != event.get(name) for name in SHARED_FIELDS):
        message = "Shared properties can only be changed by the organizer of the event."
        raise ApiError(403, "forbiddenForNonOrganizer", message, domain="calendar")


def events_insert(world: GoogleWorld, call: Call) -> JSON:
    """`POST calendars/{c}/events`."""
    calendar = _calendar(world, call, least="writer")
    body = call.json()
    event = {key: value for key, value in body.items() if key in CLIENT_FIELDS}
    _check_times(event)
    event["id"] = _new_id(world, calendar, body)
    if body.get("iCalUID"):
        event["iCalUID"] = body["iCalUID"]
    return calendar.put(event, world.now())


def _new_id(world: GoogleWorld, calendar: Calendar, body: JSON) -> str:
    wanted = body.get("id")
    if wanted is None:
        return new_event_id(world)
    if not ID.fullmatch(wanted):
        raise ApiError(400, "invalid", "Invalid resource id value.")
    if wanted in calendar.events:
        raise ApiError(409, "duplicate", "The requested identifier already exists.")
    return str(wanted)


def new_event_id(world: GoogleWorld) -> str:
    """26 characters of base32hex."""
    alphabet = "0123456789abcdefghijklmnopqrstuv"
    bits = world.rng.getrandbits(130)
    return "".join(alphabet[bits >> (5 * index) & 31] for index in range(26))


def events_import(world: GoogleWorld, call: Call) -> JSON:
    """`POST calendars/{c}/events/import`: a private copy; the owner must take part in it (§5.6)."""
    calendar = _calendar(world, call, least="writer")
    body = call.json()
    if not body.get("iCalUID"):
        raise ApiError(400, "required", "Missing iCalUID.")
    if body.get("eventType", "default") != "default":
        raise _bad_request()
    _check_times(body)
    organizer = body.get("organizer") or {"email": calendar.owner.address}
    people = {organizer.get("email"), *(guest.get("email") for guest in body.get("attendees", ()))}
    if not people & {calendar.owner.address, calendar.id}:
        message = "The owner of the calendar must either be the organizer or an attendee of an event that is imported."
        raise ApiError(400, "participantIsNeitherOrganizerNorAttendee", message, domain="calendar")
    event = {key: value for key, value in body.items() if key in CLIENT_FIELDS}
    for known in calendar.events.values():
        if known["iCalUID"] == body["iCalUID"] and "recurringEventId" not in known:
            if body.get("sequence", 0) < known["sequence"]:
                raise _bad_sequence()
            event["id"] = known["id"]
    event.setdefault("id", "_" + new_event_id(world))
    mine = organizer.get("email") in (calendar.owner.address, calendar.id)
    event["organizer"] = organizer | ({"self": True} if mine else {})
    return calendar.put(event | {"iCalUID": body["iCalUID"]}, world.now())


def _bad_sequence() -> ApiError:
    message = (
        "Invalid sequence value. The specified sequence number is below the current sequence number of the resource. "
        "Re-fetch the resource and use its sequence number on the following request."
    )
    return ApiError(400, "invalid", message)


def events_update(world: GoogleWorld, call: Call) -> JSON:
    """`PUT`: everything that the client may write is replaced."""
    calendar = _calendar(world, call, least="writer")
    old = _event(calendar, call.args["eventId"])
    _check_match(call, old)
    new = {key: value for key, value in call.json().items() if key in CLIENT_FIELDS}
    _check_organizer(old, dict.fromkeys(SHARED_FIELDS) | new)
    _check_times(new)
    return calendar.put(_kept(old) | _with_sequence(old, new), world.now())


def events_patch(world: GoogleWorld, call: Call) -> JSON:
    """`PATCH`: objects merge, arrays are replaced, null clears. `status: cancelled` deletes."""
    calendar = _calendar(world, call, least="writer")
    old = _event(calendar, call.args["eventId"])
    _check_match(call, old)
    changed = {key: value for key, value in call.json().items() if key in CLIENT_FIELDS}
    _check_organizer(old, changed)
    new = merge(old, changed)
    _check_times(new)
    if changed.get("status") == "cancelled" and old["id"] in calendar.events:
        calendar.cancel(old["id"], world.now())
        return calendar.events[old["id"]]
    return calendar.put(_with_sequence(old, new), world.now())


def merge(old: JSON, changed: JSON) -> JSON:
    """JSON merge patch; a start or end is replaced as a whole."""
    new = dict(old)
    for key, value in changed.items():
        if value is None:
            new.pop(key, None)
        elif isinstance(value, dict) and isinstance(old.get(key), dict) and key not in ("start", "end"):
            new[key] = merge(old[key], value)
        else:
            new[key] = value
    return new


def _kept(old: JSON) -> JSON:
    """What the server keeps when a client replaces an event."""
    names = ("id", "iCalUID", "creator", "organizer", "recurringEventId", "originalStartTime", "htmlLink")
    return {name: old[name] for name in names if name in old}


def _with_sequence(old: JSON, new: JSON) -> JSON:
    if new.get("sequence", old["sequence"]) < old["sequence"]:
        raise _bad_sequence()
    grown = any(old.get(name) != new.get(name) for name in ("start", "end", "recurrence"))
    return new | {"sequence": max(new.get("sequence", 0), old["sequence"] + (1 if grown else 0))}


def events_delete(world: GoogleWorld, call: Call) -> None:
    """`DELETE` → 204; an instance becomes a cancelled exception; twice is 410 `deleted`."""
    calendar = _calendar(world, call, least="writer")
    event = _event(calendar, call.args["eventId"])
    _check_match(call, event)
    if event["status"] == "cancelled":
        raise ApiError(410, "deleted", "Resource has been deleted")
    if event["id"] in calendar.events:
        calendar.cancel(event["id"], world.now())
    else:
        calendar.put(event | {"status": "cancelled"}, world.now())


def events_move(world: GoogleWorld, call: Call) -> JSON:
    """`POST …/move?destination=`: the source shows a cancelled event with only its id."""
    source = _calendar(world, call, least="writer")
    target = _calendar(world, call, "destination", least="writer")
    event = _event(source, call.args["eventId"])
    if event.get("eventType") != "default" or event["status"] == "cancelled" or "recurringEventId" in event:
        raise ApiError(400, "cannotChangeOrganizerOfInstance", "Cannot move this event.", domain="calendar")
    if target is source or event["id"] in target.events:
        raise ApiError(400, "invalid", "Cannot move the event to its own calendar.")
    return move(world, source, target, event["id"])


def move(world: GoogleWorld, source: Calendar, target: Calendar, event_id: str) -> JSON:
    """Carry an event (and the exceptions of a series) over to another calendar."""
    me = {"email": target.owner.address, "self": True}
    for key in [event_id, *sorted(source.exceptions.get(event_id, ()))]:
        target.put(source.events[key] | {"organizer": me}, world.now())
    source.cancel(event_id, world.now())
    return target.events[event_id]


def _r(http: str, path: str, method: str, handler: Handler, opens: frozenset[str]) -> Route:
    return Route(http, "/calendar/v3/" + path, "calendar." + method, handler, opens)


_ONE = "calendars/{calendarId}/events/{eventId}"
ROUTES = [
    _r("GET", "users/me/calendarList", "calendarList.list", calendar_list, LIST_READ),
    _r("POST", "users/me/calendarList", "calendarList.insert", calendar_list_insert, CALENDAR_WRITE),
    _r("GET", "users/me/calendarList/{calendarId}", "calendarList.get", calendar_list_get, LIST_READ),
    _r("PATCH", "users/me/calendarList/{calendarId}", "calendarList.patch", calendar_list_patch, CALENDAR_WRITE),
    _r("DELETE", "users/me/calendarList/{calendarId}", "calendarList.delete", calendar_list_delete, CALENDAR_WRITE),
    _r("POST", "calendars", "calendars.insert", calendars_insert, CALENDAR_WRITE),
    _r("GET", "calendars/{calendarId}", "calendars.get", calendars_get, CALENDAR_READ),
    _r("PATCH", "calendars/{calendarId}", "calendars.patch", calendars_patch, CALENDAR_WRITE),
    _r("DELETE", "calendars/{calendarId}", "calendars.delete", calendars_delete, CALENDAR_WRITE),
    _r("GET", "calendars/{calendarId}/acl", "acl.list", acl_list, ACL_READ),
    _r("GET", "calendars/{calendarId}/events", "events.list", events_list, EVENT_READ),
    _r("POST", "calendars/{calendarId}/events", "events.insert", events_insert, EVENT_WRITE),
    _r("POST", "calendars/{calendarId}/events/import", "events.import", events_import, EVENT_WRITE),
    _r("GET", _ONE, "events.get", events_get, EVENT_READ),
    _r("PUT", _ONE, "events.update", events_update, EVENT_WRITE),
    _r("PATCH", _ONE, "events.patch", events_patch, EVENT_WRITE),
    _r("DELETE", _ONE, "events.delete", events_delete, EVENT_WRITE),
    _r("GET", _ONE + "/instances", "events.instances", events_instances, EVENT_READ),
    _r("POST", _ONE + "/move", "events.move", events_move, EVENT_WRITE),
]
