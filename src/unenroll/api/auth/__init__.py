"""Who may call the HTTP API."""
