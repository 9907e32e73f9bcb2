"""The CRM's recycle bin (v8): listing, restoring, emptying (zoho.md §8.2).

Public: bin_list, bin_get, bin_restore, bin_empty.
"""

from typing import TYPE_CHECKING

from syncd_simulator.zoho.crm_check import Refused
from syncd_simulator.zoho.crm_fields import MODULES
from syncd_simulator.zoho.crm_read import invalid
from syncd_simulator.zoho.crm_store import CrmStore, Deleted
from syncd_simulator.zoho.crm_view import minified, stamp
from syncd_simulator.zoho.crm_write import answered, body_of, each, success
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["bin_empty", "bin_get", "bin_list", "bin_restore"]

BACKGROUND = 1_000  # more records than this are emptied by a job


def _recycled(crm: CrmStore) -> list[tuple[str, Deleted]]:
    return [(module, entry) for module in MODULES for entry in crm.deleted(module) if entry.kind == "recycle"]


def _shown(crm: CrmStore, module: str, entry: Deleted) -> JSON:
    return {
        "display_name": entry.name, "deleted_time": stamp(crm, entry.at), "id": entry.record.id,
        "owner": minified(crm, entry.record.values.get("Owner")), "deleted_by": minified(crm, entry.by),
        "module": {"api_name": module, "id": crm.module_ids[module]},
    }  # fmt: skip


def bin_list(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /settings/recycle_bin`."""
    crm = CrmStore.of(world)
    page, size = int(call.get("page") or 1), world.capped("crm", int(call.get("per_page") or 200))
    gone = _recycled(crm)
    shown = gone[(page - 1) * size : page * size]
    if not shown:
        return Reply(204)
    info = {"per_page": size, "count": len(shown), "page": page, "more_records": len(gone) > page * size}
    return Reply(200, {"recycle_bin": [_shown(crm, *entry) for entry in shown], "info": info})


def bin_get(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /settings/recycle_bin/{id}`."""
    crm = CrmStore.of(world)
    found = [_shown(crm, *entry) for entry in _recycled(crm) if entry[1].record.id == call.args["id"]]
    return Reply(200, {"recycle_bin": found}) if found else Reply(204)


def bin_restore(world: "ZohoWorld", call: Call) -> Reply:
    """`POST /settings/recycle_bin/actions/restore` with `{"recycle_bin": [{"id": …}]}`."""
    crm = CrmStore.of(world)
    sent = body_of(call).get("recycle_bin")
    if not isinstance(sent, list) or not sent:
        raise ApiError(400, "MANDATORY_NOT_FOUND", "required field not found",
                       details={"api_name": "recycle_bin", "json_path": "$.recycle_bin"})  # fmt: skip

    def work(element: JSON, path: str) -> JSON:
        key = str(element.get("id"))
        if not any(crm.restore(module, key) for module in MODULES):
            raise Refused("INVALID_DATA", "the id given seems to be invalid", {"json_path": f"{path}.id"})
        return success("record restored", {"id": key})

    reply = answered(8.0, *each(sent, work, "$.recycle_bin"))
    reply.body = {"recycle_bin": reply.body["data"]}
    return reply


def bin_empty(world: "ZohoWorld", call: Call) -> Reply:
    """`DELETE /settings/recycle_bin?ids=…`: for good; all of it without ids, more than 1,000 in the background (202)."""
    crm = CrmStore.of(world)
    wanted = [key for key in (call.get("ids") or call.args.get("id") or "").split(",") if key]
    keys = wanted or [entry.record.id for _, entry in _recycled(crm)]
    done = [key for key in keys if any(crm.purge(module, key) for module in MODULES)]
    if wanted and not done:
        raise invalid("ids", "the id given seems to be invalid")
    answers = [success("record deleted", {"id": key}) for key in done]
    return Reply(202 if len(keys) > BACKGROUND else 200, {"recycle_bin": answers})
