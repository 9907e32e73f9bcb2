"""A connector, a source and a wire between them, set up for one check.

Public: Case (what is under test), Bench (one set-up of it).
"""

import contextlib
import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from syncd.sdk import FULL, JSON, Account, Bookmark, Connector, Context, Departed, Partition, Scan, Secret, Stream
from syncd.sdk.http import httpx

from .client import CapturingLog, EngineClient
from .clock import FakeClock
from .failures import Failed, Skipped
from .http import FaultTransport
from .mirror import Truth
from .source import Source
from .validate import account_problem

__all__ = ["Bench", "Case"]


@dataclass(frozen=True, slots=True)
class Case:
    """A stream of a connector, and how to make a source for it.

    `source(seed)` gives a Source, or a context manager that gives one. `idle_requests`: how many requests a delta round
    without changes may cost per partition. `seeds`: how many random histories a check tries.
    """

    connector: Connector
    stream: str
    source: Callable[[int], Source | AbstractContextManager[Source]]
    idle_requests: int = 1
    seeds: int = 5

    def named_stream(self, connector: Connector) -> Stream:
        """The stream under test, of the connector as it is configured."""
        for stream in connector.streams():
            if stream.info.name == self.stream:
                return stream
        names = [stream.info.name for stream in connector.streams()]
        raise Failed(f"the connector has no stream {self.stream!r}; it has {names}")

    @asynccontextmanager
    async def open(self, seed: int, *, keep: bool = False) -> AsyncIterator["Bench"]:
        """A fresh source made from the seed, and everything needed to read it."""
        made = self.source(seed)
        with made if isinstance(made, AbstractContextManager) else contextlib.nullcontext(made) as source:
            transport = getattr(source, "transport", None)
            inner = transport() if transport is not None else httpx.AsyncHTTPTransport(trust_env=False)
            wire = FaultTransport(inner, keep=keep, foreign=_stranger(source.settings))
            try:
                connector = self.connector.configured(source.settings)
                stream = _as_configured(self.named_stream(connector), getattr(source, "options", {}))
                yield Bench(self, connector, stream, source, wire, connector.auth(source.settings))
            finally:
                await wire.aclose()


@dataclass(slots=True)
class Bench:
    """One set-up. `tries` 1: faults reach the connector at once instead of being retried below it."""

    case: Case
    connector: Connector
    stream: Stream
    source: Source
    wire: FaultTransport
    auth: httpx.Auth | None
    clock: FakeClock = field(default_factory=FakeClock)
    log: CapturingLog = field(default_factory=CapturingLog)
    tries: int = 5

    def ability(self, name: str) -> Any:
        """An optional ability of the source; Skipped if it has none."""
        found = getattr(self.source, name, None)
        if found is None:
            raise Skipped(f"the source has no {name}()")
        return found

    def sign_in_again(self) -> None:
        """Forget tokens: the next request asks for new ones."""
        self.auth = self.connector.auth(self.source.settings)

    def context(
        self,
        account: Account | None = None,
        partition: Partition | None = None,
        *,
        scan: Scan = FULL,
        cursor: JSON = None,
    ) -> Context:
        """A fresh context; the cursor has been through JSON, as in the store."""
        client = EngineClient(
            self.connector, self.source.settings, self.auth, self.wire, self.clock,
            account=account, stream=None if account is None else self.stream.info.name, tries=self.tries,
        )  # fmt: skip
        options: Mapping[str, JSON] = getattr(self.source, "options", {})
        return Context(
            client, self.clock, self.log, settings=self.source.settings, account=account, partition=partition,
            options=options, scan=scan, cursor=json.loads(json.dumps(cursor)),
        )  # fmt: skip

    async def accounts(self) -> list[Account]:
        """The organisation, each account checked for its form."""
        self.wire.phase = "accounts"
        found: list[Account] = []
        async for account in self.connector.accounts(self.context()):
            if isinstance(account, Bookmark):
                continue
            if isinstance(account, Departed):
                raise Failed("accounts() yielded Departed in a full listing")
            if problem := account_problem(account):
                raise Failed(problem)
            found.append(account)
            if len(found) > 10_000:
                raise Failed("accounts() goes on after 10,000 accounts")
        return found

    async def synced_accounts(self) -> list[Account]:
        """The accounts that a sync of this stream covers, in a stable order."""
        found = [
            account for account in await self.accounts()
            if account.state == "active" and account.streams.get(self.stream.info.name, "ready") == "ready"
        ]  # fmt: skip
        if not found:
            raise Failed(f"no active account has the stream {self.stream.info.name!r}")
        return sorted(found, key=lambda account: account.id)

    async def partitions(self, account: Account) -> Sequence[Partition]:
        """The account's partitions that are in scope."""
        self.wire.phase = "partitions"
        found = await self.stream.partitions(self.context(account))
        return list({partition.id: partition for partition in found if not partition.excluded}.values())

    def truth(self, account: Account) -> Truth:
        return self.source.truth(account)

    def all_truth(self, accounts: Sequence[Account]) -> dict[str, Truth]:
        return {account.id: self.source.truth(account) for account in accounts}

    def known_ids(self, accounts: Sequence[Account]) -> frozenset[str]:
        """Every id that means something: of items, partitions and accounts."""
        ids = {account.id for account in accounts} | {account.address for account in accounts}
        for account in accounts:
            for partition, items in self.source.truth(account).items():
                ids.add(partition)
                ids.update(items)
        return frozenset(ids - {""})

    def secrets(self) -> list[str]:
        """Every secret value in play: of the settings, and the tokens that were sent."""
        values = [value for secret in _secrets(self.source.settings) for value in _parts(secret.reveal())]
        for asked in self.wire.log:
            scheme, _, token = asked.request.headers.get("authorization", "").partition(" ")
            if scheme:
                values += _parts(token)
        return sorted(set(values))


def _as_configured(stream: Stream, options: Mapping[str, JSON]) -> Stream:
    """The stream with the `info` that it has with these options."""
    configured = copy.copy(stream)
    configured.info = stream.info_with(options)
    return configured


def _secrets(value: Any) -> list[Secret]:
    if isinstance(value, Secret):
        return [value]
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [secret for child in children for secret in _secrets(child)]


def _parts(value: str) -> list[str]:
    """The value, and the telling lines of a key inside it; other members of a key file (its URLs) are no secrets."""
    value = value.strip()
    if value.startswith("{"):
        try:
            members = json.loads(value)
        except ValueError:
            members = {}
        texts = [
            text for name, text in members.items() if (isinstance(text, str) and "key" in name) or "secret" in name
        ]
        return [part for text in texts for part in _parts(text)]
    lines = [line.strip() for line in value.splitlines()]
    return [line for line in lines if len(line) >= 6 and not line.startswith("-----")]


def _stranger(settings: Mapping[str, Any]) -> Callable[[httpx.Request], httpx.Response | None]:
    """Answers for hosts that nobody has (`*.invalid`), which garbled links point to."""

    def answer(request: httpx.Request) -> httpx.Response | None:
        if request.url.host.endswith(".invalid"):
            return httpx.Response(200, json={}, request=request)
        return None

    return answer
