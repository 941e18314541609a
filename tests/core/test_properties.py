"""Properties of every account, for any facts in any order of arrival."""

from collections.abc import Iterator, Sequence
from os import environ
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from core.histories import histories
from core.model import answer
from core.reader import Reader
from support.account_histories import AccountHistory
from unenroll.core.changes import RewardCancellation, RewardReinstatement, SettledAccount, Unenrollment
from unenroll.core.decide import AccountState, Decision, Rejection, decide, resettle
from unenroll.core.definitions import DefinitionSet
from unenroll.core.events import CustomerEnrolled, Event, EventId, RewardEarned, UnenrollRequested
from unenroll.core.outcomes import Outcome
from unenroll.core.settle import Settlement, awaits_cycles, settle
from unenroll.core.standings import RewardState, Rule

thorough = settings(max_examples=int(environ.get("EXAMPLES_PER_PROPERTY", "30")), deadline=None)


def settlement_of(history: AccountHistory) -> Settlement:
    return settle(history.account(), history.target, history.calendar)


def ends(settled: SettledAccount) -> object:
    """The settled state of an account, without revisions and without the leaves named in events."""
    return dict(settled.leaves), {key: (*one[:3], one.leave) for key, one in settled.rewards.items()}


def ends_at_once(history: AccountHistory) -> object:
    """The same state, from settling all facts together."""
    settlement = settlement_of(history)
    leaves = {key: (one.outcome, one.first_dropped) for key, one in settlement.leaves.items()}
    return leaves, {key: (*one[:3], one.leave) for key, one in settlement.standings.items()}


def fold(events: Sequence[Event], definitions: DefinitionSet, state: AccountState | None = None) -> Iterator[Decision]:
    last: Settlement | None = None
    for event in events:
        decided = decide(event, definitions, state, last=last)
        assert isinstance(decided, Decision), decided
        state, last = decided.state, decided.settlement
        yield decided


@thorough
@given(histories(), st.randoms(use_true_random=False))
def test_with_the_last_settlement_at_hand_the_decisions_are_the_same(history: AccountHistory, rng: Random) -> None:
    events = [*history.events, *history.events]
    rng.shuffle(events)
    state: AccountState | None = None
    for event, decided in zip(events, fold(events, history.definitions), strict=True):
        assert decided == decide(event, history.definitions, state)
        assert decided.settlement == settle(decided.state.account, history.target, history.calendar)
        state = decided.state


@thorough
@given(histories())
def test_a_settlement_is_what_the_rules_say_when_read_literally(history: AccountHistory) -> None:
    settlement = settlement_of(history)
    expected = answer(history.account(), history.target, history.calendar)
    assert [tuple(spell) for spell in settlement.spells] == [
        (stay.first_cycle, stay.opened, stay.by, stay.run, stay.closed, stay.leave, stay.falls_from)
        for stay in expected.stays
    ]
    assert expected.leaves == {
        key: (result.outcome, result.first_dropped, result.ended_by) for key, result in settlement.leaves.items()
    }
    assert expected.enrollments == {key: result.outcome for key, result in settlement.enrollments.items()}
    assert expected.rewards == {
        key: (standing.rule, standing.action, standing.spell, standing.leave)
        for key, standing in settlement.standings.items()
    }


@thorough
@given(histories())
def test_every_leave_and_enrollment_names_the_spell_that_it_closed_or_opened(history: AccountHistory) -> None:
    settlement = settlement_of(history)
    closed = {key: result.spell for key, result in settlement.leaves.items() if result.spell is not None}
    opened = {key: result.spell for key, result in settlement.enrollments.items() if result.spell is not None}
    spells = list(enumerate(settlement.spells))
    assert closed == {spell.closed_by: index for index, spell in spells if spell.closed_by}
    assert opened == {spell.enrollment: index for index, spell in spells if spell.enrollment}


@thorough
@given(histories(), st.data())
def test_order_and_repetition_of_the_facts_do_not_matter(history: AccountHistory, data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(history.events), max_size=5)) if history.events else []
    shuffled = data.draw(st.permutations([*history.events, *again]))
    assert settle(history.account(shuffled), history.target, history.calendar) == settlement_of(history)


@thorough
@given(histories())
def test_a_leave_never_touches_a_finished_cycle(history: AccountHistory) -> None:
    settlement = settlement_of(history)
    left_at = [spell.closed_at for spell in settlement.spells if spell.closed_at is not None]
    for reward in history.account().rewards:
        standing = settlement.standings[reward.reward_id]
        end = history.calendar.cycle_numbered(reward.cycle).end
        if all(end <= instant for instant in left_at):
            assert standing.state is RewardState.KEPT or standing.rule is Rule.ALREADY_ACHIEVED


@thorough
@given(histories())
def test_without_a_leave_every_reward_is_kept(history: AccountHistory) -> None:
    stayed = history.account([event for event in history.events if not isinstance(event, UnenrollRequested)])
    standings = settle(stayed, history.target, history.calendar).standings
    assert {standing.state for standing in standings.values()} <= {RewardState.KEPT}


@thorough
@given(histories())
def test_a_cancelled_reward_has_an_unenrolled_leave_and_an_action(history: AccountHistory) -> None:
    settlement = settlement_of(history)
    for standing in settlement.standings.values():
        cancelled = standing.state is RewardState.CANCELLED
        assert cancelled == (standing.action is not None)
        if cancelled:
            assert standing.leave is not None
            assert settlement.leaves[standing.leave].outcome is Outcome.UNENROLLED


@thorough
@given(histories())
def test_however_facts_arrive_the_end_is_that_of_settling_them_at_once(history: AccountHistory) -> None:
    settled = SettledAccount()
    for decided in fold(history.events, history.definitions):
        settled = decided.state.settled
    assert ends(settled) == ends_at_once(history)


@thorough
@given(histories(), st.data())
def test_an_event_that_comes_again_changes_and_publishes_nothing(history: AccountHistory, data: st.DataObject) -> None:
    *_, last = [None, *fold(history.events, history.definitions)]
    if last is not None:
        again = data.draw(st.sampled_from(history.events))
        assert [(decided.state, decided.changes) for decided in fold([again], history.definitions, last.state)] == [
            (last.state, ())
        ]


@thorough
@given(histories())
def test_what_is_published_tells_a_reader_how_the_account_stands(history: AccountHistory) -> None:
    reader = Reader()
    settled = SettledAccount()
    for decided in fold(history.events, history.definitions):
        settled = decided.state.settled
        for change in decided.changes:
            reader.read(change)
        assert reader.cancelled() == {
            reward_id: one.action for reward_id, one in settled.rewards.items() if one.state is RewardState.CANCELLED
        }
        cuts = {key: leave.first_dropped for key, leave in settled.leaves.items() if leave.first_dropped is not None}
        assert reader.in_force.keys() == cuts.keys()
        for key, event in reader.in_force.items():
            assert (
                event.dropped_cycles is None
                or event.dropped_cycles.first == history.calendar.cycle_numbered(cuts[key]).name
            )
        assert reader.unenrolled == settled.revision


@thorough
@given(histories())
def test_every_request_gets_exactly_one_first_answer(history: AccountHistory) -> None:
    answered: list[EventId] = []
    for event, decided in zip(history.events, fold(history.events, history.definitions), strict=True):
        rejected = [change.request.key for change in decided.changes if isinstance(change, Rejection)]
        left = [change.leave.key for change in decided.changes if isinstance(change, Unenrollment)]
        if isinstance(event, UnenrollRequested):
            assert [*rejected, *left].count(event.key) == 1
            assert rejected == ([] if decided.outcome is Outcome.UNENROLLED else [event.key])
            answered.append(event.key)
        else:
            assert not rejected
            assert decided.outcome is None
        assert set(left) <= set(answered)


@thorough
@given(histories())
def test_a_leave_that_stops_being_unenrolled_is_superseded_once(history: AccountHistory) -> None:
    before = SettledAccount()
    for decided in fold(history.events, history.definitions):
        now = decided.state.settled
        stopped = {
            key: decided.settlement.leaves[key].ended_by
            for key, leave in before.leaves.items()
            if leave.outcome is Outcome.UNENROLLED and now.leaves[key].outcome is not Outcome.UNENROLLED
        }
        superseding = [change for change in decided.changes if isinstance(change, Unenrollment) and change.supersedes]
        assert len(superseding) == len(stopped)
        assert {change.supersedes: change.leave.key for change in superseding} == stopped
        before = now


@thorough
@given(histories())
def test_a_decision_publishes_in_one_order_and_adds_up(history: AccountHistory) -> None:
    for decided in fold(history.events, history.definitions):
        changes = decided.changes
        left = [change for change in changes if isinstance(change, Unenrollment)]
        rewards = [change for change in changes if isinstance(change, RewardCancellation | RewardReinstatement)]
        rejected = [change for change in changes if isinstance(change, Rejection)]
        assert [*rejected, *left, *rewards] == [*changes]
        assert left == sorted(left, key=lambda change: change.leave.effective_at)
        assert rewards == sorted(
            rewards, key=lambda change: (change.reward.cycle, change.reward.achieved_at, change.reward.reward_id)
        )
        cancelling = [change.leave for change in rewards if isinstance(change, RewardCancellation)]
        assert [change.rewards_cancelled for change in left] == [cancelling.count(change.leave) for change in left]


@thorough
@given(histories(), st.integers(0, 5))
def test_appended_cycles_concern_only_the_accounts_that_wait_for_them(history: AccountHistory, count: int) -> None:
    names = {cycle.name for cycle in history.calendar.cycles[:count]}
    early_definitions = history.known_up_to(count)
    early_events = [event for event in history.events if _cycle_named(event) in names | {None}]
    late_events = [event for event in history.events if event not in early_events]
    state = AccountState(account=history.account([]))
    for decided in fold(early_events, early_definitions, state):
        state = decided.state
        if not awaits_cycles(decided.settlement):
            assert settle(state.account, history.target, history.calendar) == decided.settlement
    state = resettle(state, history.target, history.calendar).state
    for decided in fold(late_events, history.definitions, state):
        state = decided.state
    assert ends(state.settled) == ends_at_once(history)


def _cycle_named(event: Event) -> str | None:
    return event.period_name if isinstance(event, RewardEarned | CustomerEnrolled) else None
