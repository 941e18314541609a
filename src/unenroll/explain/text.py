"""Write a story in words, for the terminal and for the HTML page of the API."""

from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from unenroll.core.definitions import EnrollmentMode
from unenroll.core.standings import RewardState
from unenroll.explain.facts import ExplainedEvent, ExplainedFact
from unenroll.explain.rewards import ExplainedReward
from unenroll.explain.stays import CycleState, ExplainedCycles, ExplainedLeave, ExplainedSpell, SpellBeginning
from unenroll.explain.story import AccountStory
from unenroll.text import clock_time, grid, moment, plain, render_text

SETTLEMENT_DUE = (
    "Cycles were appended to the target group. The account will be settled again, and some of this will change."
)
AUTOMATIC_ENROLLMENT = "Enrollment is automatic: every customer takes part from the first cycle."
CYCLE_STATES = {
    CycleState.NOT_ENROLLED: "not enrolled",
    CycleState.TOOK_PART: "took part",
    CycleState.FELL: "dropped",
    CycleState.TAKES_PART: "takes part",
}
_BEGINNINGS = {
    SpellBeginning.FIRST: "first stay",
    SpellBeginning.CARRIED_ON: "carried on",
    SpellBeginning.STARTED_OVER: "started over",
}


def heading_text(story: AccountStory) -> str:
    """Return the customer, the target and the target group of the story."""
    return (
        f"Customer {story.customer_id} in target {story.target_id} {story.target_name} ({story.kind}), "
        f"of target group {story.group_id} {story.group_name}"
    )


def cycle_names(cycles: ExplainedCycles) -> str:
    """Return the names of the first and the last cycle."""
    return _span(cycles.first, cycles.last)


def cycle_state_text(cycles: ExplainedCycles) -> str:
    """Return the state of the cycles, and the leave that dropped them."""
    leave = "" if cycles.left_at is None else f" by the leave of {moment(cycles.left_at)}"
    return CYCLE_STATES[cycles.fate] + leave


def stay_period_text(stay: ExplainedSpell) -> str:
    """Return the beginning and the end of the stay."""
    begin = "the start" if stay.opened_at is None else moment(stay.opened_at)
    return f"from {begin}, still open" if stay.leave is None else f"from {begin} until {_leave(stay.leave)}"


def stay_beginning_text(stay: ExplainedSpell) -> str:
    """Return how the stay began."""
    return _join(
        _BEGINNINGS[stay.beginning],
        f"from cycle {stay.first_cycle}",
        "" if stay.initial_balance is None else f"initialBalance {stay.initial_balance}",
    )


def outcome_text(fact: ExplainedFact | ExplainedEvent) -> str:
    """Return the outcome with its code, or an empty text."""
    code = "" if fact.code is None else f" {fact.code}"
    return "" if fact.outcome is None else f"{fact.outcome}{code}"


def fact_details_text(fact: ExplainedFact) -> str:
    """Return the other properties of the fact, which may be an empty text."""
    return _join(
        f'reason "{fact.reason}"' if fact.reason else "",
        f"requested by {fact.requested_by}" if fact.requested_by else "",
        "" if fact.initial_balance is None else f"initialBalance {fact.initial_balance}",
        "resetStreakStatus" if fact.reset_streak_status else "",
        "" if fact.source is None else f"event {fact.id} of {fact.source}",
        "" if fact.seen_at is None else f"received {clock_time(fact.seen_at)}",
    )


def standing_text(reward: ExplainedReward) -> str:
    """Return the state of the reward and the action that it requires."""
    return reward.state if reward.action is None else f"{reward.state} {reward.action}"


def reward_details_text(reward: ExplainedReward) -> str:
    """Return the cycle, the times and the value of the reward."""
    return _join(
        reward.period_name,
        "" if reward.level is None else f"level {reward.level}",
        reward.allocation,
        f"achieved {moment(reward.achieved_at)}",
        "not reported as issued" if reward.issued_at is None else f"issued {moment(reward.issued_at)}",
        "" if reward.amount is None else f"{reward.amount} {reward.unit}",
    )


def reward_basis_text(reward: ExplainedReward) -> str:
    """Return the stay, the revision and the governing leave of the reward."""
    return _join(
        "" if reward.stay is None else f"stay {reward.stay}",
        f"revision {reward.revision}",
        "" if reward.leave is None else f"governed by {_leave(reward.leave)}",
    )


def event_text(event: ExplainedEvent) -> str:
    """Return the content of a published event."""
    return _join(
        event.reward_id or "",
        outcome_text(event),
        event.action or "",
        event.rule or "",
        f"dropped {_span(event.dropped['first'], event.dropped['last'])}" if event.dropped else "",
        "" if event.revision is None else f"revision {event.revision}",
        f"for {_leave(event.leave)}",
        f"supersedes {_leave(event.supersedes)}" if event.supersedes else "",
    )


def _leave(leave: ExplainedLeave) -> str:
    return f"leave {leave.id} of {leave.source} ({moment(leave.at)})"


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first}\u2013{last}"


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def render_story(stories: Iterable[AccountStory], file: TextIO) -> str:
    """Return the stories as text for this file: as wide as the terminal, or without line breaks in a pipe."""
    return render_text((part for story in stories for part in _parts(story)), file)


def _parts(story: AccountStory) -> Iterator[RenderableType]:
    yield Text()
    yield plain(heading_text(story), "bold")
    if story.enrollment is EnrollmentMode.AUTOMATIC:
        yield Text(AUTOMATIC_ENROLLMENT)
    if story.due:
        yield Text(SETTLEMENT_DUE, "yellow")
    yield from _section("Cycles", map(_cycles_row, story.cycles))
    yield from _section("Stays", map(_stay_row, story.stays))
    yield from _section("Facts by time", map(_fact_row, story.facts))
    yield from _section("Rewards", map(_reward_row, story.rewards))
    yield from _section("Published events by time of decision", map(_event_row, story.published))


_Row = tuple[Text, ...]
_COLORS = {RewardState.KEPT: "green", RewardState.CANCELLED: "red"}


def _section(title: str, rows: Iterable[_Row]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, "bold")
    shown = grid(rows)
    yield shown if shown.rows else Text("  none")


def _cycles_row(cycles: ExplainedCycles) -> _Row:
    return plain(f"{cycle_names(cycles)}:"), Text(cycle_state_text(cycles))


def _stay_row(stay: ExplainedSpell) -> _Row:
    text = plain(stay_period_text(stay)).append("\n").append_text(plain(stay_beginning_text(stay), "dim"))
    return Text(f"stay {stay.number}"), Text(f"run {stay.run}"), text


def _fact_row(fact: ExplainedFact) -> _Row:
    outcome = "" if fact.outcome is None else f"{outcome_text(fact)}: "
    text = Text.assemble((outcome, "bold"), plain(fact.sentence))
    details = fact_details_text(fact)
    if details:
        text.append("\n").append_text(plain(details, "dim"))
    return Text(moment(fact.at), "cyan"), Text(fact.kind.lower()), text


def _reward_row(reward: ExplainedReward) -> _Row:
    text = Text.assemble(plain(reward_details_text(reward)), (f"\n{reward.rule}: ", "bold"), reward.sentence)
    if reward.missed is not None:
        text.append("\n").append_text(plain(reward.missed))
    return (
        plain(reward.reward_id, "bold"),
        Text(standing_text(reward), _COLORS[reward.state]),
        text.append("\n").append_text(plain(reward_basis_text(reward), "dim")),
    )


def _event_row(event: ExplainedEvent) -> _Row:
    return Text(clock_time(event.decided_at), "cyan"), Text(event.event), plain(event_text(event))
