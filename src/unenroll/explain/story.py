"""An account's story: its cycles, stays, facts and rewards, and what was published of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from unenroll.core.changes import changes
from unenroll.core.definitions import EnrollmentMode, TargetKind
from unenroll.core.settle import settle
from unenroll.errors import UnenrollError
from unenroll.explain.facts import ExplainedEvent, ExplainedFact, FactExplainer, explain_event
from unenroll.explain.rewards import ExplainedReward, RewardExplainer
from unenroll.explain.stays import ExplainedCycles, ExplainedSpell, explain_cycles, explain_spells
from unenroll.postgres.erasure import tombstone
from unenroll.postgres.history import KnownHistory, SentMessage, customer_history
from unenroll.postgres.pool import check_tables, connected
from unenroll.text import clock_time, escape_control


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountStory:
    """All that there is to tell of an account.

    What was decided of leaves and rewards is told as it was. `due`: cycles were appended since that change it.
    """

    customer_id: int
    group_id: int
    group_name: str
    target_id: int
    target_name: str
    kind: TargetKind
    enrollment: EnrollmentMode
    cycles: tuple[ExplainedCycles, ...]
    stays: tuple[ExplainedSpell, ...]
    facts: tuple[ExplainedFact, ...]
    rewards: tuple[ExplainedReward, ...]
    published: tuple[ExplainedEvent, ...]
    due: bool


def story(known: KnownHistory, sent: Sequence[SentMessage], *, reward_id: str | None = None) -> AccountStory:
    """The story of an account, with what was sent of its customer; of its rewards only this one, or all."""
    account, settled = known.account.state.account, known.account.state.settled
    group = known.group
    target, calendar = group.targets[account.target_id], group.calendar
    settlement = settle(account, target, calendar)
    now, _ = changes(settled, settlement, account=account, target=target, calendar=calendar)
    facts = FactExplainer(account=account, settled=settled, settlement=settlement, calendar=calendar, seen=known.seen)
    rewards = RewardExplainer(account=account, settled=settled, settlement=settlement, target=target, calendar=calendar)
    return AccountStory(
        customer_id=account.customer_id,
        group_id=group.group_id,
        group_name=group.name,
        target_id=target.target_id,
        target_name=target.name,
        kind=target.kind,
        enrollment=target.enrollment,
        cycles=explain_cycles(calendar, settlement.spells),
        stays=explain_spells(account, settlement.spells, calendar),
        facts=facts.told(reward_id),
        rewards=rewards.told(reward_id),
        published=explain_event(sent, account, reward_id=reward_id),
        due=now != settled,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainQuery:
    """Why is this customer's account as it is: in one target or in all, with one reward or with all?"""

    customer_id: int
    target_id: int | None = None
    reward_id: str | None = None

    @property
    def nothing(self) -> str:
        """What is said where nothing is known."""
        reward = "" if self.reward_id is None else f"reward {escape_control(self.reward_id)} of "
        target = "" if self.target_id is None else f" in target {self.target_id}"
        return f"nothing is known of {reward}customer {self.customer_id}{target}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The stories of the accounts that were asked for, in the order of their targets."""

    customer_id: int
    accounts: tuple[AccountStory, ...]


async def answer(question: ExplainQuery, database_url: str) -> Explanation:
    """The answer. Raises UnenrollError if nothing is known, OutageError and SetupError."""
    async with connected(database_url, connections=1) as pool:
        await check_tables(pool)
        customer = await customer_history(pool, question.customer_id)
        erased = await tombstone(pool, question.customer_id)
    concerned = [one for one in customer.accounts if _concerns(question, one)]
    if not concerned:
        since = "" if erased is None else f"; what was before {clock_time(erased.until)} was erased on request"
        raise UnenrollError(question.nothing + since)
    stories = (story(one, customer.sent, reward_id=question.reward_id) for one in concerned)
    return Explanation(customer_id=question.customer_id, accounts=tuple(stories))


def _concerns(question: ExplainQuery, known: KnownHistory) -> bool:
    account = known.account.state.account
    if question.target_id not in {None, account.target_id}:
        return False
    reward_id = question.reward_id
    return reward_id is None or reward_id in account.issued or account.reward(reward_id) is not None
