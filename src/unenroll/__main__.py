"""Lets `python -m unenroll` run the command `unenroll`."""

from unenroll.cli import main

main()
