"""Bytes to records and back: CloudEvents, one model per event. Nothing else knows JSON."""
