"""The CRM's writes: insert, update, upsert, delete, conversion (zoho.md §8.3).

Public: the handlers below; body_of, each, answered, success for other writes. Every element is judged by itself; what a write sets off (workflows, mail to participants)
goes to `crm.outbox`. Choices: without `trigger` workflows run; participants get mail unless `$send_notification` is false.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncd_simulator.zoho.crm_check import (
    Refused,
    check_mandatory,
    check_meeting,
    check_unique,
    normal,
    participants_of,
)
from syncd_simulator.zoho.crm_fields import MODULES
from syncd_simulator.zoho.crm_read import invalid, table_of, version_of
from syncd_simulator.zoho.crm_store import CrmStore, Record, Table
from syncd_simulator.zoho.crm_view import minified, moment, stamp
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = [
    "answered",
    "body_of",
    "convert",
    "each",
    "leads_convert",
    "meetings_cancel",
    "records_delete",
    "records_delete_one",
    "records_insert",
    "records_update",
    "records_update_one",
    "records_upsert",
    "success",
]

MOST = 100
TRIGGERS = ("workflow", "approval", "blueprint", "pathfinder", "orchestration")
Work = Callable[[JSON, str], JSON]  # (what was sent, its path) → the element of the answer


# -- envelopes ----------------------------------------------------------------------------------------------------------


def body_of(call: Call) -> JSON:
    """The JSON object of a write."""
    try:
        body = call.json()
    except ValueError:
        raise ApiError(400, "INVALID_DATA", "body") from None
    if not isinstance(body, dict):
        raise ApiError(400, "INVALID_DATA", "body", details={"expected_data_type": "jsonobject"})
    return body


def _elements(body: JSON) -> list[JSON]:
    data = body.get("data")
    if not isinstance(data, list) or not data:
        missing = {"api_name": "data", "json_path": "$.data"}
        raise ApiError(400, "MANDATORY_NOT_FOUND", "required field not found", details=missing)
    if len(data) > MOST:
        details: JSON = {"limit": MOST, "api_name": "data", "json_path": "$.data"}
        raise ApiError(400, "LIMIT_EXCEEDED", "cannot process more than 100 records", details=details)
    return data


def _triggers(body: JSON) -> list[str]:
    """Absent: all run; `[]`: none."""
    found = body.get("trigger", list(TRIGGERS))
    if not isinstance(found, list) or not set(found) <= set(TRIGGERS):
        raise ApiError(400, "INVALID_DATA", "invalid data", details={"api_name": "trigger", "json_path": "$.trigger"})
    return found


def each(data: list[Any], work: Work, path: str = "$.data") -> tuple[list[JSON], list[int]]:
    """The answers in the order of the input, and the statuses that the elements would have alone."""
    answers, statuses = [], []
    for number, sent in enumerate(data):
        try:
            if not isinstance(sent, dict):
                raise Refused("INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject"})
            answers.append(work(sent, f"{path}[{number}]"))
            statuses.append(200)
        except Refused as refused:
            answers.append(refused.element)
            statuses.append(refused.status)
    return answers, statuses


def answered(version: float, answers: list[JSON], statuses: list[int], *, good: int = 200) -> Reply:
    """§8.3: 207 when mixed, the refusal's status when all fail; before v3 failures hide behind 2xx."""
    failed = {status for status in statuses if status != 200}
    if not failed:
        status = good
    elif version < 3:
        status = good if 200 in statuses else 202
    else:
        status = 207 if 200 in statuses else (failed.pop() if len(failed) == 1 else 400)
    return Reply(status, {"data": answers})


def success(message: str, details: JSON, **more: Any) -> JSON:
    """The element of a record that was written."""
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"} | more


def _written(crm: CrmStore, record: Record) -> JSON:
    return {
        "Modified_Time": stamp(crm, record.modified), "Modified_By": _by(crm, record.modifier),
        "Created_Time": stamp(crm, record.created), "id": record.id, "Created_By": _by(crm, record.creator),
        "$approval_state": "approved" if record.approved else "pending",
    }  # fmt: skip


def _by(crm: CrmStore, user_id: str) -> JSON | None:
    shown = minified(crm, user_id)
    return {"name": shown["name"], "id": shown["id"]} if shown else None


# -- side effects -------------------------------------------------------------------------------------------------------


def _set_off(crm: CrmStore, table: Table, record: Record, operation: str, triggers: list[str]) -> None:
    if triggers:
        entry = {"kind": "workflow", "module": table.module, "id": record.id}
        crm.outbox.append(entry | {"operation": operation, "triggers": triggers})


def _mail(crm: CrmStore, table: Table, record: Record, subject: str) -> None:
    to = participants_of(crm, record.values)
    if table.module == "Events" and to:
        crm.outbox.append({"kind": "mail", "module": "Events", "id": record.id, "subject": subject, "to": to})


# -- insert, update, upsert ---------------------------------------------------------------------------------------------


class _Writer:
    """One write call: who, where, with which triggers and which condition."""

    def __init__(self, world: "ZohoWorld", call: Call, right: str) -> None:
        self.version = version_of(call)
        self.crm, self.table = table_of(world, call, right)
        self.module, self.by = self.table.module, call.user.id
        self.body = body_of(call)
        self.triggers = _triggers(self.body)
        self.unmodified = self._condition(call)

    def _condition(self, call: Call) -> float | None:
        text = call.headers.get("if-unmodified-since")
        if not text:
            return None
        try:
            return moment(text)
        except ValueError:
            details = {"header_name": "If-Unmodified-Since", "expected_data_type": "datetime"}
            raise ApiError(400, "INVALID_DATA", "invalid data", details=details) from None

    def insert(self, sent: JSON, path: str) -> JSON:
        """One new record."""
        record = self._insert(sent, path)
        return success("record added", _written(self.crm, record))

    def _insert(self, sent: JSON, path: str) -> Record:
        values = normal(self.crm, self.module, sent, path)
        check_mandatory(self.crm, self.module, values, path, new=True)
        check_unique(self.crm, self.module, values, path)
        if self.module == "Events":
            check_meeting(values, {}, path)
        record = self.crm.insert(self.module, values, self.by)
        self._after(record, sent, "create")
        return record

    def update(self, sent: JSON, path: str) -> JSON:
        """One known record, named by `id`."""
        record = self.table.records.get(str(sent.get("id") or ""))
        if record is None:
            code, message = (
                ("INVALID_DATA", "the id given seems to be invalid")
                if sent.get("id")
                else ("MANDATORY_NOT_FOUND", "required field not found")
            )
            raise Refused(code, message, {"api_name": "id", "json_path": f"{path}.id"})
        self._update(record, sent, path)
        return success("record updated", _written(self.crm, record))

    def _update(self, record: Record, sent: JSON, path: str) -> None:
        self._may_change(record)
        values = normal(self.crm, self.module, sent, path)
        check_mandatory(self.crm, self.module, values, path, new=False)
        check_unique(self.crm, self.module, values, path, record.id)
        if self.module == "Events":
            check_meeting(values, record.values, path)
        self.crm.update(self.module, record, values, self.by)
        self._after(record, sent, "edit")

    def _may_change(self, record: Record) -> None:
        details: JSON = {"id": record.id}
        if self.unmodified is not None and record.second > int(self.unmodified):
            raise Refused("ALREADY_MODIFIED", "the record has been already modified",
                          _written(self.crm, record), 412)  # fmt: skip
        if record.locked:
            raise Refused("RECORD_LOCKED", "record is locked", details)
        if record.in_blueprint:
            raise Refused("RECORD_IN_BLUEPRINT", "record is in blueprint", details)
        if not record.approved:
            raise Refused("NOT_APPROVED", "record is not approved", details)

    def _after(self, record: Record, sent: JSON, operation: str) -> None:
        _set_off(self.crm, self.table, record, operation, self.triggers)
        if sent.get("$send_notification") is not False:
            _mail(self.crm, self.table, record, "invitation" if operation == "create" else "update")

    def upsert(self, sent: JSON, path: str) -> JSON:
        """Update the first match in a check field, else insert."""
        for name in self.check_fields():
            same = self.table.same(name, sent[name]) if sent.get(name) else []
            if same:
                self._update(same[0], sent, path)
                more = {"action": "update", "duplicate_field": name}
                return success("record updated", _written(self.crm, same[0]), **more)
        record = self._insert(sent, path)
        return success("record added", _written(self.crm, record), action="insert", duplicate_field=None)

    def check_fields(self) -> list[str]:
        """In the order of the call, or the system's own and then the unique ones of the organisation."""
        own = list(MODULES[self.module].checks)
        known = own + [field.name for field in self.table.fields.values() if field.unique and field.name not in own]
        asked = self.body.get("duplicate_check_fields")
        if not asked:
            return known
        unknown = [name for name in asked if name not in known]
        if unknown:
            details = {"api_name": "duplicate_check_fields", "json_path": "$.duplicate_check_fields"}
            raise ApiError(400, "INVALID_DATA", f"{unknown[0]} is no unique field", details=details)
        return list(asked)


def records_insert(world: "ZohoWorld", call: Call) -> Reply:
    """`POST /{module}`."""
    writer = _Writer(world, call, "CREATE")
    return answered(writer.version, *each(_elements(writer.body), writer.insert), good=201)


def records_update(world: "ZohoWorld", call: Call) -> Reply:
    """`PUT /{module}`: each element has its `id`."""
    writer = _Writer(world, call, "UPDATE")
    return answered(writer.version, *each(_elements(writer.body), writer.update))


def records_update_one(world: "ZohoWorld", call: Call) -> Reply:
    """`PUT /{module}/{id}`."""
    writer = _Writer(world, call, "UPDATE")
    sent = [element | {"id": call.args["id"]} for element in _elements(writer.body)[:1] if isinstance(element, dict)]
    return answered(writer.version, *each(sent, writer.update))


def records_upsert(world: "ZohoWorld", call: Call) -> Reply:
    """`POST /{module}/upsert`."""
    writer = _Writer(world, call, "CREATE")
    writer.check_fields()
    return answered(writer.version, *each(_elements(writer.body), writer.upsert))


# -- deleting -----------------------------------------------------------------------------------------------------------


def records_delete(world: "ZohoWorld", call: Call) -> Reply:
    """`DELETE /{module}?ids=…`: into the recycle bin."""
    keys = [key.strip() for key in (call.get("ids") or "").split(",") if key.strip()]
    if not keys:
        message = "One of the expected parameter is missing"
        raise ApiError(400, "REQUIRED_PARAM_MISSING", message, details={"param_name": "ids"})
    if len(keys) > MOST:
        raise ApiError(400, "LIMIT_EXCEEDED", "cannot process more than 100 ids",
                       details={"limit": MOST, "param_name": "ids"})  # fmt: skip
    return _deleted(world, call, keys)


def records_delete_one(world: "ZohoWorld", call: Call) -> Reply:
    """`DELETE /{module}/{id}`."""
    return _deleted(world, call, [call.args["id"]])


def _deleted(world: "ZohoWorld", call: Call, keys: list[str]) -> Reply:
    version = version_of(call)
    crm, table = table_of(world, call, "DELETE")
    triggers = list(TRIGGERS) if call.flag("wf_trigger", True) else []

    def work(sent: JSON, _: str) -> JSON:
        record = table.records.get(sent["id"])
        if record is None:
            raise Refused("INVALID_DATA", "record not deleted", {"id": sent["id"]})
        if record.locked:
            raise Refused("RECORD_LOCKED", "record is locked", {"id": record.id})
        crm.delete(table.module, record, call.user.id)
        _set_off(crm, table, record, "delete", triggers)
        return success("record deleted", {"id": record.id})

    return answered(version, *each([{"id": key} for key in keys], work))


# -- actions ------------------------------------------------------------------------------------------------------------


def meetings_cancel(world: "ZohoWorld", call: Call) -> Reply:
    """§8.5: `POST /Events/{id}/actions/cancel`; the meeting goes to the bin."""
    call.args["module"] = "Events"
    writer = _Writer(world, call, "DELETE")
    record = writer.table.records.get(call.args["id"])
    if record is None:
        raise invalid("id", "the id given seems to be invalid")
    if _elements(writer.body)[0].get("send_cancelling_mail"):
        _mail(writer.crm, writer.table, record, "cancellation")
    writer.crm.delete("Events", record, writer.by)
    return Reply(200, {"data": [success("Event cancelled successfully", {"id": record.id})]})


def leads_convert(world: "ZohoWorld", call: Call) -> Reply:
    """`POST /Leads/{id}/actions/convert`: a Contact and an Account; the lead leaves listings without a trace in `/deleted`."""
    call.args["module"] = "Leads"
    crm, table = table_of(world, call, "UPDATE")
    record = table.records.get(call.args["id"])
    if record is None or record.converted:
        raise ApiError(400, "ID_ALREADY_CONVERTED" if record else "INVALID_DATA", "id already converted"
                       if record else "the id given seems to be invalid")  # fmt: skip
    contact, account = convert(crm, record, call.user.id)
    details: JSON = {
        "Contacts": {"name": crm.title("Contacts", contact), "id": contact.id},
        "Accounts": {"name": crm.title("Accounts", account), "id": account.id}, "Deals": None,
    }  # fmt: skip
    return Reply(200, {"data": [success("The record has been converted successfully", details)]})


CARRIED = ("First_Name", "Last_Name", "Email", "Phone", "Mobile", "Description", "Lead_Source")


def convert(crm: CrmStore, lead: Record, by: str) -> tuple[Record, Record]:
    """The Contact and the Account made of a lead."""
    account = crm.insert("Accounts", {"Account_Name": lead.values["Company"]}, by)
    carried = {name: lead.values.get(name) for name in CARRIED}
    contact = crm.insert("Contacts", carried | {"Account_Name": account.id}, by)
    crm.update("Leads", lead, {"Converted_Date_Time": crm.world.now()}, by)
    lead.converted = True
    return contact, account
