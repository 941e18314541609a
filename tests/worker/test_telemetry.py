"""The worker asks Kafka how far each lane is behind, and since when."""

from time import time

import pytest

from support.topics import NewRecord, produce
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.range_reader import oldest_records
from unenroll.kafka.topics import make_topics
from unenroll.postgres.pool import open_pool
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings
from unenroll.telemetry.state import LaneActivity, ProcessState
from unenroll.worker import telemetry
from unenroll.worker.telemetry import ServerProbe


async def test_a_lane_that_does_not_move_knows_since_when_its_oldest_record_waits(
    servers: ServerAddresses, database_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = WorkerSettings(
        kafka_bootstrap_servers=servers.kafka, database_url=database_url, topic_prefix=prefix, group_id=prefix
    )
    cluster, state, requests = KafkaAdmin(settings), ProcessState(), []
    await make_topics(cluster, prefix, partitions=2, replication=1)
    began = time()
    produce(servers.kafka, f"{prefix}requests", [NewRecord(key=b"x", value=b"?", partition=1) for _ in range(3)])
    original = oldest_records

    async def counted(*arguments: object) -> object:
        requests.append(arguments)
        return await original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(telemetry, "oldest_records", counted)
    state.assign_lanes([0, 1])
    for number in (0, 1):
        lane = state.add_lane(number)
        lane.published_up_to([(f"{prefix}requests", 0), (f"{prefix}facts", 0)])
        lane.activity = LaneActivity.READING
    async with open_pool(database_url) as pool:
        probe = ServerProbe(settings=settings, cluster=cluster, pool=pool, state=state)
        for _ in range(4):
            await probe._check_kafka()  # noqa: SLF001 - what it does every 5 s
            await probe._check_postgres()  # noqa: SLF001 - the same
    idle, behind = state.lanes[0], state.lanes[1]
    assert (idle.lags, idle.oldest, idle.busy) == ({f"{prefix}requests": 0, f"{prefix}facts": 0}, None, False)
    assert (behind.lags, behind.busy) == ({f"{prefix}requests": 3, f"{prefix}facts": 0}, True)
    assert behind.oldest is not None
    assert began - 1 < behind.oldest < time()
    assert len(requests) == 1  # the position has not changed
    behind.published_up_to([(f"{prefix}requests", 3), (f"{prefix}facts", 0)])
    assert not behind.busy
