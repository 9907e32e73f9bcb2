"""The life of a credential that was refused: it is tried again when it has changed, when a person asks, and slowly by itself.

Public: Credentials.

While a connection rests because its credential is refused (SYN-AUTH-001):

- its settings, with all secrets read anew (`${file:…}`, `${credential:…}`, `${env:…}` and those of plugins), are compared every
  few seconds; when they differ from what was refused, the credential is tried at once;
- it is tried once at the start of the daemon (the environment may be another), a minute after the refusal (the secret may have
  changed while it was being refused), then every hour, a little earlier or later: consent can come back without a change here;
- where trying says nothing (the provider is away), it is tried again after one minute, two, four, up to an hour.

A credential that passes the test and is refused by the run that follows waits for the hour, unless it changes.
"""

import asyncio
import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from syncd.config.model import ConnectionConfig
from syncd.engine.log import logger
from syncd.sdk import AuthFailed, Secret, redact

from .parts import Parts
from .pauses import Pauses

__all__ = ["Credentials"]

SOON, HOURLY, JITTER = 60.0, 3600.0, 0.1

log = logger()


@dataclass(slots=True)
class _Watch:
    """A refused credential. `due`: when it is tried next (monotonic)."""

    digest: bytes
    due: float
    unclear: int = 0  # tries in a row that said nothing
    lifted_at: float | None = None  # when a try went well


class Credentials:
    """Tries credentials and lifts the pauses that they caused."""

    def __init__(self, parts: Parts, pauses: Pauses, rng: random.Random | None = None) -> None:
        self._parts = parts
        self._pauses = pauses
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._watches: dict[str, _Watch] = {}
        self._started = False

    async def look(self) -> bool:
        """Try what is due. Whether anything has changed. To be called every few seconds."""
        due = []
        for name in await self._pauses.refused_connections():
            watch = await self._watch(self._parts.connection(name))
            if watch.due <= self._parts.clock.monotonic():
                due.append(name)
        self._started = True
        return any(await asyncio.gather(*(self._due(name) for name in due)))

    async def proven(self, connection: str) -> Exception | None:
        """Try a connection's credential now. If it works its syncs go on; else why not (AuthFailed: it is refused)."""
        try:
            self._parts.executor.forget(connection)
            await self._parts.executor.check(connection)
        except AuthFailed as error:
            await self._pauses.still_refused(connection, error.message)
            return error
        except Exception as error:  # the provider is away, the connector is not installed: that proves nothing
            return error
        resumed = await self._pauses.credential_works(connection)
        log.info("the credential works again", connection=connection, resumed=resumed)
        return None

    async def _due(self, name: str) -> bool:
        watch = self._watches[name]
        error = await self.proven(name)
        now = self._parts.clock.monotonic()
        if error is None:
            watch.lifted_at, watch.unclear = now, 0
        elif isinstance(error, AuthFailed):
            watch.unclear = 0
        else:
            watch.unclear += 1
            log.info("a refused credential could not be tried", connection=name, error=redact(str(error)))
        wait = min(HOURLY, SOON * 2 ** min(watch.unclear - 1, 10)) if watch.unclear else HOURLY
        watch.due = now + wait * (1 + JITTER * (2 * self._rng.random() - 1))
        return error is None

    async def _watch(self, config: ConnectionConfig) -> _Watch:
        digest = await asyncio.to_thread(_digest, config)
        now, watch = self._parts.clock.monotonic(), self._watches.get(config.name)
        if watch is None or (watch.lifted_at is not None and now - watch.lifted_at > HOURLY):
            watch = self._watches[config.name] = _Watch(digest, now + (SOON if self._started else 0.0))
        elif watch.digest != digest:
            watch.digest, watch.due, watch.unclear = digest, now, 0
        return watch


def _digest(config: ConnectionConfig) -> bytes:
    """Of connector and settings, secrets as they are now; one that cannot be read counts as a value of its own."""
    digest = hashlib.sha256(config.connector.encode())
    for path, value in _leaves(config.settings):
        digest.update(f"\0{path}\0{_now(value)}".encode("utf-8", "surrogateescape"))
    return digest.digest()


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _leaves(item, f"{path}.{place}")
    else:
        yield path, value


def _now(value: Any) -> str:
    if not isinstance(value, Secret):
        return repr(value)
    try:
        return value.reveal()
    except (OSError, ValueError) as error:
        return f"\0unreadable: {error}"
