"""What a calendar request is about: whose calendar, which event, seen how.

Public: lens_of, applied, calendar_of, event_of, owner_json, place_of.
"""

from typing import TYPE_CHECKING

from syncd_simulator.microsoft.calendar_store import JSON, Calendar, Calendars, Event, Instance
from syncd_simulator.microsoft.calendar_view import Lens
from syncd_simulator.microsoft.calendar_write import ZONE_TEXT, Invalid
from syncd_simulator.microsoft.calendar_zones import zone_of
from syncd_simulator.microsoft.listing import check_id, not_found
from syncd_simulator.microsoft.wire import Call

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import User

ZONE, BODY = "outlook.timezone", "outlook.body-content-type"


def lens_of(call: Call) -> Lens:
    """How this request wants to see events (§1)."""
    calendars: Calendars = call.user.calendars
    zone = call.prefer.get(ZONE) or "UTC"
    try:
        zone_of(zone)
    except KeyError:
        raise Invalid("TimeZoneNotSupportedException", ZONE_TEXT.format(zone)) from None

    def id_of(event: Event, key: str) -> str:
        return calendars.show_id(event, key, immutable=call.immutable)

    return Lens(id_of, call.user.id, zone, text=call.prefer.get(BODY, "").lower() == "text")


def applied(call: Call) -> dict[str, str]:
    """The Preference-Applied header."""
    found = [f'{name}="{call.prefer[name]}"' for name in (ZONE, BODY) if call.prefer.get(name)]
    return {"Preference-Applied": ", ".join(found)} if found else {}


def calendar_of(call: Call) -> Calendar:
    """The calendar that the path names, else the default one."""
    calendars: Calendars = call.user.calendars
    key = call.args.get("c")
    found = calendars.default if key is None else calendars.find(key)
    if found is None:
        raise not_found()
    return found


def event_of(call: Call) -> Instance:
    """The event that the path names by an id of either form; it must be in the calendar that the path names."""
    calendars: Calendars = call.user.calendars
    check_id(call.args["e"])
    found = calendars.event(call.args["e"])
    if found is None or ("c" in call.args and found.event.calendar is not calendar_of(call)):
        raise not_found()
    return found


def owner_json(user: "User") -> JSON:
    """An emailAddress."""
    return {"name": user.name, "address": user.address}


def place_of(call: Call, calendar: Calendar) -> JSON:
    """What a whole event that comes alone says of the calendar that it is in, by its id in this mailbox."""
    key = calendar.shared_with.get(call.user.id, calendar.id)
    where = f"{call.root}/v1.0/users('{call.user.id}')/calendars('{key}')"
    return {"calendar@odata.associationLink": f"{where}/$ref", "calendar@odata.navigationLink": where}
