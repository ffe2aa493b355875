"""Gives the tests of rows a bench over the shipped projects."""

import pytest

from tests.kit.boards import EXTRAS, FULL
from tests.kit.pulls import PullBench


@pytest.fixture
def bench(db):
    return PullBench(db, "projects", *EXTRAS)


@pytest.fixture
def full(bench):
    """Pulls a project with every cell filled."""
    bench.take(bench.item(1, "Roof 1", **FULL))
    return bench


@pytest.fixture
def staff(db):
    return PullBench(db, "users")
