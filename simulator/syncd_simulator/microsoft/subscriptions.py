"""The routes of change notifications (microsoft.md §13).

Public: API, READ, WRITE, ROUTES, prepare. Whoever serves a request awaits `prepare` before, without the world's lock:
it tries the addresses that a POST subscribes, while that request is pending. `notices` sends.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

import httpx
import orjson

from syncd_simulator.clock import parse_rfc3339
from syncd_simulator.microsoft import calendar, contacts, directory, listing, mailfolders
from syncd_simulator.microsoft.calendar_view import stamp
from syncd_simulator.microsoft.subscription_store import OUTLOOK, Subscription, Watched, watched
from syncd_simulator.microsoft.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld

__all__ = ["API", "READ", "ROUTES", "WRITE", "client", "prepare"]

API = "subscriptions"
READ: set[str] = set()  # what is needed depends on the resource
WRITE: set[str] = set()
NEEDS = {  # any of these, by kind; drives: §13, the 2021 table
    "mail": mailfolders.READ, "calendar": set(calendar.READ), "contacts": contacts.READ, "directory": directory.READ,
    "files": {"Files.ReadWrite.All"},
}  # fmt: skip
SHORTEST = 45  # minutes: less is raised to this
LONGEST_STATE = 128
RICH_MINUTES = 1_440
PATIENCE = 10.0  # seconds in which an address must have answered
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
KNOWN = {
    "changeType", "notificationUrl", "lifecycleNotificationUrl", "resource", "expirationDateTime", "clientState",
    "latestSupportedTlsVersion", "includeResourceData", "encryptionCertificate", "encryptionCertificateId",
}  # fmt: skip
TIMED_OUT = "Subscription validation request timed out."
FAILED = "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request."


# -- the handshake ----------------------------------------------------------------------------------------------------


async def prepare(world: "MicrosoftWorld", call: Call) -> None:
    """Ask the addresses that a request subscribes whether they want that (§13), each by itself."""
    addresses = _addresses(call)
    if addresses:
        with world.lock:
            addresses = addresses if world.credentials.bearer(call) is not None else []
    for url in addresses:
        why = await _validated(world, url)
        with world.lock:
            world.subscriptions.tried[url] = why


def client(world: "MicrosoftWorld") -> httpx.AsyncClient:
    """What asks notification addresses."""
    return httpx.AsyncClient(transport=world.subscriptions.transport, timeout=PATIENCE, trust_env=False)


def _addresses(call: Call) -> list[str]:
    """Of a POST of a subscription, or of those in a batch."""
    if call.http != "POST":
        return []
    path = call.path.lower().rstrip("/")
    if path == "/v1.0/subscriptions":
        return _urls(_json(call.body))
    if path != "/v1.0/$batch":
        return []
    requests = _json(call.body).get("requests")
    listed = requests if isinstance(requests, list) else []
    return [url for request in listed if _subscribes(request) for url in _urls(request["body"])]


def _subscribes(request: Any) -> bool:
    """Whether an item of a batch is a POST of a subscription."""
    if not isinstance(request, dict) or not isinstance(request.get("body"), dict):
        return False
    where = str(request.get("url")).strip("/").lower()
    return str(request.get("method")).upper() == "POST" and where == "subscriptions"


def _json(body: bytes) -> JSON:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _urls(body: JSON) -> list[str]:
    given = [body.get("notificationUrl"), body.get("lifecycleNotificationUrl")]
    return list(dict.fromkeys(url for url in given if isinstance(url, str) and _is_address(url)))


def _is_address(url: str) -> bool:
    """https, and http on this machine only."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


async def _validated(world: "MicrosoftWorld", url: str) -> str | None:
    """One handshake: the token comes back, decoded once, as plain text. Otherwise what went wrong."""
    with world.lock:
        token = f"Validation: Testing client application reachability for subscription Request-Id: {world.guid()}"
    written = quote_plus(token).replace("%3A", "%3a")
    where = f"{url}{'&' if urlsplit(url).query else '?'}validationToken={written}"
    try:
        async with client(world) as http:
            answer = await http.post(where, headers={"Content-Type": "text/plain; charset=utf-8"})
    except httpx.TimeoutException:
        return TIMED_OUT
    except httpx.HTTPError:
        return FAILED
    plain = answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/plain"
    return None if answer.status_code == 200 and plain and answer.content == token.encode() else FAILED


# -- creating ---------------------------------------------------------------------------------------------------------


def _bad(message: str) -> ApiError:
    return ApiError(400, "InvalidRequest", message)


def create(world: "MicrosoftWorld", call: Call) -> Reply:
    """201, after the addresses have answered."""
    body = call.json()
    _check_shape(body)
    what = watched(world, call, body["resource"])
    _check_permission(world, call, what)
    changes = frozenset(part.strip().lower() for part in body["changeType"].split(","))
    if not changes or not changes <= what.changes:
        allowed = ",".join(sorted(what.changes))
        raise _bad(f"The value of changeType is not valid for this resource: only {allowed} are supported.")
    expires = _expiry(world, what, body["expirationDateTime"], rich=body.get("includeResourceData") is True)
    _check_room(world, what)
    for url in _urls(body):
        why = world.subscriptions.tried.get(url, FAILED)
        if why is not None:
            raise _bad(why)
    one = Subscription(
        world.guid(), body["resource"], what, changes, body["notificationUrl"], body.get("lifecycleNotificationUrl"),
        body.get("clientState"), expires, call.immutable, call.token.user if call.token else None, world.sequence,
    )  # fmt: skip
    world.subscriptions.living[one.id] = one
    return Reply(201, _context(call) | shown(world, one, state=True))


def _check_shape(body: JSON) -> None:
    for name in body:
        if name not in KNOWN and "@" not in name:
            raise ApiError(400, "BadRequest", f"The property '{name}' does not exist on type "
                           "'microsoft.graph.subscription'.")  # fmt: skip
    for name in ("changeType", "notificationUrl", "resource", "expirationDateTime"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise _bad(f"Subscription requires '{name}'.")
    state = body.get("clientState")
    if state is not None and (not isinstance(state, str) or len(state) > LONGEST_STATE):
        raise _bad(f"clientState must be a text of at most {LONGEST_STATE} characters.")
    for name in ("notificationUrl", "lifecycleNotificationUrl"):
        if body.get(name) is not None and not (isinstance(body[name], str) and _is_address(body[name])):
            raise _bad(f"The value of {name} must be an HTTPS address.")


def _check_permission(world: "MicrosoftWorld", call: Call, what: Watched) -> None:
    """App-only works for every mailbox, a person's token for that person's own only."""
    who = call.token.user if call.token else None
    allowed = bool(NEEDS[what.kind] & world.permissions)
    if who is not None:
        allowed = what.user is who or (what.drive is not None and what.drive.user is who)
    if not allowed:
        raise ApiError(403, "ExtensionError", "Operation: Create; Exception: [Status Code: Forbidden; Reason: Access to "
                       "the resource is denied.]")  # fmt: skip


def _check_room(world: "MicrosoftWorld", what: Watched) -> None:
    store = world.subscriptions
    if what.kind in OUTLOOK:
        full = (
            store.count(lambda one: one.watched.kind in OUTLOOK and one.watched.user is what.user) >= store.per_mailbox
        )
    else:
        full = what.kind == "directory" and store.count(lambda one: one.watched.kind == "directory") >= store.per_tenant
    if full:
        raise ApiError(403, "ExtensionError", "Operation: Create; Exception: [Status Code: Forbidden; Reason: The quota "
                       "of subscriptions is used up.]")  # fmt: skip


def _expiry(world: "MicrosoftWorld", what: Watched, text: Any, *, rich: bool = False) -> float:
    """The life that is granted: at least 45 minutes; beyond the longest it is refused, or cut."""
    try:
        asked = parse_rfc3339(text)
    except (ValueError, TypeError):
        raise _bad("The value of expirationDateTime is not a date and time with offset.") from None
    now, store = world.now(), world.subscriptions
    if asked <= now:
        raise _bad("Subscription expiration must be in the future.")
    most = min(RICH_MINUTES, what.minutes) if rich and what.kind in OUTLOOK else what.minutes
    most = min(most, store.most_minutes or most)
    if asked > now + most * 60 and not store.capped:
        raise _bad(f"Subscription expiration can only be {most} minutes in the future.")
    return max(now + SHORTEST * 60, min(asked, now + most * 60))


# -- afterwards -------------------------------------------------------------------------------------------------------


def shown(world: "MicrosoftWorld", one: Subscription, *, state: bool = False) -> JSON:
    """The object; clientState is shown to who creates only."""
    return {
        "id": one.id,
        "resource": one.resource,
        "applicationId": world.credentials.client_id,
        "changeType": ",".join(name for name in ("created", "updated", "deleted") if name in one.changes),
        "clientState": one.state if state else None,
        "notificationUrl": one.url,
        "lifecycleNotificationUrl": one.lifecycle_url,
        "expirationDateTime": stamp(one.expires),
        "creatorId": one.creator.id if one.creator else world.credentials.client_id,
        "latestSupportedTlsVersion": "v1_2",
    }


def _context(call: Call, many: bool = False) -> JSON:
    return {"@odata.context": f"{call.root}/v1.0/$metadata#subscriptions{'' if many else '/$entity'}"}


def _known(world: "MicrosoftWorld", call: Call) -> Subscription:
    """The app's own, or what the signed-in person made."""
    one = world.subscriptions.get(call.args["s"])
    if one is None or (call.token is not None and call.token.user is not one.creator):
        raise ApiError(404, "ResourceNotFound", "The object was not found.")
    return one


def list_all(world: "MicrosoftWorld", call: Call) -> JSON:
    """All that live."""
    world.subscriptions.expire()
    who = call.token.user if call.token else None
    mine = [one for one in world.subscriptions.living.values() if one.creator is who]
    return listing.page(world, call, API, mine, lambda one: shown(world, one), "subscriptions", size=100)


def get_one(world: "MicrosoftWorld", call: Call) -> JSON:
    """One of them."""
    return _context(call) | shown(world, _known(world, call))


def renew(world: "MicrosoftWorld", call: Call) -> JSON:
    """PATCH: a later end, which reauthorises too. Nothing else can be changed."""
    one, body = _known(world, call), call.json()
    for name in body:
        if name != "expirationDateTime" and "@" not in name:
            raise _bad(f"The property '{name}' of a subscription cannot be changed: delete it and create it anew.")
    one.expires = _expiry(world, one.watched, body.get("expirationDateTime"))
    return _context(call) | shown(world, one)


def reauthorize(world: "MicrosoftWorld", call: Call) -> Reply:
    """It goes on being told; its end stays."""
    _known(world, call)
    return Reply(204)


def remove(world: "MicrosoftWorld", call: Call) -> Reply:
    """DELETE: 204."""
    world.subscriptions.end(_known(world, call))
    return Reply(204)


ONE = "/subscriptions/{s}"
ROUTES: list[Any] = [
    ("GET", "/subscriptions", list_all),
    ("POST", "/subscriptions", create),
    ("GET", ONE, get_one),
    ("PATCH", ONE, renew),
    ("DELETE", ONE, remove),
    ("POST", ONE + "/reauthorize", reauthorize),
]
