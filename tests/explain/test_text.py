"""Times and durations as text, and output on a terminal and in a pipe."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.text import Text

from unenroll.text import clock_time, duration, moment, plain, render_text


class Terminal(StringIO):
    """A file that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(), "less than a second"),
        (timedelta(milliseconds=999), "less than a second"),
        (timedelta(seconds=1), "1 s"),
        (timedelta(minutes=12, seconds=5), "12 min 5 s"),
        (timedelta(hours=7, minutes=12, seconds=59), "7 h 12 min"),
        (timedelta(hours=7, seconds=59), "7 h"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=2), "2 days"),
        (timedelta(days=16, hours=20, minutes=3), "16 days 20 h"),
        (timedelta(days=400, minutes=3), "400 days"),
    ],
)
def test_a_duration_has_its_two_largest_units(length: timedelta, words: str) -> None:
    assert duration(length) == words


def test_an_event_time_shows_seconds_only_if_they_are_not_zero() -> None:
    assert moment(datetime(2026, 3, 15, tzinfo=UTC)) == "15 Mar 2026 00:00Z"
    assert moment(datetime(2026, 3, 15, 1, 2, 3, 500000, tzinfo=UTC)) == "15 Mar 2026 01:02:03.5Z"


def test_a_clock_time_always_shows_seconds() -> None:
    assert clock_time(datetime(2026, 3, 15, 1, 2, 0, 999999, tzinfo=UTC)) == "15 Mar 2026 01:02:00Z"


def test_a_terminal_gets_colors_and_a_pipe_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    parts = [Text("KEPT", "green"), plain("[bold]as it was\x1b", "dim")]
    assert render_text(parts, StringIO()) == "KEPT\n[bold]as it was\N{REPLACEMENT CHARACTER}"
    assert "\x1b[32mKEPT" in render_text(parts, Terminal())
