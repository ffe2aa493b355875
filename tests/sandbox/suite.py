"""Calls a stand-in for SmartSuite as a client would: with headers, and answers as they come."""

from __future__ import annotations

import json
from typing import Any

import requests

from sandbox import SmartSuite

TIMEOUT = 30
ALL_TYPES = (
    *("recordtitlefield", "textfield", "textareafield", "richtextareafield", "emailfield", "phonefield", "linkfield"),
    *("fullnamefield", "addressfield", "ipaddressfield", "colorpickerfield", "socialnetworkfield", "numberfield"),
    *("currencyfield", "percentfield", "numbersliderfield", "percentcompletefield", "ratingfield", "durationfield"),
    *("timefield", "datefield", "daterangefield", "duedatefield", "yesnofield", "singleselectfield"),
    *("multipleselectfield", "statusfield", "tagsfield", "linkedrecordfield", "userfield", "dependencyfield"),
    *("checklistfield", "filefield", "timetrackingfield", "signaturefield", "subitemsfield", "autonumberfield"),
    *("recordidfield", "firstcreatedfield", "lastupdatedfield", "commentscountfield", "countfield", "formulafield"),
    *("rollupfield", "lookupfield", "votefield", "buttonfield", "availabilitystatusfield"),
)
SYSTEM_TYPES = {
    "autonumberfield": "autonumber",
    "firstcreatedfield": "first_created",
    "lastupdatedfield": "last_updated",
    "commentscountfield": "comments_count",
}
"""The slugs of the fields that every table has."""


class Suite:
    """Holds a running stand-in and a session."""

    def __init__(self, suite: SmartSuite) -> None:
        self.suite, self.session = suite, requests.Session()

    def __call__(self, method: str, path: str, body: object = None, headers: Any = None) -> requests.Response:
        sent = {"Authorization": f"Token {self.suite.token}", "Account-Id": self.suite.account_id, **(headers or {})}
        sent = {name: value for name, value in sent.items() if value is not None}
        data = None if body is None else body if isinstance(body, (str, bytes)) else json.dumps(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        url = f"{self.suite.api_url}/{path}"
        return self.session.request(method, url, data=data, headers=sent, timeout=TIMEOUT, allow_redirects=False)

    def admin(self, call: str, **settings: object) -> Any:
        return self.suite.admin(call, **settings)

    def table(self, *fields: dict[str, Any], name: str = "Things") -> Table:
        return Table(self, self.admin("tables/create", name=name, fields=list(fields))["id"])


class Table:
    """Holds a table of a stand-in, and makes the calls that are about it."""

    def __init__(self, suite: Suite, table_id: str) -> None:
        self.suite, self.id = suite, table_id
        self.path = f"applications/{table_id}/"

    def create(self, values: object) -> requests.Response:
        return self.suite("POST", f"{self.path}records/", values)

    def made(self, **values: object) -> Any:
        answer = self.create(values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, record_id: str) -> requests.Response:
        return self.suite("GET", f"{self.path}records/{record_id}/")

    def update(self, record_id: str, values: object, method: str = "PATCH") -> requests.Response:
        return self.suite(method, f"{self.path}records/{record_id}/", values)

    def delete(self, record_id: str) -> requests.Response:
        return self.suite("DELETE", f"{self.path}records/{record_id}/")

    def bulk(self, items: object, method: str = "POST") -> requests.Response:
        return self.suite(method, f"{self.path}records/bulk/", {"items": items})

    def list(self, query: str = "?offset=0&limit=1000", **body: object) -> requests.Response:
        return self.suite("POST", f"{self.path}records/list/{query}", body)

    def titles(self, query: str = "?offset=0&limit=1000", **body: object) -> Any:
        answer = self.list(query, **{"sort": [{"field": "autonumber", "direction": "asc"}], **body})
        assert answer.status_code == 200, answer.text
        return [item["title"] for item in answer.json()["items"]]

    def found(self, field: str, comparison: str, value: object = None) -> Any:
        condition = {"field": field, "comparison": comparison, "value": value}
        return self.titles(filter={"operator": "and", "fields": [condition]})
