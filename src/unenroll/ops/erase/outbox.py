"""Remove one customer's messages from the outbox. All other messages keep their bytes and their order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import asyncpg

from unenroll.postgres.erasure import (
    BatchKey,
    LetterRecord,
    batches_to_rewrite,
    erase_letters,
    finish_batch,
    read_batch,
    replace_batch,
)
from unenroll.postgres.ledger import LetterKey
from unenroll.postgres.outbox import pack, unpack
from unenroll.postgres.pool import Connection, transaction
from unenroll.wire.data_subjects import customers_of
from unenroll.wire.dead_letters import Letter, read_letter
from unenroll.wire.topics import Message, Record, Topic


@dataclass(kw_only=True, slots=True)
class OutboxErasure:
    """Removes messages and dead letters of a customer. `counts` has the removed rows by table, and `messages`."""

    pool: asyncpg.Pool
    customer_id: int
    dry_run: bool
    counts: Counter[str] = field(default_factory=Counter)

    async def remove_messages(self, published: Mapping[int, int]) -> int:
        """Remove the customer's messages from published batches.

        `published` has the number of the last published decision by lane. Returns how many batches with messages of
        the customer are not published yet. Raises OutageError and SetupError.
        """
        unpublished = 0
        for key in await batches_to_rewrite(self.pool, self.customer_id):
            visible = key.last_sequence <= published.get(key.lane_id, 0)
            unpublished += not await self._remove(key, visible=visible)
        return unpublished

    async def erase_letters(self, letters: Iterable[Letter]) -> None:
        """Delete the rows of these dead letters. Raises OutageError and SetupError."""
        async with transaction(self.pool) as connection:
            await self._forget_letters(connection, letters)

    async def _remove(self, key: BatchKey, *, visible: bool) -> bool:
        """Remove the messages from the batch. Returns False if it has some, but is not published yet."""
        async with transaction(self.pool) as connection:
            packed = await read_batch(connection, key, lock=not self.dry_run)
            messages = unpack(packed) if packed else ()
            removed = [message for message in messages if self._concerns_customer(message)]
            if removed and not visible:
                return False
            self.counts["messages"] += len(removed)
            self.counts["publications"] += bool(removed)
            await self._forget_letters(connection, _letters(removed))
            if not self.dry_run:
                if removed:
                    others = [message for message in messages if not self._concerns_customer(message)]
                    await replace_batch(connection, key, pack(others) if others else None)
                await finish_batch(connection, self.customer_id, key)
        return True

    def _concerns_customer(self, message: Message) -> bool:
        return self.customer_id in customers_of(_record(message))

    async def _forget_letters(self, connection: Connection, letters: Iterable[Letter]) -> None:
        keys = [_letter_place(letter) for letter in letters]
        self.counts.update(await erase_letters(connection, keys, dry_run=self.dry_run))


def _letters(messages: Iterable[Message]) -> list[Letter]:
    letters = [read_letter(_record(message)) for message in messages if message.topic == Topic.DEAD_LETTERS]
    return [letter for letter in letters if letter is not None]


def _letter_place(letter: Letter) -> LetterRecord:
    record = letter.record
    return LetterRecord(LetterKey(record.topic, letter.digest), record.partition, record.offset, letter.reason)


def _record(message: Message) -> Record:
    return Record(
        topic=message.topic, partition=0, offset=0, key=message.key, value=message.value, headers=message.headers
    )
