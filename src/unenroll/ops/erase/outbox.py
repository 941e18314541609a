"""The bytes of batches without those of one customer: the messages of all others stay, to the byte and in order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import asyncpg

from unenroll.postgres.erasure import (
    BatchKey,
    LetterPlace,
    batch_bytes,
    batch_done,
    batches_of,
    forget_letters,
    rewrite,
)
from unenroll.postgres.outbox import pack, unpack
from unenroll.postgres.pool import Connection, transaction
from unenroll.postgres.redrives import LetterKey
from unenroll.wire.data_subjects import customers_of
from unenroll.wire.dead_letters import Letter, read_letter
from unenroll.wire.topics import Message, Record, Topic


@dataclass(kw_only=True, slots=True)
class OutboxErasure:
    """What is looked through, and what went by that. `counts` has rows by table, and `messages`."""

    pool: asyncpg.Pool
    customer_id: int
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)

    async def clear(self, published: Mapping[int, int]) -> int:
        """Take the customer's messages out of all batches that are `published`, by the lane's last published number.

        Returns how many batches hold some that are not published yet. Raises OutageError and SetupError.
        """
        keys = await batches_of(self.pool, self.customer_id)
        return sum([await self._batch(key, visible=key.last_sequence <= published.get(key.lane_id, 0)) for key in keys])

    async def forget(self, letters: Iterable[Letter]) -> None:
        """Forget the letters, whatever is kept of them. Raises OutageError and SetupError."""
        async with transaction(self.pool) as connection:
            await self._forget(connection, letters)

    async def _batch(self, key: BatchKey, *, visible: bool) -> bool:
        """Whether the batch has to wait."""
        async with transaction(self.pool) as connection:
            packed = await batch_bytes(connection, key, hold=not self.dry_run)
            messages = unpack(packed) if packed else ()
            concerned = [message for message in messages if self._concerns(message)]
            if concerned and not visible:
                return True
            self.counts["messages"] += len(concerned)
            self.counts["publications"] += bool(concerned)
            await self._forget(connection, _letters(concerned))
            if not self.dry_run:
                if concerned:
                    left = [message for message in messages if not self._concerns(message)]
                    await rewrite(connection, key, pack(left) if left else None)
                await batch_done(connection, self.customer_id, key)
        return False

    def _concerns(self, message: Message) -> bool:
        return self.customer_id in customers_of(_record(message))

    async def _forget(self, connection: Connection, letters: Iterable[Letter]) -> None:
        places = [_place(letter) for letter in letters]
        self.counts.update(await forget_letters(connection, places, dry_run=self.dry_run))


def _letters(messages: Iterable[Message]) -> list[Letter]:
    letters = [read_letter(_record(message)) for message in messages if message.topic == Topic.DEAD_LETTERS]
    return [letter for letter in letters if letter is not None]


def _place(letter: Letter) -> LetterPlace:
    record = letter.record
    return LetterPlace(LetterKey(record.topic, letter.digest), record.partition, record.offset, letter.reason)


def _record(message: Message) -> Record:
    return Record(
        topic=message.topic, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers
    )
