"""The HTTP API: routes that publish events and wait for decisions, and routes that read accounts."""
