"""The commands: each reads its arguments and settings, calls one function and prints the result."""

from unenroll.cli.main import main

__all__ = ["main"]
