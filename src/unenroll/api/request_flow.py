"""The flow of a call: store the request, publish its event, wait for the decision, answer."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import msgspec.json

from unenroll.api.errors import HttpRefusal
from unenroll.api.schemas import (
    ApiResponse,
    CallRecord,
    UnenrollRecord,
    dead_letter_response,
    enroll_response,
    fingerprint,
    pending_response,
    unenroll_response,
)
from unenroll.core.events import AccountKey, EventId
from unenroll.core.spells import spell_history
from unenroll.errors import OutageError, UnenrollError
from unenroll.kafka.idempotent_producer import Publisher
from unenroll.postgres.accounts import read_accounts
from unenroll.postgres.api_requests import (
    EventResult,
    LedgerLookup,
    StoredRequest,
    event_results,
    store_answer,
    store_request,
)
from unenroll.postgres.definitions import DefinitionCache
from unenroll.postgres.pool import snapshot
from unenroll.wire.cloudevents import TRACEPARENT
from unenroll.wire.data_subjects import happened_at
from unenroll.wire.dead_letters import content_digest
from unenroll.wire.decode import ReceivedEvent, decode
from unenroll.wire.encode import event_uuid, named_uuid
from unenroll.wire.fields import instant_text
from unenroll.wire.ndjson import publish_line
from unenroll.wire.reasons import DeadLetter
from unenroll.wire.topics import CARRIES, Message, Record, Topic

_SOURCE = "/front-door"  # ids derive from it, so it stays what it was first called
_JSON = msgspec.json.Encoder(decimal_format="number").encode


def new_request_id(caller: str, key: str | None) -> str:
    """The id of a request: derived from caller and key, or random without a key."""
    return str(uuid4()) if key is None else named_uuid(_SOURCE, caller, key)


def data_text(data: dict[str, object]) -> str:
    """The `data` of an event as JSON, without null fields. Numbers keep every digit."""
    return _JSON({name: value for name, value in data.items() if value is not None}).decode()


def event_id(caller: str, request_id: str) -> EventId:
    """Id and source of the event of a call."""
    return EventId(request_id, f"{_SOURCE}/{quote(caller, safe='')}")


def message_of(request: StoredRequest) -> Message | DeadLetter:
    """The event to publish, or why the worker would reject it."""
    key = event_id(request.caller, request.request_id)
    told = {"type": request.event_type, "source": key.source, "id": key.id, "time": instant_text(request.event_time)}
    message = publish_line(_JSON(told).removesuffix(b"}") + b',"data":' + request.data.encode() + b"}")
    if isinstance(message, DeadLetter) or request.traceparent is None:
        return message
    traced = (*message.headers, (TRACEPARENT, request.traceparent.encode()))
    return msgspec.structs.replace(message, headers=traced)


def ledger_lookup(request: StoredRequest, message: Message, *, topic_prefix: str) -> LedgerLookup:
    """The keys that find the event again in the ledger or among the dead letters."""
    topic = topic_prefix + message.topic
    record = Record(topic=topic, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers)
    read = decode(record, CARRIES[Topic(message.topic)])
    happened = happened_at(read.event, read.time) if isinstance(read, ReceivedEvent) else request.event_time
    return LedgerLookup(request.customer_id, request.event_key, topic, content_digest(record), happened)


_LOOK_SECONDS = 0.02
_AFTER_OUTAGE_SECONDS = 1.0

_Answer = asyncio.Future[EventResult]


class DecisionPoller:
    """Polls only while calls wait, and at most half of the time."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._waited: defaultdict[LedgerLookup, set[_Answer]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None

    async def fate(self, sought: LedgerLookup, *, seconds: float) -> EventResult | None:
        """The fate of the event, or None if the worker has not decided in time. Raises SetupError."""
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._waited[sought].add(answer)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="poll for decisions")
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            return None
        finally:
            self._waited[sought].discard(answer)
            if not self._waited[sought]:
                del self._waited[sought]

    async def end(self) -> None:
        """Stop polling."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _look(self) -> None:
        while self._waited:
            began = monotonic()
            try:
                found = await event_results(self._pool, list(self._waited))
            except OutageError:
                await asyncio.sleep(_AFTER_OUTAGE_SECONDS)
                continue
            except UnenrollError as error:
                self._fail(error)
                return
            for sought, fate in found.items():
                for answer in self._waited.get(sought, ()):
                    if not answer.done():
                        answer.set_result(fate)
            await asyncio.sleep(max(_LOOK_SECONDS, monotonic() - began))

    def _fail(self, error: UnenrollError) -> None:
        for answers in self._waited.values():
            for answer in answers:
                if not answer.done():
                    answer.set_exception(error)


_OTHER_CALL = "Idempotency-Key: was used for another call; a new call needs a new key"
_ERASED = (
    "customerId: the customer was erased, and events up to {until} are not accepted; make a new call with a later time"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiCall:
    """A call as it arrived. `document`: its whole parsed body; `key`: its Idempotency-Key."""

    caller: str
    group_id: int
    target_id: int
    record: CallRecord
    document: object
    key: str | None
    traceparent: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestFlow:
    """What all calls share.

    `wait_seconds`: how long a call waits for its decision. `waited`: called with the seconds that it waited.
    """

    pool: asyncpg.Pool
    publisher: Publisher
    waiting: DecisionPoller
    topic_prefix: str
    wait_seconds: float
    waited: Callable[[float], object] = lambda _: None
    definitions: DefinitionCache = field(default_factory=DefinitionCache)

    async def answer(self, asked: ApiCall) -> tuple[StoredRequest, ApiResponse]:
        """The stored request and the answer. Raises Refused, OutageError and SetupError."""
        deadline = monotonic() + self.wait_seconds
        request = _kept(asked)
        message = _worded(request)
        wanted = ledger_lookup(request, message, topic_prefix=self.topic_prefix)
        before = await store_request(self.pool, request, happened=wanted.happened)
        if isinstance(before, EventResult):
            return request, await self._answer(request, before)
        if before is not None:
            if before.fingerprint != request.fingerprint:
                raise HttpRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, _OTHER_CALL)
            request, message = before, _worded(before)
            wanted = ledger_lookup(request, message, topic_prefix=self.topic_prefix)
        fate = None if before is None else await self._known(wanted)
        if fate is None:
            await self.publisher.publish(message)
            began = monotonic()
            fate = await self.waiting.fate(wanted, seconds=max(0.0, deadline - began))
            self.waited(monotonic() - began)
        return request, await self._answer(request, fate)

    async def outcome(self, request: StoredRequest) -> ApiResponse:
        """The answer that the call would get now. Raises OutageError and SetupError."""
        wanted = ledger_lookup(request, _worded(request), topic_prefix=self.topic_prefix)
        return await self._answer(request, await self._known(wanted))

    async def _known(self, wanted: LedgerLookup) -> EventResult | None:
        return (await event_results(self.pool, [wanted])).get(wanted)

    async def _answer(self, request: StoredRequest, fate: EventResult | None) -> ApiResponse:
        if fate is None:
            return pending_response(request.request_id)
        if fate.dead is not None:
            return dead_letter_response(fate.dead)
        if fate.erased_until is not None:
            raise HttpRefusal(HTTPStatus.CONFLICT, _ERASED.format(until=instant_text(fate.erased_until)))
        if fate.outcome is not None:
            return unenroll_response(request.customer_id, fate.outcome)
        return await self._enrolled(request)

    async def _enrolled(self, request: StoredRequest) -> ApiResponse:
        """The outcome of an enrollment. The ledger does not record it, so it is worked out from the account."""
        key = AccountKey(request.customer_id, request.target_id)
        async with snapshot(self.pool) as connection:
            known = (await read_accounts(connection, [key])).get(key)
        if known is None:  # the customer was erased meanwhile, and the request too
            return pending_response(request.request_id)
        account = known.state.account
        # Read after the account, so these are at least as new as those that the account was settled with.
        defined = await self.definitions.read(self.pool, group_ids=[], target_ids=[request.target_id])
        owner = defined.groups[defined.owners[request.target_id]]
        stays = spell_history(account, owner.targets[request.target_id], owner.calendar)
        stay = stays.enrollments.get(event_id(request.caller, request.request_id))
        if stay is None:  # as above, and the customer has returned since
            return pending_response(request.request_id)
        return enroll_response(request.customer_id, await store_answer(self.pool, request.request_id, stay.outcome))


def _kept(asked: ApiCall) -> StoredRequest:
    now = datetime.now(UTC)
    record = asked.record
    account = {"customerId": record.customer_id, "targetGroupId": asked.group_id, "targetId": asked.target_id}
    event_type = "UnenrollRequested" if isinstance(record, UnenrollRecord) else "CustomerEnrolled"
    request_id = new_request_id(asked.caller, asked.key)
    return StoredRequest(
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


def _worded(request: StoredRequest) -> Message:
    """The event. Raises Refused if the worker would reject it."""
    message = message_of(request)
    if isinstance(message, DeadLetter):
        raise HttpRefusal(HTTPStatus.BAD_REQUEST, message.detail)
    return message
