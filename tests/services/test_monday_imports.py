"""Checks bulk imports: the upload, the wait, and the refusal."""

from __future__ import annotations

import pytest
import responses

from errors import RecordRefused
from tests.kit.scripted import URL, ok


def test_an_import_uploads_without_the_token_and_waits_for_its_end(monday):
    state = {"status": "PROCESSING", "counts": None}

    def answer(body):
        if "ingest_items" in body["query"]:
            return ok({"ingest_items": {"job_id": "j", "upload_url": "http://upload.test/x?sig=1"}})
        told, state["status"] = dict(state), "COMPLETED"
        return ok({"fetch_job_status": told})

    client, script = monday(answer)
    uploads = []
    with responses.RequestsMock() as mock:
        mock.add_callback(responses.POST, URL, script)
        mock.add_callback(
            responses.PUT, "http://upload.test/x", lambda request: uploads.append(request) or (200, {}, "")
        )
        job = client.imports.start(7, "topics", "name")
        client.imports.upload(job, ["name", "text"], [["A", 'say "x"'], ["B", "<NULL>"]])
        assert client.imports.wait_for(job).status == "COMPLETED"
    assert "Authorization" not in uploads[0].headers and uploads[0].headers["Content-Type"] == "text/csv"
    assert uploads[0].body == b'name,text\r\nA,"say ""x"""\r\nB,<NULL>\r\n'
    assert script.clock.at == 10


def test_an_import_that_is_rejected_says_why(monday):
    told = {"status": "REJECTED", "failure_reason": "BOARD_CAPACITY_EXCEEDED", "failure_message": None}
    client, _ = monday(ok({"fetch_job_status": told}))
    with pytest.raises(RecordRefused, match="BOARD_CAPACITY_EXCEEDED"):
        client.imports.status("j")
