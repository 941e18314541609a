"""Offsets: how Kafka's and Postgres's stand to each other, and set by people, with a trace."""
