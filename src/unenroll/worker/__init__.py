"""Lanes and batches: the one path on which decisions are made."""
