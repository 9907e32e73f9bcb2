"""Notices to operators: what is wrong is told once, and once more when it is over.

Public: Notices, ChannelState.

`settle` writes down what is wrong now, and a message for each channel, in one transaction; `deliver` sends what waits. So a
kill at any point loses no message; one that comes between sending and striking it off sends that message once more.
Each channel is served by itself, in the background: one that is slow or dead delays neither the others nor syncing.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.engine.log import logger
from syncd.sdk import Clock, Secret, redact
from syncd.store import MessageRow, NoticePlan, NoticeRow, SqlStore

from .channel import Channel, ChannelFailed, OpenChannel
from .occasions import Occasion
from .telling import Mood, Telling, backoff, clean, compose, next_slot, plan

__all__ = ["ChannelState", "Notices"]

GATHER = 2.0  # seconds that a message waits for others to go with it
KEPT = timedelta(days=7)  # after that a message is no news
BATCH = 5_000  # messages that are sent as one
SLOTS = 10
LAST_MOMENT = 2.0  # seconds

log = logger()


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How a channel does. `name`: the reference as written in the YAML; `error` and `since`: if it fails now."""

    name: str
    waiting: int
    error: str | None
    since: datetime | None


@dataclass(slots=True)
class _Post:
    """A channel at work."""

    name: str
    channel: Channel
    next_at: float = 0.0  # monotonic: not before
    idle: bool = False  # nothing waited when it was last looked at
    failures: int = 0
    error: str | None = None
    since: datetime | None = None
    sent: deque[float] = field(default_factory=lambda: deque(maxlen=SLOTS))
    task: "asyncio.Task[None] | None" = None


class Notices:
    """Tells operators. Without channels, what would be told stands in the log only."""

    def __init__(
        self, store: SqlStore, clock: Clock, open_channel: OpenChannel | None = None, rng: random.Random | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._open = open_channel or _apprise
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._posts: dict[str, _Post] = {}

    async def configure(self, urls: Sequence[Secret | str]) -> None:
        """Use these channels from now on; one that stays keeps its place."""
        secrets = {url.reference: url for url in urls if isinstance(url, Secret)}
        for name in self._posts.keys() - secrets.keys():
            await _end([self._posts.pop(name)])
        for name, url in secrets.items():
            if name not in self._posts:
                self._posts[name] = _Post(name, self._open(url))
        self._posts = {name: self._posts[name] for name in secrets}

    async def forget_others(self) -> None:
        """Drop what waits for channels that are not configured any more."""
        if set(await self._store.waiting_messages()) - self._posts.keys():
            await self._store.forget_channels(list(self._posts))

    async def settle(
        self, wanted: Iterable[Occasion], judged: Collection[str], ending: Callable[[NoticeRow], tuple[str, str]]
    ) -> None:
        """Make what is known agree with what is wrong now. Notices of other kinds than `judged` do not end."""
        now, occasions, channels = self._clock.now(), list(wanted), list(self._posts)

        def decide(rows: Sequence[NoticeRow]) -> NoticePlan:
            return plan(rows, occasions, judged, ending, channels, now)

        before = {row.key: row for row in await self._store.notices()}
        if not decide(list(before.values())):
            return
        done = await self._store.settle_notices(decide, now)
        _log(done, before)
        for post in self._posts.values():
            post.idle = False

    async def open(self) -> Sequence[NoticeRow]:
        """What is wrong now, as people were told."""
        return [row for row in await self._store.notices() if row.open]

    async def channels(self) -> list[ChannelState]:
        """All channels, in the order of the YAML."""
        waiting = await self._store.waiting_messages() if self._posts else {}
        return [ChannelState(one.name, waiting.get(one.name, 0), one.error, one.since) for one in self._posts.values()]

    def failing(self) -> Mapping[str, str]:
        """Channel → why it fails, for those that do."""
        return {one.name: one.error for one in self._posts.values() if one.error is not None}

    def deliver(self) -> None:
        """Begin to send what waits; returns at once. To be called every second or so."""
        now = self._clock.monotonic()
        for post in self._posts.values():
            if not post.idle and post.next_at <= now and (post.task is None or post.task.done()):
                post.task = asyncio.create_task(self._serve(post, GATHER), name=f"notices to {post.name}")

    async def flush(self, seconds: float) -> None:
        """One attempt for each channel, for as long as this: for a command that is about to end."""
        tasks = [asyncio.create_task(self._serve(post, 0.0)) for post in self._posts.values() if not post.idle]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def test(self) -> list[dict[str, Any]]:
        """Send a test message to each channel now: {channel, ok, error}."""
        telling = Telling("syncd can reach you here", "This is a test: nothing is wrong.", Mood.GOOD)
        return list(await asyncio.gather(*(_tried(post, telling) for post in self._posts.values())))

    async def aclose(self) -> None:
        """Stop sending; what waits is sent by the next process."""
        await _end(self._posts.values())

    # -- inside

    async def _serve(self, post: _Post, gather: float) -> None:
        try:
            await self._serve_once(post, gather)
        except ChannelFailed as error:
            self._failed(post, str(error))
        except Exception as error:  # the store is away, or a channel has a defect: later
            self._failed(post, f"{type(error).__name__}: {error}")

    async def _serve_once(self, post: _Post, gather: float) -> None:
        post.idle = True  # first: what is written down from here on is seen by the next look
        rows = await self._fresh(post.name)
        if not rows:
            return
        post.idle = False
        now = self._clock.monotonic()
        age = (self._clock.now() - rows[0].at).total_seconds()
        post.next_at = max(next_slot(post.sent, now), now + gather - max(age, 0.0))
        if post.next_at > now:
            return
        await post.channel.send(compose([row.content for row in rows]))
        await self._store.drop_messages([row.id for row in rows])
        post.sent.append(now)
        if post.error is not None:
            log.info("a notice channel works again", channel=post.name)
        post.failures, post.error, post.since = 0, None, None

    async def _fresh(self, channel: str) -> Sequence[MessageRow]:
        """What waits and is still news; the rest is dropped."""
        rows = await self._store.notice_messages(channel, BATCH)
        old = [row for row in rows if self._clock.now() - row.at > KEPT]
        if old:
            log.warning("notices that could not be sent for a week are dropped", channel=channel, count=len(old))
            await self._store.drop_messages([row.id for row in old])
        return rows[len(old) :]

    def _failed(self, post: _Post, why: str) -> None:
        post.failures += 1
        post.idle = False
        post.next_at = self._clock.monotonic() + backoff(post.failures, self._rng.random())
        if post.error is None:
            post.since = self._clock.now()
            log.error("a notice channel fails; it is tried again", channel=post.name, error=why, code="SYN-NOTIFY-001")
        post.error = redact(why)


async def _tried(post: _Post, telling: Telling) -> dict[str, Any]:
    try:
        await post.channel.send(telling)
    except ChannelFailed as error:
        return {"channel": post.name, "ok": False, "error": str(error)}
    return {"channel": post.name, "ok": True, "error": None}


async def _end(posts: Iterable[_Post]) -> None:
    """What is being sent has a moment to arrive: cut off, it would be sent once more."""
    tasks = [post.task for post in posts if post.task is not None]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=LAST_MOMENT)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _log(done: NoticePlan, before: Mapping[str, NoticeRow]) -> None:
    """Everything that people are told stands in the log too."""
    for row in done.put:
        told = before[row.key].told if row.key in before else False
        if row.told != told:
            (log.warning if row.open else log.info)(clean(row.title, 200), notice=clean(row.text, 2_000), kind=row.kind)


def _apprise(url: Secret) -> Channel:
    from .apprise_channel import AppriseChannel

    return AppriseChannel(url)
