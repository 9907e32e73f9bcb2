"""When a sync rests: switched off by a person, or paused by failures.

Public: Pauses, enabled, renamed.

- *Switch*: `enabled:` in the YAML, unless `syncd enable` or `disable` said otherwise. The runtime switch wins until the
  YAML says the same; from then on the YAML decides alone. So a manual stop outlives restarts and reloads, and a change in
  git that agrees with it ends it.
- *Pause*: `pause_after` failed runs in a row (SYN-RUN-001), or a refused credential (SYN-AUTH-001, all syncs of that
  connection). `resume`, or a successful run by hand, lifts it; a successful run, or a successful test of the credential
  (see `credentials`), lifts the credential's pause of the whole connection. What stands here is what operators are told
  of (see `alarms`).
- *Another name*: switches and pauses belong to a sync's streams, whatever it is called. A name that has none of its streams
  from before goes on where the one left off that had them and is configured no more (see `renamed`).
- Runs that were cancelled, or that the provider put off, are neither failures nor successes; nor is one by hand that was
  narrowed to an account which is not there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from syncd.config.model import Config, SyncConfig
from syncd.engine.executor import RunReport
from syncd.engine.log import logger
from syncd.engine.ports import RunScope, RunStatus
from syncd.engine.scheduler import DueState
from syncd.sdk import redact
from syncd.store import SyncState

from .parts import Parts

__all__ = ["AUTH_CODE", "FAILURES_CODE", "Pauses", "enabled", "renamed"]

AUTO = "auto"
AUTH_CODE, FAILURES_CODE = "SYN-AUTH-001", "SYN-RUN-001"
GOOD = (RunStatus.COMPLETED, RunStatus.PARTIAL, RunStatus.HELD)


class Pauses:
    """Keeps what the store remembers of each sync right. Also the scheduler's DueStore."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._adopted: Config | None = None
        self._formerly: Mapping[str, str] = {}  # by the configuration that was adopted last

    # -- for the scheduler

    async def due_states(self, config: Config) -> Mapping[str, DueState]:
        states, put_off = await self.states(config), await self._parts.store.put_off()
        return {
            name: DueState(
                state.next_due_at,
                enabled(config.syncs[name], state) and state.paused is None,
                _again_at(config.syncs[name], put_off),
                self._formerly.get(name),
            )
            for name, state in states.items()
        }

    async def set_next_due(self, sync: str, due: datetime) -> None:
        await self._parts.store.set_next_due(sync, due)

    async def set_next_dues(self, dues: Mapping[str, datetime]) -> None:
        await self._parts.store.set_next_dues(dues)

    # -- for commands

    async def states(self, config: Config) -> dict[str, SyncState]:
        """What is remembered of every configured sync, whether or not it has been moved to its name yet."""
        known = await self._parts.store.sync_states()
        moves = {} if config is self._adopted else renamed(config, known)
        found = {name: known.get(moves.get(name, name)) or SyncState(name) for name in config.syncs}
        return {name: replace(state, name=name) if name in moves else state for name, state in found.items()}

    async def adopt(self, config: Config) -> None:
        """Let syncs that have another name go on, remember which streams each has, and forget switches that the YAML agrees with."""
        known = await self._parts.store.sync_states()
        moves = renamed(config, known)
        for name, before in moves.items():
            sync = config.syncs[name]
            has = {"connection": sync.connection, "streams": tuple(sync.streams)}
            await self._parts.store.set_sync_state(name, formerly=before, **has)
            logger().info("a sync goes on under another name", sync=name, formerly=before)
        await self._remember(config)
        self._adopted, self._formerly = config, moves
        for name, state in (await self.states(config)).items():
            if state.enabled is not None and state.enabled == config.syncs[name].enabled:
                await self._parts.store.set_sync_state(name, enabled=None)

    async def _remember(self, config: Config) -> None:
        """The streams of every sync; one that is gone keeps those that nobody else has taken."""
        known = await self._parts.store.sync_states()
        has = {name: (sync.connection, tuple(sorted(sync.streams))) for name, sync in config.syncs.items()}
        taken = {key for sync in config.syncs.values() for key in _keys(sync, config)}
        for name, state in known.items():
            left = tuple(stream for stream in state.streams if (state.connection, stream) not in taken)
            has.setdefault(name, (state.connection or "", left))
        new = {}
        for name, (connection, streams) in has.items():
            state = known.get(name) or SyncState(name)
            if state.streams != streams or (streams and state.connection != connection):
                new[name] = (connection, streams)
        if new:
            await self._parts.store.remember_syncs(new)

    async def switch(self, sync: SyncConfig, on: bool) -> SyncState:
        """Say otherwise than the YAML, until it agrees."""
        return await self._parts.store.set_sync_state(sync.name, enabled=None if on == sync.enabled else on)

    async def lift(self, names: Iterable[str]) -> None:
        for name in names:
            await self._parts.store.set_sync_state(name, paused=None, code=None, reason=None, since=None, failures=0)

    # -- after runs

    async def ended(self, report: RunReport, scope: RunScope) -> None:
        """Draw the conclusions from a run that is over."""
        sync = None if report.dry_run or report.deferred else await self._sync_of(report)
        if sync is None:
            return
        if report.auth_failed:
            await self._credential_refused(sync, report)
        elif report.status in GOOD:
            await self._succeeded(sync)
        elif report.status is RunStatus.FAILED and not _asked_wrong(report, scope):
            await self._failed(sync, report)

    async def _sync_of(self, report: RunReport) -> SyncConfig | None:
        """Whose run it was, by the name that this sync has now. None: it is configured no more."""
        config = self._parts.config
        if report.sync in config.syncs or report.run is None:
            return config.syncs.get(report.sync)
        row = await self._parts.store.get_run(report.run)
        return None if row is None else config.syncs.get(row.sync)

    async def _succeeded(self, sync: SyncConfig) -> None:
        """The run proves that the sync works, and that the credential of its connection does."""
        state = await self._parts.store.sync_state(sync.name)
        mended = [*await self._refused_syncs(sync.connection)]
        if state.failures or state.paused == AUTO:
            mended.append(sync.name)
        await self.lift(dict.fromkeys(mended))

    async def _failed(self, sync: SyncConfig, report: RunReport) -> None:
        state = await self._parts.store.sync_state(sync.name)
        failures = state.failures + 1
        await self._parts.store.set_sync_state(sync.name, failures=failures)
        if failures >= sync.pause_after and state.paused is None:
            reason = f"{failures} failed runs in a row; the last one: {_cause(report, FAILURES_CODE)}"
            await self._pause([sync.name], FAILURES_CODE, reason)

    async def _credential_refused(self, sync: SyncConfig, report: RunReport) -> None:
        """All syncs of the connection rest."""
        config = self._parts.config
        states = await self.states(config)
        users = [name for name, other in config.syncs.items() if other.connection == sync.connection]
        fresh = [name for name in users if states[name].paused is None]
        await self._pause(fresh, AUTH_CODE, f"{sync.connection}: {_cause(report, AUTH_CODE)}")

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
        names = [*await self._refused_syncs(connection)]
        await self.lift(names)
        for name in names:
            await self._parts.store.set_next_due(name, self._parts.clock.now())
        return names

    async def still_refused(self, connection: str, why: str) -> None:
        """Say what the last try brought; the pause and its beginning stay, and so does the code of a cause that is the same."""
        reason = redact(f"{connection}: {why}")
        for name, state in (await self._refused_syncs(connection)).items():
            if not (state.reason or "").startswith(f"{reason.rstrip('.')} ("):
                await self._parts.store.set_sync_state(name, reason=reason)

    async def _refused_syncs(self, connection: str) -> dict[str, SyncState]:
        config = self._parts.config
        states = await self.states(config)
        users = [name for name, sync in config.syncs.items() if sync.connection == connection]
        return {name: states[name] for name in users if _refused(states[name])}


def renamed(config: Config, known: Mapping[str, SyncState]) -> dict[str, str]:
    """Name → the name that the sync had before, in the order in which one after the other can be moved.

    A name goes on as it is while it has one of the streams that it had. Any other takes the place of a name that had
    streams of it and is configured no more, or itself takes another's place: the one of which it has most, then by name.
    Nobody's place is taken twice.
    """
    owners = {(state.connection, stream): name for name, state in known.items() for stream in state.streams}
    pairs = []
    for name, sync in config.syncs.items():
        had = Counter(owners[key] for key in _keys(sync, config) if key in owners)
        if name not in had:
            pairs += [(-count, name, before) for before, count in had.items()]
    pairs.sort()
    free, moves = known.keys() - config.syncs.keys(), dict[str, str]()
    while found := next(((name, old) for _, name, old in pairs if name not in moves and old in free), None):
        name, before = found
        moves[name] = before
        free = free - {before} | {name}
    return dict(reversed(moves.items()))  # who takes another's place makes room first


def _keys(sync: SyncConfig, config: Config) -> list[tuple[str, str]]:
    """Its streams, by the name of their connection, and by the one that the connection had before."""
    former = config.connections[sync.connection].previous_name if sync.connection in config.connections else None
    names = [sync.connection] if former is None or former in config.connections else [sync.connection, former]
    return [(name, stream) for name in names for stream in sync.streams]


def _refused(state: SyncState) -> bool:
    return state.paused == AUTO and state.code == AUTH_CODE


def enabled(sync: SyncConfig, state: SyncState) -> bool:
    """Whether the sync runs by its schedule, as far as switches go."""
    return sync.enabled if state.enabled is None else state.enabled


def _asked_wrong(report: RunReport, scope: RunScope) -> bool:
    narrowed = scope.accounts is not None
    return narrowed and any(error.code == "SYN-ACCOUNT-002" for error in report.errors)


def _cause(report: RunReport, code: str) -> str:
    """What went wrong, and at the end the code of just that, where the pause's own says less."""
    if not report.errors:
        return report.reason or "no cause was noted"
    first = report.errors[0]
    return first.message if first.code == code else f"{first.message.rstrip('.')} ({first.code})"


def _again_at(sync: SyncConfig, put_off: Mapping[tuple[str, str], datetime]) -> datetime | None:
    """When the first of the sync's partitions that a provider put off may go on."""
    return min((put_off[key] for stream in sync.streams if (key := (sync.connection, stream)) in put_off), default=None)
