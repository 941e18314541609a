"""One question about a customer, answered from what Postgres knows."""

from dataclasses import dataclass

from unenroll.errors import UnenrollError
from unenroll.explain.story import Story, story
from unenroll.legible import legible
from unenroll.moments import clock_time
from unenroll.store.connect import check_tables, connected
from unenroll.store.erased import tombstone
from unenroll.store.look import Known, look


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """Why is this customer's account as it is: in one target or in all, with one reward or with all?"""

    customer_id: int
    target_id: int | None = None
    reward_id: str | None = None

    @property
    def nothing(self) -> str:
        """What is said where nothing is known."""
        reward = "" if self.reward_id is None else f"reward {legible(self.reward_id)} of "
        target = "" if self.target_id is None else f" in target {self.target_id}"
        return f"nothing is known of {reward}customer {self.customer_id}{target}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The stories of the accounts that were asked for, in the order of their targets."""

    customer_id: int
    accounts: tuple[Story, ...]


async def answer(question: Question, database_url: str) -> Answer:
    """The answer. Raises UnenrollError if nothing is known, OutageError and SetupError."""
    async with connected(database_url, connections=1) as pool:
        await check_tables(pool)
        customer = await look(pool, question.customer_id)
        erased = await tombstone(pool, question.customer_id)
    concerned = [one for one in customer.accounts if _concerns(question, one)]
    if not concerned:
        since = "" if erased is None else f"; what was before {clock_time(erased.until)} was erased on request"
        raise UnenrollError(question.nothing + since)
    stories = (story(one, customer.sent, reward_id=question.reward_id) for one in concerned)
    return Answer(customer_id=question.customer_id, accounts=tuple(stories))


def _concerns(question: Question, known: Known) -> bool:
    account = known.account.state.account
    if question.target_id not in {None, account.target_id}:
        return False
    reward_id = question.reward_id
    return reward_id is None or reward_id in account.issued or account.reward(reward_id) is not None
