"""Replay requests and decisions."""
