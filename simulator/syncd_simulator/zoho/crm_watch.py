"""Push channels of the CRM and the sender of their callbacks (zoho.md §8.8).

Public: watch_create, watch_replace, watch_change, watch_delete, watch_get, deliver. Callbacks wait in `crm.pending` until
a test calls `deliver(world)`; they carry ids only and are not signed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx

from syncd_simulator.zoho.crm_check import Refused
from syncd_simulator.zoho.crm_read import invalid, version_of
from syncd_simulator.zoho.crm_store import DAY, Channel, CrmStore
from syncd_simulator.zoho.crm_view import moment, stamp
from syncd_simulator.zoho.crm_write import answered, body_of, each
from syncd_simulator.zoho.wire import JSON, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["deliver", "watch_change", "watch_create", "watch_delete", "watch_get", "watch_replace"]

OPERATIONS = ("create", "edit", "delete", "all")
HOUR = 3600.0
Post = Callable[[str, JSON], Any]


def _longest(version: float) -> float:
    """A week from v6 on, a day before."""
    return 7 * DAY if version >= 6 else DAY


def _expiry(crm: CrmStore, sent: JSON, version: float) -> float:
    """Missing or beyond the maximum: silently an hour."""
    now = crm.world.now()
    try:
        asked = moment(sent["channel_expiry"])
    except (KeyError, ValueError):
        return now + HOUR
    return asked if now < asked <= now + _longest(version) else now + HOUR


def _events(crm: CrmStore, sent: JSON, path: str) -> dict[str, set[str]]:
    events = sent.get("events")
    if not isinstance(events, list) or not events:
        raise Refused("MANDATORY_NOT_FOUND", "required field not found", {"api_name": "events"})
    found: dict[str, set[str]] = {}
    for number, event in enumerate(events):
        module, _, operation = str(event).partition(".")
        if module not in crm.tables or operation not in OPERATIONS:
            details = {"api_name": "events", "json_path": f"{path}.events[{number}]"}
            raise Refused("INVALID_DATA", "invalid data", details)
        found.setdefault(module, set()).add(operation)
    return found


def _channel(crm: CrmStore, call: Call, sent: JSON, path: str, version: float) -> Channel:
    key, url, token = str(sent.get("channel_id") or ""), sent.get("notify_url"), sent.get("token")
    if not key.isdigit():
        raise Refused("INVALID_DATA", "invalid data", {"api_name": "channel_id", "json_path": f"{path}.channel_id"})
    if not isinstance(url, str) or not url.startswith("http"):
        raise Refused("INVALID_DATA", "invalid data", {"api_name": "notify_url", "json_path": f"{path}.notify_url"})
    if token is not None and len(str(token)) > 50:
        raise Refused("INVALID_DATA", "invalid data", {"api_name": "token", "maximum_length": 50})
    return Channel(
        key, call.user.id, _events(crm, sent, path), _expiry(crm, sent, version), url, token,
        bool(sent.get("return_affected_field_values")), bool(sent.get("notify_on_related_action")),
    )  # fmt: skip


def _shown(crm: CrmStore, channel: Channel) -> list[JSON]:
    return [
        {
            "channel_expiry": stamp(crm, channel.expires), "resource_id": crm.module_ids[module],
            "resource_uri": f"https://www.zohoapis.{crm.world.dc}/crm/v2/{module}", "resource_name": module,
            "channel_id": channel.id,
        }
        for module in channel.events
    ]  # fmt: skip


def _done(crm: CrmStore, channel: Channel, message: str) -> JSON:
    return {"code": "SUCCESS", "details": {"events": _shown(crm, channel)}, "message": message, "status": "success"}


def _known(crm: CrmStore, key: Any) -> Channel:
    channel = crm.channels.get(str(key))
    if channel is None or channel.expires <= crm.world.now():
        raise Refused("NOT_SUBSCRIBED", "the channel is not subscribed", {"channel_id": str(key)})
    return channel


def _write(world: "ZohoWorld", call: Call, work: Callable[[JSON, str], JSON], good: int = 200) -> Reply:
    version = version_of(call)
    sent = body_of(call).get("watch")
    if not isinstance(sent, list) or not sent:
        raise invalid("watch")
    reply = answered(max(version, 3.0), *each(sent, work, "$.watch"), good=good)
    return Reply(202 if reply.status == 207 and version < 6 else reply.status, {"watch": reply.body["data"]})


def watch_create(world: "ZohoWorld", call: Call) -> Reply:
    """`POST /actions/watch`."""
    crm, version = CrmStore.of(world), version_of(call)

    def work(sent: JSON, path: str) -> JSON:
        channel = _channel(crm, call, sent, path, version)
        crm.channels[channel.id] = channel
        return _done(crm, channel, "Successfully subscribed for actions-watch of the given module")

    return _write(world, call, work, 201)


def watch_replace(world: "ZohoWorld", call: Call) -> Reply:
    """`PUT`: the whole channel anew."""
    crm, version = CrmStore.of(world), version_of(call)

    def work(sent: JSON, path: str) -> JSON:
        _known(crm, sent.get("channel_id"))
        channel = _channel(crm, call, sent, path, version)
        crm.channels[channel.id] = channel
        return _done(crm, channel, "Successfully updated the subscription")

    return _write(world, call, work)


def watch_change(world: "ZohoWorld", call: Call) -> Reply:
    """`PATCH`: the given keys; with `_delete_events` the events are dropped."""
    crm, version = CrmStore.of(world), version_of(call)

    def work(sent: JSON, path: str) -> JSON:
        channel = _known(crm, sent.get("channel_id"))
        if "events" in sent:
            for module, operations in _events(crm, sent, path).items():
                kept = channel.events.get(module, set())
                channel.events[module] = kept - operations if sent.get("_delete_events") else kept | operations
            channel.events = {module: kept for module, kept in channel.events.items() if kept}
        if "channel_expiry" in sent:
            channel.expires = _expiry(crm, sent, version)
        channel.url, channel.token = sent.get("notify_url", channel.url), sent.get("token", channel.token)
        return _done(crm, channel, "Successfully updated the subscription")

    return _write(world, call, work)


def watch_delete(world: "ZohoWorld", call: Call) -> Reply:
    """`DELETE ?channel_ids=a,b`."""
    crm = CrmStore.of(world)
    keys = [key.strip() for key in (call.get("channel_ids") or "").split(",") if key.strip()]
    if not keys:
        raise invalid("channel_ids")

    def work(sent: JSON, _: str) -> JSON:
        channel = _known(crm, sent["channel_id"])
        del crm.channels[channel.id]
        return _done(crm, channel, "Successfully unsubscribed from actions-watch of the given module")

    reply = answered(max(version_of(call), 3.0), *each([{"channel_id": key} for key in keys], work))
    return Reply(reply.status, {"watch": reply.body["data"]})


def watch_get(world: "ZohoWorld", call: Call) -> Reply:
    """`GET ?channel_id=`; 204 when none."""
    crm, key = CrmStore.of(world), call.get("channel_id")
    living = [
        channel for channel in crm.channels.values() if channel.expires > world.now() and key in (None, channel.id)
    ]
    shown = [
        entry
        | {
            "notify_url": channel.url, "token": channel.token, "notify_on_related_action": channel.related,
            "return_affected_field_values": channel.values,
            "events": [f"{entry['resource_name']}.{operation}" for operation in sorted(channel.events[entry["resource_name"]])],
        }
        for channel in living
        for entry in _shown(crm, channel)
    ]  # fmt: skip
    info = {"per_page": 200, "count": len(shown), "page": 1, "more_records": False}
    return Reply(200, {"watch": shown, "info": info}) if shown else Reply(204)


# -- the sender ---------------------------------------------------------------------------------------------------------


def deliver(world: "ZohoWorld", post: Post | None = None, *, repeat: bool = False) -> int:
    """Send what waits, each once (with `repeat` twice); a receiver that fails is not asked again. How many were sent."""
    with world.lock:
        crm = CrmStore.of(world)
        waiting, crm.pending = crm.pending, []
    for url, body in waiting:
        for _ in range(2 if repeat else 1):
            (post or _post)(url, body)
            crm.sent.append(body)
    return len(waiting)


def _post(url: str, body: JSON) -> None:
    try:
        httpx.post(url, json=body, timeout=5)
    except httpx.HTTPError:
        return
