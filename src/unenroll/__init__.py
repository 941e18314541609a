"""Unenroll: reads requests from Kafka, decides them in Postgres, and publishes the answers to Kafka.

A worker has a lane for each partition number. The lane

1. reads records (`kafka.consumer`), decodes them (`wire.decode`) and makes a batch of them (`worker.batch`),
2. reads the accounts of the batch (`postgres.accounts`) and decides (`core.decide`),
3. commits the decisions in one Postgres transaction (`worker.transaction`, `postgres.ledger`),
4. publishes them with the offsets in one Kafka transaction (`kafka.transactional_producer`).

Postgres records what is decided and up to which offset. The committed offset in Kafka records what is published.
"""
