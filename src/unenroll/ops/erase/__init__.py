"""Erase a customer."""
