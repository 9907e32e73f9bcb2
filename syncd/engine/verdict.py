"""What a run, or a stream of it, amounts to.

Public: verdict (pure), Facts.

failed > cancelled > held > partial > completed: the worst that applies. Success is what is left when nothing is missing.
"""

from collections import Counter
from dataclasses import dataclass, field

from syncd.engine.ports import Counts, RunStatus
from syncd.engine.work import Outcome

__all__ = ["Facts", "verdict"]


@dataclass(slots=True)
class Facts:
    """What is known at the end. `counts`: read back from the store; `listed`: what was handed to it; `whole`: no round
    was cut, so that the two can be compared; `trouble`: an error that belongs to no partition; `broken`: one that ended
    the run."""

    counts: Counts = field(default_factory=Counts)
    balanced: bool = True
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    pages: int = 0
    listed: int = 0
    whole: bool = True
    held: int = 0
    broken: bool = False
    cut: bool = False
    trouble: bool = False

    @property
    def ledger_holds(self) -> bool:
        """Every item listed has exactly one outcome, and none that was handed over is missing."""
        return self.balanced and self.counts.balanced and (not self.whole or self.counts.listed >= self.listed)

    @property
    def nothing_done(self) -> bool:
        """Something went wrong, and nothing went right."""
        done = self.outcomes[Outcome.COMPLETED] or self.pages
        return not done and bool(self.outcomes[Outcome.FAILED] or self.outcomes[Outcome.SKIPPED])

    @property
    def all_deferred(self) -> bool:
        """The provider asked everybody to come back later."""
        rest = set(self.outcomes) - {Outcome.DEFERRED, Outcome.GONE}
        return self.outcomes[Outcome.DEFERRED] > 0 and not self.pages and not any(self.outcomes[one] for one in rest)

    def add(self, other: "Facts") -> None:
        """Make these the facts of both."""
        self.counts.add(other.counts)
        self.balanced &= other.ledger_holds
        self.outcomes.update(other.outcomes)
        self.pages += other.pages
        self.listed += other.listed
        self.whole &= other.whole
        self.held += other.held
        self.broken |= other.broken
        self.cut |= other.cut
        self.trouble |= other.trouble


_TROUBLE = (Outcome.FAILED, Outcome.SKIPPED, Outcome.DEFERRED, Outcome.LOST)


def verdict(facts: Facts) -> RunStatus:
    """The status that these facts amount to."""
    if facts.broken or facts.outcomes[Outcome.REFUSED] or not facts.ledger_holds or facts.nothing_done:
        return RunStatus.FAILED
    if facts.cut or facts.outcomes[Outcome.CANCELLED]:
        return RunStatus.CANCELLED
    if facts.held or facts.counts.held:
        return RunStatus.HELD
    if facts.trouble or facts.counts.failed or any(facts.outcomes[one] for one in _TROUBLE):
        return RunStatus.PARTIAL
    return RunStatus.COMPLETED
