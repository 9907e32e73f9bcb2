"""What can be asked beyond the command line's reports: one card, connections, the catalogue of errors, readiness.

Public: Reports, explanations_of, explanation_json.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncd.config.model import ConnectionConfig
from syncd.engine.executor import RunReport
from syncd.engine.scheduler import Scheduler
from syncd.plugins import catalog_of
from syncd.sdk.errors import CATALOGUE, Explanation

from . import statuses
from .errors import USAGE, ControlError, unknown
from .parts import Parts
from .pauses import Pauses
from .views import time_json

if TYPE_CHECKING:
    from syncd.plugins import Plugins

__all__ = ["Reports", "explanation_json", "explanations_of"]

STALE = 30.0  # seconds without a look at what is due, after which the daemon is not ready
SLOW = 5.0  # seconds that the store may take to answer


class Reports:
    """Read-only answers."""

    def __init__(self, parts: Parts, pauses: Pauses, scheduler: Scheduler) -> None:
        self._parts = parts
        self._pauses = pauses
        self._scheduler = scheduler
        self._began = parts.clock.monotonic()

    async def card(self, name: str) -> dict[str, Any]:
        """One sync as `status` shows it."""
        self._parts.sync(name)
        return (await statuses.status(self._parts, self._pauses, [name]))["syncs"][0]  # type: ignore[no-any-return]

    async def runs(self, limit: int, before: int | None) -> list[dict[str, Any]]:
        """Runs of all syncs, newest first."""
        return [RunReport.of(row).to_json() for row in await self._parts.store.runs(None, limit, before)]

    async def connections(self) -> list[dict[str, Any]]:
        """The configured connections by name."""
        configured = sorted(self._parts.config.connections.items())
        return [await self._connection(config) for _, config in configured]

    async def _connection(self, config: ConnectionConfig) -> dict[str, Any]:
        store, connector = self._parts.store, self._parts.plugins.connectors.get(config.connector)
        accounts = await store.accounts(config.name)
        return {
            "name": config.name,
            "connector": config.connector,
            "title": connector.info.title if connector and connector.info.title else config.connector,
            "organization": await store.organization(config.name),
            "discovery": str(config.discovery),
            "accounts": sum(row.gone_at is None for row in accounts),
            "imported_at": time_json(await store.imported_at(config.name)),
            "syncs": sorted(name for name, sync in self._parts.config.syncs.items() if sync.connection == config.name),
        }

    def explanations(self) -> list[dict[str, str]]:
        """The catalogue of error codes."""
        return [explanation_json(entry) for _, entry in sorted(explanations_of(self._parts.plugins).items())]

    def explain(self, code: str) -> dict[str, str]:
        entry = explanations_of(self._parts.plugins).get(code.upper())
        if entry is None:
            raise ControlError(
                f"no error has the code {code!r}", hint="`syncd explain` lists all codes", exit_code=USAGE, status=404
            )
        return explanation_json(entry)

    def schema(self, connector: str | None = None) -> dict[str, Any]:
        """JSON Schema of the YAML, or of one connector's part."""
        from syncd.config.schema import schema

        catalog = catalog_of(self._parts.plugins)
        if connector is not None and connector not in catalog.connectors:
            raise unknown("connector", connector, catalog.connectors)
        return schema(catalog, connector)

    async def unready(self) -> list[str]:
        """Why the daemon does not do its work; empty if it does."""
        reasons = []
        try:
            await asyncio.wait_for(self._parts.store.ping(), SLOW)
        except Exception as error:
            reasons.append(f"the store does not answer: {type(error).__name__}")
        checked = self._scheduler.checked
        since = self._parts.clock.monotonic() - (self._began if checked is None else checked)
        if since > STALE:
            reasons.append(f"nobody has looked what is due for {since:.0f} s")
        elif checked is None:
            reasons.append("the scheduler has not begun yet")
        return reasons


def explanations_of(plugins: "Plugins") -> Mapping[str, Explanation]:
    """syncd's own codes, and those that the installed connectors add."""
    more = [entry for connector in plugins.connectors.values() for entry in connector.info.errors]
    return {**{entry.code: entry for entry in more}, **CATALOGUE}


def explanation_json(entry: Explanation) -> dict[str, str]:
    """`explain --json`."""
    return {name: getattr(entry, name) for name in ("code", "title", "meaning", "action", "hint")}
