"""Check accounts against their own facts, the ledger and the published events."""
