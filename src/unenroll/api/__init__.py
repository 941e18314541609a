"""The HTTP API: calls are kept, published, awaited and answered."""
