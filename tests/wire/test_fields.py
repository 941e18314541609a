"""Instants: RFC 3339 is read into UTC and written with `Z`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unenroll.core import events
from unenroll.wire.fields import instant_text, parse_any_instant, parse_instant
from wire.samples import INSTANT_TEXTS, REQUEST, as_json, headers, taken

AT = datetime(2026, 3, 15, 4, 0, tzinfo=UTC)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-03-15T04:00:00Z", 0),
        ("2026-03-15t04:00:00z", 0),
        ("2026-03-15 04:00:00Z", 0),
        ("2026-03-15T09:30:00+05:30", 0),
        ("2026-03-14T20:00:00-08:00", 0),
        ("2026-03-15T04:00:00-00:00", 0),
        ("2026-03-15T04:00:00.5Z", 500_000),
        ("2026-03-15T04:00:00.123456Z", 123_456),
        ("2026-03-15T04:00:00.1234569Z", 123_456),
        ("2026-03-15T04:00:00.999999999999+00:00", 999_999),
        ("2026-03-15T04:00:00.0000009z", 0),
    ],
)
def test_instants_become_utc_and_are_truncated_to_microseconds(text: str, microseconds: int) -> None:
    event = taken(as_json(REQUEST | {"effectiveAt": text})).event
    assert isinstance(event, events.UnenrollRequested)
    assert event.effective_at == AT + timedelta(microseconds=microseconds)
    assert event.effective_at.tzinfo is UTC
    assert taken(as_json(REQUEST), headers(ce_time=text.encode())).time == event.effective_at


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999998Z"])
def test_the_first_and_the_last_instant_there_is_are_read(text: str) -> None:
    assert instant_text(parse_instant(text)) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_that_is_written_is_read_back(instant: datetime) -> None:
    assert parse_instant(instant_text(instant)) == instant


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=OFFSETS))  # noqa: DTZ001 - they get one
def test_an_instant_is_written_in_utc_with_six_digits_or_none(instant: datetime) -> None:
    assert instant_text(instant) == instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


@given(INSTANT_TEXTS)
def test_the_shortcut_gives_the_same_instants_and_errors(text: str) -> None:
    def result(parse: Callable[[str], datetime]) -> str:
        try:
            return repr(parse(text))
        except ValueError as error:
            return repr(error)

    assert result(parse_instant) == result(parse_any_instant)


def test_a_naive_instant_is_not_written() -> None:
    with pytest.raises(ValueError, match="no offset"):
        instant_text(datetime(2026, 3, 15))  # noqa: DTZ001 - the point
