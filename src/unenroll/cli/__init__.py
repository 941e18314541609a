"""The commands: they read arguments and settings, call one function, and print."""

from unenroll.cli.main import main

__all__ = ["main"]
