import pytest

from sandbox import SmartSuite
from tests.kit.query_runs import QueryBench
from tests.kit.syncs import MYSQL_QUERY, MYSQL_SHOP, shop_world


@pytest.fixture
def world(db, database_url, tmp_path):
    with shop_world(db, database_url, tmp_path) as made:
        yield made


@pytest.fixture
def shop(world, server):
    """Makes the same world with its source in a MariaDB."""
    server.execute("drop table if exists customers", MYSQL_SHOP, database="shop")
    world.env |= server.settings
    world.write_sync(query=MYSQL_QUERY, source={"database": "mysql"})
    world.mysql = lambda *statements: server.execute(*statements, database="shop")
    world.server = server
    return world


@pytest.fixture
def bench(db, database_url, server, tmp_path):
    with SmartSuite() as suite:
        made = QueryBench(db, database_url, suite, server, tmp_path)
        yield made
        made.close()
