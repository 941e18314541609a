"""Read and write the tables in Postgres: accounts, ledger, outbox, lanes, definitions; and migrate them."""
