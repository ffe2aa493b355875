"""Finds the one parameter of a query, and leaves all else of it as it is."""

import pytest

from databases.placeholders import asks_for_null, with_parameters

MARK = "%(last_sync_time)s"


@pytest.mark.parametrize(
    ("query", "wanted", "named"),
    [
        ("select 1 where a > :last_sync_time", f"select 1 where a > {MARK}", True),
        ("select ':last_sync_time', a", "select ':last_sync_time', a", False),
        ("select 'it''s :last_sync_time'", "select 'it''s :last_sync_time'", False),
        ('select "a:last_sync_time"', 'select "a:last_sync_time"', False),
        ("select `:last_sync_time`", "select `:last_sync_time`", False),
        ("select 1 -- :last_sync_time\n", "select 1 -- :last_sync_time", False),
        ("select /* :last_sync_time */ 1;", "select /* :last_sync_time */ 1", False),
        ("select a::text, b like '50%'", "select a::text, b like '50%%'", False),
        ("select :last_sync_times", "select :last_sync_times", False),
        ("select a % 2, :last_sync_time;\n", f"select a %% 2, {MARK}", True),
    ],
)
def test_a_query_with_its_parameter(query, wanted, named):
    assert with_parameters(query, mysql=True) == (wanted, named)


def test_a_number_sign_is_a_comment_of_mysql_only():
    query = "select a # :last_sync_time\nfrom t"
    assert with_parameters(query, mysql=True) == (query, False)
    assert with_parameters(query, mysql=False)[1]


def test_a_query_may_ask_for_null():
    assert asks_for_null("a > :last_sync_time or :last_sync_time IS  NULL")
    assert not asks_for_null("a > :last_sync_time")


def test_a_backslash_escapes_in_mysql_only():
    assert with_parameters(r"select 'a\':last_sync_time'", mysql=True)[1] is False
    assert with_parameters(r"select 'C:\', :last_sync_time", mysql=False)[1] is True
