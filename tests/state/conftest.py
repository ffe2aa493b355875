"""Gives the tests of the memory a board and a table of contacts, with a record that is in step."""

import pytest


@pytest.fixture
def sides(sides_with_bob):
    return sides_with_bob


@pytest.fixture
def ann(sides):
    """Makes a record in step: item, row."""
    return sides.pair(A="a", B="b")
