"""Postgres: the pool, SQL files, accounts, ledger, outbox, lanes, definitions, migrations."""
