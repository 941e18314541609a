"""NDJSON files: read in bounded memory, with progress shown, and bad lines told of without stopping."""
