"""The rows of a story's tables."""

from rich.text import Text

from unenroll.core.standings import State
from unenroll.explain.cycles import CyclesTold
from unenroll.explain.facts import FactTold
from unenroll.explain.published import PublishedTold
from unenroll.explain.rewards import RewardTold
from unenroll.explain.stays import StayTold
from unenroll.explain.words import (
    beginning_text,
    cycles_named,
    duration_text,
    earned_text,
    fate_text,
    governed_text,
    outcome_text,
    published_text,
    remark_text,
    standing_text,
)
from unenroll.moments import clock_time, moment
from unenroll.paper import plain

Row = tuple[Text, ...]

_COLORS = {State.KEPT: "green", State.CANCELLED: "red"}


def cycles_row(cycles: CyclesTold) -> Row:
    """Which cycles, and what became of them."""
    return plain(f"{cycles_named(cycles)}:"), Text(fate_text(cycles))


def stay_row(stay: StayTold) -> Row:
    """Which stay of which run, how it began, and how it ended."""
    how = plain(duration_text(stay)).append("\n").append_text(plain(beginning_text(stay), "dim"))
    return Text(f"stay {stay.number}"), Text(f"run {stay.run}"), how


def fact_row(fact: FactTold) -> Row:
    """When, what kind, and what it did."""
    outcome = "" if fact.outcome is None else f"{outcome_text(fact)}: "
    text = Text.assemble((outcome, "bold"), plain(fact.sentence))
    remarks = remark_text(fact)
    if remarks:
        text.append("\n").append_text(plain(remarks, "dim"))
    return Text(moment(fact.at), "cyan"), Text(fact.kind.lower()), text


def reward_row(reward: RewardTold) -> Row:
    """Which reward, how it stands, and why."""
    text = Text.assemble(plain(earned_text(reward)), (f"\n{reward.rule}: ", "bold"), reward.sentence)
    if reward.missed is not None:
        text.append("\n").append_text(plain(reward.missed))
    return (
        plain(reward.reward_id, "bold"),
        Text(standing_text(reward), _COLORS[reward.state]),
        text.append("\n").append_text(plain(governed_text(reward), "dim")),
    )


def published_row(published: PublishedTold) -> Row:
    """When it was decided, which event, and what it says."""
    return Text(clock_time(published.decided_at), "cyan"), Text(published.event), plain(published_text(published))
