"""A history as real servers tell it, after all was healed and drained."""

from collections.abc import Iterable, Mapping
from typing import Any

from checker.history import History, Publication, Sample, Sent
from checker.sampling import Watched, ask_until_answered
from support.deployment import Deployment
from unenroll.core.definitions import TargetGroup
from unenroll.core.events import AccountKey
from unenroll.core.outcomes import Outcome
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.topics import INPUTS, output_limits
from unenroll.postgres.account_codec import load_account
from unenroll.postgres.accounts import KnownAccount
from unenroll.postgres.definitions import load_group
from unenroll.postgres.lanes import LaneRow
from unenroll.postgres.ledger import DeadLetterRow, LedgerRow
from unenroll.postgres.ledger import LedgerPosition as Read
from unenroll.postgres.outbox import unpack
from unenroll.settings import KafkaSettings
from unenroll.wire.ndjson import LoadedFact
from unenroll.wire.topics import Position, Topic

Row = Mapping[str, Any]

_ERASED = "select lane_id, sum(count) as count from erased_counts where lane_id > 0 group by lane_id"


def watched(deployment: Deployment) -> Watched:
    """The place's topics and group, to take samples of."""
    return Watched(kafka=deployment.kafka, prefix=deployment.prefix, group_id=deployment.group_id)


async def collected(
    deployment: Deployment,
    *,
    sent: Iterable[Sent],
    samples: Iterable[Sample],
    outgrown: Iterable[TargetGroup] = (),
    loaded: Iterable[LoadedFact] = (),
) -> History:
    """All that is left of a campaign at this place. `outgrown`: versions of its groups that are not their last."""
    cluster = KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=deployment.kafka, topic_prefix=deployment.prefix))
    topics = await cluster.topics([deployment.prefix + word for word in INPUTS])
    return History(
        prefix=deployment.prefix,
        groups=(
            *outgrown,
            *(load_group(row["definition"]) for row in await deployment.rows("select * from target_groups")),
        ),
        loaded=tuple(loaded),
        sent=tuple(sent),
        inputs=tuple(deployment.consume(*INPUTS)),
        topic_ids={topic.topic_id: topic.name for topic in topics.values()},
        lanes=tuple(_lane(row) for row in await deployment.rows("select * from lanes order by partition")),
        ledger=tuple(_kept(row) for row in await deployment.rows("select * from ledger order by lane_id, sequence")),
        dead=tuple(
            _buried(row) for row in await deployment.rows("select * from dead_letters order by lane_id, sequence")
        ),
        publications=tuple(_publication(row) for row in await deployment.rows("select * from publications")),
        accounts=dict(_account(row) for row in await deployment.rows("select * from accounts")),
        visible=tuple(deployment.consume()),
        present=tuple(deployment.consume(isolation="read_uncommitted")),
        samples=(*samples, ask_until_answered(watched(deployment).sample)),
        ends=ask_until_answered(watched(deployment).ends),
        dead_letter_bytes=(await output_limits(cluster, deployment.prefix))[Topic.DEAD_LETTERS],
        erased={row["lane_id"]: int(row["count"]) for row in await deployment.rows(_ERASED)},
    )


def _lane(row: Row) -> LaneRow:
    columns = zip(row["topics"], row["topic_ids"], row["partition_counts"], row["positions"], strict=True)
    positions = tuple(
        Position(topic=topic, topic_id=topic_id, partitions=count, offset=offset)
        for topic, topic_id, count, offset in columns
    )
    names = ("lane_id", "partition", "epoch", "sequence", "published")
    return LaneRow(**{name: row[name] for name in names}, positions=positions)


def _kept(row: Row) -> LedgerRow:
    plain = {name: row[name] for name in LedgerRow._fields}
    outcome = None if row["outcome"] is None else Outcome(row["outcome"])
    return LedgerRow(**{**plain, "event_key": str(row["event_key"]), "outcome": outcome})


def _buried(row: Row) -> DeadLetterRow:
    deployment = Read(**{name: row[name] for name in Read._fields})
    names = ("topic", "digest", "reason", "detail", "redrives", "decided_at")
    return DeadLetterRow(**{name: row[name] for name in names}, position=deployment)


def _publication(row: Row) -> Publication:
    names = ("lane_id", "first_sequence", "last_sequence")
    return Publication(**{name: row[name] for name in names}, messages=unpack(row["outputs"]))


def _account(row: Row) -> tuple[AccountKey, KnownAccount]:
    key = AccountKey(row["customer_id"], row["target_id"])
    state, seen = load_account(row["facts"], customer_id=key.customer_id, target_id=key.target_id)
    return key, KnownAccount(state=state, decisions=row["decisions"], waits=row["waits"], first_seen=seen)
