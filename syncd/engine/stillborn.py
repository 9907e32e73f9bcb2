"""A run that cannot begin, because its connection cannot be put together: it fails, and says why, like any other.

Public: Stillborn.
"""

from syncd.engine.events import Progress, RunFinished
from syncd.engine.log import about, logger
from syncd.engine.policy import describe
from syncd.engine.ports import Counts, RunStatus, Store
from syncd.engine.report import AUTH, RunReport
from syncd.sdk import AuthFailed, Clock, SyncdError

__all__ = ["Stillborn"]

log = logger()


class Stillborn:
    """Like Run, for a run that is over before it begins."""

    def __init__(self, store: Store, clock: Clock, run: int, error: Exception, progress: Progress) -> None:
        self._store = store
        self._clock = clock
        self._run = run
        self._error = error
        self._progress = progress

    async def execute(self) -> RunReport:
        entry = describe(self._error)
        reason = AUTH if isinstance(self._error, AuthFailed) else entry.code
        await self._store.add_errors(self._run, [entry])
        await self._store.finish_run(
            self._run, RunStatus.FAILED, self._clock.now(), counts=Counts(), requests=0, streams=(), reason=reason
        )
        row = await self._store.get_run(self._run)
        if row is None:
            raise SyncdError(f"run {self._run} is not in the store", code="SYN-STATE-002")
        self._progress.publish(RunFinished(row.id, row.sync, row.status, row.counts, 0))
        report = RunReport.of(row)
        with about(run=row.id, sync=row.sync, connection=row.connection):
            report.log(log)
        return report
