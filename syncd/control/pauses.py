"""When a sync rests: switched off by a person, or paused by failures.

Public: Pauses, enabled.

- *Switch*: `enabled:` in the YAML, unless `syncd enable` or `disable` said otherwise. The runtime switch wins until the
  YAML says the same; from then on the YAML decides alone. So a manual stop outlives restarts and reloads, and a change in
  git that agrees with it ends it.
- *Pause*: `pause_after` failed runs in a row (SYN-RUN-001), or a refused credential (SYN-AUTH-001, all syncs of that
  connection). `resume`, or a successful run by hand, lifts it; a successful run, or a successful test of the credential
  (see `credentials`), lifts the credential's pause of the whole connection. What stands here is what operators are told
  of (see `alarms`).
- Runs that were cancelled, or that the provider put off, are neither failures nor successes; nor is one by hand that was
  narrowed to an account which is not there.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from syncd.config.model import Config, SyncConfig
from syncd.engine.executor import RunReport
from syncd.engine.ports import RunScope, RunStatus
from syncd.engine.scheduler import DueState
from syncd.sdk import redact
from syncd.store import SyncState

from .parts import Parts

__all__ = ["AUTH_CODE", "FAILURES_CODE", "Pauses", "enabled"]

AUTO = "auto"
AUTH_CODE, FAILURES_CODE = "SYN-AUTH-001", "SYN-RUN-001"
GOOD = (RunStatus.COMPLETED, RunStatus.PARTIAL, RunStatus.HELD)


class Pauses:
    """Keeps what the store remembers of each sync right. Also the scheduler's DueStore."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # -- for the scheduler

    async def due_states(self, config: Config) -> Mapping[str, DueState]:
        states, put_off = await self.states(config), await self._parts.store.put_off()
        return {
            name: DueState(
                state.next_due_at,
                enabled(config.syncs[name], state) and state.paused is None,
                _again_at(config.syncs[name], put_off),
            )
            for name, state in states.items()
        }

    async def set_next_due(self, sync: str, due: datetime) -> None:
        await self._parts.store.set_next_due(sync, due)

    # -- for commands

    async def states(self, config: Config) -> dict[str, SyncState]:
        """What is remembered of every configured sync."""
        known = await self._parts.store.sync_states()
        return {name: known.get(name) or SyncState(name) for name in config.syncs}

    async def adopt(self, config: Config) -> None:
        """Forget switches that the YAML agrees with."""
        for name, state in (await self.states(config)).items():
            if state.enabled is not None and state.enabled == config.syncs[name].enabled:
                await self._parts.store.set_sync_state(name, enabled=None)

    async def switch(self, sync: SyncConfig, on: bool) -> SyncState:
        """Say otherwise than the YAML, until it agrees."""
        return await self._parts.store.set_sync_state(sync.name, enabled=None if on == sync.enabled else on)

    async def lift(self, names: Iterable[str]) -> None:
        for name in names:
            await self._parts.store.set_sync_state(name, paused=None, code=None, reason=None, since=None, failures=0)

    # -- after runs

    async def ended(self, report: RunReport, scope: RunScope) -> None:
        """Draw the conclusions from a run that is over."""
        sync = self._parts.config.syncs.get(report.sync)
        if sync is None or report.dry_run or report.deferred:
            return
        if report.auth_failed:
            await self._credential_refused(sync, report)
        elif report.status in GOOD:
            await self._succeeded(sync)
        elif report.status is RunStatus.FAILED and not _asked_wrong(report, scope):
            await self._failed(sync, report)

    async def _succeeded(self, sync: SyncConfig) -> None:
        """The run proves that the sync works, and that the credential of its connection does."""
        state = await self._parts.store.sync_state(sync.name)
        mended = await self._refused_syncs(sync.connection)
        if state.failures or state.paused == AUTO:
            mended.append(sync.name)
        await self.lift(dict.fromkeys(mended))

    async def _failed(self, sync: SyncConfig, report: RunReport) -> None:
        state = await self._parts.store.sync_state(sync.name)
        failures = state.failures + 1
        await self._parts.store.set_sync_state(sync.name, failures=failures)
        if failures >= sync.pause_after and state.paused is None:
            reason = f"{failures} failed runs in a row; the last one: {_cause(report)}"
            await self._pause([sync.name], FAILURES_CODE, reason)

    async def _credential_refused(self, sync: SyncConfig, report: RunReport) -> None:
        """All syncs of the connection rest."""
        config = self._parts.config
        states = await self.states(config)
        users = [name for name, other in config.syncs.items() if other.connection == sync.connection]
        fresh = [name for name in users if states[name].paused is None]
        await self._pause(fresh, AUTH_CODE, f"{sync.connection}: {_cause(report)}")

    async def _pause(self, names: Iterable[str], code: str, reason: str) -> None:
        since = self._parts.clock.now()
        for name in names:
            await self._parts.store.set_sync_state(name, paused=AUTO, code=code, reason=redact(reason), since=since)

    # -- credentials

    async def refused_connections(self) -> list[str]:
        """Connections that rest because of their credential, and of which a sync would run otherwise."""
        config = self._parts.config
        states = await self.states(config)
        found = {
            sync.connection
            for name, sync in config.syncs.items()
            if _refused(states[name]) and enabled(sync, states[name])
        }
        return sorted(found & config.connections.keys())

    async def credential_works(self, connection: str) -> list[str]:
        """Lift the pauses that its refusal caused, and let those syncs run now. Which."""
        names = await self._refused_syncs(connection)
        await self.lift(names)
        for name in names:
            await self._parts.store.set_next_due(name, self._parts.clock.now())
        return names

    async def still_refused(self, connection: str, why: str) -> None:
        """Say what the last try brought; the pause and its beginning stay."""
        for name in await self._refused_syncs(connection):
            await self._parts.store.set_sync_state(name, reason=redact(f"{connection}: {why}"))

    async def _refused_syncs(self, connection: str) -> list[str]:
        config = self._parts.config
        states = await self.states(config)
        return [name for name, sync in config.syncs.items() if sync.connection == connection and _refused(states[name])]


def _refused(state: SyncState) -> bool:
    return state.paused == AUTO and state.code == AUTH_CODE


def enabled(sync: SyncConfig, state: SyncState) -> bool:
    """Whether the sync runs by its schedule, as far as switches go."""
    return sync.enabled if state.enabled is None else state.enabled


def _asked_wrong(report: RunReport, scope: RunScope) -> bool:
    narrowed = scope.accounts is not None
    return narrowed and any(error.code == "SYN-ACCOUNT-002" for error in report.errors)


def _cause(report: RunReport) -> str:
    return report.errors[0].message if report.errors else report.reason or "no cause was noted"


def _again_at(sync: SyncConfig, put_off: Mapping[tuple[str, str], datetime]) -> datetime | None:
    """When the first of the sync's partitions that a provider put off may go on."""
    return min((put_off[key] for stream in sync.streams if (key := (sync.connection, stream)) in put_off), default=None)
