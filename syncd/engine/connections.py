"""A connection at work: its connector, credential, pacing and wire, shared by all runs that use it.

Public: Connection, TransportFactory, VaultOf.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from syncd.config.model import ConnectionConfig
from syncd.engine.client import Hub, Meter, PacedClient, Place
from syncd.engine.guard import Guard
from syncd.engine.log import logger
from syncd.engine.metrics import SILENT, Metrics
from syncd.engine.pacing import Pacing, effective_limits
from syncd.engine.transport import direct
from syncd.sdk import (
    JSON,
    Account,
    BearerAuth,
    Clock,
    Connector,
    Context,
    Partition,
    Stream,
    SyncdError,
    Vault,
)
from syncd.sdk.http import httpx

__all__ = ["Connection", "TransportFactory", "VaultOf"]

TransportFactory = Callable[[], httpx.AsyncBaseTransport]
VaultOf = Callable[[str, str | None], Vault]  # by a connection's name and previous name


class Connection:
    """Built once per connection and configuration; a changed configuration makes another one.

    `users` counts the runs that hold it. Tokens live in `auth`, so they live as long as this does.
    """

    def __init__(self, config: ConnectionConfig, connector: Connector, hub: Hub) -> None:
        self.config = config
        self.connector = connector
        self.hub = hub
        self.users = 0
        self.streams: dict[str, Stream] = {stream.info.name: stream for stream in connector.streams()}

    @classmethod
    def open(
        cls,
        config: ConnectionConfig,
        connectors: Mapping[str, Connector],
        clock: Clock,
        rng: random.Random,
        transport: TransportFactory | None = None,
        vault_of: VaultOf | None = None,
        metrics: Metrics = SILENT,
    ) -> "Connection":
        """Put a connection together. Raises SyncdError (SYN-PLUGIN-002) if its connector is not available.

        With a transport of the caller's, names of foreign hosts are not resolved: it decides what they mean.
        """
        connector = connectors.get(config.connector)
        if connector is None:
            raise SyncdError(f"the connector {config.connector} is not installed or broken", code="SYN-PLUGIN-002")
        with _plugin(config):
            connector = _configured(connector, config)
            auth = connector.auth(config.settings)
            limits = effective_limits(connector.info.limits, config.limits)
            guard = _guard(connector, config, transport is None)
        hub = Hub(
            transport=(transport or direct)(),
            auth=auth,
            pacing=Pacing(limits),
            guard=guard,
            retryable=connector.retryable,
            pace=connector.pace,
            clock=clock,
            rng=rng,
            user_agent=f"syncd/{_version()} (gzip)",
            connector=config.connector,
            connection=config.name,
            metrics=metrics,
            request_header=connector.info.request_id,
        )
        if isinstance(hub.auth, BearerAuth):  # token lifetimes by the same clock as all else
            hub.auth.clock = clock
            if vault_of is not None:
                hub.auth.vault = vault_of(config.name, config.previous_name)
        return cls(config, connector, hub)

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def max_wait(self) -> float:
        return self.config.limits.max_wait.total_seconds()

    @property
    def concurrency(self) -> int:
        """Requests in flight, and therefore also partitions in flight: more would only wait."""
        return max(1, self.hub.pacing.limits.concurrency)

    def client(
        self, account: Account | None, stream: str | None, meter: Meter, place: Place | None = None
    ) -> PacedClient:
        """A view for one caller, with its own budget of waiting."""
        return PacedClient(self.hub, account, stream, meter, self.max_wait, place)

    def context(
        self,
        meter: Meter,
        *,
        account: Account | None = None,
        stream: str | None = None,
        partition: Partition | None = None,
        options: Mapping[str, JSON] | None = None,
        place: Place | None = None,
        **more: Any,
    ) -> Context:
        """The surroundings of one call of the connector; `more` are further fields of Context."""
        facts = {
            "connection": self.name,
            "account": account.address if account else None,
            "stream": stream,
            "partition": partition.id if partition else None,
        }
        return Context(
            http=self.client(account, stream, meter, place),
            clock=self.hub.clock,
            log=logger(**{key: value for key, value in facts.items() if value}),
            settings=self.config.settings,
            account=account,
            partition=partition,
            options=options or {},
            limit=max(1, self.hub.pacing.limits.account_concurrency),
            **more,
        )

    def forget(self) -> None:
        """Drop access tokens: the next request signs in anew."""
        forget = getattr(self.hub.auth, "forget", None)
        if forget is not None:
            forget()

    async def aclose(self) -> None:
        await self.hub.transport.aclose()


@contextmanager
def _plugin(config: ConnectionConfig) -> Iterator[None]:
    """What a connector's own code raises while a connection is put together is that connection's fault alone."""
    try:
        yield
    except (SyncdError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # `sys.exit()` too
        told = f"the connector {config.connector} of connection {config.name} failed over its settings: {error!r}"
        raise SyncdError(told, code="SYN-PLUGIN-001") from error


def _configured(connector: Connector, config: ConnectionConfig) -> Connector:
    try:
        return connector.configured(config.settings)
    except ValueError as error:
        raise SyncdError(
            f"the connector {config.connector} cannot use these settings: {error}", code="SYN-PLUGIN-002"
        ) from error


def _guard(connector: Connector, config: ConnectionConfig, real: bool) -> Guard:
    def origins() -> Sequence[str]:
        return connector.origins(config.settings)

    downloads = connector.downloads(config.settings)
    return Guard(origins, downloads) if real else Guard(origins, downloads, None)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("syncd")
    except PackageNotFoundError:
        return "0"
