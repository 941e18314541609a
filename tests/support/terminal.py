"""The real command on a terminal, and its output without the times of the clock."""

import os
import re
import sys
from collections.abc import Mapping

import pexpect

_SECONDS = 60


def typed(*arguments: str, environment: Mapping[str, str], size: tuple[int, int] = (24, 80)) -> pexpect.spawn:
    """Start the command on a terminal of this size (lines, columns)."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"LINES", "COLUMNS"}}
    return pexpect.spawn(
        sys.executable,
        ["-m", "unenroll", *arguments],
        env={**inherited, **environment},
        timeout=_SECONDS,
        dimensions=size,
    )


_CLOCK_TIME = re.compile(r"\b\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\dZ")  # times of events have no seconds in tests


def without_clock(text: str) -> str:
    """Replace each time that has seconds by `<now>`."""
    return _CLOCK_TIME.sub("<now>", text)
