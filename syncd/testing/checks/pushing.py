"""Subscriptions of a Pushable stream last, end when they are to, and are believed to nobody else.

Public: the checks, by registration.
"""

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from syncd.sdk import JSON, Partition, Pushable
from syncd.testing.bench import Bench, Case
from syncd.testing.driver import Driver
from syncd.testing.failures import Failed, Skipped
from syncd.testing.jsontree import strict_problem

from .common import busiest, rng_of
from .registry import check

URL = "https://syncd.example/push/"
SECRET, ANOTHER = "a-secret-of-the-subscription", "the-secret-of-another-subscription"
CHANGES = 60  # at most, until one of them leads to a call
GARBAGE = (b"", b"\xff\xfe", b"null", b"[]", b"{}", b'"text"', b'{"value": 5}', b'{"value": [null, {}]}', b"[" * 5_000)
Call = tuple[Mapping[str, str], bytes]


@dataclasses.dataclass(slots=True)
class Post:
    """A stream's subscriptions to one partition, and the calls that the source makes."""

    bench: Bench
    stream: Any
    driver: Driver
    partition: Partition
    seed: int

    def context(self) -> Any:
        self.bench.wire.phase = "push"
        return self.bench.context(self.driver.account, self.partition)

    async def subscribe(self, name: str, secret: str) -> JSON:
        kept = await self.stream.subscribe(self.context(), URL + name, secret)
        self.expect_keepable(kept, secret, "subscribe")
        return json.loads(json.dumps(kept))

    def expect_keepable(self, kept: JSON, secret: str, call: str) -> None:
        """What the store keeps is JSON without secrets, and its times are times."""
        if kept is None or (problem := strict_problem(kept)):
            raise Failed(f"{call}() gives {kept!r:.100}, which is nothing to keep: {kept and problem}")
        told = json.dumps(kept)
        if any(value in told for value in (secret, *self.bench.secrets())):
            raise Failed(f"what {call}() gives has a secret in it; it is stored in the clear")
        now = self.bench.clock.now()
        times = [_moment(kept, name) for name in ("renew_at", "expires_at")]
        known = [now, *(moment for moment in times if moment is not None)]
        if known != sorted(known):
            raise Failed(f"{call}(): now, renew_at and expires_at are not in this order: {list(map(str, known))}")

    def calls(self, what: str) -> list[Call]:
        """What the source sends for changes, until there is a call for this stream; empty if none came."""
        rng, pushes = rng_of(self.seed, what), self.bench.ability("pushes")
        found: list[Call] = list(pushes())
        for _ in range(CHANGES):
            if found:
                break
            self.bench.source.change(rng)
            found += pushes()
        return found

    def believed(self, calls: list[Call], subscription: JSON, secret: str) -> list[Call]:
        return [call for call in calls if self.verify(call, subscription, secret)]

    def verify(self, call: Call, subscription: JSON, secret: str) -> bool:
        headers, body = call
        try:
            said = self.stream.verify(dict(headers), body, subscription, secret)
        except Exception as error:
            raise Failed(f"verify() raises {error!r:.120} for {body[:40]!r}: whoever calls can do that") from error
        if not isinstance(said, bool):
            raise Failed(f"verify() says {said!r:.60}, not True or False")
        return said


def _moment(kept: JSON, name: str) -> datetime | None:
    given = kept.get(name) if isinstance(kept, Mapping) else None
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Failed(f"{name} is {given!r:.60}, not a time with an offset (RFC 3339)")
    return moment


async def _post(bench: Bench, seed: int) -> Post:
    if not isinstance(bench.stream, Pushable):
        raise Skipped("the stream is not Pushable")
    bench.ability("pushes")
    driver = Driver(bench, await busiest(bench))
    await driver.sync()
    partition = max(
        await bench.partitions(driver.account), key=lambda one: len(bench.truth(driver.account).get(one.id, {}))
    )
    return Post(bench, bench.stream, driver, partition, seed)


@check()
async def a_subscription_leads_to_calls_until_it_ends(case: Case, seed: int) -> None:
    """Changes lead to calls that `verify` accepts, also after `renew`, and to none after `unsubscribe`."""
    async with case.open(seed) as bench:
        post = await _post(bench, seed)
        kept = await post.subscribe("one", SECRET)
        if not post.believed(post.calls("first"), kept, SECRET):
            raise Failed(f"{CHANGES} changes, and no call of the source that verify() accepts")
        await bench.clock.sleep(60)
        if (renewed := await post.stream.renew(post.context(), kept)) is not None:
            post.expect_keepable(renewed, SECRET, "renew")
            kept = json.loads(json.dumps(renewed))
            if not post.believed(post.calls("renewed"), kept, SECRET):
                raise Failed("after renew() there are no calls that verify() accepts")
        await post.stream.unsubscribe(post.context(), kept)
        await post.stream.unsubscribe(post.context(), kept)  # what has ended needs no ending
        bench.ability("pushes")()
        if post.believed(post.calls("ended"), kept, SECRET):
            raise Failed("after unsubscribe() the source still calls")
        for query, wanted in getattr(bench.source, "handshakes", dict)().items():
            if (said := post.stream.handshake(query)) != wanted:
                raise Failed(f"handshake({query!r:.60}) says {said!r:.60}, the provider wants {wanted!r:.60}")
        if (said := post.stream.handshake("")) is not None:
            raise Failed(f"handshake() of a call without a query says {said!r:.60}: a notification must be None")


@check()
async def a_forged_notification_is_refused(case: Case, seed: int) -> None:
    """`verify` refuses what does not know the secret, what is another subscription's, and garbage; it never raises."""
    async with case.open(seed) as bench:
        post = await _post(bench, seed)
        one, two = await post.subscribe("one", SECRET), await post.subscribe("two", ANOTHER)
        calls = post.calls("forged")
        mine = post.believed(calls, one, SECRET)
        if not mine:
            raise Failed(f"{CHANGES} changes, and no call of the source that verify() accepts")
        for call in mine:
            _expect_refused(post, call, one, two)
        for body in GARBAGE:
            if post.verify((mine[0][0], body), one, ANOTHER) or post.verify(({}, body), one, SECRET):
                raise Failed(f"verify() accepts garbage: {body[:40]!r}")


def _expect_refused(post: Post, call: Call, one: JSON, two: JSON) -> None:
    headers, body = call
    forged: dict[str, tuple[Call, JSON, str]] = {
        "under another secret": (call, one, ANOTHER),
        "for another subscription": (call, two, ANOTHER),
        "without headers and body": (({}, b""), one, SECRET),
        "with every value made up": ((dict.fromkeys(headers, "forged"), _made_up(body)), one, SECRET),
    }
    for how, (tried, kept, secret) in forged.items():
        if post.verify(tried, kept, secret):
            raise Failed(f"verify() accepts a call {how}: anybody could make it")


def _made_up(body: bytes) -> bytes:
    """The same form with other texts."""
    try:
        tree = json.loads(body)
    except ValueError:
        return b"forged"
    return json.dumps(_texts_replaced(tree)).encode()


def _texts_replaced(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _texts_replaced(child) for key, child in node.items()}
    if isinstance(node, list):
        return [_texts_replaced(child) for child in node]
    return "forged" if isinstance(node, str) else node
