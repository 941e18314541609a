"""An account's story: what became of its cycles, its facts and its rewards. Pure."""

from dataclasses import dataclass

from unenroll.core.changes import changes
from unenroll.core.definitions import EnrollmentMode, Group, Kind
from unenroll.core.settle import settle
from unenroll.explain.cycles import CyclesTold, cycles_told
from unenroll.explain.facts import Facts, FactTold
from unenroll.explain.rewards import RewardTold, rewards_told
from unenroll.store.accounts import KnownAccount


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
    facts: tuple[FactTold, ...]
    rewards: tuple[RewardTold, ...]
    due: bool


def story(known: KnownAccount, group: Group, *, reward_id: str | None = None) -> Story:
    """The story of an account of a target of this group; of its rewards only this one, or all."""
    account, settled = known.state.account, known.state.settled
    target, calendar = group.targets[account.target_id], group.calendar
    settlement = settle(account, target, calendar)
    now, _ = changes(settled, settlement, account=account, target=target, calendar=calendar)
    facts = Facts(account=account, settled=settled, settlement=settlement, calendar=calendar)
    return Story(
        customer_id=account.customer_id,
        group_id=group.group_id,
        group_name=group.name,
        target_id=target.target_id,
        target_name=target.name,
        kind=target.kind,
        enrollment=target.enrollment,
        cycles=cycles_told(calendar, settlement.spells),
        facts=facts.told(reward_id),
        rewards=rewards_told(account, settled, calendar=calendar, reward_id=reward_id),
        due=now != settled,
    )
