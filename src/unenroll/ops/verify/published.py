"""Compare an account with its published events: the last event on each part has to match its state. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import from_json

from unenroll.core.changes import RewardCancellation, RewardReinstatement, SettledReward
from unenroll.core.definitions import TargetGroup
from unenroll.core.events import EventId
from unenroll.core.facts import Reward
from unenroll.core.outcomes import Outcome
from unenroll.core.standings import Rule
from unenroll.ops.verify.differences import AccountCheck, CheckedAgainst, Difference, leave_text, reward_text
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.audit import AuditedAccount, LedgerReceipt
from unenroll.wire.encode import DecisionContext, encode, event_uuid
from unenroll.wire.topics import Message, event_name

_NO_TIME = datetime.min.replace(tzinfo=UTC)
_NO_CAUSE = EventId("", "")


class PublishedEvent(NamedTuple):
    """An event that the worker published. `data` is its decoded value."""

    name: str
    id: str
    data: Mapping[str, Any]
    value: bytes


def published_differences(
    one: AuditedAccount, known: KnownAccount, owner: TargetGroup, *, kept_since: datetime | None
) -> list[Difference]:
    """Return the differences. Events older than `kept_since`, the oldest stored bytes, may be missing."""
    check = AccountCheck(one.key, CheckedAgainst.PUBLISHED)
    events = [event for event in map(_event, one.published or ()) if event.data["targetId"] == one.key.target_id]
    ids = [event.id for event in events]
    check.check(len(set(ids)) == len(ids), "the account", stored="an event published twice", expected="each once")
    reward_events = [event for event in events if "rewardId" in event.data]
    _RewardChecks(known, owner, kept_since, check).check_all(reward_events)
    unenrolled = [event for event in events if event.name == "UserUnenrolled"]
    _check_leaves(known, unenrolled, owner=owner, check=check)
    _check_answers(events, one.receipts, check)
    return check.differences


def _event(message: Message) -> PublishedEvent:
    headers = {name: (value or b"").decode() for name, value in message.headers}
    value = message.value or b"{}"
    name = event_name(headers["ce_type"]) or headers["ce_type"]
    return PublishedEvent(name, headers["ce_id"], from_json(value), value)


def _revision(event: PublishedEvent) -> int:
    return int(event.data["revision"])


class _RewardChecks(NamedTuple):
    known: KnownAccount
    owner: TargetGroup
    kept_since: datetime | None
    check: AccountCheck

    def check_all(self, events: Sequence[PublishedEvent]) -> None:
        """Compare each reward with the last event that was published of it."""
        last = {event.data["rewardId"]: event for event in sorted(events, key=_revision)}
        settled = self.known.state.settled.rewards
        for reward in self.known.state.account.rewards:
            state, event = settled[reward.reward_id], last.pop(reward.reward_id, None)
            if event is not None:
                self._check_reward(reward, state, event)
            elif state.revision:
                stored = f"revision {state.revision}, never published"
                about = reward_text(reward.reward_id)
                self.check.check(self._may_be_pruned(state), about, stored=stored, expected="published")
        for reward_id in last:
            self.check.check_equal(reward_text(reward_id), stored="nothing, but published", expected="a reward")

    def _may_be_pruned(self, state: SettledReward) -> bool:
        """Whether the event may be older than the oldest stored bytes. It is not older than its leave's first read."""
        leaves = zip(self.known.state.account.leaves, self.known.first_seen.leaves, strict=True)
        first_read = next((read_at for leave, read_at in leaves if leave.key == state.cancelled_by), None)
        return self.kept_since is None or first_read is None or first_read < self.kept_since

    def _check_reward(self, reward: Reward, state: SettledReward, event: PublishedEvent) -> None:
        about = reward_text(reward.reward_id)
        name = "RewardReinstated" if state.action is None else "RewardCancelled"
        stored = (name, f"revision {state.revision}")
        published = (event.name, f"revision {event.data['revision']}")
        self.check.check_equal(about, stored=stored, expected=published)
        if stored == published:
            same = self._value(reward, state, Rule(event.data["rule"])) == event.value
            differs = "a state that does not give the published event"
            self.check.check(same, about, stored=differs, expected=event.value.decode())

    def _value(self, reward: Reward, state: SettledReward, rule: Rule) -> bytes | None:
        """Return the value of the event that the state gives.

        The rule is the published one: a change of the rule alone publishes nothing.
        """
        account = self.known.state.account
        leave = next((leave for leave in account.leaves if leave.key == state.cancelled_by), None)
        if leave is None:
            return None
        context = DecisionContext(
            customer_id=account.customer_id,
            group_id=self.owner.group_id,
            target_id=account.target_id,
            cause=_NO_CAUSE,
            decided_at=_NO_TIME,
            calendar=self.owner.calendar,
        )
        if state.action is None:
            return encode(RewardReinstatement(reward, leave, rule, state.revision), context).value
        return encode(RewardCancellation(reward, leave, rule, state.action, state.revision), context).value


def _check_leaves(
    known: KnownAccount, events: Sequence[PublishedEvent], *, owner: TargetGroup, check: AccountCheck
) -> None:
    """Compare the leaves with the UserUnenrolled events."""
    account, settled = known.state
    if events:
        published = f"{max(map(_revision, events))} UserUnenrolled"
        check.check_equal("the account", stored=f"{settled.revision} UserUnenrolled", expected=published)
    in_force = _in_force(events)
    for leave in account.leaves:
        if event_uuid(leave.key) not in in_force:
            continue
        state, event = settled.leaves[leave.key], in_force[event_uuid(leave.key)]
        about = leave_text(leave.key)
        stored = state.outcome if state.outcome is Outcome.UNENROLLED else "superseded"
        check.check_equal(about, stored=stored, expected="superseded" if event is None else Outcome.UNENROLLED)
        dropped = None if event is None else event.data["droppedPeriods"]
        if dropped is not None and state.first_dropped is not None:
            first = owner.calendar.cycle_numbered(state.first_dropped).name
            check.check_equal(about, stored=("from", first), expected=("from", dropped["first"]))


def _in_force(events: Sequence[PublishedEvent]) -> Mapping[str, PublishedEvent | None]:
    """Return the event in force by the UUID of its leave; None if another leave's event supersedes it."""
    in_force: dict[str, PublishedEvent | None] = {}
    for event in sorted(events, key=_revision):
        if event.data["supersedes"] is not None:
            in_force[event.data["supersedes"]] = None
        in_force[event.data["unenrollmentId"]] = event
    return in_force


def _check_answers(events: Sequence[PublishedEvent], receipts: Sequence[LedgerReceipt], check: AccountCheck) -> None:
    """Compare each rejection with the outcome in the ledger."""
    rejected: dict[str, str] = {}
    for event in events:
        if event.name == "UnenrollRejected":
            request = EventId(event.data["requestId"], event.data["requestSource"])
            rejected[event_uuid(request)] = event.data["outcome"]
    for receipt in receipts:
        published = rejected.pop(str(receipt.event_key), None)
        if published is not None:
            check.check_equal(f"request {receipt.event_key}", stored=receipt.outcome, expected=published)
