"""The suite catches what it promises to catch, and says so where it cannot."""

import asyncio

import hostile_doors  # noqa: F401 - registers its own
import pytest
from hostile import HOSTILE, UNCAUGHT

from syncd.sdk import Connector
from syncd.testing import Case
from syncd.testing.checks import CHECKS, run_checks
from syncd.testing.notes import NotesSource


def case(connector: type[Connector], stream: str, seeds: int = 5) -> Case:
    return Case(connector(), stream, lambda seed: NotesSource(seed, stream), seeds=seeds)


@pytest.mark.parametrize("bug", HOSTILE)
def test_the_suite_catches(bug: str) -> None:
    connector, stream, check = HOSTILE[bug]
    (outcome,) = asyncio.run(run_checks(case(connector, stream), [check]))
    assert outcome.status == "failed", f"{check} let {bug} pass ({outcome.status}: {outcome.message})"
    assert "[seed " in outcome.message


def test_every_check_has_a_connector_that_it_catches() -> None:
    elsewhere = {
        "summaries_have_the_fields_of_their_kind": "tests/unit/testing/test_validate.py",
        "a_slow_source_changes_nothing": "the same faults as a_fault_at_any_request_is_waited_out",
        "a_dead_source_is_an_error": "the same faults as a_fault_at_any_request_is_waited_out",
        "malformed_answers_to_deltas_do_no_harm": "the same forms as for listings",
        "a_cut_round_sees_what_changed_meanwhile": "the same bugs as a_round_can_be_cut_at_every_page",
    }
    assert {check for _, _, check in HOSTILE.values()} | elsewhere.keys() == CHECKS.keys()


@pytest.mark.parametrize("bug", UNCAUGHT)
def test_the_suite_cannot_catch(bug: str) -> None:
    names = [name for name in CHECKS if not name.startswith(("malformed", "memory"))]
    outcomes = asyncio.run(run_checks(case(UNCAUGHT[bug], "notes", seeds=1), names))
    assert not [outcome for outcome in outcomes if outcome.status == "failed"], "caught: tell docs/connectors.md"


@pytest.mark.nightly
@pytest.mark.parametrize("bug", HOSTILE)
def test_what_else_catches(bug: str) -> None:
    connector, stream, check = HOSTILE[bug]
    outcomes = asyncio.run(run_checks(case(connector, stream, seeds=2)))
    caught = [outcome.name for outcome in outcomes if outcome.status == "failed"]
    print(bug, caught)
    assert check in caught
