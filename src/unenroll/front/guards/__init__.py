"""Authentication and limits of the HTTP API. Unclear calls are refused."""
