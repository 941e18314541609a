"""What was found of the customers: in Postgres how all stands, on the topics what was published."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json

from unenroll.demo.reader import Seen
from unenroll.demo.told import Answer
from unenroll.demo.words import outcome, published, standing
from unenroll.store.accounts import KnownAccount
from unenroll.wire.names import event_name


class Subject(NamedTuple):
    """What an answer is about: a reward or a leave of a customer, or a record that is no event."""

    customer: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """How rewards and leaves stand, and the events published of them, each topic's in order."""

    stands: Mapping[Subject, str]
    published: Mapping[Subject, tuple[str, ...]]

    def answer(self, subject: Subject) -> Answer:
        """What was found of this, which may be nothing."""
        return Answer(self.stands.get(subject, ""), self.published.get(subject, ()))


def found(seen: Iterable[Seen], accounts: Iterable[KnownAccount]) -> Found:
    """What these records and these accounts say."""
    records = list(seen)
    events = [(name, from_json(record.value or b"")) for record in records if (name := _name(record)) is not None]
    leaves = {data["unenrollmentId"]: data["requestId"] for name, data in events if name == "UserUnenrolled"}
    told: dict[Subject, tuple[str, ...]] = defaultdict(tuple)
    for name, data in events:
        told[_subject(data)] += (published(name, data, leaves),)
    for record in records:
        if _name(record) is None:
            told[_place(record)] += (f"{record.header('dlq_reason')}: {record.header('dlq_detail')}",)
    stands = {subject: stands for account in accounts for subject, stands in _stands(account)}
    return Found(stands=stands, published=dict(told))


def _name(record: Seen) -> str | None:
    return event_name(record.header("ce_type")) if record.header("dlq_reason") == "" else None


def _subject(data: Mapping[str, Any]) -> Subject:
    return Subject(str(data["customerId"]), data.get("rewardId") or data["requestId"])


def _place(record: Seen) -> Subject:
    return Subject((record.key or b"").decode("utf-8", "replace"), record.topic)


def _stands(known: KnownAccount) -> Iterator[tuple[Subject, str]]:
    customer, settled = str(known.state.account.customer_id), known.state.settled
    for reward_id, reward in settled.rewards.items():
        yield Subject(customer, reward_id), standing(reward.state, reward.rule, reward.action)
    for key, leave in settled.leaves.items():
        yield Subject(customer, key.id), outcome(leave.outcome)
