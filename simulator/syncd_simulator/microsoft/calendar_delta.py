"""calendarView/delta: a round of one calendar and one window that never moves (microsoft.md §6).

Public: view_feed, window_of, WINDOW_TEXT.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft.calendar_store import JSON, Calendar, Event, Instance, Window, inside, instances
from syncd_simulator.microsoft.calendar_view import Lens, full, removed, skeleton
from syncd_simulator.microsoft.delta import ANCHOR, Change, Feed, State
from syncd_simulator.microsoft.wire import ApiError, Call, unsupported

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

WINDOW_TEXT = (
    "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime."
)
LONGEST = timedelta(days=1825)
REFUSED = ("$select", "$filter", "$expand", "$orderby", "$search")


def window_of(call: Call) -> Window:
    """startDateTime and endDateTime: an offset counts, none means UTC, whatever `outlook.timezone` says (§6)."""
    start, end = call.get("startDateTime"), call.get("endDateTime")
    if start is None or end is None:
        raise ApiError(400, "ErrorInvalidParameter", WINDOW_TEXT)
    window = _moment(start), _moment(end)
    if window[1] < window[0]:
        raise ApiError(400, "ErrorInvalidParameter", "EndDateTime must not come before StartDateTime.")
    if window[1] - window[0] > LONGEST:
        days = (window[1] - window[0]).days
        text = f"The requested time duration specified for FindAll calendar view is too long. Allowed limit = 1825 days; actual value = {days} days."
        raise ApiError(400, "ErrorCalendarViewRangeTooBig", text)
    return window


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(400, "ErrorInvalidParameter", f"The value '{text}' is not a date and time.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def view_feed(world: "MicrosoftWorld", call: Call, calendar: Calendar, path: str, lens: Lens) -> Feed:
    """What the delta engine needs to know; `call` carries the query of the round's first call."""
    unsupported(call, *REFUSED)
    window = window_of(call)
    master_too = call.user.calendars.master_in_delta

    def show(_: Call, key: str) -> JSON | None:
        return _item(calendar, key, window, lens)

    def gone(_: Call, key: str, version: Any) -> JSON | None:
        return removed(_gone_id(calendar, key.removeprefix("series "), immutable=call.immutable))

    return Feed(
        key=("calendarView", call.user.id, calendar.id, *(moment.isoformat() for moment in window)),
        kind="calendar",
        flavour="outlook",
        path=path,
        context="Collection(event)",
        state=partial(_state, calendar),
        show=show,
        gone=gone,
        changes=lambda before, now: list(_changes(world, calendar, window, before, now, master_too)),
        owner=call.user,
    )


def _state(calendar: Calendar) -> State:
    """Single events and series with the number of their last change; a series goes by another key than its master."""
    events = sorted(calendar.events.values(), key=lambda event: event.type == "seriesMaster")
    return {_key(event): event.seq for event in events} | {ANCHOR: 0}


def _key(event: Event) -> str:
    return f"series {event.id}" if event.type == "seriesMaster" else event.id


def _item(calendar: Calendar, key: str, window: Window, lens: Lens) -> JSON | None:
    """The item as it is when its page is asked for; None when it went, or out of the window, since the round began."""
    found = calendar.find(key)
    if found is None or (found.event.type != "seriesMaster" and not inside(found.span(), window)):
        return None
    if found.slot is not None:
        return skeleton(found, lens)
    return {"@odata.type": "#microsoft.graph.event"} | full(found, lens)


def _gone_id(calendar: Calendar, key: str, *, immutable: bool) -> str:
    """The id of something that went, in the form that this request wants: a plain id is the one it had here."""
    if immutable:
        return key
    found = calendar.find(key)
    return found.event.plain_id(key) if found else calendar.gone.get(key, key)


def _changes(
    world: "MicrosoftWorld", calendar: Calendar, window: Window, before: State, now: State, master_too: bool
) -> Iterator[Change]:
    """A first round shows what is in the window; a later one also says of what is not there that it is removed."""
    for key, version in before.items():
        if key not in now:
            yield Change(key.removeprefix("series "), version, True)
    for key, version in now.items():
        if key == ANCHOR or before.get(key) == version:
            continue
        event = calendar.events[key.removeprefix("series ")]
        parts = list(instances(event, window))
        if parts and event.type == "seriesMaster":
            yield from _series(world, event, parts, version, master_too)
        elif parts:
            yield Change(event.id, version)
        elif before:
            yield Change(event.id, version, True)
        if before and parts:
            for exception in event.exceptions.values():
                if exception.seq > before.get(key, 0) and not inside(exception.span(), window):
                    yield Change(exception.id, exception.seq, True)


def _series(
    world: "MicrosoftWorld", master: Event, parts: list[Instance], version: int, master_too: bool
) -> Iterator[Change]:
    """The master with all its instances in the window; it may come before or after them."""
    shown = [Change(part.id, version) for part in parts]
    last = random.Random(f"{world.seed} {master.id}").random() < 0.3
    if master_too:
        shown.insert(len(shown) if last else 0, Change(master.id, version))
    yield from shown
