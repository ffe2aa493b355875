"""Gives the tests of the API clients a client whose answers are scripted."""

import pytest

from tests.kit.scripted import scripted


@pytest.fixture
def monday():
    """Makes a client and its script: `client, script = monday(first answer, second answer, ...)`."""
    with scripted() as make:
        yield make
