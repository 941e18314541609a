"""The rows of a story's tables."""

from rich.text import Text

from unenroll.core.standings import State
from unenroll.explain.cycles import CyclesTold, Fate
from unenroll.explain.facts import FactTold
from unenroll.explain.published import PublishedTold
from unenroll.explain.rewards import RewardTold
from unenroll.explain.stays import Beginning, LeaveTold, StayTold
from unenroll.moments import clock_time, moment
from unenroll.paper import plain

Row = tuple[Text, ...]

_COLORS = {State.KEPT: "green", State.CANCELLED: "red"}
_FATES = {Fate.NOT_ENROLLED: "not enrolled", Fate.TOOK_PART: "took part", Fate.TAKES_PART: "takes part"}
_BEGINNINGS = {
    Beginning.FIRST: "the first stay",
    Beginning.CARRIED_ON: "carried on",
    Beginning.STARTED_OVER: "started over",
}


def cycles_row(cycles: CyclesTold) -> Row:
    """Which cycles, and what became of them."""
    names = _span(cycles.first, cycles.last)
    fate = "" if cycles.left_at is None else f"fell with the leave of {moment(cycles.left_at)}"
    return plain(f"{names}:"), Text(_FATES.get(cycles.fate, fate))


def stay_row(stay: StayTold) -> Row:
    """Which stay of which run, how it began, and how it ended."""
    opened = "the start" if stay.opened_at is None else moment(stay.opened_at)
    ended = "and goes on" if stay.leave is None else f"until {_leave(stay.leave)}"
    said = (
        _BEGINNINGS[stay.beginning],
        f"from cycle {stay.first_cycle} on",
        "" if stay.initial_balance is None else f"initialBalance {stay.initial_balance}",
    )
    how = plain(f"from {opened} {ended}").append("\n").append_text(plain(_joined(*said), "dim"))
    return Text(f"stay {stay.number}"), Text(f"run {stay.run}"), how


def fact_row(fact: FactTold) -> Row:
    """When, what kind, and what it did."""
    code = "" if fact.code is None else f" {fact.code}"
    outcome = "" if fact.outcome is None else f"{fact.outcome}{code}: "
    text = Text.assemble((outcome, "bold"), plain(fact.sentence))
    remarks = _joined(
        f'"{fact.reason}"' if fact.reason else "",
        f"by {fact.requested_by}" if fact.requested_by else "",
        "" if fact.initial_balance is None else f"initialBalance {fact.initial_balance}",
        "resetStreakStatus" if fact.reset_streak_status else "",
        "" if fact.source is None else f"event {fact.id} of {fact.source}",
        "" if fact.seen_at is None else f"first seen {clock_time(fact.seen_at)}",
    )
    if remarks:
        text.append("\n").append_text(plain(remarks, "dim"))
    return Text(moment(fact.at), "cyan"), Text(fact.kind.lower()), text


def reward_row(reward: RewardTold) -> Row:
    """Which reward, how it stands, and why."""
    what = _joined(
        reward.period_name,
        "" if reward.level is None else f"level {reward.level}",
        reward.allocation,
        f"achieved {moment(reward.achieved_at)}",
        "not known to be issued" if reward.issued_at is None else f"issued {moment(reward.issued_at)}",
        "" if reward.amount is None else f"{reward.amount} {reward.unit}",
    )
    known = _joined(
        "" if reward.stay is None else f"stay {reward.stay}",
        f"revision {reward.revision}",
        "" if reward.leave is None else f"governed by {_leave(reward.leave)}",
    )
    text = Text.assemble(plain(what), (f"\n{reward.rule}: ", "bold"), reward.sentence)
    if reward.missed is not None:
        text.append("\n").append_text(plain(reward.missed))
    return (
        plain(reward.reward_id, "bold"),
        Text(reward.state if reward.action is None else f"{reward.state} {reward.action}", _COLORS[reward.state]),
        text.append("\n").append_text(plain(known, "dim")),
    )


def published_row(published: PublishedTold) -> Row:
    """When it was decided, which event, and what it says."""
    dropped = published.dropped
    code = "" if published.code is None else f" {published.code}"
    said = _joined(
        published.reward_id or "",
        f"{published.outcome}{code}" if published.outcome else "",
        published.action or "",
        published.rule or "",
        f"{_span(dropped['first'], dropped['last'])} fell" if dropped else "",
        "" if published.revision is None else f"revision {published.revision}",
        f"for {_leave(published.leave)}",
        f"in place of {_leave(published.supersedes)}" if published.supersedes else "",
    )
    return Text(clock_time(published.decided_at), "cyan"), Text(published.event), plain(said)


def _leave(leave: LeaveTold) -> str:
    return f"leave {leave.id} of {leave.source} ({moment(leave.at)})"


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first}\u2013{last}"


def _joined(*remarks: str) -> str:
    return ", ".join(remark for remark in remarks if remark)
