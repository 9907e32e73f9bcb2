"""Change notifications: one subscription per account and stream, renewed in time, every call checked (wire reference §13).

Public: Push.

A notification says when to look, never what is there: the next delta round reads that. Those of drives name no item at
all (§18.48). So calls that come late, twice or never do no harm.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl

import orjson

from syncd.sdk import JSON, Context, Forbidden, PartitionGone, ProtocolError, Pushable, StreamInfo, SyncdError
from syncd.sdk.http import httpx

from .api import IMMUTABLE, Graph, quoted
from .errors import PERMISSION_MISSING, Fault, no_drive, no_mailbox
from .wire import decode, instant, text_of

__all__ = ["Push"]

WHAT = "subscription"
OUTLOOK = {"contacts": "contacts", "calendar": "events", "mail": "messages"}  # §13: a stream's resource in a mailbox
EVERYTHING, UPDATES = "created,updated,deleted", "updated"  # drives know updates only
# Less than the longest in every edition of Microsoft's table, since more is refused: 4,230 and 42,300 minutes.
MAILBOX_LIFE, DRIVE_LIFE = timedelta(minutes=4200), timedelta(minutes=42_000)
PERMISSIONS = {
    "contacts": "Contacts.Read",
    "calendar": "Calendars.Read",
    "mail": "Mail.Read",
    "files": "Files.ReadWrite.All",
}
HANDSHAKE = "validationToken"
REMOVED, REAUTHORIZE = "subscriptionremoved", "reauthorizationrequired"
UNREACHED = (
    "Microsoft tries the address before it answers: it must be reachable from the internet by https, and give the "
    "validation token back as text within 10 seconds."
)


class Push(Pushable):
    """What a stream's class adds to be told of changes. `info` is the stream's own."""

    info: StreamInfo

    async def subscribe(self, ctx: Context, url: str, secret: str) -> JSON:
        """Ask to be told. Both kinds of call, changes and the subscription's own fate, go to `url`."""
        resource, seed = self._resource(ctx), _seed(ctx, self.info.name, url)
        body = {
            "changeType": UPDATES if self.info.name == "files" else EVERYTHING,
            "notificationUrl": url,
            "lifecycleNotificationUrl": url,
            "resource": resource,
            "expirationDateTime": self._until(ctx),
            "clientState": _state(secret, seed),
            "latestSupportedTlsVersion": "v1_2",
        }
        answer = decode((await self._send(ctx, "POST", "/subscriptions", body)).content, WHAT)
        return _kept(ctx, answer, {"id": text_of(answer, "id", WHAT), "resource": resource, "seed": seed})

    async def renew(self, ctx: Context, subscription: JSON) -> JSON:
        """A later end; this reauthorises too. None if Microsoft has no such subscription any more."""
        where = _where(subscription)
        try:
            answer = await self._send(ctx, "PATCH", where, {"expirationDateTime": self._until(ctx)})
        except _Ended:
            return None
        assert isinstance(subscription, Mapping)
        return _kept(ctx, decode(answer.content, WHAT), dict(subscription))

    async def unsubscribe(self, ctx: Context, subscription: JSON) -> None:
        """One that has ended needs no ending."""
        try:
            await self._send(ctx, "DELETE", _where(subscription))
        except _Ended:
            return

    def handshake(self, query: str) -> str | None:
        """The validation token of a call that tries the address: decoded once, as forms are."""
        found = dict(parse_qsl(query, keep_blank_values=True))
        return found.get(HANDSHAKE)

    def verify(self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str) -> bool:
        """Whether any entry of a call is about this subscription and knows its secret: a call may mix many (§13)."""
        return any(True for _ in _entries(body, subscription, secret))

    def upkeep(
        self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str
    ) -> Literal["renew", "subscribe"] | None:
        """What a call's lifecycle entries ask for. `missed` asks for nothing but the look that every call leads to."""
        told = {str(entry.get("lifecycleEvent")).lower() for entry in _entries(body, subscription, secret)}
        if REMOVED in told:
            return "subscribe"
        return "renew" if REAUTHORIZE in told else None

    # -- inside

    def _resource(self, ctx: Context) -> str:
        assert ctx.account is not None
        if self.info.name in OUTLOOK:
            return f"/users/{ctx.account.id}/{OUTLOOK[self.info.name]}"
        if ctx.partition is not None and ctx.partition.id:
            return f"/drives/{ctx.partition.id}/root"
        return f"/users/{ctx.account.id}/drive/root"

    def _until(self, ctx: Context) -> str:
        life = MAILBOX_LIFE if self.info.name in OUTLOOK else DRIVE_LIFE
        return f"{ctx.clock.now() + life:%Y-%m-%dT%H:%M:%SZ}"

    async def _send(self, ctx: Context, method: str, where: str, body: Any = None) -> httpx.Response:
        graph = Graph(ctx, self.info.name, (IMMUTABLE,) if self.info.name in OUTLOOK else ())
        response = await ctx.http.request(
            method,
            graph.address(where),
            content=None if body is None else orjson.dumps(body),
            headers=graph.headers((), {"Content-Type": "application/json"} if body is not None else None),
            extensions={**graph.extensions, "syncd.safe": method != "POST"},
        )
        named = ctx.partition is not None and bool(ctx.partition.id)
        if response.status_code >= 400:
            what = f"{WHAT} to {self.info.name}"
            raise graph.problem(response, what, lambda fault: self._means(fault, method, named=named))
        return response

    def _means(self, fault: Fault, method: str, *, named: bool) -> SyncdError | None:
        """`named`: the drive is the partition, not whichever the user has."""
        if method != "POST":
            return _Ended(f"{WHAT}: {fault}") if fault.http in (404, 410) else None
        what = f"{WHAT} to {self.info.name}"
        absent = no_mailbox(fault, what) if self.info.name in OUTLOOK else None
        if absent is not None:
            return absent
        if fault.http == 404 and self.info.name == "files":
            return PartitionGone(f"{what}: {fault}") if named else no_drive(fault, what)
        if fault.http == 403:
            needs = f"; {PERMISSIONS[self.info.name]} is needed, and the mailbox must have room for a subscription"
            return Forbidden(f"{what}: Microsoft answered {fault}{needs}", code=PERMISSION_MISSING)
        if fault.http == 400:
            return ProtocolError(f"{what}: Microsoft answered {fault}", hint=UNREACHED)
        return None


class _Ended(SyncdError):
    """There is no such subscription."""


def _kept(ctx: Context, answer: Mapping[str, Any], about: dict[str, Any]) -> dict[str, JSON]:
    """What the store keeps. The end is what Microsoft says (§18.46); half of the way there it is time to renew."""
    expires = instant(text_of(answer, "expirationDateTime", WHAT))
    if expires is None:
        raise ProtocolError(f"{WHAT}: expirationDateTime is no time with an offset")
    now = ctx.clock.now()
    return {**about, "expires_at": _written(expires), "renew_at": _written(now + (expires - now) / 2)}


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _entries(body: bytes, subscription: JSON, secret: str) -> Iterator[Mapping[str, Any]]:
    """The entries of a call that are about this subscription and bear its clientState, compared in constant time.

    The others are left aside, one by one: they may be another subscription's, or forged (§13).
    """
    known = subscription if isinstance(subscription, Mapping) else {}
    one, seed = known.get("id"), known.get("seed")
    try:
        call = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    listed = call.get("value") if isinstance(call, dict) else None
    if not isinstance(listed, list) or not isinstance(one, str) or not isinstance(seed, str):
        return
    state = _state(secret, seed).encode()
    for entry in listed:
        if isinstance(entry, dict) and entry.get("subscriptionId") == one:
            given = entry.get("clientState")
            if isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "replace"), state):
                yield entry


def _where(subscription: JSON) -> str:
    return f"/subscriptions/{quoted(text_of(subscription, 'id', WHAT))}"


def _seed(ctx: Context, stream: str, url: str) -> str:
    """What distinguishes this subscription's clientState from others' made of the same secret."""
    assert ctx.account is not None
    part = ctx.partition.id if ctx.partition is not None else ""
    return hashlib.sha256("\n".join((ctx.account.id, stream, part, url)).encode()).hexdigest()


def _state(secret: str, seed: str) -> str:
    """At most 128 characters (§13); the secret itself stays here."""
    return hmac.new(secret.encode(), seed.encode(), hashlib.sha256).hexdigest()
