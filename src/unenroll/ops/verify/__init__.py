"""Check the ledger, accounts and published events against each other."""
