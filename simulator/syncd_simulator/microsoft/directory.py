"""The directory: users, their delta, the organisation (microsoft.md §9).

Public: API, READ, WRITE, ROUTES.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from syncd_simulator.microsoft import delta
from syncd_simulator.microsoft.userfilter import condition, id_list, is_advanced
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply, select_of

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["API", "READ", "ROUTES", "WRITE", "properties"]

API = "directory"
READ = {"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
WRITE = {"User.ReadWrite.All", "Directory.ReadWrite.All"}

DEFAULT = (
    "businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone", "officeLocation",
    "preferredLanguage", "surname", "userPrincipalName",
)  # fmt: skip
SINGLE_ONLY = {"aboutme", "birthday", "hiredate", "interests", "mailboxsettings", "mysite", "pastprojects",
               "preferredname", "responsibilities", "schools", "skills"}  # fmt: skip
MOST, USUAL = 999, 100


def properties(world: "MicrosoftWorld", user: "User") -> JSON:
    """Everything that may be selected of a user."""
    return {
        "businessPhones": [], "displayName": user.name, "givenName": user.given or None, "id": user.id,
        "jobTitle": user.title, "mail": _mail_of(user), "mobilePhone": user.mobile, "officeLocation": None,
        "preferredLanguage": None, "surname": user.family or None, "userPrincipalName": user.address,
        "accountEnabled": user.account_enabled, "userType": "Guest" if user.guest else "Member",
        "assignedLicenses": [{"disabledPlans": [], "skuId": sku} for sku in user.licences],
        "proxyAddresses": [] if _mail_of(user) is None or user.guest else [f"SMTP:{user.address}"],
        "department": user.department, "companyName": world.organisation, "otherMails": [],
        "createdDateTime": world.stamp(user.created), "onPremisesSyncEnabled": None, "usageLocation": "ES",
        "creationType": "Invitation" if user.guest else None, "manager": None, "mailNickname":
        user.address.partition("@")[0], "city": None, "country": None,
    }  # fmt: skip


def _mail_of(user: "User") -> str | None:
    if user.guest:
        return user.address.partition("#EXT#")[0].replace("_", "@", 1) if "_" in user.address else None
    return user.address if user.has_mailbox or user.licences or user.mailbox_trouble == "access_policy" else None


def _selected(world: "MicrosoftWorld", user: "User", select: list[str] | None) -> JSON:
    known = properties(world, user)
    if select is None:
        return {name: known[name] for name in DEFAULT}
    lower = {name.lower(): name for name in known}
    names = [lower[name.lower()] for name in select if name.lower() in lower and name.lower() != "manager"]
    return {name: known[name] for name in names} | {"id": user.id}


def _check_select(world: "MicrosoftWorld", select: list[str] | None, *, tracked: bool = False) -> None:
    known = {name.lower() for name in properties(world, next(iter(world.users.values())))} if world.users else set()
    for name in select or []:
        if name.lower() in SINGLE_ONLY:
            if tracked:
                raise ApiError(501, "NotImplemented", "This operation target is not yet supported.")
            raise ApiError(400, "BadRequest", f"The property '{name}' can be selected of a single user only.")
        if known and name.lower() not in known:
            raise ApiError(400, "BadRequest", f"Parsing OData Select and Expand failed: Could not find a property "
                           f"named '{name}' on type 'microsoft.graph.user'.")  # fmt: skip


# -- lists --------------------------------------------------------------------------------------------------------------


def list_users(world: "MicrosoftWorld", call: Call) -> JSON:
    """Pages of users. nextLinks carry the options but not the ConsistencyLevel (§1)."""
    select = select_of(call)
    _check_select(world, select)
    users, start = list(world.users.values()), _start(world, call)
    if text := call.get("$filter"):
        _check_advanced(call, text)
        test = condition(text)
        users = [user for user in users if test(properties(world, user))]
    if call.get("$search"):
        _check_advanced(call, "not ")
    size = call.number("$top", MOST) or USUAL
    size = max(1, min(size, world.page_cap.get(API, MOST)))
    end = start + size
    body: JSON = {"@odata.context": f"{call.root}/v1.0/$metadata#users"}
    if (call.get("$count") or "").lower() == "true" and _eventual(call) and not start:
        body["@odata.count"] = len(users)
    if end < len(users):
        body["@odata.nextLink"] = _next(world, call, end)
    body["value"] = [_selected(world, user, select) for user in users[start:end]]
    return body


def _eventual(call: Call) -> bool:
    return call.headers.get("consistencylevel", "").lower() == "eventual"


def _check_advanced(call: Call, text: str) -> None:
    """§1: `ne`, `not`, `endsWith`, `$search` and counts want ConsistencyLevel and `$count=true`."""
    if is_advanced(text) and not (_eventual(call) and (call.get("$count") or "").lower() == "true"):
        raise ApiError(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified for "
                       "property of resource 'User'.")  # fmt: skip


def _start(world: "MicrosoftWorld", call: Call) -> int:
    token = call.get("$skiptoken")
    if token is None:
        return 0
    found = world.page_tokens.get(token)
    if found is None or found[0] != call.target:
        raise ApiError(400, "Directory_ExpiredPageToken", "The specified page token value has expired and can no "
                       "longer be included in your request.")  # fmt: skip
    return found[1]


def _next(world: "MicrosoftWorld", call: Call, end: int) -> str:
    token = "RFNwdAoAA" + world.new_id("")
    pairs = [(name, value) for name, value in call.query if name.lower() != "$skiptoken"]
    query = "&".join(f"{quote(name, safe='$')}={quote(value, safe=',')}" for name, value in pairs)
    target = f"/v1.0/users?{query}{'&' if query else ''}$skiptoken={quote(token, safe='')}"
    world.page_tokens[token] = (target, end)
    return call.root + target


def get_user(world: "MicrosoftWorld", call: Call) -> JSON:
    """One user."""
    context = f"{call.root}/v1.0/$metadata#users/$entity"
    return {"@odata.context": context} | _selected(world, call.user, select_of(call))


# -- delta --------------------------------------------------------------------------------------------------------------


def users_delta(world: "MicrosoftWorld", call: Call) -> Reply:
    """Changes of users: soft-deleted ones are `changed`, purged ones `deleted`, restored ones plain."""
    return delta.answer(world, call, lambda first: _feed(world, first))


def _feed(world: "MicrosoftWorld", call: Call) -> delta.Feed:
    for name in ("$top", "$expand", "$orderby", "$search"):
        if call.has(name):
            raise ApiError(400, "Request_UnsupportedQuery", f"Query option '{name}' is not supported with delta.")
    select = select_of(call)
    _check_select(world, select, tracked=True)
    wanted = id_list(call.get("$filter"))

    def state() -> delta.State:
        living = {key: orjson.dumps(_selected(world, user, select)) for key, user in world.users.items()}
        found = living | dict.fromkeys(world.deleted_users, b"")
        return found if wanted is None else {key: value for key, value in found.items() if key in wanted}

    def gone(now: Call, key: str, version: Any) -> JSON:
        known = world.deleted_users.get(key) or world.users.get(key)
        return {"id": key, "@removed": {"reason": "changed" if known else "deleted"}}

    return delta.Feed(
        (API, "users"), API, "directory", "/users/delta", "users", state, lambda now, key: None, gone,
        changes=_changes, render=lambda now, change: _changed(now, change, select),
    )  # fmt: skip


def _changes(before: delta.State, now: delta.State) -> list[delta.Change]:
    """`b""` stands for a user in the recycle bin; a version to send is (now, before)."""
    found = []
    for key in [*before, *(key for key in now if key not in before)]:
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if new:
            found.append(delta.Change(key, (new, old)))
        elif old is not None:
            found.append(delta.Change(key, old, True))
    return found


def _changed(call: Call, change: delta.Change, select: list[str] | None) -> JSON:
    """§9: the full set again, or only what changed; what was set and is not any more comes as null."""
    new, old = change.version if isinstance(change.version, tuple) else (change.version, None)
    item: JSON = orjson.loads(new)
    before: JSON = orjson.loads(old) if old else {}
    minimal = call.prefer.get("return", "") == "minimal" and bool(before)
    return {
        name: value for name, value in item.items()
        if name == "id" or (value != before.get(name) if minimal else value is not None or before.get(name) is not None)
    }  # fmt: skip


# -- organisation -------------------------------------------------------------------------------------------------------


def organisation(world: "MicrosoftWorld", call: Call) -> JSON:
    """The one organisation that the token is for."""
    entry = {
        "id": world.tenant, "displayName": world.organisation, "countryLetterCode": "ES", "tenantType": "AAD",
        "verifiedDomains": [{"capabilities": "Email, OfficeCommunicationsOnline", "isDefault": True, "isInitial": False,
                             "name": world.domain, "type": "Managed"}],
    }  # fmt: skip
    return {"@odata.context": f"{call.root}/v1.0/$metadata#organization", "value": [entry]}


ROUTES: list[Any] = [
    ("GET", "/users", list_users),
    ("GET", "/users/delta", users_delta),
    ("GET", "/users/{u}", get_user),
    ("GET", "/organization", organisation),
]
