"""The CRM's notifications: a channel per module, renewed before it ends, calls checked by their token (§8.8).

Public: subscribe, renew, unsubscribe, verify.

A call brings ids only and is not signed. It says when to look; what is there is read by the next delta round, so that
calls that come late, twice or never do no harm (§10.38).
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from syncd.sdk import JSON, Context, ProtocolError

from .crm_api import Crm, Row, refuse
from .wire import iso, rfc3339

__all__ = ["renew", "subscribe", "unsubscribe", "verify"]

LIFE = timedelta(days=6)  # asked for; beyond a week the CRM gives one hour, and does not say so (§10.37)
TOKEN_LENGTH = 48  # §8.8: at most 50 characters
GONE = "NOT_SUBSCRIBED"


async def subscribe(ctx: Context, crm: Crm, url: str, secret: str) -> JSON:
    """Open the module's channel. The same address gets the same channel: subscribing twice leaves one."""
    channel = _channel(ctx, crm, url)
    watch = {
        "channel_id": channel,
        "events": [f"{crm.module}.all"],
        "channel_expiry": _until(ctx),
        "token": _token(secret, channel),
        "notify_url": url,
        "return_affected_field_values": False,
        "notify_on_related_action": False,
    }
    results = await crm.send("POST", "/actions/watch", f"watch CRM {crm.module}", {"watch": [watch]})
    return _subscription(ctx, crm, channel, results)


async def renew(ctx: Context, crm: Crm, subscription: JSON) -> JSON:
    """Prolong a channel; its address and token stay. None if it is gone."""
    channel = _channel_of(subscription)
    watch = {"channel_id": channel, "events": [f"{crm.module}.all"], "channel_expiry": _until(ctx)}
    results = await crm.send("PATCH", "/actions/watch", f"watch CRM {crm.module}", {"watch": [watch]})
    if results and results[0].get("code") == GONE:
        return None
    return _subscription(ctx, crm, channel, results)


async def unsubscribe(crm: Crm, subscription: JSON) -> None:
    """Close a channel. One that has ended is closed."""
    params = {"channel_ids": _channel_of(subscription)}
    what = f"watch CRM {crm.module}"
    for result in await crm.send("DELETE", "/actions/watch", what, params=params):
        if result.get("status") != "success" and result.get("code") != GONE:
            raise refuse(result, what)


def verify(body: bytes, subscription: JSON, secret: str, module: str) -> bool:
    """Whether a call is about this channel and knows its token, compared in constant time."""
    try:
        call = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(call, dict) or not isinstance(subscription, dict):
        return False
    channel, token = str(subscription.get("channel_id")), call.get("token")
    known = hmac.compare_digest(str(token).encode(), _token(secret, channel).encode())
    return known and str(call.get("channel_id")) == channel and call.get("module") in (module, None)


def _subscription(ctx: Context, crm: Crm, channel: str, results: list[Row]) -> JSON:
    """What the CRM granted: the expiry is read back, never taken from the request (§10.37)."""
    what = f"watch CRM {crm.module}"
    if not results:
        raise ProtocolError(f"{what}: the answer has no result")
    if results[0].get("status") != "success":
        raise refuse(results[0], what)
    expires = _expiry(results[0], channel)
    if expires is None:
        raise ProtocolError(f"{what}: the answer does not say when the channel ends")
    half = ctx.clock.now() + (expires - ctx.clock.now()) / 2
    return {"channel_id": channel, "expires_at": rfc3339(expires), "renew_at": rfc3339(half.replace(microsecond=0))}


def _expiry(result: Row, channel: str) -> datetime | None:
    details = result.get("details")
    events: Any = details.get("events") if isinstance(details, dict) else None
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict) and str(event.get("channel_id", channel)) == channel:
            return iso(event.get("channel_expiry"))
    return None


def _until(ctx: Context) -> str:
    return (ctx.clock.now() + LIFE).isoformat(timespec="seconds")


def _channel(ctx: Context, crm: Crm, url: str) -> str:
    """§8.8: chosen by the client, an integer as text."""
    owner = ctx.account.id if ctx.account else ""
    digest = hashlib.sha256("\n".join((owner, crm.module, url)).encode()).digest()
    return str(10**17 + int.from_bytes(digest[:7], "big"))


def _channel_of(subscription: JSON) -> str:
    channel = subscription.get("channel_id") if isinstance(subscription, Mapping) else None
    if not isinstance(channel, str):
        raise ProtocolError("the subscription names no channel")
    return channel


def _token(secret: str, channel: str) -> str:
    return hmac.new(secret.encode(), channel.encode(), hashlib.sha256).hexdigest()[:TOKEN_LENGTH]
