"""The CRM's bulk reads: a job, its states, a ZIP with one CSV (zoho.md §8.7).

Public: bulk_create, bulk_get, bulk_result. A job moves on by one state each time it is looked at.
"""

import csv
import io
import zipfile
from typing import TYPE_CHECKING, Any

from syncd_simulator.zoho.crm_coql import BadQuery, bulk_filter
from syncd_simulator.zoho.crm_read import invalid, version_of
from syncd_simulator.zoho.crm_store import DAY, CrmStore
from syncd_simulator.zoho.crm_view import minified, projected, stamp
from syncd_simulator.zoho.crm_write import body_of
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["bulk_create", "bulk_get", "bulk_result"]

MOST_FIELDS, PER_PAGE = 200, 200_000
DOWNLOADS = 10  # a minute
STATES = ("ADDED", "QUEUED", "IN PROGRESS", "COMPLETED")


def bulk_create(world: "ZohoWorld", call: Call) -> Reply:
    """`POST /crm/bulk/v8/read`."""
    version_of(call)
    crm, body = CrmStore.of(world), body_of(call)
    query = body.get("query")
    module = query.get("module") if isinstance(query, dict) else None
    name = module.get("api_name") if isinstance(module, dict) else module
    if not isinstance(query, dict) or name not in crm.tables:
        raise ApiError(400, "INVALID_MODULE", "the module name given seems to be invalid")
    if len(query.get("fields") or ()) > MOST_FIELDS:
        raise ApiError(400, "LIMIT_EXCEEDED", "cannot process more than 200 fields",
                       details={"limit": MOST_FIELDS, "param_name": "fields"})  # fmt: skip
    kind = body.get("file_type") or "csv"
    if kind not in ("csv", "ics") or (kind == "ics" and name != "Events"):
        raise invalid("file_type")
    key = world.new_id()
    crm.jobs[key] = {
        "id": key, "module": name, "query": query, "kind": kind, "state": 0, "by": call.user.id, "at": world.now(),
        "rows": _rows(crm, name, query),
    }  # fmt: skip
    details = {"id": key, "operation": "read", "state": "ADDED", "created_by": minified(crm, call.user.id),
               "created_time": stamp(crm, world.now())}  # fmt: skip
    answer = {"status": "success", "code": "ADDED_SUCCESSFULLY", "message": "Added successfully.", "details": details}
    return Reply(201, {"data": [answer], "info": {}})


def _rows(crm: CrmStore, module: str, query: JSON) -> list[JSON]:
    """What the job will hold: the records as they are when it begins."""
    records = list(crm.living(module))
    if query.get("criteria"):
        try:
            test = bulk_filter(crm, crm.tables[module], query["criteria"])
            records = [record for record in records if test(record)]
        except BadQuery as error:
            raise invalid("criteria", str(error)) from None
    page = int(query.get("page") or 1)
    names = query.get("fields") or list(crm.tables[module].fields)
    found = [projected(crm, module, record, names) for record in records]
    return [{"more": len(found) > page * PER_PAGE}, *found[(page - 1) * PER_PAGE : page * PER_PAGE]]


def _job(world: "ZohoWorld", call: Call) -> JSON:
    job = CrmStore.of(world).jobs.get(call.args["id"])
    if job is None or job["at"] + DAY <= world.now():
        raise ApiError(400, "RESOURCE_NOT_FOUND", "Invalid job id")
    return job


def bulk_get(world: "ZohoWorld", call: Call) -> Reply:
    """`GET …/read/{id}`."""
    crm, job = CrmStore.of(world), _job(world, call)
    entry: JSON = {
        "id": job["id"], "operation": "read", "state": STATES[job["state"]], "file_type": job["kind"],
        "query": job["query"], "created_by": minified(crm, job["by"]), "created_time": stamp(crm, job["at"]),
    }  # fmt: skip
    if STATES[job["state"]] == "COMPLETED":
        rows = job["rows"]
        entry["result"] = {
            "page": int(job["query"].get("page") or 1), "count": len(rows) - 1, "per_page": PER_PAGE,
            "download_url": f"/crm/bulk/{call.args['version']}/read/{job['id']}/result",
            "more_records": rows[0]["more"], "next_page_token": None,
        }  # fmt: skip
    job["state"] = min(job["state"] + 1, len(STATES) - 1)
    return Reply(200, {"data": [entry]})


def bulk_result(world: "ZohoWorld", call: Call) -> Reply:
    """`GET …/read/{id}/result`: a ZIP."""
    job = _job(world, call)
    if STATES[job["state"]] != "COMPLETED":
        raise ApiError(400, "NOT_COMPLETED", "the job is not completed")
    if world.limits.take("crm bulk", call.user.id, DOWNLOADS, 60.0):
        raise ApiError(429, "TOO_MANY_REQUESTS", "You have exceeded the download limit")
    packed = io.BytesIO()
    text = _calendar(job["rows"][1:]) if job["kind"] == "ics" else _table(job["rows"][1:])
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{job['id']}.{job['kind']}"), text)
    headers = {"Content-Type": "application/zip", "Content-Disposition": f"attachment; filename={job['id']}.zip"}
    return Reply(200, packed.getvalue(), headers)


def _table(rows: list[JSON]) -> str:
    out = io.StringIO()
    if rows:
        names = ["id", *(name for name in rows[0] if name != "id")]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A lookup is its id; nothing is an empty cell."""
    if isinstance(value, dict):
        return value.get("id", "")
    return "" if value is None else value


def _calendar(rows: list[JSON]) -> str:
    events = [
        f"BEGIN:VEVENT\r\nUID:{row['id']}\r\nSUMMARY:{row.get('Event_Title', '')}\r\nEND:VEVENT\r\n" for row in rows
    ]
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + "".join(events) + "END:VCALENDAR\r\n"
