"""How far behind a lane is, and since when: as Kafka says, whatever the lane itself is doing."""

from time import time

import pytest

from support.topics import Put, put
from unenroll.kafka.admin import KafkaAdmin
from unenroll.kafka.range_reader import oldest_records
from unenroll.kafka.topics import make_topics
from unenroll.postgres.pool import connected
from unenroll.sandbox.servers import ServerAddresses
from unenroll.settings import WorkerSettings
from unenroll.telemetry.state import LaneActivity, ProcessState
from unenroll.worker import telemetry as observing
from unenroll.worker.telemetry import ServerProbe


async def test_a_lane_that_does_not_move_is_told_since_when_its_oldest_record_waits(
    servers: ServerAddresses, database_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = WorkerSettings(
        kafka_bootstrap_servers=servers.kafka, database_url=database_url, topic_prefix=prefix, group_id=prefix
    )
    cluster, board, asked = KafkaAdmin(settings), ProcessState(), []
    await make_topics(cluster, prefix, partitions=2, replication=1)
    began = time()
    put(servers.kafka, f"{prefix}requests", [Put(key=b"x", value=b"?", partition=1) for _ in range(3)])
    asked_of_kafka = oldest_records

    async def counted(*arguments: object) -> object:
        asked.append(arguments)
        return await asked_of_kafka(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(observing, "oldest_records", counted)
    board.keep([0, 1])
    for number in (0, 1):
        lane = board.lane(number)
        lane.stand_at([(f"{prefix}requests", 0), (f"{prefix}facts", 0)])
        lane.turn_to(LaneActivity.READING)
    async with connected(database_url) as pool:
        looking = ServerProbe(settings=settings, cluster=cluster, pool=pool, board=board)
        for _ in range(4):
            await looking._kafka()  # noqa: SLF001 - what it does every 5 s
            await looking._postgres()  # noqa: SLF001 - the same
    idle, behind = board.lanes[0], board.lanes[1]
    assert (idle.lags, idle.oldest, idle.busy) == ({f"{prefix}requests": 0, f"{prefix}facts": 0}, None, False)
    assert (behind.lags, behind.busy) == ({f"{prefix}requests": 3, f"{prefix}facts": 0}, True)
    assert behind.oldest is not None
    assert began - 1 < behind.oldest < time()
    assert len(asked) == 1  # the place is the same, and so is the answer
    behind.stand_at([(f"{prefix}requests", 3), (f"{prefix}facts", 0)])
    assert not behind.busy
