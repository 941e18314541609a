"""The commands: they read arguments and settings, call one function, and print."""

from unenroll.cli.program import main

__all__ = ["main"]
