"""Checks bulk import: upload, matching, counts, report."""

import pytest
import requests

USERS = 5764059860
START = 'mutation($m:OnMatchInput){ingest_items(board_id:5764059860,group_id:"topics",on_match:$m){job_id upload_url}}'
STATUS = (
    "query($j:ID!){fetch_job_status(job_id:$j){...on ItemsJobStatus{status progress_percentage fully_imported "
    "report_url failure_reason counts{submitted created updated skipped invalid failed}}}}"
)


@pytest.fixture
def client(start):
    return start("users:5")


def ingest(client, csv, match=None, headers=None):
    job = client.data(START, m=match)["ingest_items"]
    answer = requests.put(job["upload_url"], data=csv.encode(), headers={"Content-Type": "text/csv", **(headers or {})})
    client.admin("clock/advance", seconds=1)
    return answer.status_code, client.data(STATUS, j=job["job_id"])["fetch_job_status"]


def active(client):
    return client.admin("boards/snapshot", board_id=USERS, state="active")


def test_rows_become_items(client):
    status, job = ingest(
        client, "name,text6,numbers,email7,status_13\nAnn,L,4.50,ann@example.com,Red Hammers\nBob,,,,\n"
    )
    assert (status, job["status"], job["fully_imported"]) == (200, "COMPLETED", True)
    assert job["counts"] == {"submitted": 2, "created": 2, "updated": 0, "skipped": 0, "invalid": 0, "failed": 0}
    ann = next(r for r in active(client) if r["name"] == "Ann")
    assert [ann["cells"][c]["text"] for c in ("text6", "numbers", "status_13")] == ["L", "4.50", "Red Hammers"]


def test_upsert_fills_keeps_and_clears(client):
    ingest(client, "name,text6,text1\nAnn,k1,old\n")
    match = {"match_column_id": "text6", "behaviour": "UPSERT"}
    _, job = ingest(client, "name,text6,text1,text25\nAnn,k1,,x\nNew,k2,n,\n", match)
    assert (job["counts"]["updated"], job["counts"]["created"]) == (1, 1)
    ann = next(r for r in active(client) if r["name"] == "Ann")
    assert (ann["cells"]["text1"]["text"], ann["cells"]["text25"]["text"]) == ("old", "x")
    ingest(client, "name,text6,text1\nAnn,k1,<NULL>\n", match)
    assert next(r for r in active(client) if r["name"] == "Ann")["cells"]["text1"]["value"] is None


def test_skip_leaves_matches_alone_and_the_last_row_of_a_key_wins(client):
    ingest(client, "name,text6,text1\nAnn,k1,old\n")
    _, job = ingest(client, "name,text6,text1\nAnn,k1,new\n", {"match_column_id": "text6", "behaviour": "SKIP"})
    assert job["counts"]["skipped"] == 1
    match = {"match_column_id": "text6", "behaviour": "UPSERT"}
    _, job = ingest(client, "name,text6,text1\nAnn,k1,first\nAnn,k1,second\n", match)
    assert (job["counts"]["updated"], job["counts"]["skipped"]) == (1, 1)
    assert [r["cells"]["text1"]["text"] for r in active(client) if r["name"] == "Ann"] == ["second"]


def test_of_several_items_with_one_key_the_newest_is_matched(client):
    for name in ("Older", "Newer"):
        ingest(client, f"name,text6\n{name},k1\n")
    ingest(client, "name,text6,text1\n,k1,hit\n", {"match_column_id": "text6", "behaviour": "UPSERT"})
    assert [r["name"] for r in active(client) if r["cells"]["text1"]["text"] == "hit"] == ["Newer"]


def test_bad_rows_are_counted_and_reported_without_ids(client):
    _, job = ingest(client, "name,numbers\nGood,1\nBad,abc\n")
    assert (job["counts"]["created"], job["counts"]["invalid"], job["fully_imported"]) == (1, 1, False)
    lines = requests.get(job["report_url"]).text.splitlines()
    assert lines[0] == "row,status,message" and lines[1].startswith("1,created") and lines[2].startswith("2,invalid")
    client.admin("switches", report_item_ids=True)
    assert requests.get(job["report_url"]).text.splitlines()[0] == "row,status,message,item_id"
    client.admin("clock/advance", seconds=700)
    assert requests.get(job["report_url"]).status_code == 403


FORMS = [
    ("date", "2026-06-15", True),
    ("date", "2026-06-15 09:30:00", False),
    ("link", "https://example.com", True),
    ("link", "[A b](https://example.com)", True),
    ("link", "https://example.com A b", False),
    ("link", "example.com", False),
    ("location", "1.5|-2|Giza", True),
    ("location", "1.5|-2|", False),
    ("location", "1.5|-2", False),
    ("location", "north|-2|Giza", False),
    ("checkbox", "Y", True),
    ("checkbox", "0", True),
    ("checkbox", "perhaps", False),
    ("timeline", "2026-03-01/2026-03-15", True),
    ("timeline", "2026-03-01", True),
    ("timeline", "2026-03-01 - 2026-03-15", False),
    ("email", "Ann <ann@example.com>", True),
    ("rating", "3", False),
    ("hour", "09:30", False),
    ("country", "US", False),
    ("tags", "red", False),
    ("world_clock", "Europe/London", False),
]


@pytest.mark.parametrize("kind, text, taken", FORMS)
def test_a_cell_is_taken_in_the_forms_of_the_guide_only(start, kind, text, taken):
    client = start("everything:1")
    board = 7810000303
    columns = client.data(f"{{boards(ids:[{board}]){{columns{{id type}} groups{{id}}}}}}")["boards"][0]
    column = next(column["id"] for column in columns["columns"] if column["type"] == kind)
    begin = START.replace("5764059860", str(board)).replace('"topics"', f'"{columns["groups"][0]["id"]}"')
    job = client.data(begin)["ingest_items"]
    body = f"name,{column}\nA,{text}\n".encode()
    requests.put(job["upload_url"], data=body, headers={"Content-Type": "text/csv"})
    client.admin("clock/advance", seconds=1)
    counts = client.data(STATUS, j=job["job_id"])["fetch_job_status"]["counts"]
    assert (counts["created"], counts["invalid"]) == ((1, 0) if taken else (0, 1))


@pytest.mark.parametrize("csv", ["text6,name\nL,Ann\n", "name,nope\nAnn,x\n", "name\n" + "x\n" * 10_001])
def test_files_that_are_rejected(client, csv):
    _, job = ingest(client, csv)
    assert (job["status"], job["failure_reason"]) == ("REJECTED", "INVALID_UPLOAD")


def test_the_address_takes_nothing_but_csv_in_time(client):
    assert ingest(client, "name\nA\n", headers={"x-amz-checksum-crc32": "x"})[0] == 403
    assert ingest(client, "name\nA\n", headers={"Content-Type": "application/json"})[0] == 403
    job = client.data(START)["ingest_items"]
    chunks = requests.put(job["upload_url"], data=iter([b"name\n", b"A\n"]), headers={"Content-Type": "text/csv"})
    assert chunks.status_code == 411
    client.admin("clock/advance", seconds=601)
    assert requests.put(job["upload_url"], data=b"name\nA\n", headers={"Content-Type": "text/csv"}).status_code == 403


def test_a_board_without_room_takes_no_row(client):
    client.admin("boards/set", board_id=USERS, items_limit=6)
    _, job = ingest(client, "name\nA\nB\n")
    assert job["failure_reason"] == "BOARD_CAPACITY_EXCEEDED" and len(active(client)) == 5


def test_a_job_takes_its_time(client):
    client.admin("switches", import_seconds=30)
    _, job = ingest(client, "name\nA\n")
    assert (job["status"], job["report_url"]) == ("PROCESSING", None)


@pytest.mark.parametrize("column", ["status_13", "files3"])
def test_only_some_types_match(client, column):
    answer = client(START, m={"match_column_id": column, "behaviour": "UPSERT"})
    assert ("errors" in answer) is (column == "files3")


def test_bulk_archive_reports_its_job(client):
    ids = [r["id"] for r in active(client)][:2] + ["123"]
    job = client.data("mutation($i:[ID!]!){bulk_archive_items(board_id:5764059860,item_ids:$i){job_id}}", i=ids)
    found = client.data(
        "query($j:ID!){job_status(job_id:$j){status result{total succeeded failed}}}",
        j=job["bulk_archive_items"]["job_id"],
    )["job_status"]
    assert found == {"status": "COMPLETED", "result": {"total": 3, "succeeded": 2, "failed": 1}}
    assert len(active(client)) == 3
