"""Checks cron expressions: when each is due, and what is said of a wrong one."""

from __future__ import annotations

from datetime import datetime

import pytest

from errors import SettingsError
from realtime.cron import Cron

NOW = datetime(2026, 3, 14, 10, 7, 30)  # a Saturday


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("* * * * *", "2026-03-14 10:08"),
        ("*/5 * * * *", "2026-03-14 10:10"),
        ("0 * * * *", "2026-03-14 11:00"),
        ("30 2 * * *", "2026-03-15 02:30"),
        ("0 9-17/4 * * *", "2026-03-14 13:00"),
        ("5,35 10 * * *", "2026-03-14 10:35"),
        ("0 6 * * mon-fri", "2026-03-16 06:00"),
        ("0 6 * * 1-5", "2026-03-16 06:00"),
        ("0 6 * * 7", "2026-03-15 06:00"),
        ("0 6 * * 0", "2026-03-15 06:00"),
        ("0 6 * * mon-sun", "2026-03-15 06:00"),
        ("0 6 * * sat-sun", "2026-03-15 06:00"),
        ("0 6 * * sun-mon", "2026-03-15 06:00"),
        ("0 6 * * sun-sun", "2026-03-15 06:00"),
        ("0 6 * * tue-sun/5", "2026-03-15 06:00"),
        ("0 0 1 * *", "2026-04-01 00:00"),
        ("0 0 1 jan *", "2027-01-01 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 0 29 2 */7", "2032-02-29 00:00"),  # a Sunday
        ("0 0 31 * *", "2026-03-31 00:00"),
        ("0 0 31 4,6-7 *", "2026-07-31 00:00"),
        ("0 0 20 * mon", "2026-03-16 00:00"),  # one or the other
        ("0 0 */2 * mon", "2026-03-23 00:00"),  # both
        ("20/15 * * * *", "2026-03-14 10:20"),
        ("5-5/10 * * * *", "2026-03-14 11:05"),
        ("0 0 L * *", "2026-03-31 00:00"),
        ("0 6 * * fri#2", "2026-04-10 06:00"),
        ("@hourly", "2026-03-14 11:00"),
        ("@daily", "2026-03-15 00:00"),
        ("@weekly", "2026-03-15 00:00"),
    ],
)
def test_a_cron_expression_is_due_when_cron_would_be(text, due):
    assert Cron.parse(text).next(NOW) == datetime.strptime(due, "%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * * *",
        "* * * * sat-mon",
        "* * * * 6-0",
        "a * * * *",
        "* * * * mo",
        "0 0 30 2 *",
        "-1 * * * *",
        "1..2 * * * *",
    ],
)
def test_what_is_no_cron_expression_is_refused_with_a_hint(text):
    with pytest.raises(SettingsError) as refused:
        Cron.parse(text)
    assert "minute hour day month weekday" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* * * *", "'* * * *' is no cron expression: it has 4 fields."),
        ("1,60 * * * *", "'60' is no minute of a cron expression (0 to 59)."),
        ("* 24 * * *", "'24' is no hour of a cron expression (0 to 23)."),
        ("* * 0 * *", "'0' is no day of a cron expression (1 to 31)."),
        ("* * * foo *", "'foo' is no month of a cron expression (1 to 12)."),
        ("* * * * sat-mon", "'sat-mon' is no weekday of a cron expression (0 to 7)."),
        ("0 0 30 2 *", "'0 0 30 2 *' is never due."),
    ],
)
def test_the_field_that_is_wrong_is_named(text, message):
    with pytest.raises(SettingsError) as refused:
        Cron.parse(text)
    assert refused.value.message == message


def test_a_leap_day_of_a_weekday_is_found_beyond_a_century_without_one():
    found = Cron.parse("0 0 29 2 */7").next(datetime(2088, 3, 1))
    assert (found.month, found.day, found.isoweekday()) == (2, 29, 7)
