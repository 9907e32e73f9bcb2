"""What is asked of a run, and what it answers.

Public: RunRequest, RunReport, counts_json, account_results and the reasons of a run (SHUTDOWN, RELOAD, …).
`RunReport.to_json()` is one element of `syncd sync --json` and of `syncd history --json`, key by key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncd.engine.log import Log
from syncd.engine.ports import AccountRow, Counts, RunError, RunRow, RunScope, RunStatus, Trigger

__all__ = [
    "AUTH",
    "CANCELLED",
    "DEFERRED",
    "RELOAD",
    "SHUTDOWN",
    "RunReport",
    "RunRequest",
    "account_results",
    "counts_json",
]

# `RunRow.reason`: why a run was cancelled, failed, or could do nothing yet.
SHUTDOWN = "shutdown"
RELOAD = "reload"
CANCELLED = "cancelled"  # by a person
AUTH = "credential refused"
DEFERRED = "deferred"  # the provider asked every partition to come back later

OUTCOMES = ("new", "updated", "unchanged", "deleted", "failed", "held", "pending", "skipped")
_EXIT = {
    RunStatus.COMPLETED: 0,
    RunStatus.FAILED: 1,
    RunStatus.CANCELLED: 1,
    RunStatus.PARTIAL: 3,
    RunStatus.HELD: 4,
    RunStatus.RUNNING: 0,
}


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Run a sync. `dry_run`: read and compare, write nothing."""

    sync: str
    trigger: Trigger = Trigger.MANUAL
    scope: RunScope = field(default_factory=RunScope)
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run as shown to people. `streams`: {stream, status, accounts, counts} each; `run` is None for a dry run.

    `accounts` of a stream is how many accounts the run covered there.
    """

    run: int | None
    sync: str
    trigger: Trigger
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None
    counts: Counts
    requests: int
    streams: Sequence[Mapping[str, Any]] = ()
    errors: Sequence[RunError] = ()
    error_count: int = 0
    reason: str | None = None
    dry_run: bool = False
    accounts: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @classmethod
    def of(cls, row: RunRow) -> "RunReport":
        """The report of a run as the store keeps it."""
        return cls(
            row.id,
            row.sync,
            row.trigger,
            row.status,
            row.started_at,
            row.finished_at,
            row.counts,
            row.requests,
            row.streams,
            row.errors,
            row.error_count or len(row.errors),
            row.reason,
        )

    @property
    def auth_failed(self) -> bool:
        """The credential of the connection was refused: the caller pauses its syncs."""
        return self.status is RunStatus.FAILED and self.reason == AUTH

    @property
    def deferred(self) -> bool:
        """Nothing could be done yet: the provider asked every partition to come back later."""
        return self.reason == DEFERRED

    @property
    def exit_code(self) -> int:
        """What a command that ran this exits with (DESIGN §4)."""
        if self.auth_failed:
            return 77
        if self.deferred and self.status in (RunStatus.PARTIAL, RunStatus.FAILED):
            return 75
        return _EXIT[self.status]

    @property
    def duration_s(self) -> float | None:
        return None if self.finished_at is None else round((self.finished_at - self.started_at).total_seconds(), 3)

    def log(self, log: Log) -> None:
        """The line that stands for the whole run, with what was met first if something was the matter."""
        good = self.status in (RunStatus.COMPLETED, RunStatus.CANCELLED)
        counts = {name: count for name, count in counts_json(self.counts).items() if count}
        facts: dict[str, Any] = {"status": str(self.status), **counts, "requests": self.requests}
        if self.reason:
            facts["reason"] = self.reason
        if self.errors:
            first = self.errors[0]
            facts.update(errors=self.error_count, code=first.code, error=first.message)
        (log.info if good else log.warning)("run ended", **facts, seconds=self.duration_s)

    def to_json(self, *, accounts: bool = False) -> dict[str, Any]:
        """The object of `sync --json`; with `accounts` each stream carries its `account_results` too."""
        return {
            "run": self.run,
            "sync": self.sync,
            "trigger": str(self.trigger),
            "status": str(self.status),
            "started_at": _time(self.started_at),
            "finished_at": _time(self.finished_at),
            "duration_s": self.duration_s,
            "counts": counts_json(self.counts),
            "requests": self.requests,
            "streams": [self._stream(entry, accounts) for entry in self.streams],
            "errors": [_error(error) for error in self.errors],
        }

    def _stream(self, entry: Mapping[str, Any], accounts: bool) -> dict[str, Any]:
        out = {key: entry[key] for key in ("stream", "status", "accounts", "counts")}
        if accounts:
            out["account_results"] = list(self.accounts.get(entry["stream"], entry.get("troubled", ())))
        return out


def counts_json(counts: Counts) -> dict[str, int]:
    """The eight outcomes, as everywhere in JSON."""
    return {name: getattr(counts, name) for name in OUTCOMES}


def account_results(
    row: RunRow, ledger: Mapping[tuple[int, str], Counts], accounts: Sequence[AccountRow]
) -> dict[str, list[dict[str, Any]]]:
    """Per stream, what became of each account: {account, status, counts}, for `syncd show`.

    `ledger` is `Store.run_counts(row.id)`. Accounts where nothing but `unchanged` was met may be absent from it.
    """
    labels = {account.id: account.label for account in accounts}
    out: dict[str, list[dict[str, Any]]] = {}
    for entry in row.streams:
        stream = entry["stream"]
        states = {one["account"]: one["status"] for one in entry.get("troubled", ())}
        rows = {labels.get(a, str(a)): counts for (a, s), counts in ledger.items() if s == stream}
        out[stream] = [
            {
                "account": label,
                "status": states.get(label, _status(rows.get(label))),
                "counts": counts_json(rows.get(label, Counts())),
            }
            for label in sorted(rows.keys() | states.keys())
        ]
    return out


def _status(counts: Counts | None) -> str:
    if counts is None:
        return str(RunStatus.COMPLETED)
    if counts.held:
        return str(RunStatus.HELD)
    return str(RunStatus.PARTIAL if counts.failed else RunStatus.COMPLETED)


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _error(error: RunError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "stream": error.stream,
        "account": error.account,
        "partition": error.partition,
        "source_id": error.source_id,
        "hint": error.hint,
    }
