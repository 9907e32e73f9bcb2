"""A run's books: what came of its parts, compared at the end with what the store has written down.

Public: Ledger (filled while the run goes on), finish (reads the ledger back, closes the run, gives the report).
"""

from collections.abc import Sequence
from typing import Any

from syncd.engine.policy import describe
from syncd.engine.ports import AccountRow, RunError, RunStatus
from syncd.engine.report import AUTH, DEFERRED, RunReport, counts_json
from syncd.engine.verdict import Facts, verdict
from syncd.engine.work import Outcome, RoundOutcome, RunWork
from syncd.sdk import SyncdError

__all__ = ["Ledger", "finish"]

TROUBLED = 1000  # accounts per stream that are named with the run


class Ledger:
    """Facts per stream, and those that belong to none. `cut`: parts were never begun, because the run was to stop."""

    def __init__(self, run: RunWork) -> None:
        self.run = run
        self.errors: list[RunError] = []
        self.cut = False
        self.trouble = False
        self.streams: dict[str, Facts] = {}
        self._own = Facts()
        self._accounts = 0
        self._troubled: dict[str, list[dict[str, str]]] = {}

    def begin(self, streams: Sequence[str], accounts: Sequence[AccountRow]) -> None:
        """The run knows what it covers."""
        self.streams = {name: Facts() for name in streams}
        self._troubled = {name: [] for name in streams}
        self._accounts = len(accounts)

    def count(self, stream: str, outcome: Outcome) -> None:
        self.streams[stream].outcomes[outcome] += 1

    def broke(self, outcome: Outcome, error: RunError) -> None:
        """Something ended the run as a whole."""
        self._own.outcomes[outcome] += 1
        self._own.broken = True
        self.errors.append(error)

    async def outcome(self, stream: str, result: RoundOutcome) -> None:
        """A partition came out, or an account's stream that could not be begun."""
        facts = self.streams[stream]
        facts.outcomes[result.outcome] += 1
        facts.pages += result.pages
        facts.listed += result.listed
        facts.whole &= result.outcome is Outcome.COMPLETED
        if result.error is not None:
            await self.run.note([result.error])

    def account(self, stream: str, account: AccountRow, outcomes: set[Outcome]) -> None:
        """An account's stream is through: keep its name if something was the matter."""
        rest = outcomes - {Outcome.COMPLETED}
        if rest and len(self._troubled[stream]) < TROUBLED:
            status = "partial" if Outcome.COMPLETED in outcomes else str(min(rest))
            self._troubled[stream].append({"account": account.label, "status": status})

    async def close(self) -> tuple[Facts, list[dict[str, Any]]]:
        """Read back what the store has, and judge each stream and the run by it."""
        run = self.run
        total = Facts(trouble=self.trouble, cut=self.cut)
        total.add(self._own)
        total.whole = True
        for (_, stream), counts in (await run.store.run_counts(run.run)).items():
            facts = self.streams.setdefault(stream, Facts())
            facts.counts.add(counts)
            facts.balanced &= counts.balanced
        entries = []
        for name, facts in self.streams.items():
            facts.held = await run.store.held(run.connection.name, [name])
            self._explain(name, facts)
            total.add(facts)
            entries.append(self._entry(name, facts))
        total.whole, total.listed = False, 0  # compared stream by stream above
        return total, entries

    def _entry(self, name: str, facts: Facts) -> dict[str, Any]:
        return {
            "stream": name,
            "status": str(verdict(facts)),
            "accounts": self._accounts,
            "counts": counts_json(facts.counts),
            "troubled": self._troubled.get(name, []),
        }

    def _explain(self, name: str, facts: Facts) -> None:
        if not facts.ledger_holds:
            text = f"{facts.listed} items were handed over, the ledger shows {facts.counts.listed} and outcomes for "
            text += f"{facts.counts.outcomes - facts.counts.absent}"
            self.errors.append(describe(SyncdError(text, code="SYN-RUN-004"), stream=name))
        if facts.held:
            text = f"{facts.held} deletions wait for a decision"
            self.errors.append(describe(SyncdError(text, code="SYN-HOLD-001"), stream=name))


async def finish(ledger: Ledger) -> RunReport:
    """Judge the run, close it in the store, and give its report as the store now shows it."""
    run = ledger.run
    facts, streams = await ledger.close()
    status = verdict(facts)
    if ledger.errors:
        await run.note(ledger.errors)
    await run.store.finish_run(
        run.run,
        status,
        run.clock.now(),
        counts=facts.counts,
        requests=run.progress.requests,
        streams=streams,
        reason=_reason(status, facts, ledger),
    )
    row = await run.store.get_run(run.run)
    if row is None:
        raise SyncdError(f"run {run.run} is not in the store", code="SYN-STATE-002")
    return RunReport.of(row)


def _reason(status: RunStatus, facts: Facts, ledger: Ledger) -> str | None:
    if facts.outcomes[Outcome.REFUSED]:
        return AUTH
    if facts.all_deferred:
        return DEFERRED
    if status is RunStatus.CANCELLED:
        return ledger.run.stop.reason
    if status is RunStatus.FAILED and ledger.errors:
        return ledger.errors[0].code
    return None
