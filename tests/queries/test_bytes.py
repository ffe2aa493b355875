"""Columns of bytes: they are told apart by what they hold, though the driver shows each time another object for them."""

import json

import pytest

QUERIES = {
    "postgres": ("create table files (id int, content bytea)", "select id, content from files"),
    "mysql": ("create or replace table files (id int, content longblob)", "select id, content from files"),
}
SHORT, LONG = b"hello", b"<memory at 0x7f00> " * 9000


@pytest.fixture(params=QUERIES)
def files(world, request):
    database, (table, query) = request.param, QUERIES[request.param]
    if database == "mysql":
        server = request.getfixturevalue("server")
        world.env |= server.settings
        run = lambda statement: server.execute(statement, database="shop")  # noqa: E731
        literal = lambda content: f"x'{content.hex()}'"  # noqa: E731
    else:
        run = world.execute
        literal = lambda content: f"'\\x{content.hex()}'::bytea"  # noqa: E731
    run(table)
    world.write_sync(
        query=query,
        source={"database": database},
        destination={"field_mappings": {"content": "Note"}},
        transformations={},
    )
    # PostgreSQL's bytes come as it writes them
    world.shown = (lambda content: f"\\x{content.hex()}") if database == "postgres" else bytes.decode
    world.put = lambda key, content: run(
        f"insert into files values ({key}, {literal(content)})"
        if key not in world.records()
        else f"update files set content = {literal(content)} where id = {key}"
    )
    return world


def test_bytes_that_stay_cost_no_call_and_bytes_that_change_are_written(files):
    files.put("1", SHORT)
    files.put("2", LONG)
    assert files.counts()["created"] == 2
    assert files.records()["2"]["Note"] == files.shown(LONG)
    again = files.counts()
    assert (again["unchanged"], again["calls"]) == (2, 0)
    files.put("2", LONG + b"!")
    assert files.counts()["updated"] == 1
    assert files.records()["2"]["Note"] == files.shown(LONG + b"!")


@pytest.mark.parametrize("files", ["mysql"], indirect=True)
def test_bytes_that_are_no_text_cost_their_row_only(files):
    files.put("1", SHORT)
    files.put("2", b"\xff\xfe\x00")
    done = files.run("--json")
    assert (done.code, json.loads(done.out)["entities"][0]["created"]) == (3, 1), done.err
    assert "row 2: content → Note: bytes that are no text" in done.err
