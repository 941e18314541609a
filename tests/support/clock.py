"""Times of the clock, which differ from run to run, taken out of what a command prints."""

import re

_CLOCK_TIME = re.compile(r"\b\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\dZ")  # times of events have no seconds in tests


def without_clock(text: str) -> str:
    """The text with `<now>` in place of each time that has seconds."""
    return _CLOCK_TIME.sub("<now>", text)
