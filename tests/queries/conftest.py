import pytest

from sandbox import SmartSuite
from tests.kit.mariadb import MariaDB, needed
from tests.kit.query_runs import QueryBench
from tests.kit.syncs import World

SHOP = """
create table shop (
    id bigint, name text, amount numeric(12, 2), stage text, born date, note text,
    updated_at timestamptz not null default now())
"""


@pytest.fixture
def world(db, database_url, tmp_path):
    with SmartSuite() as suite:
        env = {
            "DATABASE_URL": database_url,
            "SMARTSUITE_TOKEN": suite.token,
            "SMARTSUITE_ACCOUNT_ID": suite.account_id,
            "SMARTSUITE_API_URL": suite.api_url,
        }
        db.execute_query(SHOP, fetch=False)
        yield World(suite, db, tmp_path, env)


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
