"""Admin SDK Directory v1: users, roles, role assignments (google.md §8)."""

from typing import Any

from syncd_simulator.clock import rfc3339
from syncd_simulator.google.tokens import BadToken, seal, unseal
from syncd_simulator.google.wire import JSON, ApiError, Call, Handler, Route, scopes
from syncd_simulator.google.world import DAY, GoogleWorld, User

PAGE_TOKEN_LIFE = 3 * DAY
USERS = scopes("admin.directory.user", "admin.directory.user.readonly")
ROLES = scopes("admin.directory.rolemanagement", "admin.directory.rolemanagement.readonly")
SUPER_ADMIN, DELEGATED = "10000000000000001", "10000000000000002"


def _forbidden() -> ApiError:
    return ApiError(403, "forbidden", "Not Authorized to access this resource/api")


def _require_admin(call: Call) -> None:
    if not (call.user.is_admin or call.user.is_delegated_admin):
        raise _forbidden()


def user_json(world: GoogleWorld, user: User) -> JSON:
    """The user resource, basic projection."""
    value: JSON = {
        "kind": "admin#directory#user",
        "id": user.id,
        "etag": f'"{user.id}/v{user.version}"',
        "primaryEmail": user.address,
        "name": {"givenName": user.given, "familyName": user.family, "fullName": user.name},
        "isAdmin": user.is_admin,
        "isDelegatedAdmin": user.is_delegated_admin,
        "lastLoginTime": "1970-01-01T00:00:00.000Z",
        "creationTime": rfc3339(user.created),
        "agreedToTerms": True,
        "suspended": user.suspended,
        "archived": user.archived,
        "changePasswordAtNextLogin": False,
        "ipWhitelisted": False,
        "emails": [{"address": user.address, "primary": True}, *({"address": a} for a in user.aliases)],
        "languages": [{"languageCode": "en", "preference": "preferred"}],
        "customerId": world.customer_id,
        "orgUnitPath": user.org_unit,
        "isMailboxSetup": user.mailbox_setup,
        "isEnrolledIn2Sv": False,
        "isEnforcedIn2Sv": False,
        "includeInGlobalAddressList": True,
        "isGuestUser": False,
    }
    if user.title:
        value["organizations"] = [{"title": user.title, "primary": True, "customType": ""}]
    if user.aliases:
        value["aliases"] = list(user.aliases)
    if user.suspended:
        value["suspensionReason"] = "ADMIN"
    if user.deleted_at is not None:
        value["deletionTime"] = rfc3339(user.deleted_at)
    return value


def _selected(world: GoogleWorld, call: Call) -> list[User]:
    customer, domain = call.get("customer"), call.get("domain")
    if not customer and not domain:
        raise ApiError(400, "badRequest", "Bad Request")
    if customer and customer not in ("my_customer", world.customer_id):
        raise ApiError(400, "badRequest", "Bad Request")
    if domain and domain != world.domain:
        raise ApiError(404, "notFound", "Domain not found.")
    users = world.recently_deleted() if call.flag("showDeleted") else _settled(world)
    for name, value in _query_terms(call.get("query") or ""):
        users = [user for user in users if _matches(user, name, value)]
    return _sorted(users, call)


def _settled(world: GoogleWorld) -> list[User]:
    """Users old enough to show up: creation is eventually consistent."""
    delay = world.delay.get("admin", 0.0)
    newest = world.now() - delay
    return [user for user in world.users.values() if not delay or user.created <= newest]


def _query_terms(query: str) -> list[tuple[str, str]]:
    """`isSuspended=false orgUnitPath='/Sales'` as pairs; terms without `=` look for a prefix of the address."""
    terms = []
    for word in query.split():
        name, mark, value = word.partition("=")
        terms.append((name, value.strip("'")) if mark else ("email", word))
    return terms


def _matches(user: User, name: str, value: str) -> bool:
    known: dict[str, bool] = {
        "isSuspended": str(user.suspended).lower() == value,
        "isArchived": str(user.archived).lower() == value,
        "isAdmin": str(user.is_admin).lower() == value,
        "orgUnitPath": user.org_unit.startswith(value),
        "email": user.address.startswith(value.rstrip("*")),
    }
    if name not in known:
        raise ApiError(400, "invalid", "Invalid Input: query", location="query")
    return known[name]


def _sorted(users: list[User], call: Call) -> list[User]:
    order = call.get("orderBy")
    if order is None:
        return users
    keys = {"email": "address", "familyName": "family", "givenName": "given", "EMAIL": "address"}
    name = keys.get(order)
    if name is None:
        raise ApiError(400, "invalid", f"Invalid value for orderBy: {order}", location="orderBy")
    return sorted(users, key=lambda user: str(getattr(user, name)), reverse=call.get("sortOrder") == "DESCENDING")


def _max_results(world: GoogleWorld, call: Call, default: int, most: int) -> int:
    """Directory refuses sizes above the limit (§14.7)."""
    size = call.integer("maxResults", default, 10**9)
    if size > most:
        message = f"Invalid value '{size}'. Values must be within the range: [1, {most}]"
        raise ApiError(400, "invalidParameter", message, location="maxResults")
    return world.capped("admin", size)


def _page(world: GoogleWorld, call: Call, items: list[Any], size: int) -> tuple[list[Any], JSON]:
    """A slice of `items`; page tokens are offsets that live three days."""
    start = 0
    if text := call.get("pageToken"):
        try:
            who, start, made = unseal("directory page", text)
        except BadToken:
            who, made = "", 0.0
        if who != call.method or world.now() - made > PAGE_TOKEN_LIFE:
            raise ApiError(400, "invalid", "Invalid Input: pageToken", location="pageToken")
    token = seal("directory page", call.method, start + size, world.now())
    return items[start : start + size], {"nextPageToken": token} if start + size < len(items) else {}


def users_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET users`: the whole organisation; `users` is absent when empty; there is no delta."""
    _require_admin(call)
    size = _max_results(world, call, 100, 500)
    users, token = _page(world, call, _selected(world, call), size)
    answer: JSON = {"kind": "admin#directory#users", "etag": f'"{world.customer_id}"'}
    if users:
        answer["users"] = [user_json(world, user) for user in users]
    return answer | token


def users_get(world: GoogleWorld, call: Call) -> JSON:
    """`GET users/{key}` by id, address or alias."""
    _require_admin(call)
    return user_json(world, _user(world, call))


def _user(world: GoogleWorld, call: Call) -> User:
    try:
        user = world.user(call.args["userKey"])
    except KeyError:
        user = None
    if user is None or user not in _settled(world):
        raise ApiError(404, "notFound", "Resource Not Found: userKey")
    return user


def _check_customer(world: GoogleWorld, call: Call) -> None:
    _require_admin(call)
    if call.args["customer"] not in ("my_customer", world.customer_id):
        raise ApiError(400, "badRequest", "Bad Request")


def roles_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET customer/{c}/roles`."""
    _check_customer(world, call)
    roles = [_role(SUPER_ADMIN, "_SEED_ADMIN_ROLE", True), _role(DELEGATED, "_HELP_DESK_ADMIN_ROLE", False)]
    items, token = _page(world, call, roles, _max_results(world, call, 100, 100))
    return {"kind": "admin#directory#roles", "etag": '"roles"', "items": items} | token


def _role(role_id: str, name: str, is_super: bool) -> JSON:
    return {
        "kind": "admin#directory#role",
        "etag": f'"{role_id}"',
        "roleId": role_id,
        "roleName": name,
        "roleDescription": name,
        "isSystemRole": True,
        "isSuperAdminRole": is_super,
        "rolePrivileges": [{"privilegeName": "USERS_RETRIEVE", "serviceId": "00haapch16h1ysv"}],
    }


def role_assignments_list(world: GoogleWorld, call: Call) -> JSON:
    """`GET customer/{c}/roleassignments`: who holds which role."""
    _check_customer(world, call)
    assignments: list[JSON] = []
    for user in world.users.values():
        for role_id, held in ((SUPER_ADMIN, user.is_admin), (DELEGATED, user.is_delegated_admin)):
            if held:
                assignments.append(_assignment(user, role_id, len(assignments) + 1))
    if key := call.get("userKey"):
        assignments = [item for item in assignments if item["assignedTo"] == world.user(key).id]
    items, token = _page(world, call, assignments, _max_results(world, call, 200, 200))
    return {"kind": "admin#directory#roleAssignments", "etag": '"assignments"', "items": items} | token


def _assignment(user: User, role_id: str, number: int) -> JSON:
    return {
        "kind": "admin#directory#roleAssignment",
        "etag": f'"{user.id}.{role_id}"',
        "roleAssignmentId": str(number),
        "roleId": role_id,
        "assignedTo": user.id,
        "assigneeType": "user",
        "scopeType": "CUSTOMER",
    }


def _r(path: str, method: str, handler: Handler, opens: frozenset[str]) -> Route:
    return Route("GET", "/admin/directory/v1/" + path, "directory." + method, handler, opens)


ROUTES = [
    _r("users", "users.list", users_list, USERS),
    _r("users/{userKey}", "users.get", users_get, USERS),
    _r("customer/{customer}/roles", "roles.list", roles_list, ROLES),
    _r("customer/{customer}/roleassignments", "roleAssignments.list", role_assignments_list, ROLES),
]
