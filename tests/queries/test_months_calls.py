"""Whatever calls SmartSuite counts in the calls of the month: runs, dry runs, checks, proofs, and what mends."""

from __future__ import annotations

import json

import pytest

from tests.kit.cli import run_main


def calls_of_the_month(world) -> int:
    told = run_main(world.home, "status", "--json", env=world.env)
    return json.loads(told.out)["smartsuite"]["calls_this_month"]


def calls_made(world) -> int:
    return len(world.suite.admin("requests"))


def finding_of(world) -> str:
    done = run_main(world.home, "verify", "--sync-name", "shop", "--json", env=world.env)
    return json.loads(done.out)["entities"][0]["findings"][0]["id"]


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--sync-name", "shop", "--full"),
        ("run", "--sync-name", "shop", "--dry-run", "--full"),
        ("validate",),
        ("doctor", "smartsuite"),
        ("verify", "--sync-name", "shop"),
        ("explain", "shop/2"),
        ("repair", "--apply"),
        ("conflicts", "resolve", "--entity", "shop", "--winner", "mysql"),
    ],
    ids=lambda words: words[0] + ("_dry" if "--dry-run" in words else ""),
)
def test_every_call_counts_in_the_months_whatever_command_makes_it(world, command):
    world.write_sync(destination={"on_conflict": "manual"})
    world.rows(3)
    world.counts()
    (record,) = [found["id"] for found in world.snapshot() if found[world.slugs["External id"]] == "2"]
    world.suite.admin("records/change", record_id=record, values={world.slugs["Note"]: "by a person"})
    if command[0] == "conflicts":
        world.execute("update shop set note = 'by the source', updated_at = now() where id = 2")
        world.counts(code=3)
    elif "run" in command:
        world.execute("update shop set amount = 7, updated_at = now() where id = 3")
    if command[0] == "repair":
        command = ("repair", finding_of(world), "--apply")
    before, made = calls_of_the_month(world), calls_made(world)
    assert before == made
    done = run_main(world.home, *command, env=world.env)
    assert calls_made(world) > made, (done.out, done.err)
    assert calls_of_the_month(world) == calls_made(world), (done.out, done.err)


def test_a_question_makes_no_database_to_count_its_calls_in(world, tmp_path):
    env = {**world.env, "DATABASE_URL": "", "MONDAY_SYNC_HOME": str(tmp_path / "new")}
    (tmp_path / "new" / "config").mkdir(parents=True)
    path = tmp_path / "new" / "config" / "sync_mappings.yml"
    path.write_text((world.home / "config" / "sync_mappings.yml").read_text().replace("postgres", "mysql"))
    done = run_main(tmp_path / "new", "validate", env=env)
    assert calls_made(world) == 1, (done.out, done.err)
    assert not (tmp_path / "new" / "data" / "postgres" / "data").exists()
