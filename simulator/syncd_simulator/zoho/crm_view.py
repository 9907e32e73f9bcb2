"""How the CRM shows records, people and instants, and how it reads instants (zoho.md §8.1, §8.4, §8.5).

Public: stamp, moment, whole, projected, person, minified, truth. Times are ISO 8601 in the organisation's zone, whole
seconds; lookups are `{name, id}`; `$` keys are the system's.
"""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from syncd_simulator.zoho.crm_fields import MODULES, Field
from syncd_simulator.zoho.crm_store import CrmStore, Record
from syncd_simulator.zoho.wire import JSON

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User

__all__ = ["minified", "moment", "person", "projected", "stamp", "truth", "whole"]

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)")


def stamp(crm: CrmStore, instant: float) -> str:
    """`2024-01-02T03:04:05+05:30`."""
    return datetime.fromtimestamp(int(instant), ZoneInfo(crm.zone)).isoformat()


def moment(text: Any) -> float:
    """The instant of an ISO 8601 text with an offset; ValueError for anything else, an HTTP-date among it."""
    if not isinstance(text, str) or not ISO.fullmatch(text):
        raise ValueError(f"no ISO 8601 time with an offset: {text!r}")
    return datetime.fromisoformat(text).timestamp()


def minified(crm: CrmStore, user_id: str | None) -> JSON | None:
    """`{name, id, email}` of a person; None when nobody did it."""
    if user_id is None:
        return None
    user = crm.world.users.get(user_id)
    shown: JSON = {"name": user.name if user else "Former user", "id": crm.user_id(user_id)}
    return shown | {"email": user.address if user else None}


def _lookup(crm: CrmStore, module: str, key: str) -> JSON | None:
    """§8.1: `{name, id}`; None when the record is gone."""
    modules = (
        ("Contacts", "Leads") if module == "Contacts" else (tuple(MODULES) if module == "se_module" else (module,))
    )
    found = crm.find(key, *modules)
    return {"name": crm.title(*found), "id": key} if found else None


def _value(crm: CrmStore, module: str, record: Record, field: Field) -> Any:
    name, values = field.name, record.values
    if name in _SYSTEM:
        return _SYSTEM[name](crm, module, record)
    value = values.get(name)
    if value is None:
        return _absent(field)
    if field.data_type == "datetime":
        return stamp(crm, value)
    if field.data_type == "ownerlookup":
        return minified(crm, value)
    if field.lookup:
        return _lookup(crm, field.lookup, value)
    if name == "Participants":
        return [_participant(crm, entry) for entry in value]
    if name == "Remind_At":
        return _reminder(crm, record, value)
    return value


def _absent(field: Field) -> Any:
    if field.data_type == "boolean":
        return False
    return [] if field.json_type == "jsonarray" else None


def _reminder(crm: CrmStore, record: Record, value: Any) -> Any:
    """§8.5: an instant as text, or in newer layouts a list; what is stored is an instant or what was sent."""
    if not isinstance(value, float):
        return value
    if crm.reminder_form == "text":
        return stamp(crm, value)
    minutes = int((record.values.get("Start_DateTime", value) - value) // 60)
    return [{"unit": minutes, "period": "minutes", "time": None}]


def _participant(crm: CrmStore, entry: JSON) -> JSON:
    """§8.5: what was sent plus what the CRM knows."""
    kind, who = entry["type"], entry["participant"]
    shown: JSON = {"name": None, "Email": None, "invited": False, "status": "not_known"} | entry
    if kind == "email":
        return shown | {"Email": who, "name": shown["name"] or who}
    if kind == "user":
        zuid = crm.user_of(who) or ""
        user = crm.world.users.get(zuid)
        return shown | ({"name": user.name, "Email": user.address} if user else {})
    found = crm.find(who, "Contacts" if kind == "contact" else "Leads")
    if found is None:
        return shown
    return shown | {"name": crm.title(*found), "Email": found[1].values.get("Email")}


_SYSTEM: dict[str, Any] = {
    "Created_Time": lambda crm, _, record: stamp(crm, record.created),
    "Modified_Time": lambda crm, _, record: stamp(crm, record.modified),
    "Created_By": lambda crm, _, record: minified(crm, record.creator),
    "Modified_By": lambda crm, _, record: minified(crm, record.modifier),
    "Full_Name": lambda crm, module, record: crm.title(module, record),
    "Converted__s": lambda _crm, _, record: record.converted,
    "Record_Status__s": lambda *_: "Available",
    "Last_Activity_Time": lambda crm, _, record: stamp(
        crm, max(record.modified, record.values.get("Last_Activity_Time", 0.0))
    ),
}


def projected(crm: CrmStore, module: str, record: Record, names: list[str] | None) -> JSON:
    """The record with these fields; without names with all of its fields. The id always comes along.

    Names that are no fields are left out; `$` keys come when they are named.
    """
    fields = crm.tables[module].fields
    if names is None:
        return {name: _value(crm, module, record, field) for name, field in fields.items()} | {"id": record.id}
    shown = {name: _value(crm, module, record, fields[name]) for name in names if name in fields}
    system = _system(record) if any(name.startswith("$") for name in names) else {}
    return shown | {name: system[name] for name in names if name in system} | {"id": record.id}


def whole(crm: CrmStore, module: str, record: Record) -> JSON:
    """All fields and the system's `$` keys, as the single-record call gives them."""
    return projected(crm, module, record, None) | _system(record)


def _system(record: Record) -> JSON:
    return {
        "$approved": record.approved, "$approval_state": "approved" if record.approved else "pending",
        "$editable": True, "$converted": record.converted, "$locked_for_me": record.locked, "$review": None,
        "$currency_symbol": "$", "$state": "save", "$process_flow": record.in_blueprint, "$in_merge": False,
        "$se_module": record.values.get("$se_module"),
    }  # fmt: skip


def person(crm: CrmStore, user: "User") -> JSON:
    """§8.6: an entry of `/users`."""
    role = "Administrator" if user.is_admin else "Standard"
    status = "disabled" if user.suspended else "active"
    return {
        "id": crm.user_id(user.id), "zuid": user.id, "full_name": user.name, "first_name": user.given,
        "last_name": user.family, "email": user.address, "alias": None, "status": status, "confirm": True,
        "role": {"name": "CEO" if user.is_admin else "Staff", "id": crm.module_ids["Leads"]},
        "profile": {"name": role, "id": crm.module_ids["Contacts" if user.is_admin else "Accounts"]},
        "time_zone": user.zone, "locale": "en_US", "country": "ES", "language": "en_US", "phone": None, "mobile": None,
        "created_time": stamp(crm, user.created), "Modified_Time": stamp(crm, crm.user_modified(user)),
        "Reporting_To": None, "category": "regular_user", "type__s": "Regular User",
    }  # fmt: skip


def truth(crm: CrmStore, module: str) -> dict[str, JSON]:
    """id → all fields, without `$` keys, of all that can be read: what a listing hides silently too (§8.1: converted and
    unapproved records show with `converted=both`, `approved=both`)."""
    return {record.id: projected(crm, module, record, None) for record in crm.tables[module].records.values()}
