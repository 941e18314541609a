"""Predict what many requests do, then publish exactly those requests."""
