import pytest

from tests.kit.mariadb import MariaDB, needed
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
