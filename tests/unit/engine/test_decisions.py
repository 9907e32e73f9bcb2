"""The pure parts: how a round reads, what an error leads to, what is deleted, what a run amounts to."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from syncd.config.model import MaxDelete
from syncd.engine.chain import Endless
from syncd.engine.pacing import backoff
from syncd.engine.policy import Failure, decide, describe
from syncd.engine.ports import (
    Absence,
    Counts,
    PartitionState,
    Pending,
    PendingOrigin,
    PendingState,
    RunStatus,
    SettleView,
    StaleRound,
    StreamSpec,
)
from syncd.engine.round import plan_round
from syncd.engine.settle import decide as settle
from syncd.engine.verdict import Facts, verdict
from syncd.engine.work import Outcome
from syncd.sdk import (
    DELTA,
    FULL,
    AccountGone,
    AuthFailed,
    ContentUnavailable,
    CursorExpired,
    Forbidden,
    Identity,
    PartitionGone,
    ProtocolError,
    RateLimited,
    StreamInfo,
    SyncdError,
    Transient,
    VersionConflict,
    conceal,
)
from syncd.sdk.errors import Next

NOW = datetime(2026, 1, 10, tzinfo=UTC)
SPEC = StreamSpec("acme", StreamInfo("items"), "same")
FULL_ONLY = StreamSpec("acme", StreamInfo("items", scans={FULL}), "same")


def state(**changes: object) -> PartitionState:
    values: dict[str, object] = {"cursor": "c", "options_digest": "same", "full_at": NOW - timedelta(days=1)}
    return PartitionState(**{**values, **changes})  # type: ignore[arg-type]


def cut(scan: object = FULL, days: float = 1, **changes: object) -> PartitionState:
    values = {"resume": "r", "resume_scan": scan, "resume_began_at": NOW - timedelta(days=days)}
    return state(**{**values, "resume_options_digest": "same", **changes})


@pytest.mark.parametrize(
    ("given", "scan", "cursor"),
    [
        (state(), DELTA, "c"),
        (state(cursor=None, options_digest=None, full_at=None), FULL, None),
        (state(options_digest="other"), FULL, None),
        (state(full_due=True), FULL, None),
        (state(full_at=NOW - timedelta(days=30)), FULL, None),
        (state(full_at=NOW - timedelta(days=29)), DELTA, "c"),
        (state(full_at=None), FULL, None),
    ],
)
def test_how_a_round_reads(given: PartitionState, scan: object, cursor: object) -> None:
    plan = plan_round(given, SPEC, NOW, full_every=timedelta(days=30))
    assert (plan.scan, plan.cursor, plan.resume) == (scan, cursor, False)


def test_a_stream_may_ask_for_full_rounds_more_often() -> None:
    spec = StreamSpec("acme", StreamInfo("items", full_every=timedelta(hours=12)), "same")
    assert plan_round(state(), spec, NOW, full_every=timedelta(days=30)).scan is FULL


def test_a_stream_without_deltas_reads_everything_and_one_without_full_rounds_never_does() -> None:
    assert plan_round(state(), FULL_ONLY, NOW).scan is FULL
    spec = StreamSpec("acme", StreamInfo("items", scans={DELTA}), "same")
    assert plan_round(state(cursor=None, full_due=True), spec, NOW, True).scan is DELTA


def test_a_full_round_that_was_asked_for() -> None:
    assert plan_round(state(), SPEC, NOW, True).scan is FULL


def test_only_changed_options_of_a_completed_round_change_the_scope() -> None:
    assert plan_round(state(options_digest="other"), SPEC, NOW).scope_changed
    assert not plan_round(state(cursor=None, options_digest=None), SPEC, NOW).scope_changed
    assert not plan_round(state(full_due=True), SPEC, NOW).scope_changed


@pytest.mark.parametrize(
    ("given", "goes_on"),
    [
        (cut(cursor=None, options_digest=None, full_at=None), True),
        (cut(DELTA), True),
        (cut(FULL), False),  # a delta round will do
        (cut(DELTA, full_due=True), False),
        (cut(FULL, full_due=True), True),
        (cut(DELTA, resume_options_digest="other"), False),
        (cut(FULL, full_due=True, days=8), False),
    ],
)
def test_a_round_that_was_cut_goes_on_if_it_still_fits(given: PartitionState, goes_on: bool) -> None:
    plan = plan_round(given, SPEC, NOW)
    assert (plan.resume, plan.cursor == "r") == (goes_on, goes_on)


def test_a_request_for_a_full_round_supersedes_one_that_began_before() -> None:
    asked = NOW - timedelta(hours=1)
    assert not plan_round(cut(FULL, 1), SPEC, NOW, True, None, asked).resume
    assert plan_round(cut(FULL, 0.01), SPEC, NOW, True, None, asked).resume


# -- errors


@pytest.mark.parametrize(
    ("error", "failure", "then", "code"),
    [
        (RateLimited(retry_after=9), Failure(), Next.WAIT, "SYN-RATE-001"),
        (Transient(), Failure(), Next.RETRY, "SYN-NET-001"),
        (Transient(), Failure(4), Next.FAIL, "SYN-NET-001"),
        (Transient(), Failure(1, 60), Next.FAIL, "SYN-NET-001"),
        (Transient(exhausted=True), Failure(), Next.FAIL, "SYN-NET-001"),
        (Endless("for ever"), Failure(), Next.FAIL, "SYN-PROTO-001"),
        (httpx.InvalidURL("too long"), Failure(), Next.RETRY, "SYN-PROTO-001"),
        (ProtocolError(), Failure(), Next.RETRY, "SYN-PROTO-001"),
        (ProtocolError(), Failure(4), Next.FAIL, "SYN-PROTO-001"),
        (CursorExpired(), Failure(), Next.FULL_ROUND, "SYN-CURSOR-001"),
        (CursorExpired(), Failure(restarts=2), Next.FULL_ROUND, "SYN-CURSOR-001"),
        (CursorExpired(), Failure(restarts=3), Next.FAIL, "SYN-CURSOR-002"),
        (AuthFailed(), Failure(), Next.PAUSE, "SYN-AUTH-001"),
        (Forbidden(), Failure(), Next.SKIP, "SYN-AUTH-002"),
        (AccountGone(), Failure(), Next.SKIP_ACCOUNT, "SYN-ACCOUNT-001"),
        (PartitionGone(), Failure(), Next.FORGET, "SYN-PARTITION-001"),
        (ContentUnavailable("x"), Failure(), Next.FAIL, "SYN-CONTENT-001"),
        (VersionConflict(), Failure(), Next.FAIL, "SYN-WRITE-001"),
        (SyncdError("own", code="X-1"), Failure(), Next.FAIL, "X-1"),
        (StaleRound(), Failure(), Next.FAIL, "SYN-RUN-003"),
        (KeyError("x"), Failure(), Next.FAIL, "SYN-PLUGIN-001"),
        (httpx.ReadTimeout("x"), Failure(), Next.RETRY, "SYN-NET-001"),
    ],
)
def test_what_an_error_leads_to(error: BaseException, failure: Failure, then: Next, code: str) -> None:
    decision = decide(error, failure, random.Random(1))
    assert (decision.next, decision.code) == (then, code)


def test_every_class_of_error_has_its_line_in_the_table_above() -> None:
    table = {row[0].__class__ for row in test_what_an_error_leads_to.pytestmark[0].args[1]}  # type: ignore[attr-defined]
    assert set(SyncdError.__subclasses__()) - table <= {
        kind for kind in SyncdError.__subclasses__() if kind.__module__ != "syncd.sdk.errors"
    }


def test_backoff_doubles_with_jitter_up_to_a_minute() -> None:
    rng = random.Random(3)
    for tries in range(12):
        wait = backoff(tries, rng)
        assert min(2.0**tries, 64) <= wait <= min(2.0 ** (tries + 1), 64)


def test_errors_are_described_with_hint_traceback_and_no_secrets() -> None:
    conceal("hunter2-hunter2")
    try:
        raise ValueError("hunter2-hunter2 in a message")
    except ValueError as error:
        entry = describe(error, stream="items", account="ann", partition="")
    assert entry.code == "SYN-PLUGIN-001"
    assert "hunter2" not in entry.message + (entry.detail or "")
    assert "Traceback" in (entry.detail or "")
    assert entry.partition is None
    assert entry.hint
    own = describe(AuthFailed("no", hint="sign in again"))
    assert (own.hint, own.detail) == ("sign in again", None)


# -- deletions


def proposal(key: int, partition: int = 1, *, mark: int = 10, **changes: object) -> Pending:
    values: dict[str, object] = {"origin": PendingOrigin.REPORTED, "state": PendingState.OPEN, "misses": 0, "run": 7}
    return Pending(key, f"id{key}", partition, mark=mark, **{**values, **changes})  # type: ignore[arg-type]


def view(*pending: Pending, live: int = 1000, partitions: tuple[Absence, ...] = (), **changes: object) -> SettleView:
    values: dict[str, object] = {"identity": Identity.ACCOUNT, "stable_listing": True, "run": 7}
    return SettleView(live=live, pending=pending, partitions=partitions, **{**values, **changes})  # type: ignore[arg-type]


QUARTER = MaxDelete()
ONE = (Absence(1, 11, False),)


def test_one_partition_confirms_at_once() -> None:
    assert settle(view(proposal(5), partitions=ONE), QUARTER).delete == (5,)


def test_identity_of_the_partition_confirms_at_once() -> None:
    two = (Absence(1, 11, False), Absence(2, 3, False))
    assert settle(view(proposal(5), partitions=two, identity=Identity.PARTITION), QUARTER).delete == (5,)


def test_others_must_have_finished_a_round_that_began_after() -> None:
    two = (Absence(1, 9, False), Absence(2, 10, False), Absence(3, 11, False))
    plan = settle(view(proposal(5), partitions=two), QUARTER, final=False)
    assert (plan.delete, dict(plan.look_again)) == ((), {2: DELTA})
    later = (Absence(1, 9, False), Absence(2, 12, False), Absence(3, 11, False))
    assert settle(view(proposal(5), partitions=later), QUARTER).delete == (5,)


def test_a_skipped_partition_counts_as_through() -> None:
    two = (Absence(1, 9, False), Absence(2, 0, True))
    assert settle(view(proposal(5), partitions=two), QUARTER).delete == (5,)


def test_a_vanished_partition_waits_for_those_that_are_left() -> None:
    gone = proposal(5, 9, origin=PendingOrigin.VANISHED)
    assert dict(settle(view(gone, partitions=(Absence(1, 10, False),)), QUARTER).look_again) == {1: DELTA}
    assert settle(view(gone, partitions=()), QUARTER).delete == (5,)


def test_listings_by_position_must_miss_twice() -> None:
    once = proposal(5, origin=PendingOrigin.SWEEP, misses=1)
    plan = settle(view(once, partitions=ONE, stable_listing=False), QUARTER, final=False)
    assert dict(plan.look_again) == {1: FULL}
    twice = proposal(5, origin=PendingOrigin.SWEEP, misses=2)
    assert settle(view(twice, partitions=ONE, stable_listing=False), QUARTER).delete == (5,)
    reported = proposal(5)
    assert settle(view(reported, partitions=ONE, stable_listing=False), QUARTER).delete == (5,)


def test_nothing_is_decided_before_all_second_looks() -> None:
    two = (Absence(1, 11, False), Absence(2, 10, False))
    sure, unsure = proposal(5, 2, mark=5), proposal(6, 1)
    assert settle(view(sure, unsure, partitions=two), QUARTER, final=False).delete == ()
    assert settle(view(sure, unsure, partitions=two), QUARTER, final=True).delete == (5,)


@pytest.mark.parametrize(
    ("count", "live", "max_delete", "held"),
    [
        (9, 9, QUARTER, False),  # below ten never
        (10, 40, QUARTER, False),  # exactly a quarter
        (10, 39, QUARTER, True),  # more than a quarter
        (10, 100, MaxDelete(0.0), True),
        (1000, 1000, MaxDelete(1.0), False),
        (5, 1000, MaxDelete(None, 5), False),
        (6, 1000, MaxDelete(None, 5), True),
    ],
)
def test_the_brake(count: int, live: int, max_delete: MaxDelete, held: bool) -> None:
    plan = settle(view(*map(proposal, range(count)), live=live, partitions=ONE), max_delete)
    assert (len(plan.hold), len(plan.delete)) == ((count, 0) if held else (0, count))


def test_an_empty_listing_is_held_however_few() -> None:
    empty = proposal(5, origin=PendingOrigin.SWEEP, misses=1, empty_listing=True)
    assert settle(view(empty, partitions=ONE), QUARTER).hold == (5,)


def test_held_ones_stay_held_and_count_for_the_brake_when_missed_again() -> None:
    old = [proposal(n, state=PendingState.HELD, origin=PendingOrigin.SWEEP) for n in range(8)]
    fresh = [proposal(n) for n in range(8, 12)]
    plan = settle(view(*old, *fresh, live=40, partitions=ONE), QUARTER)
    assert (plan.delete, plan.hold) == ((), (8, 9, 10, 11))
    others = [proposal(n, state=PendingState.HELD, run=3) for n in range(8)]
    plan = settle(view(*others, *fresh, live=40, partitions=ONE), QUARTER)
    assert (plan.delete, plan.hold) == ((8, 9, 10, 11), ())


# -- what it amounts to


def facts(*outcomes: Outcome, counts: Counts | None = None, **changes: object) -> Facts:
    return Facts(counts or Counts(), outcomes=Counter(outcomes), **changes)  # type: ignore[arg-type]


DONE, FAILED, SKIPPED, GONE = Outcome.COMPLETED, Outcome.FAILED, Outcome.SKIPPED, Outcome.GONE
DEFERRED, CANCELLED = Outcome.DEFERRED, Outcome.CANCELLED


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (facts(DONE), RunStatus.COMPLETED),
        (facts(), RunStatus.COMPLETED),
        (facts(DONE, GONE), RunStatus.COMPLETED),
        (facts(GONE), RunStatus.COMPLETED),
        (facts(DONE, FAILED), RunStatus.PARTIAL),
        (facts(DONE, SKIPPED), RunStatus.PARTIAL),
        (facts(DONE, DEFERRED), RunStatus.PARTIAL),
        (facts(DEFERRED), RunStatus.PARTIAL),
        (facts(DONE, Outcome.LOST), RunStatus.PARTIAL),
        (facts(DONE, counts=Counts(failed=1, listed=1)), RunStatus.PARTIAL),
        (facts(DONE, trouble=True), RunStatus.PARTIAL),
        (facts(DONE, FAILED, held=3), RunStatus.HELD),
        (facts(DONE, CANCELLED, held=3), RunStatus.CANCELLED),
        (facts(DONE, cut=True), RunStatus.CANCELLED),
        (facts(FAILED), RunStatus.FAILED),
        (facts(FAILED, FAILED, pages=2), RunStatus.PARTIAL),
        (facts(SKIPPED), RunStatus.FAILED),
        (facts(DONE, Outcome.REFUSED, CANCELLED), RunStatus.FAILED),
        (facts(DONE, broken=True), RunStatus.FAILED),
        (facts(DONE, counts=Counts(new=1, listed=2)), RunStatus.FAILED),
        (facts(DONE, counts=Counts(new=2, listed=2), listed=3), RunStatus.FAILED),
        (facts(DONE, balanced=False), RunStatus.FAILED),
        (facts(DONE, counts=Counts(deleted=2, absent=2)), RunStatus.COMPLETED),
    ],
)
def test_what_a_run_amounts_to(given: Facts, status: RunStatus) -> None:
    assert verdict(given) is status


def test_all_deferred_is_told_apart() -> None:
    assert facts(DEFERRED, DEFERRED, GONE).all_deferred
    assert not facts(DEFERRED, DONE).all_deferred
    assert not facts(DEFERRED, FAILED).all_deferred
    assert not facts(DEFERRED, pages=1).all_deferred
