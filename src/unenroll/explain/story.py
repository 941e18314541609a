"""Build the story of an account: its cycles, stays, facts, rewards and published events, each with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from unenroll.core.changes import SettledScope, find_changes
from unenroll.core.definitions import EnrollmentMode, TargetKind
from unenroll.core.settle import settle
from unenroll.errors import UnenrollError
from unenroll.explain.facts import ExplainedEvent, ExplainedFact, FactExplainer, explain_events
from unenroll.explain.rewards import ExplainedReward, RewardExplainer
from unenroll.explain.stays import ExplainedCycles, ExplainedSpell, explain_cycles, explain_spells
from unenroll.postgres.erasure import tombstone
from unenroll.postgres.history import AccountHistory, PublishedMessage, customer_history
from unenroll.postgres.pool import check_tables, open_pool
from unenroll.text import clock_time, escape_control


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountStory:
    """An account with the reasons for its state.

    The outcomes of leaves and the standings of rewards are those of the last decision. `due` is true if cycles that
    were appended since will change some of them.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ExplainQuery:
    """Which accounts of a customer to explain: of all targets or of one, with all rewards or with one."""

    customer_id: int
    target_id: int | None = None
    reward_id: str | None = None

    @property
    def not_found(self) -> str:
        """The message for a query that no account matches."""
        reward = "account" if self.reward_id is None else f"reward {escape_control(self.reward_id)}"
        target = "" if self.target_id is None else f" in target {self.target_id}"
        return f"no {reward} found for customer {self.customer_id}{target}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The stories of the accounts that match a query, by target id."""

    customer_id: int
    accounts: tuple[AccountStory, ...]


async def explain(query: ExplainQuery, database_url: str) -> Explanation:
    """Return the stories of the accounts that match. Changes and locks nothing.

    Raises UnenrollError if no account matches, and OutageError and SetupError.
    """
    async with open_pool(database_url, connections=1) as pool:
        await check_tables(pool)
        customer = await customer_history(pool, query.customer_id)
        erasure = await tombstone(pool, query.customer_id)
    matching = [account for account in customer.accounts if _matches(query, account)]
    if not matching:
        erased = "" if erasure is None else f"; all data up to {clock_time(erasure.until)} was erased on request"
        raise UnenrollError(query.not_found + erased)
    stories = (story(account, customer.published, reward_id=query.reward_id) for account in matching)
    return Explanation(customer_id=query.customer_id, accounts=tuple(stories))


def story(
    history: AccountHistory, published: Sequence[PublishedMessage], *, reward_id: str | None = None
) -> AccountStory:
    """Return the story of an account. `published` are the messages that were published about its customer.

    With `reward_id`, the story is only about this one of the rewards. The function is pure.
    """
    account, settled = history.account.state.account, history.account.state.settled
    group = history.group
    target, calendar = group.targets[account.target_id], group.calendar
    settlement = settle(account, target, calendar)
    settled_now, _ = find_changes(settled, settlement, SettledScope(account, target, calendar))
    facts = FactExplainer(
        account=account, settled=settled, settlement=settlement, calendar=calendar, first_seen=history.first_seen
    )
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
        facts=facts.explain(reward_id),
        rewards=rewards.explain(reward_id),
        published=explain_events(published, account, reward_id=reward_id),
        due=settled_now != settled,
    )


def _matches(query: ExplainQuery, history: AccountHistory) -> bool:
    account = history.account.state.account
    if query.target_id not in {None, account.target_id}:
        return False
    reward_id = query.reward_id
    return reward_id is None or reward_id in account.issuances or account.reward(reward_id) is not None
