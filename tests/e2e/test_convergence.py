"""Whatever the order in which facts and requests arrive, and however often each does, the end is the same."""

import os
import secrets
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest

from support.consumer import Data
from support.convergence import ConvergenceServers, Outcome, report
from support.workload import Workload, workload
from unenroll.core.calendar import Calendar
from unenroll.core.outcomes import EnrollmentOutcome
from unenroll.core.outcomes import Outcome as Answer
from unenroll.core.settle import settle
from unenroll.core.standings import Rule
from unenroll.sandbox.servers import ServerAddresses

ACCOUNTS = 200
ORDERS = 4  # of 20 with `make campaign-convergence`
NOTHING_LEFT = Answer.NOTHING_LEFT.value


@pytest.fixture(scope="module")
def many() -> Workload:
    """Another workload in each session, unless the seed is given."""
    seed = int(os.environ.get("UNENROLL_TEST_SEED") or secrets.randbelow(2**32))
    print(f"UNENROLL_TEST_SEED={seed}")  # noqa: T201 - shown if the test fails, however it does
    return workload(seed, ACCOUNTS)


def test_crowds_reach_every_rule_and_every_answer_that_a_fact_can_change() -> None:
    histories = [history for seed in range(10) for history in workload(seed, ACCOUNTS).histories]
    settled = [settle(history.account(), history.target, history.calendar) for history in histories]
    assert {standing.rule for one in settled for standing in one.standings.values()} == set(Rule)
    assert {result.outcome for one in settled for result in one.enrollments.values()} == set(EnrollmentOutcome)
    assert {result.outcome for one in settled for result in one.leaves.values()} == {
        Answer.NOT_ENROLLED,
        Answer.ALREADY_UNENROLLED,
        Answer.NOTHING_LEFT,
        Answer.UNENROLLED,
    }


def test_crowds_have_accounts_that_wait_for_cycles_because_of_a_leave_or_because_of_an_enrollment() -> None:
    because: Counter[tuple[bool, bool]] = Counter()
    for seed in range(10):
        many = workload(seed, ACCOUNTS)
        for history in many.histories:
            account, cycles = history.account(), many.grown[history.group_id][0]
            without_rewards = account._replace(rewards=())  # they may be of cycles that are not known yet
            young = settle(without_rewards, history.target, Calendar(history.calendar.cycles[:cycles]))
            leaves = any(one.outcome is Answer.NOTHING_LEFT for one in young.leaves.values())
            enrollments = any(one.outcome is EnrollmentOutcome.NO_CYCLE_LEFT for one in young.enrollments.values())
            because[leaves, enrollments] += 1
    assert because[True, False] > ACCOUNTS
    assert because[False, True] > ACCOUNTS / 10


@pytest.mark.timeout(900)
async def test_in_every_order_of_arrival_the_end_is_that_of_all_the_facts_at_once(
    servers: ServerAddresses, template: str, prefix: str, many: Workload
) -> None:
    stage = ConvergenceServers(servers=servers, template=template, prefix=prefix)
    outcomes = await stage.play(many, range(ORDERS))
    assert not report(many, outcomes), report(many, outcomes)
    assert len(outcomes) == ORDERS
    assert {*_turns(outcomes)} >= {
        "superseded",
        "reinstated",
        "VOID became REVERSE",
        "cut moved",
        "left once there were cycles",
    }, many.seed


def _turns(outcomes: Iterable[Outcome]) -> Counter[str]:
    """What late facts did on the way. Without these the orders would show nothing."""
    turns: Counter[str] = Counter()
    for outcome in outcomes:
        for told in outcome.received.left.values():
            turns["superseded"] += sum(data["supersedes"] is not None for data in told)
            turns["cut moved"] += len(told) - len({data["unenrollmentId"] for data in told})
        turns["left once there were cycles"] += sum(
            outcome.received.rejected.get((customer, data["requestSource"], data["requestId"])) == [NOTHING_LEFT]
            for (customer, _), told in outcome.received.left.items()
            for data in told
        )
        for told in outcome.received.rewards.values():
            turns.update(_turn(one, other) for one, other in pairwise(told))
    return +turns


def _turn(earlier: Data, later: Data) -> str:
    if later["type"] == "RewardReinstated":
        return "reinstated"
    if earlier["type"] == "RewardReinstated":
        return "cancelled again"
    return f"{earlier['action']} became {later['action']}"
