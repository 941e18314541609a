"""Reads and writes what crosses the process's borders: CloudEvents, NDJSON lines and dead letters. No I/O."""
