"""One migration per module, with an SQL file of the same name."""
