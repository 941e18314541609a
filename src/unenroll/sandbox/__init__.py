"""An embedded Kafka and Postgres for the demo, tests and laptops."""
