"""What a story says of each thing, in words: the same wherever it is shown."""

from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from unenroll.core.definitions import EnrollmentMode
from unenroll.core.standings import RewardState
from unenroll.explain.facts import ExplainedEvent, ExplainedFact
from unenroll.explain.rewards import ExplainedReward
from unenroll.explain.stays import CycleState, ExplainedCycles, ExplainedLeave, ExplainedSpell, SpellBeginning
from unenroll.explain.story import AccountStory
from unenroll.text import clock_time, moment, plain, print_table

DUE = "Cycles were appended since: the account is to be settled again, and some of this will change."
EVERYBODY = "Everybody takes part from the first cycle on."
FATES = {
    CycleState.NOT_ENROLLED: "not enrolled",
    CycleState.TOOK_PART: "took part",
    CycleState.FELL: "fell",
    CycleState.TAKES_PART: "takes part",
}
_BEGINNINGS = {
    SpellBeginning.FIRST: "the first stay",
    SpellBeginning.CARRIED_ON: "carried on",
    SpellBeginning.STARTED_OVER: "started over",
}


def owner_text(story: AccountStory) -> str:
    """Whose story it is, and what of."""
    return (
        f"Customer {story.customer_id} in target {story.target_id} {story.target_name} ({story.kind}), "
        f"of target group {story.group_id} {story.group_name}"
    )


def cycles_named(cycles: ExplainedCycles) -> str:
    """The first and the last of the cycles."""
    return _span(cycles.first, cycles.last)


def fate_text(cycles: ExplainedCycles) -> str:
    """What became of the cycles."""
    fell = "" if cycles.left_at is None else f" with the leave of {moment(cycles.left_at)}"
    return FATES[cycles.fate] + fell


def duration_text(stay: ExplainedSpell) -> str:
    """From when until when the stay lasted."""
    opened = "the start" if stay.opened_at is None else moment(stay.opened_at)
    ended = "and goes on" if stay.leave is None else f"until {_leave(stay.leave)}"
    return f"from {opened} {ended}"


def beginning_text(stay: ExplainedSpell) -> str:
    """How the stay began."""
    return _joined(
        _BEGINNINGS[stay.beginning],
        f"from cycle {stay.first_cycle} on",
        "" if stay.initial_balance is None else f"initialBalance {stay.initial_balance}",
    )


def outcome_text(fact: ExplainedFact | ExplainedEvent) -> str:
    """The outcome with its code, or nothing."""
    code = "" if fact.code is None else f" {fact.code}"
    return "" if fact.outcome is None else f"{fact.outcome}{code}"


def remark_text(fact: ExplainedFact) -> str:
    """What else is known of a fact, which may be nothing."""
    return _joined(
        f'"{fact.reason}"' if fact.reason else "",
        f"by {fact.requested_by}" if fact.requested_by else "",
        "" if fact.initial_balance is None else f"initialBalance {fact.initial_balance}",
        "resetStreakStatus" if fact.reset_streak_status else "",
        "" if fact.source is None else f"event {fact.id} of {fact.source}",
        "" if fact.seen_at is None else f"first seen {clock_time(fact.seen_at)}",
    )


def standing_text(reward: ExplainedReward) -> str:
    """Whether the reward stands, and what is to be done about it."""
    return reward.state if reward.action is None else f"{reward.state} {reward.action}"


def earned_text(reward: ExplainedReward) -> str:
    """What the reward was earned for, when, and what it is worth."""
    return _joined(
        reward.period_name,
        "" if reward.level is None else f"level {reward.level}",
        reward.allocation,
        f"achieved {moment(reward.achieved_at)}",
        "not known to be issued" if reward.issued_at is None else f"issued {moment(reward.issued_at)}",
        "" if reward.amount is None else f"{reward.amount} {reward.unit}",
    )


def governed_text(reward: ExplainedReward) -> str:
    """Which stay the reward belongs to, and which leave governs it."""
    return _joined(
        "" if reward.stay is None else f"stay {reward.stay}",
        f"revision {reward.revision}",
        "" if reward.leave is None else f"governed by {_leave(reward.leave)}",
    )


def published_text(published: ExplainedEvent) -> str:
    """What the event says."""
    dropped = published.dropped
    return _joined(
        published.reward_id or "",
        outcome_text(published),
        published.action or "",
        published.rule or "",
        f"{_span(dropped['first'], dropped['last'])} fell" if dropped else "",
        "" if published.revision is None else f"revision {published.revision}",
        f"for {_leave(published.leave)}",
        f"in place of {_leave(published.supersedes)}" if published.supersedes else "",
    )


def _leave(leave: ExplainedLeave) -> str:
    return f"leave {leave.id} of {leave.source} ({moment(leave.at)})"


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first}\u2013{last}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


Row = tuple[Text, ...]

_COLORS = {RewardState.KEPT: "green", RewardState.CANCELLED: "red"}


def cycles_row(cycles: ExplainedCycles) -> Row:
    """Which cycles, and what became of them."""
    return plain(f"{cycles_named(cycles)}:"), Text(fate_text(cycles))


def stay_row(stay: ExplainedSpell) -> Row:
    """Which stay of which run, how it began, and how it ended."""
    how = plain(duration_text(stay)).append("\n").append_text(plain(beginning_text(stay), "dim"))
    return Text(f"stay {stay.number}"), Text(f"run {stay.run}"), how


def fact_row(fact: ExplainedFact) -> Row:
    """When, what kind, and what it did."""
    outcome = "" if fact.outcome is None else f"{outcome_text(fact)}: "
    text = Text.assemble((outcome, "bold"), plain(fact.sentence))
    remarks = remark_text(fact)
    if remarks:
        text.append("\n").append_text(plain(remarks, "dim"))
    return Text(moment(fact.at), "cyan"), Text(fact.kind.lower()), text


def reward_row(reward: ExplainedReward) -> Row:
    """Which reward, how it stands, and why."""
    text = Text.assemble(plain(earned_text(reward)), (f"\n{reward.rule}: ", "bold"), reward.sentence)
    if reward.missed is not None:
        text.append("\n").append_text(plain(reward.missed))
    return (
        plain(reward.reward_id, "bold"),
        Text(standing_text(reward), _COLORS[reward.state]),
        text.append("\n").append_text(plain(governed_text(reward), "dim")),
    )


def published_row(published: ExplainedEvent) -> Row:
    """When it was decided, which event, and what it says."""
    return Text(clock_time(published.decided_at), "cyan"), Text(published.event), plain(published_text(published))


def render_story(stories: Iterable[AccountStory], file: TextIO) -> str:
    """The stories as they are to be shown in this file: as wide as a terminal is, or with no line broken."""
    return print_table((part for story in stories for part in _parts(story)), file)


def _parts(story: AccountStory) -> Iterator[RenderableType]:
    yield Text()
    yield plain(owner_text(story), "bold")
    if story.enrollment is EnrollmentMode.AUTOMATIC:
        yield Text(EVERYBODY)
    if story.due:
        yield Text(DUE, "yellow")
    yield from _section("Cycles", map(cycles_row, story.cycles))
    yield from _section("Stays", map(stay_row, story.stays))
    yield from _section("Facts in order of time", map(fact_row, story.facts))
    yield from _section("Rewards", map(reward_row, story.rewards))
    yield from _section("Published, by when it was decided", map(published_row, story.published))


def _section(title: str, rows: Iterable[Row]) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, "bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row("", *row)
    yield table if table.rows else Text("  none")
