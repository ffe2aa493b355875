"""Checks that times are read as PostgreSQL and monday.com show them, by every Python."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

import pytest

from values.parsing import CellError, clock_time, iso_moment

UTC = timezone.utc
INDIA = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    "text, read",
    [
        ("12:11:30", time(12, 11, 30)),
        ("12:11:30+00", time(12, 11, 30, tzinfo=UTC)),
        ("12:11:30.5", time(12, 11, 30, 500_000)),
        ("12:11:30.25+05:30", time(12, 11, 30, 250_000, tzinfo=INDIA)),
        ("12:11:30.123456-00", time(12, 11, 30, 123_456, tzinfo=UTC)),
    ],
)
def test_a_time_of_day_is_read_as_postgresql_shows_it(text, read):
    assert clock_time(text) == read


@pytest.mark.parametrize(
    "text, read",
    [
        ("2026-02-27T12:11:30Z", datetime(2026, 2, 27, 12, 11, 30, tzinfo=UTC)),
        ("2026-02-27 12:11:30.5+00", datetime(2026, 2, 27, 12, 11, 30, 500_000, tzinfo=UTC)),
        ("2026-02-27T12:11:30.1+05:30", datetime(2026, 2, 27, 12, 11, 30, 100_000, tzinfo=INDIA)),
        ("2026-02-27", datetime(2026, 2, 27)),
    ],
)
def test_a_moment_is_read_as_both_sides_show_it(text, read):
    assert iso_moment(text) == read


@pytest.mark.parametrize("text", ["", "noon", "25:00:00", "12:11:30+", None, 7])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(CellError, match="not a time"):
        clock_time(text)
