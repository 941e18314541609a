"""The checker holds a good history for good, and catches each way in which it could be bad, by the right name."""

from functools import cache

import pytest

from checker.bad_records import bad_records
from checker.history import History
from checker.imagined_history import imagined
from checker.imagined_lanes import PREFIX
from checker.mutants_of_ours import OF_OURS, with_something_to_publish
from checker.mutants_of_tables import OF_TABLES
from checker.mutants_of_topics import OF_TOPICS
from checker.verdict import INVARIANTS, violations
from support.workload import workload

MUTANTS = {**OF_TOPICS, **OF_TABLES, **OF_OURS}


@cache
def good(seed: int = 1) -> History:
    many = workload(seed, 40)
    return imagined(many, bad=bad_records(many))


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_good_history_has_nothing_to_complain_of(seed: int) -> None:
    assert violations(good(seed)) == {}


def test_the_good_history_has_something_of_everything() -> None:
    assert all(len(part) > 3 for part in (good().dead, good().ledger, good().publications, good().samples))
    words = ("unenrollments", "rejections", "rewards", "dead-letters")
    assert {seen.topic for seen in good().visible} == {PREFIX + word for word in words}
    assert len(good().present) > len(good().visible)
    assert len(good().inputs) > len(good().ledger) + len(good().dead)
    assert sum(row.lane_id is None for row in good().ledger) == len(good().loaded) > 3
    assert with_something_to_publish(good(), "SettlementDue")


@pytest.mark.parametrize("name", MUTANTS)
def test_a_bad_history_is_caught_by_the_invariant_that_is_meant_for_it(name: str) -> None:
    caught_by, mutate = MUTANTS[name]
    assert caught_by in violations(mutate(good()))


def test_each_invariant_catches_some_mutant() -> None:
    assert {caught_by for caught_by, _ in MUTANTS.values()} == {invariant.__name__ for invariant in INVARIANTS}
