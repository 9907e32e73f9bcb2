"""What the CRM accepts in a write: types, mandatory fields, lookups, duplicates (zoho.md §8.3–8.5).

Public: Refused, normal, check_mandatory, check_unique, check_meeting. A Refused is one element of a write's answer.
"""

import re
from datetime import date
from typing import Any

from syncd_simulator.zoho.crm_fields import Field
from syncd_simulator.zoho.crm_store import CrmStore, Record
from syncd_simulator.zoho.crm_view import minified, moment
from syncd_simulator.zoho.wire import JSON

__all__ = ["Refused", "check_mandatory", "check_meeting", "check_unique", "normal", "participants_of"]

EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
NOT_FIELDS = ("id", "$send_notification", "$se_module")
KINDS = ("contact", "lead", "user", "email")
RULE = re.compile(r"FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;[A-Z]+=[^;]+)*")


class Refused(Exception):
    """One element that cannot be written."""

    def __init__(self, code: str, message: str, details: JSON, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.details, self.status = code, message, details, status

    @property
    def element(self) -> JSON:
        """As it stands in `data[]`."""
        return {"code": self.code, "details": self.details, "message": self.message, "status": "error"}


def _invalid(field: Field, path: str, expected: str, **more: Any) -> Refused:
    details = {"expected_data_type": expected, "api_name": field.name, "json_path": f"{path}.{field.name}"}
    return Refused("INVALID_DATA", "invalid data", details | more)


def normal(crm: CrmStore, module: str, sent: JSON, path: str) -> JSON:
    """The values to store; read-only fields are dropped. `path` is the element's place, `$.data[0]`."""
    fields = crm.tables[module].fields
    values: JSON = {}
    for name, value in sent.items():
        if name == "$se_module":
            values[name] = value
        elif name in fields:
            if not fields[name].read_only:
                values[name] = None if value is None else _normal(crm, fields[name], value, path)
        elif name not in NOT_FIELDS and not name.startswith("$") and crm.unknown_fields == "refused":
            raise Refused("INVALID_DATA", "invalid data", {"api_name": name, "json_path": f"{path}.{name}"})
    return values


def _normal(crm: CrmStore, field: Field, value: Any, path: str) -> Any:
    if field.name in _SPECIAL:
        return _SPECIAL[field.name](crm, field, value, path)
    kind = field.data_type
    if kind == "ownerlookup":
        return _owner(crm, field, value, path)
    if field.lookup:
        return _lookup(crm, field, value, path)
    if kind == "datetime":
        return _moment(field, value, path)
    if kind == "date":
        return _date(field, value, path)
    if kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]) or (kind != "boolean" and isinstance(value, bool)):
            raise _invalid(field, path, kind)
        return value
    if not isinstance(value, str):
        raise _invalid(field, path, "text" if kind not in ("email", "phone", "website") else kind)
    if len(value) > field.length:
        raise _invalid(field, path, kind, maximum_length=field.length)
    if kind == "email" and value and not EMAIL.fullmatch(value):
        raise _invalid(field, path, "email")
    return value or None


_PLAIN: dict[str, Any] = {"boolean": bool, "integer": int, "double": (int, float), "currency": (int, float)}


def _moment(field: Field, value: Any, path: str) -> float:
    try:
        return moment(value)
    except ValueError:
        raise _invalid(field, path, "datetime") from None


def _date(field: Field, value: Any, path: str) -> str:
    try:
        if date.fromisoformat(value).isoformat() == value:
            return str(value)
        raise ValueError(value)
    except (TypeError, ValueError):
        raise _invalid(field, path, "date") from None


def _key(field: Field, value: Any, path: str) -> str:
    key = value.get("id") if isinstance(value, dict) else value
    if not isinstance(key, str | int) or isinstance(key, bool) or not str(key).isdigit():
        raise _invalid(field, path, "bigint")
    return str(key)


def _owner(crm: CrmStore, field: Field, value: Any, path: str) -> str:
    zuid = crm.user_of(_key(field, value, path))
    if zuid is None or zuid not in crm.world.users:
        raise _invalid(field, path, "ownerlookup")
    return zuid


def _lookup(crm: CrmStore, field: Field, value: Any, path: str) -> str:
    key = _key(field, value, path)
    modules = {"Contacts": ("Contacts", "Leads"), "se_module": tuple(crm.tables)}.get(field.lookup, (field.lookup,))
    if crm.find(key, *modules) is None:
        raise Refused(
            "INVALID_DATA", "the related id given seems to be invalid",
            {"api_name": field.name, "json_path": f"{path}.{field.name}"},
        )  # fmt: skip
    return key


def _participants(crm: CrmStore, field: Field, value: Any, path: str) -> list[JSON]:
    """§8.5: the list replaces what was there."""
    if not isinstance(value, list):
        raise _invalid(field, path, "jsonarray")
    found = []
    for number, entry in enumerate(value):
        where = f"{path}.{field.name}[{number}]"
        if not isinstance(entry, dict) or entry.get("type") not in KINDS:
            raise Refused("INVALID_DATA", "invalid data", {"api_name": "type", "json_path": f"{where}.type"})
        who = str(entry.get("participant") or "")
        if not (EMAIL.fullmatch(who) if entry["type"] == "email" else who.isdigit()):
            details = {"api_name": "participant", "json_path": f"{where}.participant"}
            raise Refused("INVALID_DATA", "invalid data", details)
        key = str(entry.get("id") or crm.world.new_id())
        found.append({"type": entry["type"], "participant": who, "id": key})
    return found


def _recurring(crm: CrmStore, field: Field, value: Any, path: str) -> JSON:
    """§8.5: not RFC 5545: DTSTART inside the rule, dates with hyphens."""
    rule = value.get("RRULE") if isinstance(value, dict) else None
    if not isinstance(rule, str) or not RULE.fullmatch(rule):
        raise _invalid(field, path, "RRULE")
    for part in rule.split(";"):
        name, _, text = part.partition("=")
        if name in ("UNTIL", "DTSTART"):
            _date(field, text, path)
    return {name: text for name, text in value.items() if name in ("RRULE", "EXDATE") and text}


def _reminder(crm: CrmStore, field: Field, value: Any, path: str) -> Any:
    """§8.5: a time, an object with ALARM, or a list of {unit, period, time}."""
    if isinstance(value, str):
        return _moment(field, value, path)
    if isinstance(value, dict) and isinstance(value.get("ALARM"), str):
        return value
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return value
    raise _invalid(field, path, "event_reminder")


def _tags(crm: CrmStore, field: Field, value: Any, path: str) -> list[JSON]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) and entry.get("name") for entry in value):
        raise _invalid(field, path, "jsonarray")
    return [{"name": entry["name"], "id": str(entry.get("id") or crm.world.new_id())} for entry in value]


_SPECIAL: dict[str, Any] = {
    "Participants": _participants,
    "Recurring_Activity": _recurring,
    "Remind_At": _reminder,
    "Tag": _tags,
}


def check_mandatory(crm: CrmStore, module: str, values: JSON, path: str, *, new: bool) -> None:
    """Insert: every mandatory field is there; update: none is cleared."""
    for name, field in crm.tables[module].fields.items():
        if field.mandatory and (new or name in values) and values.get(name) in (None, ""):
            details = {"api_name": name, "json_path": f"{path}.{name}"}
            raise Refused("MANDATORY_NOT_FOUND", "required field not found", details)


def check_unique(crm: CrmStore, module: str, values: JSON, path: str, own: str = "") -> None:
    """No other record has the value of a unique field."""
    table = crm.tables[module]
    for name, field in table.fields.items():
        if not field.unique or values.get(name) is None:
            continue
        for other in table.same(name, values[name]):
            if other.id != own:
                raise _duplicate(crm, module, field, path, other)


def _duplicate(crm: CrmStore, module: str, field: Field, path: str, other: Record) -> Refused:
    details = {
        "api_name": field.name, "json_path": f"{path}.{field.name}", "id": other.id,
        "duplicate_record": {
            "id": other.id, "module": {"api_name": module, "id": crm.module_ids[module]},
            "Owner": minified(crm, other.values.get("Owner")),
        },
    }  # fmt: skip
    return Refused("DUPLICATE_DATA", "duplicate data", details)


def check_meeting(values: JSON, known: JSON, path: str) -> None:
    """§8.5: `What_Id` needs `$se_module`; a meeting does not end before it begins. `known`: what is stored already."""
    if values.get("What_Id") and not (values.get("$se_module") or known.get("$se_module")):
        details = {
            "api_name": "What_Id", "json_path": f"{path}.What_Id",
            "dependee": {"api_name": "$se_module", "json_path": f"{path}.$se_module"},
        }  # fmt: skip
        raise Refused("DEPENDENT_FIELD_MISSING", "dependent field missing", details)
    both = known | values
    if both.get("Start_DateTime") and both.get("End_DateTime") and both["End_DateTime"] < both["Start_DateTime"]:
        details = {"api_name": "End_DateTime", "json_path": f"{path}.End_DateTime", "expected_data_type": "datetime"}
        raise Refused("INVALID_DATA", "the end time is before the start time", details)


def participants_of(crm: CrmStore, values: JSON) -> list[str]:
    """Addresses of those who would get mail about a meeting."""
    found = []
    for entry in values.get("Participants") or ():
        who = entry["participant"]
        if entry["type"] == "email":
            found.append(who)
        elif entry["type"] == "user":
            user = crm.world.users.get(crm.user_of(who) or "")
            found += [user.address] if user else []
        else:
            record = crm.find(who, "Contacts" if entry["type"] == "contact" else "Leads")
            email = record[1].values.get("Email") if record else None
            found += [email] if email else []
    return found
