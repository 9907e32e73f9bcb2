"""What `syncd status` says.

Public: status.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from syncd.config.model import SyncConfig
from syncd.engine.ports import RunRow
from syncd.engine.report import DEFERRED, counts_json
from syncd.store import StreamNumbers, SyncState

from .parts import Parts
from .pauses import Pauses, enabled
from .views import channel_problem, listen_problem, problem_json, time_json

__all__ = ["status"]

Numbers = Mapping[tuple[str, str], StreamNumbers]


async def status(parts: Parts, pauses: Pauses, names: Collection[str] | None = None) -> dict[str, Any]:
    """The object of `status --json`; with `names` of these syncs only."""
    config = parts.config  # one and the same throughout: a reload may come in between
    states = await pauses.states(config)
    syncs = [sync for name, sync in sorted(config.syncs.items()) if names is None or name in names]
    wanted = [(sync.connection, stream) for sync in syncs for stream in sync.streams]
    found = await parts.store.numbers(wanted)
    numbers = {(one.connection, one.stream): one for one in found}
    running, over = await parts.store.latest_runs([sync.name for sync in syncs])
    return {
        "daemon": parts.daemon,
        "problems": [
            *[problem_json(problem) for problem in parts.problems],
            *([listen_problem(parts.unreachable)] if parts.unreachable else []),
            *[channel_problem(one) for one in await parts.notices.channels() if one.error is not None],
        ],
        "syncs": [
            _card(parts, sync, states[sync.name], numbers, sync.name in running, over.get(sync.name)) for sync in syncs
        ],
    }


def _card(
    parts: Parts, sync: SyncConfig, state: SyncState, numbers: Numbers, now_running: bool, last: RunRow | None
) -> dict[str, Any]:
    on = enabled(sync, state)
    streams = [numbers[sync.connection, stream] for stream in sync.streams]
    waits = parts.daemon is not None and on and state.paused is None
    return {
        "name": sync.name,
        "connection": sync.connection,
        "enabled": on,
        "state": _state(now_running, on, state, streams, last),
        "paused": _paused(state),
        "next_run": time_json(state.next_due_at) if waits else None,
        "last_run": None if last is None else _last(last),
        "streams": [_stream(parts, one) for one in streams],
    }


def _state(now_running: bool, on: bool, state: SyncState, streams: Sequence[StreamNumbers], last: RunRow | None) -> str:
    """The first that applies: what is happening, then what a person decided, then what waits for one."""
    if now_running:
        return "running"
    if not on:
        return "disabled"
    if state.paused is not None:
        return "paused"
    if any(one.held for one in streams):
        return "held"
    return "waiting" if last is not None and last.reason == DEFERRED else "idle"


def _paused(state: SyncState) -> dict[str, Any] | None:
    if state.paused is None:
        return None
    return {"code": state.code, "reason": state.reason, "since": time_json(state.since)}


def _last(row: RunRow) -> dict[str, Any]:
    return {
        "run": row.id,
        "status": str(row.status),
        "finished_at": time_json(row.finished_at),
        "counts": counts_json(row.counts),
    }


def _stream(parts: Parts, one: StreamNumbers) -> dict[str, Any]:
    fresh = one.freshness(parts.clock.now())
    return {
        "stream": one.stream,
        "accounts": one.accounts,
        "records": one.records,
        "freshness_s": None if fresh is None else round(fresh, 1),
    }
