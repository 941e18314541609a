"""Unenroll: consume, decide, persist, publish.

A lane consumes the records of one partition number (`stream`), reads them (`wire`), gathers what is known of the
accounts they concern (`store`), decides (`core`), persists the decisions in one Postgres transaction (`store`) and
publishes them with the offsets in one Kafka transaction (`stream`). Postgres says what was decided and up to where;
Kafka's committed offset says what was published.
"""
