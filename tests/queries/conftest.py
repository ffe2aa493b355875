import pytest

from sandbox import SmartSuite
from tests.kit.mariadb import MariaDB, needed
from tests.kit.query_runs import QueryBench
from tests.kit.syncs import shop_world


@pytest.fixture
def world(db, database_url, tmp_path):
    with shop_world(db, database_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def server():
    needed()
    running = MariaDB()
    yield running
    running.close()


@pytest.fixture
def bench(db, database_url, server, tmp_path):
    with SmartSuite() as suite:
        made = QueryBench(db, database_url, suite, server, tmp_path)
        yield made
        made.close()
