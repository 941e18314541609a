"""An account held against the bytes that were published of it: what was told last is what is so. Pure."""

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
from unenroll.ops.verify.differences import AccountDrift, CheckedAgainst, Difference, leave_named
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.audit import AuditedAccount, LedgerReceipt
from unenroll.wire.encode import DecisionContext, encode, event_uuid
from unenroll.wire.topics import Message, event_name

_NO_TIME = datetime.min.replace(tzinfo=UTC)
_NO_CAUSE = EventId("", "")


class PublishedEvent(NamedTuple):
    """One of our events, as it was published."""

    name: str
    id: str
    data: Mapping[str, Any]
    value: bytes


def published_drift(
    one: AuditedAccount, known: KnownAccount, owner: TargetGroup, *, kept_since: datetime | None
) -> list[Difference]:
    """The differences. What was told before `kept_since`, the oldest bytes that are kept, is not missed."""
    drift = AccountDrift(one.key, CheckedAgainst.PUBLISHED, [])
    events = [event for event in map(_event, one.sent or ()) if event.data["targetId"] == one.key.target_id]
    ids = [event.id for event in events]
    drift.unless(len(set(ids)) == len(ids), "the account", kept="an event published twice", decided="each once")
    _Rewards(known, owner, kept_since, drift).hold([event for event in events if "rewardId" in event.data])
    _leaves(known, [event for event in events if event.name == "UserUnenrolled"], owner=owner, drift=drift)
    _answers(events, one.receipts, drift)
    return drift.found


class _Rewards(NamedTuple):
    known: KnownAccount
    owner: TargetGroup
    kept_since: datetime | None
    drift: AccountDrift

    def hold(self, events: Sequence[PublishedEvent]) -> None:
        """Hold what was told last of each reward against how it stands."""
        last = {event.data["rewardId"]: event for event in sorted(events, key=_revision)}
        settled = self.known.state.settled.rewards
        for reward in self.known.state.account.rewards:
            now, told = settled[reward.reward_id], last.pop(reward.reward_id, None)
            if told is not None:
                self._one(reward, now, told)
            elif now.revision:
                about = f"reward {reward.reward_id}"
                kept = f"revision {now.revision}, never published"
                self.drift.unless(self._gone(now), about, kept=kept, decided="published")
        for reward_id in last:
            self.drift.same(f"reward {reward_id}", kept="nothing, yet published", decided="a reward")

    def _gone(self, now: SettledReward) -> bool:
        """Whether the bytes may have been pruned: it was told of when its leave came, or later."""
        leaves = zip(self.known.state.account.leaves, self.known.seen.leaves, strict=True)
        told_at = next((seen_at for leave, seen_at in leaves if leave.key == now.cancelled_by), None)
        return self.kept_since is None or told_at is None or told_at < self.kept_since

    def _one(self, reward: Reward, now: SettledReward, told: PublishedEvent) -> None:
        about = f"reward {reward.reward_id}"
        kept = ("RewardReinstated" if now.action is None else "RewardCancelled", f"revision {now.revision}")
        published = (told.name, f"revision {told.data['revision']}")
        self.drift.same(about, kept=kept, decided=published)
        if kept == published:
            alike = self._bytes(reward, now, Rule(told.data["rule"])) == told.value
            self.drift.unless(alike, about, kept="another event than was published", decided=told.value.decode())

    def _bytes(self, reward: Reward, now: SettledReward, rule: Rule) -> bytes | None:
        """The event's value. A change of rule alone publishes nothing, so the rule is that of the time."""
        account = self.known.state.account
        leave = next((leave for leave in account.leaves if leave.key == now.cancelled_by), None)
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
        if now.action is None:
            return encode(RewardReinstatement(reward, leave, rule, now.revision), context).value
        return encode(RewardCancellation(reward, leave, rule, now.action, now.revision), context).value


def _leaves(
    known: KnownAccount, farewells: Sequence[PublishedEvent], *, owner: TargetGroup, drift: AccountDrift
) -> None:
    account, settled = known.state
    if farewells:
        told = f"{max(map(_revision, farewells))} UserUnenrolled"
        drift.same("the account", kept=f"{settled.revision} UserUnenrolled", decided=told)
    in_force = _in_force(farewells)
    for leave in account.leaves:
        if event_uuid(leave.key) not in in_force:
            continue
        now, event = settled.leaves[leave.key], in_force[event_uuid(leave.key)]
        told = "superseded" if event is None else Outcome.UNENROLLED
        kept = now.outcome if now.outcome is Outcome.UNENROLLED else "superseded"
        drift.same(leave_named(leave.key), kept=kept, decided=told)
        dropped = None if event is None else event.data["droppedPeriods"]
        if dropped is not None and now.first_dropped is not None:
            first = owner.calendar.numbered(now.first_dropped).name
            drift.same(leave_named(leave.key), kept=("from", first), decided=("from", dropped["first"]))


def _in_force(farewells: Sequence[PublishedEvent]) -> Mapping[str, PublishedEvent | None]:
    """What is in force of each leave that was told to have taken effect; None: another leave's supersedes it."""
    in_force: dict[str, PublishedEvent | None] = {}
    for event in sorted(farewells, key=_revision):
        if event.data["supersedes"] is not None:
            in_force[event.data["supersedes"]] = None
        in_force[event.data["unenrollmentId"]] = event
    return in_force


def _answers(events: Sequence[PublishedEvent], receipts: Sequence[LedgerReceipt], drift: AccountDrift) -> None:
    """The first answer of each request is what the ledger says that it was."""
    rejected: dict[str, str] = {}
    for event in events:
        if event.name == "UnenrollRejected":
            request = EventId(event.data["requestId"], event.data["requestSource"])
            rejected[event_uuid(request)] = event.data["outcome"]
    for receipt in receipts:
        published = rejected.pop(str(receipt.event_key), None)
        if published is not None:
            drift.same(f"request {receipt.event_key}", kept=receipt.outcome, decided=published)


def _revision(event: PublishedEvent) -> int:
    return int(event.data["revision"])


def _event(message: Message) -> PublishedEvent:
    headers = {name: (value or b"").decode() for name, value in message.headers}
    value = message.value or b"{}"
    return PublishedEvent(
        event_name(headers["ce_type"]) or headers["ce_type"], headers["ce_id"], from_json(value), value
    )
