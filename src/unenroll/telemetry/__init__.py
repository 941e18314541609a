"""Metrics, health, the watchdog and traces."""
