"""An embedded Kafka and Postgres for the demo, the tests and development machines."""
