"""The CRM's reads: listings with every paging rule, single records, `/deleted`, search (zoho.md §8.1, §8.2).

Public: records_list, records_get, records_deleted, records_search, version_of, table_of, since_of.
Choices: `per_page` above 200 is 400 INVALID_DATA; an `If-Modified-Since` that is no ISO time with an offset is 400
INVALID_DATA; `cvid` shows every record; a walk by token goes on behind the last record shown, whatever changed since.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson

from syncd_simulator.zoho import errors
from syncd_simulator.zoho.crm_coql import BadQuery, criteria
from syncd_simulator.zoho.crm_store import CrmStore, PageToken, Record, Table
from syncd_simulator.zoho.crm_view import minified, moment, projected, stamp, whole
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["records_deleted", "records_get", "records_list", "records_search", "since_of", "table_of", "version_of"]

VERSIONS = {"v2": 2.0, "v2.1": 2.1} | {f"v{number}": float(number) for number in range(3, 9)}
MOST_FIELDS, MOST_IDS, MOST_PER_PAGE = 50, 100, 200
SORTS = ("id", "Created_Time", "Modified_Time")
BOUND = (
    "fields", "per_page", "sort_by", "sort_order", "cvid", "ids", "converted", "approved", "territory_id",
    "include_child",
)  # fmt: skip
Place = tuple[int, str]


def version_of(call: Call) -> float:
    """The number in the path; 404 for one that Zoho never had."""
    if call.args["version"] not in VERSIONS:
        raise errors.not_found("crm")
    return VERSIONS[call.args["version"]]


def table_of(world: "ZohoWorld", call: Call, right: str) -> tuple[CrmStore, Table]:
    """The module of the path, if the token's scopes open it for `right` (READ, CREATE, …)."""
    crm, name = CrmStore.of(world), call.args["module"]
    if name not in crm.tables:
        raise ApiError(400, "INVALID_MODULE", "the module name given seems to be invalid",
                       details={"resource_path_index": 0})  # fmt: skip
    assert call.token is not None
    scopes = (f"ZohoCRM.modules.{name.lower()}.{right}", f"ZohoCRM.modules.{right}")
    if not world.credentials.allows(call.token, scopes):
        raise errors.missing_scope("crm")
    return crm, crm.tables[name]


def invalid(name: str, message: str = "invalid data", **more: Any) -> ApiError:
    """400 INVALID_DATA about one parameter."""
    return ApiError(400, "INVALID_DATA", message, details={"param_name": name} | more)


def since_of(call: Call) -> float | None:
    """§8.1: `If-Modified-Since` as ISO 8601 with an offset, not as an HTTP-date."""
    text = call.headers.get("if-modified-since")
    if not text:
        return None
    try:
        return moment(text)
    except ValueError:
        raise ApiError(400, "INVALID_DATA", "invalid data",
                       details={"header_name": "If-Modified-Since", "expected_data_type": "datetime"}) from None  # fmt: skip


def _number(call: Call, name: str, default: int) -> int:
    text = call.get(name)
    if text is None:
        return default
    if not text.isdigit() or int(text) < 1:
        raise invalid(name, expected_data_type="integer")
    return int(text)


def _names(call: Call, version: float, *, listing: bool) -> list[str] | None:
    """§8.1: mandatory from v3 on when listing, at most 50."""
    text = call.get("fields")
    if text is None:
        if listing and version >= 3:
            message = "One of the expected parameter is missing"
            raise ApiError(400, "REQUIRED_PARAM_MISSING", message, details={"param_name": "fields"})
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if len(names) > MOST_FIELDS:
        message = "cannot process more than 50 fields"
        raise ApiError(400, "LIMIT_EXCEEDED", message, details={"limit": MOST_FIELDS, "param_name": "fields"})
    return names


def _per_page(world: "ZohoWorld", call: Call) -> int:
    size = _number(call, "per_page", MOST_PER_PAGE)
    if size > MOST_PER_PAGE:
        raise invalid("per_page", limit=MOST_PER_PAGE)
    return world.capped("crm", size)


# -- listings -----------------------------------------------------------------------------------------------------------


def records_list(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /{module}`."""
    version = version_of(call)
    crm, table = table_of(world, call, "READ")
    names = _names(call, version, listing=True)
    _ambiguous(call)
    since, per_page = since_of(call), _per_page(world, call)
    order = _order(table, call, since)
    token = _token(crm, call)
    if token is not None:
        places, page = order.behind(token.after), token.page
    else:
        page = _number(call, "page", 1)
        _page_wall(crm, page, per_page)
        places = order.places()
    shown = (table.records[key] for _, key in places)
    kept = (record for record in shown if _wanted(call, record))
    skipped = 0 if token else (page - 1) * per_page
    found = list(islice(kept, skipped, skipped + per_page + 1))
    if not found:
        nothing_new = since is not None and page == 1 and token is None
        return Reply(304 if nothing_new else 204)
    more, found = len(found) > per_page, found[:per_page]
    info = _info(world, call, order, found, more=more, page=page, per_page=per_page, before=token)
    return Reply(200, {"data": [_listed(crm, table, record, names) for record in found], "info": info})


def _listed(crm: CrmStore, table: Table, record: Record, names: list[str] | None) -> JSON:
    return whole(crm, table.module, record) if names is None else projected(crm, table.module, record, names)


def _ambiguous(call: Call) -> None:
    for one, other in (("page", "page_token"), ("cvid", "sort_by")):
        if call.get(one) is not None and call.get(other) is not None:
            details = {"ambiguity_due_to": [{"param_name": one}, {"param_name": other}]}
            raise ApiError(
                400, "AMBIGUITY_DURING_PROCESSING", "ambiguity while processing the request", details=details
            )


def _page_wall(crm: CrmStore, page: int, per_page: int) -> None:
    if page * per_page > crm.page_wall:
        message = "You can only get the first 2000 records without using page_token param"
        raise ApiError(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", message, details={"limit": crm.page_wall})


class _Order:
    """The places of a listing in its order; `key` gives the place of a record."""

    def __init__(
        self, table: Table, sort_by: str, *, backwards: bool, since: float | None, ids: set[str] | None
    ) -> None:
        self.sort_by, self.backwards = sort_by, backwards
        self._places = self._all(table, since)
        if ids is not None:
            self._places = [place for place in self._places if place[1] in ids]

    def _all(self, table: Table, since: float | None) -> list[Place]:
        """Ascending."""
        if self.sort_by == "Modified_Time":
            return table.by_modified if since is None else table.since(since)
        if since is None and self.sort_by == "id":
            return table.ids
        keys = [key for _, key in (table.ids if since is None else table.since(since))]
        return sorted(self.key(table.records[key]) for key in keys)

    def key(self, record: Record) -> Place:
        if self.sort_by == "Modified_Time":
            return record.second, record.id
        return (int(record.created), record.id) if self.sort_by == "Created_Time" else (0, record.id)

    def places(self) -> Iterator[Place]:
        return reversed(self._places) if self.backwards else iter(self._places)

    def behind(self, place: Place) -> Iterator[Place]:
        """What follows a place, also when its record is gone."""
        if self.backwards:
            return (self._places[index] for index in range(bisect_left(self._places, place) - 1, -1, -1))
        return (self._places[index] for index in range(bisect_right(self._places, place), len(self._places)))


def _order(table: Table, call: Call, since: float | None) -> _Order:
    sort_by, way = call.get("sort_by") or "id", call.get("sort_order") or "desc"
    if sort_by not in SORTS:
        raise invalid("sort_by", supported_values=list(SORTS))
    if way not in ("asc", "desc"):
        raise invalid("sort_order", supported_values=["asc", "desc"])
    ids = None
    if text := call.get("ids"):
        ids = {key.strip() for key in text.split(",")}
        if len(ids) > MOST_IDS:
            message = "cannot process more than 100 ids"
            raise ApiError(400, "LIMIT_EXCEEDED", message, details={"limit": MOST_IDS, "param_name": "ids"})
    return _Order(table, sort_by, backwards=way == "desc", since=since, ids=ids)


def _wanted(call: Call, record: Record) -> bool:
    """§8.1: the silent filters."""
    converted, approved = call.get("converted") or "false", call.get("approved") or "true"
    if converted != "both" and record.converted is not (converted == "true"):
        return False
    return approved == "both" or record.approved is (approved == "true")


# -- page tokens --------------------------------------------------------------------------------------------------------


def _digest(call: Call) -> str:
    return orjson.dumps([call.args["module"], *(call.get(name) for name in BOUND)]).decode()


def _token(crm: CrmStore, call: Call) -> PageToken | None:
    text = call.get("page_token")
    if text is None:
        return None
    token = crm.tokens.get(text)
    if token is None or token.user != call.user.id or token.digest != _digest(call):
        message = "page_token is not bound to the given parameters"
        raise ApiError(400, "TOKEN_BOUND_DATA_MISMATCH", message, details={"param_name": "page_token"})
    if token.expires <= crm.world.now():
        raise ApiError(400, "EXPIRED_VALUE", "the page_token has expired", details={"param_name": "page_token"})
    if token.count >= crm.token_wall:
        message = "You have reached the maximum number of records that can be fetched"
        raise ApiError(400, "PAGINATION_LIMIT_EXCEEDED", message, details={"limit": crm.token_wall})
    return token


def _info(
    world: "ZohoWorld", call: Call, order: _Order, found: list[Record], *,
    more: bool, page: int, per_page: int, before: PageToken | None,
) -> JSON:  # fmt: skip
    crm = CrmStore.of(world)
    expires = world.now() + crm.token_life
    seen = before.count if before else (page - 1) * per_page
    following = None
    if more:
        after = order.key(found[-1])
        token = PageToken(call.user.id, _digest(call), after, seen + len(found), page + 1, expires)
        following = crm.token(token)
    return {
        "per_page": per_page, "count": len(found), "page": page, "sort_by": order.sort_by,
        "sort_order": "desc" if order.backwards else "asc", "more_records": more, "next_page_token": following,
        "previous_page_token": call.get("page_token"), "page_token_expiry": stamp(crm, expires) if more else None,
    }  # fmt: skip


# -- one record ---------------------------------------------------------------------------------------------------------


def records_get(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /{module}/{id}`: a list of one; without `fields` everything."""
    version = version_of(call)
    crm, table = table_of(world, call, "READ")
    names = _names(call, version, listing=False)
    since, key = since_of(call), call.args["id"]
    if not key.isdigit():
        raise ApiError(400, "INVALID_DATA", "the id given seems to be invalid", details={"resource_path_index": 1})
    record = table.records.get(key)
    if record is None:
        return _nothing(crm)
    if since is not None and record.second <= int(since):
        return Reply(304)
    return Reply(200, {"data": [_listed(crm, table, record, names)]})


def _nothing(crm: CrmStore) -> Reply:
    """§8.1: 204, 404 or 400: Zoho does all of these."""
    if crm.absent == "no_content":
        return Reply(204)
    status = 404 if crm.absent == "not_found" else 400
    raise ApiError(status, "INVALID_DATA", "the id given seems to be invalid", details={"resource_path_index": 1})


# -- deletions ----------------------------------------------------------------------------------------------------------


def records_deleted(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /{module}/deleted`, the latest first."""
    version = version_of(call)
    crm, table = table_of(world, call, "READ")
    kind = call.get("type") or "all"
    if kind not in ("all", "recycle", "permanent"):
        raise invalid("type", supported_values=["all", "recycle", "permanent"])
    since, page, per_page = since_of(call), _number(call, "page", 1), _per_page(world, call)
    gone = [entry for entry in crm.deleted(table.module) if kind in ("all", entry.kind)]
    if since is not None:
        gone = [entry for entry in gone if int(entry.at) > int(since)]
        if not gone:
            return Reply(304)
    start = (page - 1) * per_page
    shown = gone[start : start + per_page]
    if not shown:
        return Reply(204)
    creator = "created_by" if version >= 3 else "Created_By"
    data = [
        {
            "deleted_by": minified(crm, entry.by), "id": entry.record.id, "display_name": entry.name,
            "type": entry.kind, creator: minified(crm, entry.record.creator), "deleted_time": stamp(crm, entry.at),
        }
        for entry in shown
    ]  # fmt: skip
    more = len(gone) > start + per_page
    info = {"per_page": per_page, "count": len(shown), "page": page, "more_records": more}
    return Reply(200, {"data": data, "info": info})


# -- search -------------------------------------------------------------------------------------------------------------


def records_search(world: "ZohoWorld", call: Call) -> Reply:
    """`GET /{module}/search` by `criteria`, `email`, `phone` or `word`."""
    version = version_of(call)
    crm, table = table_of(world, call, "READ")
    assert call.token is not None
    if not world.credentials.allows(call.token, ("ZohoSearch.securesearch.READ",)):
        raise errors.missing_scope("crm")
    names = _names(call, version, listing=False)
    page, per_page = _number(call, "page", 1), _per_page(world, call)
    start = (page - 1) * per_page
    found = [
        record for record in table.records.values() if _wanted(call, record) and _matches(crm, table, call, record)
    ]
    shown = found[start : start + per_page]
    if not shown:
        return Reply(204)
    info = {"per_page": per_page, "count": len(shown), "page": page, "more_records": len(found) > start + per_page}
    return Reply(200, {"data": [_listed(crm, table, record, names) for record in shown], "info": info})


def _matches(crm: CrmStore, table: Table, call: Call, record: Record) -> bool:
    if text := call.get("criteria"):
        try:
            return criteria(crm, table, text)(record)
        except BadQuery as error:
            raise ApiError(400, "INVALID_QUERY", str(error), details={"param_name": "criteria"}) from None
    if email := call.get("email"):
        return email.casefold() in {str(record.values.get(name)).casefold() for name in ("Email", "Secondary_Email")}
    if phone := call.get("phone"):
        return _digits(phone) in {_digits(record.values.get(name)) for name in ("Phone", "Mobile", "Home_Phone")}
    if word := call.get("word"):
        return any(word.casefold() in str(value).casefold() for value in record.values.values())
    message = "One of the expected parameter is missing"
    raise ApiError(400, "REQUIRED_PARAM_MISSING", message, details={"param_name": "criteria"})


def _digits(text: Any) -> str:
    return re.sub(r"\D", "", str(text or "")) or "none"
