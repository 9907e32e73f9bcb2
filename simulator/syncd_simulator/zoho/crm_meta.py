"""What the CRM tells about itself: modules, fields, people, the organisation (zoho.md §8, §8.6).

Public: settings_modules, settings_module, settings_fields, settings_field, users_list, users_get, org_get.
"""

from typing import TYPE_CHECKING

from syncd_simulator.zoho.crm_fields import MODULES, NOT_FOR_API, describe, module_entry
from syncd_simulator.zoho.crm_read import invalid, since_of, version_of
from syncd_simulator.zoho.crm_store import CrmStore
from syncd_simulator.zoho.crm_view import person, stamp
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = [
    "org_get",
    "settings_field",
    "settings_fields",
    "settings_module",
    "settings_modules",
    "users_get",
    "users_list",
]

KINDS = (
    "AllUsers", "ActiveUsers", "DeactiveUsers", "ConfirmedUsers", "NotConfirmedUsers", "DeletedUsers",
    "ActiveConfirmedUsers", "AdminUsers", "ActiveConfirmedAdmins", "CurrentUser",
)  # fmt: skip


def _modules(crm: CrmStore) -> list[JSON]:
    entries = []
    for number, name in enumerate((*MODULES, *NOT_FOR_API)):
        key = crm.module_ids.get(name) or f"{crm.module_ids['Leads'][:-3]}{number:03}"
        entries.append(module_entry(name, key, number) | {"modified_time": stamp(crm, crm.settings_changed)})
    return entries


def settings_modules(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /settings/modules`."""
    version_of(call)
    crm, since = CrmStore.of(world), since_of(call)
    if since is not None and int(crm.settings_changed) <= int(since):
        return Reply(304)
    return Reply(200, {"modules": _modules(crm)})


def settings_module(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /settings/modules/{api name or id}`."""
    crm = CrmStore.of(world)
    found = [entry for entry in _modules(crm) if call.args["id"] in (entry["api_name"], entry["id"])]
    if not found:
        raise ApiError(400, "INVALID_MODULE", "the module name given seems to be invalid")
    return Reply(200, {"modules": found})


def settings_fields(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /settings/fields?module=…`."""
    version_of(call)
    crm, module = CrmStore.of(world), call.get("module")
    if module is None:
        message = "One of the expected parameter is missing"
        raise ApiError(400, "REQUIRED_PARAM_MISSING", message, details={"param_name": "module"})
    if module not in crm.tables:
        raise ApiError(400, "INVALID_MODULE", "the module name given seems to be invalid")
    return Reply(200, {"fields": [describe(field) for field in crm.tables[module].fields.values()]})


def settings_field(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /settings/fields/{id}?module=…`."""
    listed = settings_fields(world, call).body["fields"]
    found = [entry for entry in listed if call.args["id"] in (entry["id"], entry["api_name"])]
    return Reply(200, {"fields": found}) if found else Reply(204)


# -- people (§8.6) ------------------------------------------------------------------------------------------------------


def users_list(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /users?type=…`; the key is `users`, not `data`."""
    version_of(call)
    crm, since, kind = CrmStore.of(world), since_of(call), call.get("type") or "AllUsers"
    if kind not in KINDS:
        raise invalid("type", supported_values=list(KINDS))
    people = [user for user in world.users.values() if _is(user, kind, call)]
    if since is not None:
        people = [user for user in people if int(crm.user_modified(user)) > int(since)]
        if not people:
            return Reply(304)
    page, per_page = int(call.get("page") or 1), min(int(call.get("per_page") or 200), 200)
    per_page = world.capped("crm", per_page)
    shown = people[(page - 1) * per_page : page * per_page]
    if not shown:
        return Reply(204)
    info = {"per_page": per_page, "count": len(shown), "page": page, "more_records": len(people) > page * per_page}
    return Reply(200, {"users": [person(crm, user) for user in shown], "info": info})


def _is(user: "User", kind: str, call: Call) -> bool:
    if kind == "CurrentUser":
        return user is call.user
    if kind in ("DeletedUsers", "NotConfirmedUsers"):
        return False
    if kind in ("AllUsers", "ConfirmedUsers"):
        return True
    if kind == "DeactiveUsers":
        return user.suspended
    if kind in ("AdminUsers", "ActiveConfirmedAdmins"):
        return user.is_admin and not (user.suspended and kind == "ActiveConfirmedAdmins")
    return not user.suspended


def users_get(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /users/{id}`."""
    crm = CrmStore.of(world)
    user = world.users.get(crm.user_of(call.args["id"]) or "")
    return Reply(200, {"users": [person(crm, user)]}) if user else Reply(204)


def org_get(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /org`: `type` tells production from sandbox."""
    version_of(call)
    crm = CrmStore.of(world)
    org = {
        "id": crm.module_ids["Accounts"], "zgid": world.zoid, "company_name": world.domain, "type": crm.environment,
        "time_zone": crm.zone, "country_code": "ES", "currency_symbol": "€", "iso_code": "EUR", "max_per_page": 200,
        "primary_email": world.owner.address, "primary_zuid": world.owner.id, "domain_name": world.domain,
        "created_time": stamp(crm, world.base), "hipaa_compliance_enabled": False, "privacy_settings": False,
        "license_details": {"paid": True, "paid_type": "enterprise", "users_license_purchased": len(world.users)},
    }  # fmt: skip
    return Reply(200, {"org": [org]})
