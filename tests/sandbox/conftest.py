"""Starts sandboxes on loopback ports, and calls them with a client that shows status, headers and body."""

import json

import pytest
import requests

from sandbox import Sandbox, SmartSuite
from tests.sandbox.suite import Suite

USERS, PROJECTS, EVERYTHING, SUBITEMS = 5764059860, 6727219152, 7810000303, 7810000304


class Client:
    def __init__(self, sandbox):
        self.sandbox, self.session = sandbox, requests.Session()

    def raw(self, text, headers=None, body=None, timeout=30, **variables):
        sent = {"Authorization": self.sandbox.token, "API-Version": "2026-10", **(headers or {})}
        data = body if body is not None else json.dumps({"query": text, "variables": variables})
        sent = {k: v for k, v in sent.items() if v is not None}
        return self.session.post(
            self.sandbox.graphql_url, data=data, timeout=timeout, headers={"Content-Type": "application/json", **sent}
        )

    def __call__(self, text, headers=None, **variables):
        return self.raw(text, headers, **variables).json()

    def data(self, text, **variables):
        found = self(text, **variables)
        assert "errors" not in found, found["errors"]
        return found["data"]

    def code(self, text, headers=None, **variables):
        error = self(text, headers, **variables)["errors"][0]
        return error.get("extensions", {}).get("code", error["message"])

    def admin(self, call, **settings):
        return self.sandbox.admin(call, **settings)

    def items(self, board, limit=500, fields="id name"):
        text = f"query($b:[ID!],$l:Int!){{boards(ids:$b){{items_page(limit:$l){{cursor items{{{fields}}}}}}}}}"
        return self.data(text, b=[str(board)], l=limit)["boards"][0]["items_page"]["items"]

    def cell(self, item_id, column_id, fields="text value"):
        text = f"query($i:[ID!],$c:[String!]){{items(ids:$i){{column_values(ids:$c){{id {fields}}}}}}}"
        found = self.data(text, i=[str(item_id)], c=[column_id])["items"][0]["column_values"][0]
        return {k: v for k, v in found.items() if k != "id"}


@pytest.fixture
def start():
    """Starts a sandbox with `start(boards=..., limits=...)` and returns its client; all stop at the end of the test."""
    running = []

    def make(boards="empty:0", **settings):
        running.append(Sandbox(boards=boards, **settings))
        return Client(running[-1])

    yield make
    for sandbox in running:
        sandbox.close()


@pytest.fixture(scope="module")
def shared():
    """Shares a sandbox among the reads of a whole module."""
    with Sandbox(boards="users:60,projects:30,everything:9") as sandbox:
        yield Client(sandbox)


@pytest.fixture
def everything(start):
    return start("everything:6,users:5")


@pytest.fixture
def suite():
    """Starts a stand-in for SmartSuite, and returns a client of it."""
    with SmartSuite() as running:
        yield Suite(running)
