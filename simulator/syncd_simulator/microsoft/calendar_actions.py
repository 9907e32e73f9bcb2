"""What writes to calendars (microsoft.md §14), and the mail that goes out with it.

Public: create_event, update_event, delete_event, cancel_event, create_calendar, rename_calendar, delete_calendar.
Every invitation, update and cancellation that attendees would get is noted in `world.outbox`.
"""

from datetime import date
from typing import TYPE_CHECKING

from syncd_simulator.microsoft.calendar_request import (
    applied,
    calendar_of,
    event_of,
    lens_of,
    owner_json,
    place_of,
)
from syncd_simulator.microsoft.calendar_store import JSON, Calendar, Calendars, Event, Instance, local
from syncd_simulator.microsoft.calendar_view import calendar_entry, full
from syncd_simulator.microsoft.calendar_write import Invalid, created, patched, tags_of
from syncd_simulator.microsoft.listing import check_match, not_found
from syncd_simulator.microsoft.wire import ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

REPEATED = "An event with the same transactionId already exists."
TIMES = ("start", "end", "isAllDay", "recurrence")  # §14: a series loses its exceptions with these


def create_event(world: "MicrosoftWorld", call: Call) -> Reply:
    """201; the same transactionId again makes no second event."""
    calendar, body = _writable(call, calendar_of(call)), call.json()
    transaction = body.get("transactionId")
    if transaction is not None and not isinstance(transaction, str):
        raise Invalid("ErrorPropertyValidationFailure", "The value of transactionId is not valid.")
    event = _with_transaction(call.user.calendars, transaction)
    if event is not None and call.user.calendars.repeat_conflicts:
        raise ApiError(409, "ErrorDuplicateTransactionId", REPEATED)
    if event is None:
        tags = tags_of(body)
        event = calendar.new(created(body) | {"organizer": {"emailAddress": owner_json(calendar.owner)}})
        event.transaction, event.tags = transaction, tags
        _send(world, call, "invitation", event)
    return _answer(call, 201, Instance(event))


def _with_transaction(calendars: Calendars, transaction: str | None) -> Event | None:
    if transaction is None:
        return None
    everything = (event for calendar in calendars.everywhere() for event in calendar.events.values())
    return next((event for event in everything if event.transaction == transaction), None)


def update_event(world: "MicrosoftWorld", call: Call) -> Reply:
    """A sparse update; of an occurrence it makes an exception."""
    found, body = event_of(call), call.json()
    _writable(call, found.event.calendar)
    check_match(call, found.event.change_key)
    if body.get("transactionId", found.event.transaction) != found.event.transaction:
        raise Invalid("ErrorPropertyValidationFailure", "transactionId cannot be changed after the event's creation.")
    tags = tags_of(body)
    before = found.event.fields["attendees"]
    event = _update_instance(found, body) if _in_series(found) else _update_top(found.event, body)
    event.tags |= tags
    if before and not event.fields["attendees"]:
        _send(world, call, "cancellation", event, before)
    for _ in range(1 + len(event.exceptions)):  # §14: one mail per changed instance
        _send(world, call, "update", event)
    return _answer(call, 200, Instance(event))


def _in_series(found: Instance) -> bool:
    return found.slot is not None or found.event.master is not None


def _update_top(event: Event, body: JSON) -> Event:
    fields = patched(body, event.fields)
    if event.type == "seriesMaster" and any(fields[name] != event.fields[name] for name in TIMES):
        event.exceptions.clear()
        event.cancelled.clear()
    event.fields = fields
    event.calendar.touch(event)
    return event


def _update_instance(found: Instance, body: JSON) -> Event:
    """An occurrence or exception: it may not pass its neighbours, nor recur by itself (§14)."""
    master, slot = _series(found)
    if body.get("recurrence") is not None:
        raise Invalid("ErrorPropertyValidationFailure", "An instance of a series has no recurrence of its own.")
    current = found.event.fields
    if found.slot is not None:
        start, end = master.times(slot)
        current = current | {"start": start, "end": end, "recurrence": None}
    fields = patched(body, current)
    _check_neighbours(master, slot, local(fields["start"]).date())
    exception = master.calendar.exception(master, slot)
    exception.fields = fields
    master.calendar.touch(exception)
    return exception


def _series(found: Instance) -> tuple[Event, date]:
    slot = found.slot or found.event.slot
    assert slot is not None
    return found.event.top, slot


def _check_neighbours(master: Event, slot: date, day: date) -> None:
    earlier = later = None
    for other in master.slots():
        if other in master.cancelled or other == slot:
            continue
        moved = master.exceptions.get(other)
        taken = local(moved.fields["start"]).date() if moved else other
        if other < slot:
            earlier = taken
        else:
            later = taken
            break
    if (earlier is not None and day <= earlier) or (later is not None and day >= later):
        text = "Cannot modify this instance of the recurring series: it would cross or overlap an adjacent occurrence."
        raise Invalid("ErrorOccurrenceCrossingBoundary", text)


def delete_event(world: "MicrosoftWorld", call: Call) -> Reply:
    """204. One instance of a series becomes a cancelled occurrence."""
    found = event_of(call)
    _writable(call, found.event.calendar)
    check_match(call, found.event.change_key)
    _take_away(world, call, found)
    return Reply(204)


def cancel_event(world: "MicrosoftWorld", call: Call) -> Reply:
    """202 for the organiser, 400 for an attendee."""
    found = event_of(call)
    _writable(call, found.event.calendar)
    if not found.event.fields["isOrganizer"]:
        text = "Your request can't be completed. You need to be an organizer to cancel a meeting."
        raise ApiError(400, "ErrorInvalidRequest", text)
    _take_away(world, call, found)
    return Reply(202)


def _take_away(world: "MicrosoftWorld", call: Call, found: Instance) -> None:
    _send(world, call, "cancellation", found.event)
    if _in_series(found):
        master, slot = _series(found)
        master.calendar.cancel(master, slot)
    else:
        found.event.calendar.remove(found.event)


def _send(world: "MicrosoftWorld", call: Call, kind: str, event: Event, attendees: list[JSON] | None = None) -> None:
    """§14: an organiser's write sends mail as soon as there is an attendee; nothing holds it back."""
    people = event.fields["attendees"] if attendees is None else attendees
    if people and event.fields["isOrganizer"]:
        to = [each["emailAddress"]["address"] for each in people]
        world.outbox.append(
            {"kind": kind, "from": event.calendar.owner.address, "to": to, "event": event.id,
             "subject": event.fields["subject"], "at": world.stamp()}
        )  # fmt: skip


def _writable(call: Call, calendar: Calendar) -> Calendar:
    mine: Calendars = call.user.calendars
    if calendar.owner is not call.user and calendar.shared_with.get(call.user.id) not in mine.editable:
        raise ApiError(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    return calendar


def _answer(call: Call, status: int, found: Instance) -> Reply:
    context = {"@odata.context": f"{call.root}/v1.0/$metadata#users('{call.user.id}')/events/$entity"}
    headers = applied(call)
    shown = full(found, lens_of(call))
    if status == 201:
        headers["Location"] = f"{call.root}/v1.0/users/{call.user.id}/events/{shown['id']}"
    return Reply(status, context | shown | place_of(call, found.event.calendar), headers)


# -- calendars ------------------------------------------------------------------------------------------------------


def create_calendar(world: "MicrosoftWorld", call: Call) -> Reply:
    """A further calendar, in the default group when the path names none."""
    mine: Calendars = call.user.calendars
    group = call.args.get("g")
    if group is not None and group not in mine.groups:
        raise not_found()
    name = _name(call)
    if any(other.name.lower() == name.lower() for other in mine.owned.values()):
        raise ApiError(409, "ErrorFolderExists", "A folder with the specified name already exists.")
    calendar = mine.add(name, group)
    return Reply(201, calendar_entry(calendar, calendar.id, owner_json(call.user), mine=True, can_edit=True))


def rename_calendar(world: "MicrosoftWorld", call: Call) -> JSON:
    """Another name."""
    calendar = _writable(call, calendar_of(call))
    calendar.name = _name(call)
    calendar.seq = world.touch(None, "calendar", calendar.id)
    key = call.args.get("c", calendar.id)
    mine = calendar.owner is call.user
    return calendar_entry(calendar, key, owner_json(calendar.owner), mine=mine, can_edit=True)


def _name(call: Call) -> str:
    name = call.json().get("name")
    if not isinstance(name, str) or not name:
        raise Invalid("ErrorInvalidRequest", "A calendar needs a name.")
    return name


def delete_calendar(world: "MicrosoftWorld", call: Call) -> Reply:
    """204. Somebody else's calendar only leaves the list."""
    mine: Calendars = call.user.calendars
    calendar = calendar_of(call)
    if calendar.owner is not call.user:
        mine.unlist(call.args["c"])
    elif calendar.is_default:
        raise ApiError(400, "ErrorDeleteDistinguishedFolder", "Distinguished folders cannot be deleted.")
    else:
        mine.delete(calendar)
    return Reply(204)
