"""Replay records, and publish decisions again."""
