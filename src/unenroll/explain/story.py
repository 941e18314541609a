"""An account's story: its cycles, stays, facts and rewards, and what was published of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from unenroll.core.changes import changes
from unenroll.core.definitions import EnrollmentMode, Kind
from unenroll.core.settle import settle
from unenroll.explain.cycles import CyclesTold, cycles_told
from unenroll.explain.facts import Facts, FactTold
from unenroll.explain.published import PublishedTold, published_told
from unenroll.explain.rewards import Rewards, RewardTold
from unenroll.explain.stays import StayTold, stays_told
from unenroll.store.history import Sent
from unenroll.store.look import Known


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """All that there is to tell of an account.

    What was decided of leaves and rewards is told as it was. `due`: cycles were appended since that change it.
    """

    customer_id: int
    group_id: int
    group_name: str
    target_id: int
    target_name: str
    kind: Kind
    enrollment: EnrollmentMode
    cycles: tuple[CyclesTold, ...]
    stays: tuple[StayTold, ...]
    facts: tuple[FactTold, ...]
    rewards: tuple[RewardTold, ...]
    published: tuple[PublishedTold, ...]
    due: bool


def story(known: Known, sent: Sequence[Sent], *, reward_id: str | None = None) -> Story:
    """The story of an account, with what was sent of its customer; of its rewards only this one, or all."""
    account, settled = known.account.state.account, known.account.state.settled
    group = known.group
    target, calendar = group.targets[account.target_id], group.calendar
    settlement = settle(account, target, calendar)
    now, _ = changes(settled, settlement, account=account, target=target, calendar=calendar)
    facts = Facts(account=account, settled=settled, settlement=settlement, calendar=calendar, seen=known.seen)
    rewards = Rewards(account=account, settled=settled, settlement=settlement, target=target, calendar=calendar)
    return Story(
        customer_id=account.customer_id,
        group_id=group.group_id,
        group_name=group.name,
        target_id=target.target_id,
        target_name=target.name,
        kind=target.kind,
        enrollment=target.enrollment,
        cycles=cycles_told(calendar, settlement.spells),
        stays=stays_told(account, settlement.spells, calendar),
        facts=facts.told(reward_id),
        rewards=rewards.told(reward_id),
        published=published_told(sent, account, reward_id=reward_id),
        due=now != settled,
    )
