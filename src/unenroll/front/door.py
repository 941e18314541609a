"""The flow of a call: store the request, publish its event, wait for the decision, answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic

import asyncpg

from unenroll.core.spells import walk
from unenroll.front.answers import Answer, not_yet, to_dead_letter, to_enroll, to_leave
from unenroll.front.bodies import CallRecord, UnenrollRecord, fingerprint
from unenroll.front.guards.refusals import Refused
from unenroll.front.kept import data_text, event_id, message_of, new_request_id, sought
from unenroll.front.waiting import Waiting
from unenroll.store.accounts import AccountKey, see_accounts
from unenroll.store.connect import one_moment
from unenroll.store.definitions import DefinitionCache
from unenroll.store.front_door import Fate, KeptRequest, Sought, fates_of, keep_answer, keep_request
from unenroll.stream.idempotent_producer import Publisher
from unenroll.wire.identity import event_uuid
from unenroll.wire.instants import instant_text
from unenroll.wire.record import Message
from unenroll.wire.refusals import DeadLetter

_OTHER_CALL = "Idempotency-Key: was used for another call; a new call needs a new key"
_ERASED = (
    "customerId: the customer was erased, and events up to {until} are not accepted; make a new call with a later time"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A call as it arrived. `document`: its whole parsed body; `key`: its Idempotency-Key."""

    caller: str
    group_id: int
    target_id: int
    record: CallRecord
    document: object
    key: str | None
    traceparent: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """What all calls share.

    `wait_seconds`: how long a call waits for its decision. `waited`: called with the seconds that it waited.
    """

    pool: asyncpg.Pool
    publisher: Publisher
    waiting: Waiting
    topic_prefix: str
    wait_seconds: float
    waited: Callable[[float], object] = lambda _: None
    definitions: DefinitionCache = field(default_factory=DefinitionCache)

    async def answer(self, asked: Asked) -> tuple[KeptRequest, Answer]:
        """The stored request and the answer. Raises Refused, OutageError and SetupError."""
        deadline = monotonic() + self.wait_seconds
        request = _kept(asked)
        message = _worded(request)
        wanted = sought(request, message, topic_prefix=self.topic_prefix)
        before = await keep_request(self.pool, request, happened=wanted.happened)
        if isinstance(before, Fate):
            return request, await self._answer(request, before)
        if before is not None:
            if before.fingerprint != request.fingerprint:
                raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, _OTHER_CALL)
            request, message = before, _worded(before)
            wanted = sought(request, message, topic_prefix=self.topic_prefix)
        fate = None if before is None else await self._known(wanted)
        if fate is None:
            await self.publisher.publish(message)
            began = monotonic()
            fate = await self.waiting.fate(wanted, seconds=max(0.0, deadline - began))
            self.waited(monotonic() - began)
        return request, await self._answer(request, fate)

    async def outcome(self, request: KeptRequest) -> Answer:
        """The answer that the call would get now. Raises OutageError and SetupError."""
        wanted = sought(request, _worded(request), topic_prefix=self.topic_prefix)
        return await self._answer(request, await self._known(wanted))

    async def _known(self, wanted: Sought) -> Fate | None:
        return (await fates_of(self.pool, [wanted])).get(wanted)

    async def _answer(self, request: KeptRequest, fate: Fate | None) -> Answer:
        if fate is None:
            return not_yet(request.request_id)
        if fate.dead is not None:
            return to_dead_letter(fate.dead)
        if fate.erased_until is not None:
            raise Refused(HTTPStatus.CONFLICT, _ERASED.format(until=instant_text(fate.erased_until)))
        if fate.outcome is not None:
            return to_leave(request.customer_id, fate.outcome)
        return await self._enrolled(request)

    async def _enrolled(self, request: KeptRequest) -> Answer:
        """The outcome of an enrollment. The ledger does not record it, so it is worked out from the account."""
        key = AccountKey(request.customer_id, request.target_id)
        async with one_moment(self.pool) as connection:
            known = (await see_accounts(connection, [key])).get(key)
        if known is None:  # the customer was erased meanwhile, and the request too
            return not_yet(request.request_id)
        account = known.state.account
        # Read after the account, so these are at least as new as those that the account was settled with.
        await self.definitions.look(self.pool, group_ids=[], target_ids=[request.target_id])
        defined = self.definitions.known
        owner = defined.groups[defined.owners[request.target_id]]
        stays = walk(account, owner.targets[request.target_id], owner.calendar)
        stay = stays.enrollments.get(event_id(request.caller, request.request_id))
        if stay is None:  # as above, and the customer has returned since
            return not_yet(request.request_id)
        return to_enroll(request.customer_id, await keep_answer(self.pool, request.request_id, stay.outcome))


def _kept(asked: Asked) -> KeptRequest:
    now = datetime.now(UTC)
    record = asked.record
    account = {"customerId": record.customer_id, "targetGroupId": asked.group_id, "targetId": asked.target_id}
    event_type = "UnenrollRequested" if isinstance(record, UnenrollRecord) else "CustomerEnrolled"
    request_id = new_request_id(asked.caller, asked.key)
    return KeptRequest(
        request_id=request_id,
        caller=asked.caller,
        event_type=event_type,
        fingerprint=fingerprint(event_type, asked.group_id, asked.target_id, asked.document),
        customer_id=record.customer_id,
        target_id=asked.target_id,
        event_key=event_uuid(event_id(asked.caller, request_id)),
        event_time=now,
        traceparent=asked.traceparent,
        data=data_text({**account, **record.data(now=now)}),
    )


def _worded(request: KeptRequest) -> Message:
    """The event. Raises Refused if the worker would reject it."""
    message = message_of(request)
    if isinstance(message, DeadLetter):
        raise Refused(HTTPStatus.BAD_REQUEST, message.detail)
    return message
