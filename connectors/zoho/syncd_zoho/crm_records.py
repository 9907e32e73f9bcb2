"""What the mirror keeps of a CRM record (wire reference §8.4, §8.5).

Public: record_of, contact_summary, event_summary, instant_of, VOLATILE, TIMES, CONTACT_FIELDS, LEAD_FIELDS, EVENT_FIELDS.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from syncd.sdk import Record, Reject

from .wire import ident, iso, rfc3339, text

__all__ = [
    "CONTACT_FIELDS",
    "EVENT_FIELDS",
    "LEAD_FIELDS",
    "TIMES",
    "VOLATILE",
    "Summary",
    "contact_summary",
    "event_summary",
    "instant_of",
    "record_of",
]

Summary: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]

# The first fields asked for, and all where the token may not list them: what summaries and rounds are made of.
TIMES = ("Modified_Time", "Created_Time")
_PERSON = (
    *(
        "Full_Name",
        "First_Name",
        "Last_Name",
        "Salutation",
        "Email",
        "Secondary_Email",
        "Phone",
        "Mobile",
        "Home_Phone",
    ),
    *("Other_Phone", "Title", "Department", "Date_of_Birth", "Description", "Owner", "Tag"),
)
CONTACT_FIELDS = (
    *TIMES,
    *_PERSON,
    "Account_Name",
    *(f"{kind}_{part}" for kind in ("Mailing", "Other") for part in ("Street", "City", "State", "Zip", "Country")),
)
LEAD_FIELDS = (
    *(*TIMES, *_PERSON, "Company", "Lead_Source", "Lead_Status"),
    *("Street", "City", "State", "Zip_Code", "Country"),
)
EVENT_FIELDS = (
    *(*TIMES, "Event_Title", "Start_DateTime", "End_DateTime", "All_day", "Venue", "Description", "Owner"),
    *("Who_Id", "What_Id", "Participants", "Recurring_Activity", "Remind_At"),
)

# Left out when payloads are compared: times whose text changes with the organisation's zone while the instant stays
# (§8.1, §10.40), the time that moves by itself, and system keys (§8.1: ignore on read).
VOLATILE = (
    *(*TIMES, "Last_Activity_Time"),
    *("$approved", "$approval", "$approval_state", "$editable", "$currency_symbol", "$review", "$review_process"),
    *("$process_flow", "$state", "$orchestration", "$in_merge", "$canvas_id", "$layout_id", "$zia_visions"),
    *("$field_states", "$sharing_permission", "$locked_for_me", "$wizard_connection_path", "$pathfinder", "$taxable"),
    *("$followed", "$followers", "$converted", "$converted_detail", "$zia_owner_assignment", "$is_duplicate"),
    *("$has_more", "$last_activity_time", "$photo_id", "$stop_processing"),
)


def record_of(row: dict[str, Any], summary: Summary) -> Record | Reject:
    """A record, whole as it came. Its etag is the time of change: what a conditional update is about (§8.3)."""
    source_id = ident(row.get("id"))
    if source_id is None:
        return Reject("a record without an id", None, row)
    common = summary(row)
    return Record(
        source_id,
        row,
        summary=common,
        etag=text(row.get("Modified_Time")) or None,
        modified_at=instant_of(row),
        when=_when(row),
    )


def instant_of(row: Mapping[str, Any]) -> datetime | None:
    """When the record was changed last: an instant, never its text (§10.40)."""
    return iso(row.get("Modified_Time"))


def contact_summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of a contact or a lead."""
    parts = (text(row.get(name)) for name in ("First_Name", "Last_Name"))
    emails = (text(row.get(name)) for name in ("Email", "Secondary_Email"))
    phones = (text(row.get(name)) for name in ("Phone", "Mobile", "Home_Phone", "Other_Phone"))
    return {
        "name": text(row.get("Full_Name")) or " ".join(part for part in parts if part) or None,
        "emails": list(dict.fromkeys(one for one in emails if one)),
        "phones": list(dict.fromkeys(one for one in phones if one)),
        "organization": _label(row.get("Account_Name")) or text(row.get("Company")) or None,
    }


def event_summary(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of a meeting."""
    participants = row.get("Participants")
    people = participants if isinstance(participants, list) else []
    return {
        "title": text(row.get("Event_Title")) or None,
        "start": _moment(row, "Start_DateTime"),
        "end": _moment(row, "End_DateTime"),
        "location": text(row.get("Venue")) or None,
        "organizer": _owner(row.get("Owner")),
        "attendees": [label for one in people if isinstance(one, dict) and (label := _attendee(one))],
    }


def all_day(row: Mapping[str, Any]) -> bool:
    """§8.5: spelled in two ways."""
    return any(row.get(name) in (True, "true") for name in ("All_day", "All_Day"))


def _moment(row: Mapping[str, Any], name: str) -> str | None:
    """A bare date, as the provider gives it, for an all-day meeting; else the instant."""
    value = text(row.get(name))
    if all_day(row) or len(value) == 10:
        return value[:10] or None
    return rfc3339(iso(value)) or value or None


def _when(row: Mapping[str, Any]) -> tuple[datetime, datetime | None] | None:
    start = iso(row.get("Start_DateTime"))
    return None if start is None else (start, iso(row.get("End_DateTime")))


def _owner(value: Any) -> str | None:
    return (text(value.get("email")) or _label(value) or None) if isinstance(value, dict) else None


def _attendee(one: Mapping[str, Any]) -> str:
    """The address; of `type: email` it is the participant itself (§8.5)."""
    address = text(one.get("Email"))
    if not address and one.get("type") == "email":
        address = text(one.get("participant"))
    return address or text(one.get("name")) or text(one.get("participant"))


def _label(value: Any) -> str:
    """A lookup's name (§8.1: an object, or null)."""
    return text(value.get("name")) if isinstance(value, dict) else text(value)
