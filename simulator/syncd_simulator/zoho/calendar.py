"""Zoho Calendar: calendar list, events in windows, single events (zoho.md §5). Writes: calwrite.py.

Public: ROUTES.
"""

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from syncd_simulator.zoho import calwrite
from syncd_simulator.zoho.calendars import Calendar, Event, calendars_of
from syncd_simulator.zoho.caltimes import BadTime, instant, moment_of, zone_of
from syncd_simulator.zoho.calview import calendar_row, event_row, occurrence_row
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Route
from syncd_simulator.zoho.world import DAY, User, ZohoWorld

__all__ = ["ROUTES"]

WINDOW = 31 * DAY  # §5.2
LARGE = "application/json+large"
CATEGORIES = {"own", "shared", "group", "app", "all"}


# -- calendars --------------------------------------------------------------------------------------------------------


def calendars(world: ZohoWorld, call: Call) -> JSON:
    """`GET /calendars`: shared, group and app calendars come in the same list (§5.1)."""
    category = call.get("category") or "all"
    if category not in CATEGORIES:
        raise ApiError(400, "PATTERN_NOT_MATCHED", "category")
    shown = [
        calendar_row(calendar, call.user, order)
        for order, calendar in enumerate(calendars_of(world).seen_by(call.user), 1)
        if call.flag("showhiddencal") or not calendar.hidden
    ]
    return {"calendars": [row for row in shown if category in ("all", row["category"])]}


def calendar(world: ZohoWorld, call: Call) -> JSON:
    """`GET /calendars/{calendar}`: an array of one."""
    found = calwrite.find(world, call)
    return {"calendars": [calendar_row(found, call.user, 1)]}


# -- events -----------------------------------------------------------------------------------------------------------


def events(world: ZohoWorld, call: Call) -> JSON:
    """`GET /calendars/{calendar}/events`: a window of 31 days, or what changed where `lastmodified` works."""
    found = calwrite.find(world, call)
    zone = _zone(call)
    since = _since(world, call)
    window = _window(call, found, needed=since is None)
    if call.flag("byinstance"):
        if window is None:
            raise ApiError(400, "LESS_THAN_MIN_OCCURANCE", "byinstance needs range")
        rows = [
            occurrence_row(world, found, event, slot, zone)
            for event, slot in _instances(found, *window)
            if since is None or event.modified // 1000 > since
        ]
        return _list(world, rows)
    chosen = [
        event
        for event in found.events.values()
        if (window is None or found.touches(event, *window)) and (since is None or event.modified // 1000 > since)
    ]
    large = _large(call)
    return _list(world, [event_row(world, found, event, large=large, zone=zone) for event in chosen])


def _list(world: ZohoWorld, rows: list[JSON]) -> JSON:
    """§5.2: an empty list, or a pseudo-event with words only."""
    if not rows and world.empty_events_message:
        return {"events": [{"message": "No events found."}]}
    return {"events": rows}


def _instances(found: Calendar, lower: float, upper: float) -> Iterator[tuple[Event, Any]]:
    for event in found.events.values():
        if event.rrule:
            yield from zip(itertools.repeat(event), found.occurrences(event, lower, upper))
        elif found.touches(event, lower, upper):
            yield event, None


def _large(call: Call) -> bool:
    return LARGE in call.headers.get("accept", "")


def _zone(call: Call) -> ZoneInfo | None:
    text = call.get("timezone")
    try:
        return zone_of(text) if text else None
    except BadTime:
        raise ApiError(400, "PATTERN_NOT_MATCHED", "timezone") from None


def _window(call: Call, found: Calendar, *, needed: bool) -> tuple[float, float] | None:
    """The instants of `range`; its end is inclusive when it is a date. Longer than 31 days is refused (§5.2)."""
    text = call.get("range")
    if text is None:
        if needed:
            raise ApiError(400, "LESS_THAN_MIN_OCCURANCE", "range is mandatory")
        return None
    try:
        value = orjson.loads(text)
        zone = zone_of(found.zone)
        first, last = (moment_of(value[name], zone) for name in ("start", "end"))
    except (ValueError, TypeError, KeyError):
        raise ApiError(400, "PATTERN_NOT_MATCHED", "range") from None
    lower, end = instant(first, zone), instant(last, zone)
    upper = end if isinstance(last, datetime) else instant(last + timedelta(days=1), zone)
    if upper < lower:
        raise ApiError(400, "PATTERN_NOT_MATCHED", "range ends before it starts")
    if round((end - lower) / 3600) > WINDOW / 3600 + 1:  # an hour for a change of the clocks
        raise ApiError(400, "RANGE_EXCEEDED", "The range must not exceed 31 days")
    return lower, upper


def _since(world: ZohoWorld, call: Call) -> int | None:
    """§5.4: `lastmodified` by the switch of the world."""
    text = call.get("lastmodified")
    if text is None or world.lastmodified == "ignored":
        return None
    if world.lastmodified == "rejected":
        raise ApiError(400, "EXTRA_PARAM_FOUND", "lastmodified")
    try:
        moment = moment_of(text, ZoneInfo("UTC"))
    except BadTime:
        raise ApiError(400, "PATTERN_NOT_MATCHED", "lastmodified") from None
    if not isinstance(moment, datetime) or not text.endswith("Z"):
        raise ApiError(400, "PATTERN_NOT_MATCHED", "lastmodified")
    return int(moment.timestamp())


def event(world: ZohoWorld, call: Call) -> JSON:
    """`GET /calendars/{calendar}/events/{event}[?recurrenceid=]`: an array of one, in full."""
    found = calwrite.find(world, call)
    chosen = calwrite.find_event(found, call.args["event"], call.get("recurrenceid"))
    return {"events": [event_row(world, found, chosen, large=True, zone=_zone(call))]}


def living(world: ZohoWorld, user: User) -> dict[str, dict[str, JSON]]:
    """calendar uid → row identity → event in full, of the calendars that the user owns."""
    return {
        calendar.uid: {
            key: event_row(world, calendar, event, large=True, zone=None) for key, event in calendar.events.items()
        }
        for calendar in calendars_of(world).own(user)
        if not calendar.hidden
    }


def _route(http: str, path: str, handler: Any, scope: str) -> Route:
    area, _, action = scope.partition(".")
    return Route(http, f"/api/v1/calendars{path}", handler, "calendar", (f"ZohoCalendar.{area}.{action}",))


ROUTES = [
    _route("GET", "", calendars, "calendar.READ"),
    _route("GET", "/{calendar}", calendar, "calendar.READ"),
    _route("GET", "/{calendar}/events", events, "event.READ"),
    _route("POST", "/{calendar}/events", calwrite.create, "event.CREATE"),
    _route("GET", "/{calendar}/events/{event}", event, "event.READ"),
    _route("PUT", "/{calendar}/events/{event}", calwrite.update, "event.UPDATE"),
    _route("DELETE", "/{calendar}/events/{event}", calwrite.delete, "event.DELETE"),
]
