"""Gives the tests of many accounts a broker, databases and an installation."""

from __future__ import annotations

import uuid

import pytest

from tests.kit.broker import broker as running_broker
from tests.kit.fleet import fleet as made_fleet


@pytest.fixture(scope="module")
def broker():
    """Runs a broker for the tests of a file."""
    with running_broker() as running:
        yield running


@pytest.fixture(scope="module")
def databases(request, postgres, template):
    """Makes the control database, and one for each account: two, unless a test says how many."""
    accounts = getattr(request, "param", 2)
    names = [f"test_{postgres.run}_{uuid.uuid4().hex[:12]}" for _ in range(1 + accounts)]
    for name in names:
        postgres.create(name, template)
    yield [postgres.url(name) for name in names]
    for name in names:
        postgres.drop(name)


@pytest.fixture(scope="module")
def fleet(databases, broker, tmp_path_factory):
    """Makes an installation with two accounts, for the tests of a file."""
    with made_fleet(databases, broker, tmp_path_factory.mktemp("fleet")) as made:
        yield made
