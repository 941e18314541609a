"""What a story says of each thing, in words: the same wherever it is shown."""

from unenroll.explain.cycles import CyclesTold, Fate
from unenroll.explain.facts import FactTold
from unenroll.explain.published import PublishedTold
from unenroll.explain.rewards import RewardTold
from unenroll.explain.stays import Beginning, LeaveTold, StayTold
from unenroll.explain.story import Story
from unenroll.moments import clock_time, moment

DUE = "Cycles were appended since: the account is to be settled again, and some of this will change."
EVERYBODY = "Everybody takes part from the first cycle on."
FATES = {
    Fate.NOT_ENROLLED: "not enrolled",
    Fate.TOOK_PART: "took part",
    Fate.FELL: "fell",
    Fate.TAKES_PART: "takes part",
}
_BEGINNINGS = {
    Beginning.FIRST: "the first stay",
    Beginning.CARRIED_ON: "carried on",
    Beginning.STARTED_OVER: "started over",
}


def owner_text(story: Story) -> str:
    """Whose story it is, and what of."""
    return (
        f"Customer {story.customer_id} in target {story.target_id} {story.target_name} ({story.kind}), "
        f"of target group {story.group_id} {story.group_name}"
    )


def cycles_named(cycles: CyclesTold) -> str:
    """The first and the last of the cycles."""
    return _span(cycles.first, cycles.last)


def fate_text(cycles: CyclesTold) -> str:
    """What became of the cycles."""
    fell = "" if cycles.left_at is None else f" with the leave of {moment(cycles.left_at)}"
    return FATES[cycles.fate] + fell


def duration_text(stay: StayTold) -> str:
    """From when until when the stay lasted."""
    opened = "the start" if stay.opened_at is None else moment(stay.opened_at)
    ended = "and goes on" if stay.leave is None else f"until {_leave(stay.leave)}"
    return f"from {opened} {ended}"


def beginning_text(stay: StayTold) -> str:
    """How the stay began."""
    return _joined(
        _BEGINNINGS[stay.beginning],
        f"from cycle {stay.first_cycle} on",
        "" if stay.initial_balance is None else f"initialBalance {stay.initial_balance}",
    )


def outcome_text(fact: FactTold | PublishedTold) -> str:
    """The outcome with its code, or nothing."""
    code = "" if fact.code is None else f" {fact.code}"
    return "" if fact.outcome is None else f"{fact.outcome}{code}"


def remark_text(fact: FactTold) -> str:
    """What else is known of a fact, which may be nothing."""
    return _joined(
        f'"{fact.reason}"' if fact.reason else "",
        f"by {fact.requested_by}" if fact.requested_by else "",
        "" if fact.initial_balance is None else f"initialBalance {fact.initial_balance}",
        "resetStreakStatus" if fact.reset_streak_status else "",
        "" if fact.source is None else f"event {fact.id} of {fact.source}",
        "" if fact.seen_at is None else f"first seen {clock_time(fact.seen_at)}",
    )


def standing_text(reward: RewardTold) -> str:
    """Whether the reward stands, and what is to be done about it."""
    return reward.state if reward.action is None else f"{reward.state} {reward.action}"


def earned_text(reward: RewardTold) -> str:
    """What the reward was earned for, when, and what it is worth."""
    return _joined(
        reward.period_name,
        "" if reward.level is None else f"level {reward.level}",
        reward.allocation,
        f"achieved {moment(reward.achieved_at)}",
        "not known to be issued" if reward.issued_at is None else f"issued {moment(reward.issued_at)}",
        "" if reward.amount is None else f"{reward.amount} {reward.unit}",
    )


def governed_text(reward: RewardTold) -> str:
    """Which stay the reward belongs to, and which leave governs it."""
    return _joined(
        "" if reward.stay is None else f"stay {reward.stay}",
        f"revision {reward.revision}",
        "" if reward.leave is None else f"governed by {_leave(reward.leave)}",
    )


def published_text(published: PublishedTold) -> str:
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


def _leave(leave: LeaveTold) -> str:
    return f"leave {leave.id} of {leave.source} ({moment(leave.at)})"


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first}\u2013{last}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
