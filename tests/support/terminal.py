"""The real command on a terminal."""

import os
import sys
from collections.abc import Mapping

import pexpect

_SECONDS = 60


def typed(*arguments: str, environment: Mapping[str, str], size: tuple[int, int] = (24, 80)) -> pexpect.spawn:
    """The command, started and at hand, on a terminal of so many lines and columns."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"LINES", "COLUMNS"}}
    return pexpect.spawn(
        sys.executable,
        ["-m", "unenroll", *arguments],
        env={**inherited, **environment},
        timeout=_SECONDS,
        dimensions=size,
    )
