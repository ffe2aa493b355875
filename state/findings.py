"""Remembers proofs, and what they found: `sync_proofs`, `sync_findings`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping as Map
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from db_connector import Transaction
from values.canonical import dumps

COLUMNS = {
    "class": "text",
    "monday_id": "text",
    "entity_id": "text",
    "cause": "text",
    "fields": "jsonb",
    "state": "text",
    "content": "text",
}
"""The parameters of `ADD`."""

ADD = """
with again as (
    -- the same record as an earlier proof found keeps its finding, and so its id
    update sync_findings as f
    set proof_id = %(proof)s::uuid, class = new.class, monday_id = new.monday_id, entity_id = new.entity_id,
        cause = new.cause, fields = new.fields, state = new.state, content = new.content
    from {rows}
    where f.status = 'open' and f.entity_type = %(type)s
      and f.monday_id is not distinct from new.monday_id and f.entity_id is not distinct from new.entity_id
    returning f.monday_id, f.entity_id)
insert into sync_findings (proof_id, entity_type, class, monday_id, entity_id, cause, fields, state, content)
select %(proof)s::uuid, %(type)s, class, monday_id, entity_id, cause, fields, state, content
from {rows}
where not exists (
    select from again as a
    where a.monday_id is not distinct from new.monday_id and a.entity_id is not distinct from new.entity_id)
"""

PAIR = """
with alone as (
    select class, content, min(id::text)::uuid as id, min(monday_id) as monday_id, min(entity_id) as entity_id
    from sync_findings
    where proof_id = %(proof)s and status = 'open' and content is not null
    group by class, content
    having count(*) = 1),
pair as (
    select item.id, r.id as row_finding, r.entity_id
    from alone as item join alone as r using (content)
    where item.class = '<' and r.class = '>'),
joined as (
    update sync_findings as f
    set class = '*', cause = %(cause)s, entity_id = pair.entity_id
    from pair
    where f.id = pair.id),
spare as (
    update sync_findings as f
    set status = 'gone', settled_at = now()
    from pair
    where f.id = pair.row_finding)
select count(*) from pair
"""

FOUND = """
select f.id::text, f.proof_id::text, f.entity_type, f.class, f.monday_id, f.entity_id, f.cause, f.fields, f.state,
       f.status, f.found_at, f.settled_at
from sync_findings as f
"""


class Found(Struct, frozen=True):
    """Holds a difference to be kept: class, ids, cause, fields in JSON, states."""

    kind: str
    monday_id: str | None
    entity_id: str | None
    cause: str
    fields: Sequence[Map[str, Any]]
    state: str
    content: str | None = None
    """A hash of what its only side shows, by which an item and a row without a link can be told to belong together."""


class Findings(Struct, frozen=True):
    """Holds the proofs of one entity."""

    entity_type: str
    board_id: str

    def begin(self, tx: Transaction, kind: str) -> str:
        """Opens a proof, and returns its id."""
        proof_id = str(uuid.uuid4())
        tx.execute(
            "insert into sync_proofs (id, entity_type, monday_board_id, kind) values (%s, %s, %s, %s)",
            (proof_id, self.entity_type, self.board_id, kind),
        )
        return proof_id

    def add(self, tx: Transaction, proof_id: str, found: Sequence[Found]) -> None:
        """Keeps differences."""
        rows = [
            (
                difference.kind,
                difference.monday_id,
                difference.entity_id,
                difference.cause,
                dumps(list(difference.fields)).decode(),
                difference.state,
                difference.content,
            )
            for difference in found
        ]
        tx.bulk(ADD, COLUMNS, rows, {"proof": proof_id, "type": self.entity_type})

    def pair(self, tx: Transaction, proof_id: str, cause: str) -> int:
        """Makes one finding of an item and a row that show the same, alone among those without a link. Returns how many."""
        return int(tx.value(PAIR, {"proof": proof_id, "cause": cause}))

    def close_others(self, tx: Transaction, proof_id: str) -> int:
        """Ends the findings of earlier proofs that a whole proof has not found again."""
        return tx.execute(
            """
            update sync_findings
            set status = 'gone', settled_at = now()
            where entity_type = %s and status = 'open' and proof_id <> %s
            """,
            (self.entity_type, proof_id),
        )

    def finish(self, tx: Transaction, proof_id: str, result: Map[str, Any]) -> None:
        """Closes a proof: outcome, message, counts, digests, and what it cost."""
        tx.execute(
            """
            update sync_proofs
            set finished_at = now(), outcome = %(outcome)s, message = %(message)s, counts = %(counts)s,
                digest_monday = %(digest_monday)s, digest_postgres = %(digest_postgres)s, api = %(api)s
            where id = %(id)s
            """,
            {
                **result,
                "id": proof_id,
                "counts": dumps(result["counts"]).decode(),
                "api": dumps(result["api"]).decode(),
            },
        )


def findings_of(tx: Transaction, proof_id: str, limit: int) -> list[dict[str, Any]]:
    """Returns the open findings of a proof, the first of them."""
    statement = (
        FOUND + "where f.proof_id = %s and f.status = 'open' order by f.class, f.entity_id, f.monday_id limit %s"
    )
    return tx.dicts(statement, (proof_id, limit))


def finding_named(tx: Transaction, begin: str) -> list[dict[str, Any]]:
    """Returns the findings whose ids begin so, two at most."""
    return tx.dicts(FOUND + "where f.id::text like %s || '%%' order by f.found_at desc limit 2", (begin.lower(),))


def settle(tx: Transaction, finding_id: str, status: str) -> None:
    """Ends a finding."""
    tx.execute("update sync_findings set status = %s, settled_at = now() where id = %s", (status, finding_id))


def last_proofs(tx: Transaction) -> dict[str, dict[str, Any]]:
    """Returns the last finished proof of each entity, by its type."""
    rows = tx.dicts(
        """
        select distinct on (entity_type) entity_type, id::text, kind, started_at, finished_at, outcome, message, counts
        from sync_proofs
        where finished_at is not null
        order by entity_type, started_at desc
        """
    )
    return {row["entity_type"]: row for row in rows}
