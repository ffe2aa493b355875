"""Does the least that a first run must do: reads rows of MariaDB, and sends them to SmartSuite, 25 a call.

`python -m benchmarks.bare_sync ROWS`. It compares nothing, remembers nothing, and does not look whether it was understood.
"""

from __future__ import annotations

import os
import sys

import orjson
import pymysql
import requests
from pymysql.cursors import SSCursor

BULK = 25
SLUGS = ("scustomer1", "title", "scustomer2", "scustomer4", "scustomer3", "scustomer5", "scustomer6")
QUERY = "select id, name, email, balance, status, signup_date, notes from customers where id <= %s"


def main(rows: int) -> None:
    """Sends the rows."""
    given = os.environ
    source = pymysql.connect(
        host=given["MYSQL_HOST"],
        port=int(given["MYSQL_PORT"]),
        user=given["MYSQL_USER"],
        password=given["MYSQL_PASSWORD"],
        database=given["MYSQL_DATABASE"],
    )
    url = f"{given['SMARTSUITE_API_URL']}/applications/{given['BENCHMARK_TABLE']}/records/bulk/"
    headers = {"Authorization": f"Token {given['SMARTSUITE_TOKEN']}", "Account-Id": given["SMARTSUITE_ACCOUNT_ID"]}
    with requests.Session() as session, source, source.cursor(SSCursor) as cursor:
        session.headers.update({**headers, "Content-Type": "application/json"})
        cursor.execute(QUERY, (rows,))
        while found := cursor.fetchmany(BULK):
            answer = session.post(url, data=orjson.dumps({"items": [_record(row) for row in found]}))
            assert answer.status_code == 200 and len(answer.json()) == len(found), answer.text[:300]


def _record(row: tuple[object, ...]) -> dict[str, object]:
    record = {slug: None if value is None else str(value) for slug, value in zip(SLUGS, row, strict=True)}
    record["scustomer5"] = {"date": f"{row[5]}T00:00:00Z", "include_time": False}  # type: ignore[assignment]
    record["scustomer2"] = [str(row[2])]  # type: ignore[assignment]
    return {slug: value for slug, value in record.items() if value is not None}


if __name__ == "__main__":
    main(int(sys.argv[1]))
