"""What one campaign left behind: all that the checker may look at, and nothing that it could ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from support.topics import ConsumedRecord, NewRecord
from unenroll.core.definitions import TargetGroup
from unenroll.core.events import AccountKey
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.lanes import LaneRow
from unenroll.postgres.ledger import DeadLetterRow, LedgerRow
from unenroll.wire.ndjson import LoadedFact
from unenroll.wire.topics import Message

Partition = tuple[str, int]
"""A topic's full name and a number."""

Spot = tuple[str, int, int]
"""The same with an offset."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A record that was produced. `spot` None: nobody knows whether it arrived."""

    topic: str
    record: NewRecord
    spot: Spot | None


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The outputs of one batch, unpacked, as the database keeps them."""

    lane_id: int
    first_sequence: int
    last_sequence: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Committed offsets with their metadata, at one moment of the run.

    `stable`: the last stable offsets of the output partitions, read before. `high`: their ends, read after.
    """

    stable: Mapping[Partition, int]
    committed: Mapping[Partition, tuple[int, str]]
    high: Mapping[Partition, int]


@dataclass(frozen=True, kw_only=True)
class End:
    """Where a partition ended. `stable` is behind `high` while a transaction is open."""

    stable: int
    high: int


@dataclass(frozen=True, kw_only=True)
class History:
    """One campaign's. The last sample was taken when all was healed and drained, like the `ends`.

    `groups` has every version that was defined, those of a group in their order. `loaded` are the facts that did not
    come by a topic. `visible` is what read_committed shows of the output topics, `present` what read_uncommitted shows.
    `topic_ids` has the names of the input topics by id. A dead letter may have `dead_letter_bytes`.
    `erased`: by lane, how many decisions were about customers who were erased.
    """

    prefix: str
    groups: tuple[TargetGroup, ...]
    loaded: tuple[LoadedFact, ...]
    sent: tuple[Sent, ...]
    inputs: tuple[ConsumedRecord, ...]
    topic_ids: Mapping[str, str]
    lanes: tuple[LaneRow, ...]
    ledger: tuple[LedgerRow, ...]
    dead: tuple[DeadLetterRow, ...]
    publications: tuple[Publication, ...]
    accounts: Mapping[AccountKey, KnownAccount]
    visible: tuple[ConsumedRecord, ...]
    present: tuple[ConsumedRecord, ...]
    samples: tuple[Sample, ...]
    ends: Mapping[Partition, End]
    dead_letter_bytes: int
    erased: Mapping[int, int] = field(default_factory=dict)
