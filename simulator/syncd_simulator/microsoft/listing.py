"""Plain lists: pages, nextLinks, `$count`, `$orderby` (microsoft.md §3, §5).

Public: page, not_found, check_id, check_match.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from syncd_simulator.microsoft.wire import JSON, ApiError, Call

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["check_id", "check_match", "not_found", "page"]

LIMIT = 1000


def page(
    world: "MicrosoftWorld", call: Call, kind: str, items: Iterable[Any], show: Callable[[Any], JSON], context: str,
    *, size: int = 10, most: int = LIMIT,
) -> JSON:  # fmt: skip
    """One page of `items`; the nextLink carries `$skip` and every other option of this request."""
    found = list(items)
    skip = call.number("$skip", 10**9) or 0
    asked = call.number("$top", most) or call.page_size or size
    count = max(1, min(asked, most, world.page_cap.get(kind, most)))
    body: JSON = {"@odata.context": f"{call.root}/v1.0/$metadata#{context}"}
    if (call.get("$count") or "").lower() == "true":
        body["@odata.count"] = len(found)
    if skip + count < len(found):
        body["@odata.nextLink"] = _next(call, skip + count)
    body["value"] = [show(item) for item in found[skip : skip + count]]
    return body


def _next(call: Call, skip: int) -> str:
    pairs = [(name, value) for name, value in call.query if name.lower() != "$skip"]
    query = "&".join(
        f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in [*pairs, ("$skip", str(skip))]
    )
    return f"{call.root}{call.path}?{query}"


def not_found() -> ApiError:
    """§8: the proof that an item is gone."""
    return ApiError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def check_id(text: str) -> None:
    """400 for what cannot be an id of Exchange."""
    if not text.startswith("AA") or len(text) < 20:
        raise ApiError(400, "ErrorInvalidIdMalformed", "Id is malformed.")


def check_match(call: Call, change_key: str) -> None:
    """§14: a stale If-Match is 412."""
    wanted = call.headers.get("if-match")
    if wanted not in (None, "*", f'W/"{change_key}"'):
        raise ApiError(412, "ErrorIrresolvableConflict", "The send or update operation could not be performed because "
                       "the change key passed in the request does not match the current change key for the item.")  # fmt: skip
