"""Zoho Contacts: pages, single contacts, writes, the sync endpoint (zoho.md §6).

Public: ROUTES, living.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from syncd_simulator.zoho.book import books
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply, Route
from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["ROUTES", "living"]

SUB_LISTS = ("emails", "phones", "ims", "urls", "address", "categories")  # only when `include` names them
PER_PAGE = 100
MOST = 200
WRITABLE = {
    "first_name", "middle_name", "last_name", "nick_name", "company", "job_title", "designation", "gender", "notes",
    "birth_day", "birth_month", "birth_year", *SUB_LISTS,
}  # fmt: skip


# -- shape ------------------------------------------------------------------------------------------------------------


def _shown(contact: JSON, include: set[str]) -> JSON:
    row = {name: value for name, value in contact.items() if name not in SUB_LISTS or name in include}
    if "addresses" in include and "address" in contact:
        row["address"] = contact["address"]
    if "emails.primary" in include and "emails" not in include and "emails" in contact:
        row["emails"] = [email for email in contact["emails"] if email.get("is_primary")]
    return row


def _include(call: Call) -> set[str]:
    return {name.strip() for name in (call.get("include") or "").split(",") if name.strip()}


def _positive(call: Call, name: str, default: int) -> int:
    text = call.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise ApiError(400, "INVALID_PARAMETER", name)
    return int(text)


def _page(world: ZohoWorld, call: Call, name: str, keys: list[str], rows: Any) -> Reply:
    """`has_more` alone tells the end (§6.1)."""
    page = _positive(call, "page", 1)
    size = world.capped("contacts", min(_positive(call, "per_page", PER_PAGE), MOST))
    chosen = keys[(page - 1) * size : page * size]
    body = {"status_code": 200, "has_more": page * size < len(keys), "resource_name": name}
    return Reply(200, body | {"contacts": [rows(key) for key in chosen]})


def _owner(world: ZohoWorld, call: Call) -> User | None:
    """Whose book the path names; None: the organisation's. Others are refused unless the world allows them."""
    who = call.args.get("who", "self")
    if who == "self":
        return call.user
    allowed = who in world.contacts_allowed
    if who == "org" and allowed:
        return None
    other = world.addresses.get(who.lower())
    if other is call.user:
        return other
    if other is None and who != "org":
        raise ApiError(404, "ACCOUNT_NOT_FOUND", "No such account")
    if not allowed or other is None:
        raise ApiError(403, "ACCESS_DENIED", "You do not have access to these contacts")
    return other


# -- reading ----------------------------------------------------------------------------------------------------------


def contacts(world: ZohoWorld, call: Call) -> Reply:
    """`GET /accounts/{self | address | org}/contacts`."""
    owner, include = _owner(world, call), _include(call)
    if owner is None:
        people = {user.id: _colleague(user) for user in world.users.values()}
        return _page(world, call, "contacts", list(people), lambda key: _shown(people[key], include))
    book = books(world).of(owner)
    keys: Iterable[str] = book.keys()
    text, category = call.get("q"), call.get("filter_categories")
    if text is not None:
        keys = [key for key in keys if text.lower() in orjson.dumps(book.get(key)).decode().lower()]
    if category is not None:
        keys = [key for key in keys if category in _categories(book.get(key))]
    return _page(world, call, "contacts", list(keys) if text or category else book.keys(),
                 lambda key: _shown(book.get(key), include))  # fmt: skip


def _categories(contact: JSON) -> list[str]:
    return [str(category.get("category_id")) for category in contact.get("categories", [])]


def _colleague(user: User) -> JSON:
    """An entry of the organisation's book: read-only."""
    return {
        "contact_id": user.zuid, "first_name": user.given, "last_name": user.family,
        "emails": [{"email_id": user.address, "is_primary": True}], "contact_type": "2", "contact_zuid": user.zuid,
        "is_writable": False, "status": -10, "created_time": int(user.created * 1000), "updated_time": -1,
    }  # fmt: skip


def contact(world: ZohoWorld, call: Call) -> Reply:
    """`GET /accounts/self/contacts/{contact}`."""
    book = books(world).of(call.user)
    if call.args["contact"] not in book:
        raise ApiError(404, "CONTACT_NOT_FOUND", "No such contact")
    row = _shown(book.get(call.args["contact"]), _include(call))
    return Reply(200, {"status_code": 200, "resource_name": "contacts", "contacts": row})


def sync(world: ZohoWorld, call: Call) -> Reply:
    """`GET /sync/self/contacts`: changed since `filter_updated_time`; deleted ones with `include=show_deleted`."""
    text = call.get("filter_updated_time") or "0"
    if not text.isdecimal():
        raise ApiError(400, "INVALID_PARAMETER", "filter_updated_time")
    include, book = _include(call), books(world).of(call.user)
    changes = book.changes(int(text), deleted="show_deleted" in include)

    def row(key: str) -> JSON:
        if key in book:
            return _shown(book.get(key), include)
        return {"contact_id": key, "updated_time": book.deleted[key], "status": -1}

    return _page(world, call, "contacts", changes, row)


def living(world: ZohoWorld, user: User) -> dict[str, JSON]:
    """contact_id → contact with every sub-list."""
    book = books(world).of(user)
    return {key: book.get(key) for key in book.keys()}  # noqa: SIM118


# -- writing ----------------------------------------------------------------------------------------------------------


def _body(call: Call) -> JSON:
    try:
        value = call.json()
    except ValueError:
        raise ApiError(400, "JSON_PARSE_ERROR", "The body is not JSON") from None
    if not isinstance(value, dict) or "contacts" not in value:
        raise ApiError(400, "INVALID_DATA", "contacts is missing")
    return value


def _fields(value: Any) -> JSON:
    if not isinstance(value, dict) or not value:
        raise ApiError(400, "INVALID_DATA", "contacts")
    if unknown := set(value) - WRITABLE - {"contact_id"}:
        raise ApiError(400, "INVALID_DATA", f"unknown field {min(unknown)}")
    for name in SUB_LISTS:
        items = value.get(name, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ApiError(400, "INVALID_DATA", f"{name} is no list")
    return {name: value[name] for name in value if name in WRITABLE}


def create(world: ZohoWorld, call: Call) -> Reply:
    """`POST /accounts/self/contacts`: a list goes in, an object comes out; the body's `status_code` counts (§6.2)."""
    given = _body(call)["contacts"]
    if not isinstance(given, list) or len(given) != 1:
        raise ApiError(400, "INVALID_DATA", "contacts is a list of one")
    made = books(world).add(call.user, _fields(given[0]))
    return Reply(200, _written(201, "Contact added successfully", made))


def _written(status: int, message: str, contact: JSON) -> JSON:
    primary = next((email["email_id"] for email in contact.get("emails", []) if "email_id" in email), "")
    shown = {"email_id": primary, "contact_id": contact["contact_id"]}
    return {"status_code": status, "resource_name": "contacts", "message": message, "contacts": shown}


def _mine(world: ZohoWorld, call: Call) -> str:
    key = call.args["contact"]
    if key not in books(world).of(call.user):
        raise ApiError(404, "CONTACT_NOT_FOUND", "No such contact")
    return key


def update(world: ZohoWorld, call: Call) -> Reply:
    """`PUT /accounts/self/contacts/{contact}` with an object under `contacts`."""
    changed = books(world).edit(call.user, _mine(world, call), _fields(_body(call)["contacts"]))
    return Reply(200, _written(200, "Contact updated successfully", changed))


def delete(world: ZohoWorld, call: Call) -> Reply:
    """`DELETE /accounts/self/contacts/{contact}`."""
    key = _mine(world, call)
    books(world).delete(call.user, key)
    body = {"status_code": 200, "resource_name": "contacts", "message": "Contact deleted successfully"}
    return Reply(200, body | {"contacts": {"contact_id": key}})


def _route(http: str, path: str, handler: Any, action: str) -> Route:
    return Route(http, f"/api/v1{path}", handler, "contacts", (f"zohocontacts.contactapi.{action}",))


ROUTES = [
    _route("GET", "/accounts/{who}/contacts", contacts, "READ"),
    _route("POST", "/accounts/self/contacts", create, "CREATE"),
    _route("GET", "/accounts/self/contacts/{contact}", contact, "READ"),
    _route("PUT", "/accounts/self/contacts/{contact}", update, "UPDATE"),
    _route("DELETE", "/accounts/self/contacts/{contact}", delete, "DELETE"),
    _route("GET", "/sync/self/contacts", sync, "READ"),
]
