"""The worker: consumes events, decides them in Postgres transactions, and publishes the results."""
