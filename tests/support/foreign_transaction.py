"""A transaction of somebody else on the input topics: it withholds all records behind it until it ends."""

import time

from confluent_kafka import Producer

from support.arrivals import PARTITIONS
from unenroll.kafka.topics import INPUTS

_CALL_SECONDS = 30.0
_FLUSH_SECONDS = 10.0


def withhold_records(kafka: str, prefix: str, *, seconds: float) -> None:
    """Keep a transaction open on all input partitions for so long, then abort it.

    Raises KafkaException if Kafka goes away meanwhile: it then ends the transaction itself, 15 s after its begin.
    """
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "transactional.id": f"{prefix}foreign",
            "transaction.timeout.ms": 15_000,
            "log_level": 0,
        }
    )
    producer.init_transactions(_CALL_SECONDS)
    producer.begin_transaction()
    for word in INPUTS:
        for partition in range(PARTITIONS):
            producer.produce(prefix + word, b"never committed", partition=partition)
    producer.flush(_FLUSH_SECONDS)
    time.sleep(seconds)  # how long the transaction is open: it waits for nothing
    producer.abort_transaction(_CALL_SECONDS)
