"""The CRM over HTTP: routes, versions, credits (zoho.md §8).

Public: ROUTES, gate. Reads are in crm_read.py, writes in crm_write.py, metadata in crm_meta.py, queries in crm_coql.py,
the recycle bin in crm_bin.py, bulk reads in crm_bulk.py, push in crm_watch.py. Every call costs credits (§8.9); the header that tells the rest appears
once half of the budget is used.
"""

import functools
from typing import TYPE_CHECKING, Any

import orjson

from syncd_simulator.zoho import crm_bin, crm_bulk, crm_coql, crm_meta, crm_read, crm_watch, crm_write, errors
from syncd_simulator.zoho.crm_store import CrmStore
from syncd_simulator.zoho.wire import ApiError, Call, Handler, Reply, Route

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["ROUTES", "gate"]

PER_CREDIT = 10  # records that one credit writes
CONVERSION = 5
WRITES = ("records_insert", "records_update", "records_upsert")


def gate(world: "ZohoWorld", call: Call) -> Reply | None:
    """A version that Zoho never had is 404; no credits left is 429, without Retry-After."""
    crm_read.version_of(call)
    crm = CrmStore.of(world)
    if world.limits.enabled and crm.spent() >= crm.budget:
        return errors.render("crm", ApiError(429, "TOO_MANY_REQUESTS", "You have exceeded the daily API call limit"))
    return None


def _cost(call: Call) -> int:
    name = call.method.removeprefix("crm.")
    if name == "leads_convert":
        return CONVERSION
    if name not in WRITES:
        return 1
    try:
        body: Any = orjson.loads(call.body)
        return max(1, -(-len(body["data"]) // PER_CREDIT))
    except (ValueError, KeyError, TypeError):
        return 1


def _metered(handler: Handler) -> Handler:
    """The handler's answer, its credits spent, with the header where it is due."""

    @functools.wraps(handler)
    def counted(world: "ZohoWorld", call: Call) -> Reply:
        crm = CrmStore.of(world)
        crm.spend(_cost(call))
        try:
            reply: Reply = handler(world, call)
        except ApiError as error:
            reply = errors.render("crm", error)
        if crm.spent() * 2 >= crm.budget:
            reply.headers["X-API-CREDITS-REMAINING"] = str(max(0, crm.budget - crm.spent()))
        return reply

    return counted


def _route(http: str, path: str, handler: Handler, *scopes: str) -> Route:
    return Route(http, path, _metered(handler), "crm", tuple(f"ZohoCRM.{scope}" for scope in scopes))


ROOT, BULK = "/crm/{version}", "/crm/bulk/{version}/read"
WATCH, BIN = f"{ROOT}/actions/watch", f"{ROOT}/settings/recycle_bin"
RECORDS, RECORD = f"{ROOT}/{{module}}", f"{ROOT}/{{module}}/{{id}}"

ROUTES = [
    _route("POST", BULK, crm_bulk.bulk_create, "bulk.CREATE", "bulk.READ"),
    _route("GET", f"{BULK}/{{id}}", crm_bulk.bulk_get, "bulk.READ"),
    _route("GET", f"{BULK}/{{id}}/result", crm_bulk.bulk_result, "bulk.READ"),
    _route("GET", f"{ROOT}/users", crm_meta.users_list, "users.READ"),
    _route("GET", f"{ROOT}/users/{{id}}", crm_meta.users_get, "users.READ"),
    _route("GET", f"{ROOT}/org", crm_meta.org_get, "org.READ"),
    _route("GET", f"{ROOT}/settings/modules", crm_meta.settings_modules, "settings.modules.READ", "settings.READ"),
    _route(
        "GET", f"{ROOT}/settings/modules/{{id}}", crm_meta.settings_module, "settings.modules.READ", "settings.READ"
    ),
    _route("GET", f"{ROOT}/settings/fields", crm_meta.settings_fields, "settings.fields.READ", "settings.READ"),
    _route("GET", f"{ROOT}/settings/fields/{{id}}", crm_meta.settings_field, "settings.fields.READ", "settings.READ"),
    _route("GET", BIN, crm_bin.bin_list, "settings.recycle_bin.READ"),
    _route("GET", f"{BIN}/{{id}}", crm_bin.bin_get, "settings.recycle_bin.READ"),
    _route("DELETE", BIN, crm_bin.bin_empty, "settings.recycle_bin.DELETE"),
    _route("DELETE", f"{BIN}/{{id}}", crm_bin.bin_empty, "settings.recycle_bin.DELETE"),
    _route("POST", f"{BIN}/actions/restore", crm_bin.bin_restore, "settings.recycle_bin.UPDATE"),
    _route("POST", f"{ROOT}/coql", crm_coql.coql, "coql.READ"),
    _route("POST", WATCH, crm_watch.watch_create, "notifications.CREATE"),
    _route("PUT", WATCH, crm_watch.watch_replace, "notifications.UPDATE"),
    _route("PATCH", WATCH, crm_watch.watch_change, "notifications.UPDATE"),
    _route("DELETE", WATCH, crm_watch.watch_delete, "notifications.DELETE"),
    _route("GET", WATCH, crm_watch.watch_get, "notifications.READ"),
    _route("POST", f"{ROOT}/Events/{{id}}/actions/cancel", crm_write.meetings_cancel),
    _route("POST", f"{ROOT}/Leads/{{id}}/actions/convert", crm_write.leads_convert),
    _route("GET", f"{RECORDS}/deleted", crm_read.records_deleted),
    _route("GET", f"{RECORDS}/search", crm_read.records_search),
    _route("POST", f"{RECORDS}/upsert", crm_write.records_upsert),
    _route("GET", RECORDS, crm_read.records_list),
    _route("POST", RECORDS, crm_write.records_insert),
    _route("PUT", RECORDS, crm_write.records_update),
    _route("DELETE", RECORDS, crm_write.records_delete),
    _route("GET", RECORD, crm_read.records_get),
    _route("PUT", RECORD, crm_write.records_update_one),
    _route("DELETE", RECORD, crm_write.records_delete_one),
]
