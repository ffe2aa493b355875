"""Gives the tests of many accounts a broker, databases and an installation."""

from __future__ import annotations

import pytest

from tests.kit.broker import broker as running_broker
from tests.kit.fleet import databases as made_databases
from tests.kit.fleet import fleet as made_fleet


@pytest.fixture(scope="module")
def broker():
    """Runs a broker for the tests of a file."""
    with running_broker() as running:
        yield running


@pytest.fixture(scope="module")
def databases(request, postgres, template):
    """Makes the databases of an installation with two accounts, unless a test says how many."""
    with made_databases(postgres, template, getattr(request, "param", 2)) as made:
        yield made


@pytest.fixture(scope="module")
def fleet(databases, broker, tmp_path_factory):
    """Makes an installation with two accounts, for the tests of a file."""
    with made_fleet(databases, broker, tmp_path_factory.mktemp("fleet")) as made:
        yield made
