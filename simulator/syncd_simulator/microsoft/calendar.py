"""The calendar routes of Graph (microsoft.md §6): lists, single events, views and their delta.

Public: ROUTES, API, READ, WRITE. What changes data is in `calendar_actions`.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from syncd_simulator.microsoft import calendar_actions as actions
from syncd_simulator.microsoft import delta, listing
from syncd_simulator.microsoft.calendar_delta import view_feed, window_of
from syncd_simulator.microsoft.calendar_query import Expand, parse_expand, parse_filter
from syncd_simulator.microsoft.calendar_request import applied, calendar_of, event_of, lens_of, owner_json, place_of
from syncd_simulator.microsoft.calendar_store import JSON, Calendar, Event, Instance, instances
from syncd_simulator.microsoft.calendar_view import Lens, calendar_entry, cancelled_occurrences, full
from syncd_simulator.microsoft.calendar_zones import ZONES
from syncd_simulator.microsoft.wire import ApiError, Call, Reply, project, select_of

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

API = "calendar"
READ = ("Calendars.Read", "Calendars.ReadWrite")
WRITE = ("Calendars.ReadWrite",)
ORDERS = {"start/dateTime": ("start", "dateTime"), "end/dateTime": ("end", "dateTime")}
ORDERED = ("lastModifiedDateTime", "createdDateTime", "subject")


# -- calendars ------------------------------------------------------------------------------------------------------


def list_calendars(world: "MicrosoftWorld", call: Call) -> JSON:
    """The default group's calendars, those too that others share with this user."""
    return _calendars(world, call, next(iter(call.user.calendars.groups)))


def list_group_calendars(world: "MicrosoftWorld", call: Call) -> JSON:
    """The calendars of one group."""
    if call.args["g"] not in call.user.calendars.groups:
        raise listing.not_found()
    return _calendars(world, call, call.args["g"])


def _calendars(world: "MicrosoftWorld", call: Call, group: str) -> JSON:
    mine = call.user.calendars
    found = [(key, each) for key, each in mine.owned.items() if each.group == group]
    if group == next(iter(mine.groups)):
        found += list(mine.shared.items())
    items = [entry(world, call, key, calendar) for key, calendar in found]
    return listing.page(world, call, API, items, lambda item: project(item, select_of(call)), "users/calendars")


def entry(world: "MicrosoftWorld", call: Call, key: str, calendar: Calendar) -> JSON:
    """A calendar as this user's list shows it."""
    mine = calendar.owner is call.user
    can_edit = mine or key in call.user.calendars.editable
    return calendar_entry(calendar, key, owner_json(calendar.owner), mine=mine, can_edit=can_edit)


def get_calendar(world: "MicrosoftWorld", call: Call) -> JSON:
    """One calendar; without an id the default one."""
    calendar = calendar_of(call)
    return project(entry(world, call, call.args.get("c", calendar.id), calendar), select_of(call))


def list_groups(world: "MicrosoftWorld", call: Call) -> JSON:
    """Calendar groups, the default one first."""
    items = [_group(key, name) for key, name in call.user.calendars.groups.items()]
    return listing.page(world, call, API, items, lambda item: item, "users/calendarGroups")


def get_group(world: "MicrosoftWorld", call: Call) -> JSON:
    """One calendar group."""
    groups = call.user.calendars.groups
    if call.args["g"] not in groups:
        raise listing.not_found()
    return _group(call.args["g"], groups[call.args["g"]])


def _group(key: str, name: str) -> JSON:
    return {"id": key, "name": name, "classId": "0006f0b7-0000-0000-c000-000000000046", "changeKey": key[-28:]}


# -- events ---------------------------------------------------------------------------------------------------------


def list_events(world: "MicrosoftWorld", call: Call) -> Reply:
    """Single events and masters, full; no occurrences, no deletions."""
    expand = parse_expand(call.get("$expand"), single=False)
    found = [Instance(event) for event in calendar_of(call).events.values()]
    return _events(world, call, found, expand)


def get_event(world: "MicrosoftWorld", call: Call) -> Reply:
    """Any event by its id, occurrences too; more about a master when asked for (§6)."""
    found, lens = event_of(call), lens_of(call)
    expand, select = parse_expand(call.get("$expand"), single=True), select_of(call)
    shown = full(found, lens)
    if found.slot is None and found.event.type == "seriesMaster":
        if select and "cancelledoccurrences" in {name.lower() for name in select}:
            shown["cancelledOccurrences"] = cancelled_occurrences(found.event, lens)
        if expand.exceptions:
            below = [full(Instance(each), lens) for _, each in sorted(found.event.exceptions.items())]
            shown["exceptionOccurrences"] = below
            select = [*select, "exceptionOccurrences"] if select else None
    context = {"@odata.context": f"{call.root}/v1.0/$metadata#users('{call.user.id}')/events/$entity"}
    answer = context | project(shown, select) | _tags(found.event, expand)
    if select is None:
        answer |= place_of(call, found.event.calendar)
    return Reply(200, answer, applied(call))


def _tags(event: Event, expand: Expand) -> JSON:
    """§14: extended properties are read with `$expand` only."""
    tags = [{"id": key, "value": event.tags[key]} for key in expand.tags if key in event.tags]
    return {"singleValueExtendedProperties": tags} if tags else {}


def list_instances(world: "MicrosoftWorld", call: Call) -> Reply:
    """One series expanded."""
    found, window = event_of(call), window_of(call)
    if found.slot is not None or found.event.type != "seriesMaster":
        raise ApiError(400, "ErrorInvalidRequest", "The event is not the master of a recurring series.")
    parts = sorted(instances(found.event, window), key=lambda each: each.span())
    return _events(world, call, parts, parse_expand(call.get("$expand"), single=False))


def calendar_view(world: "MicrosoftWorld", call: Call) -> Reply:
    """What takes place in a window, full; no masters."""
    window = window_of(call)
    found = [part for event in calendar_of(call).events.values() for part in instances(event, window)]
    found.sort(key=lambda each: each.span())
    return _events(world, call, found, parse_expand(call.get("$expand"), single=False))


def view_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """calendarView/delta of the default calendar."""
    return _delta(world, call, f"/users/{call.user.id}/calendarView/delta")


def calendar_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """calendarView/delta of any calendar."""
    return _delta(world, call, f"/users/{call.user.id}/calendars/{quote(call.args['c'])}/calendarView/delta")


def _delta(world: "MicrosoftWorld", call: Call, path: str) -> Reply:
    calendar, lens = calendar_of(call), lens_of(call)
    reply = delta.answer(world, call, lambda first: view_feed(world, first, calendar, path, lens))
    reply.headers |= applied(call)
    return reply


def no_events_delta(world: "MicrosoftWorld", call: Call) -> None:
    """§3: in the metadata, and refused."""
    text = "Unsupported request: Change tracking is not supported against 'microsoft.graph.event'."
    raise ApiError(400, "BadRequest", text)


def list_zones(world: "MicrosoftWorld", call: Call) -> JSON:
    """§16: the zones that a mailbox knows."""
    return {"value": [{"alias": name, "displayName": name} for name in ZONES]}


# -- lists ----------------------------------------------------------------------------------------------------------


def _events(world: "MicrosoftWorld", call: Call, found: list[Instance], expand: Expand) -> Reply:
    """A page of events, after `$filter` and `$orderby`."""
    lens = lens_of(call)
    text, order = call.get("$filter"), call.get("$orderby")
    if text:
        test, plain = parse_filter(text), Lens(lens.id_of, lens.viewer)
        found = [each for each in found if test(each.event, full(each, plain))]
    if order:
        found = _in_order(found, order, lens)

    def render(each: Instance) -> JSON:
        return project(full(each, lens), select_of(call)) | _tags(each.event, expand)

    context = f"users('{call.user.id}')/events"
    return Reply(200, listing.page(world, call, API, found, render, context), applied(call))


def _in_order(found: list[Instance], order: str, lens: Lens) -> list[Instance]:
    name, _, direction = order.strip().partition(" ")
    if (name not in ORDERS and name not in ORDERED) or direction.strip().lower() not in ("", "asc", "desc"):
        raise ApiError(400, "BadRequest", f"Could not find a property named '{name}' on type 'microsoft.graph.event'.")
    path = ORDERS.get(name, (name,))

    def key(each: Instance) -> Any:
        value: Any = full(each, lens)
        for part in path:
            value = value[part]
        return value

    return sorted(found, key=key, reverse=direction.strip().lower() == "desc")


def _routes() -> Iterator[tuple[str, str, Any]]:
    user = "/users/{u}"
    for place in (user + "/calendar", user + "/calendars/{c}"):
        yield "GET", place, get_calendar
        yield "PATCH", place, actions.rename_calendar
        yield "GET", place + "/calendarView", calendar_view
        yield "GET", place + "/calendarView/delta", calendar_delta if "{c}" in place else view_delta
    yield "DELETE", user + "/calendars/{c}", actions.delete_calendar
    yield "GET", user + "/calendarView", calendar_view
    yield "GET", user + "/calendarView/delta", view_delta
    for place in (user, user + "/calendar", user + "/calendars/{c}"):
        yield from _event_routes(place + "/events")


def _event_routes(events: str) -> Iterable[tuple[str, str, Any]]:
    one = events + "/{e}"
    return [
        ("GET", events, list_events), ("POST", events, actions.create_event), ("GET", events + "/delta", no_events_delta),
        ("GET", one, get_event), ("PATCH", one, actions.update_event), ("DELETE", one, actions.delete_event),
        ("GET", one + "/instances", list_instances), ("POST", one + "/cancel", actions.cancel_event),
    ]  # fmt: skip


ROUTES = [
    ("GET", "/users/{u}/calendars", list_calendars),
    ("POST", "/users/{u}/calendars", actions.create_calendar),
    ("GET", "/users/{u}/calendarGroups", list_groups),
    ("GET", "/users/{u}/calendarGroups/{g}", get_group),
    ("GET", "/users/{u}/calendarGroups/{g}/calendars", list_group_calendars),
    ("POST", "/users/{u}/calendarGroups/{g}/calendars", actions.create_calendar),
    ("GET", "/users/{u}/outlook/supportedTimeZones", list_zones),
    *_routes(),
]
