"""`python -m unenroll` is `unenroll`."""

from unenroll.cli import main

main()
