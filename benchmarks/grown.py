"""Fills the tool's own tables as years of use do: log, links, runs, conflicts, proofs and their findings, latencies."""

from __future__ import annotations

from collections.abc import Sequence

from db_connector import Database

ROWS = 1_000_000
"""Rows of the log; links are a tenth of it, runs a fiftieth, conflicts and findings a two-hundredth each."""

GROW = (
    """
    insert into sync_mapping (monday_id, entity_id, entity_type, monday_board_id, sync_status, attempts, last_error,
                              base, monday_hash, monday_updated_at)
    select 'item-' || n, 'row-' || n, (%(types)s::text[])[1 + n %% array_length(%(types)s::text[], 1)], '1',
           case when n %% 500 = 0 then 'error' when n %% 501 = 0 then 'set_aside' else 'synced' end,
           case when n %% 500 = 0 then 2 else 0 end, case when n %% 500 = 0 then 'no such label' end,
           jsonb_build_object('name', 'Sample ' || n, 'email', 'sample' || n || '@example.com', 'notes', repeat('x', 300)),
           md5(n::text), now()
    from generate_series(1, %(n)s / 10) as n
    """,
    """
    insert into sync_logs (entity_type, entity_id, monday_id, operation, status, message, side, created_at)
    select (%(types)s::text[])[1 + n %% array_length(%(types)s::text[], 1)], 'row-' || n %% 5000, 'item-' || n %% 5000,
           (array['create', 'update', 'push'])[1 + n %% 3], case when n %% 200 = 0 then 'error' else 'success' end,
           'role_title: something was written', case when n %% 2 = 0 then 'monday' else 'postgres' end,
           now() - n * interval '200 days' / %(n)s
    from generate_series(1, %(n)s) as n
    """,
    """
    insert into sync_runs (kind, direction, outcome, started_at, finished_at, entities, api)
    select 'scheduled', 'bidirectional', case when n %% 50 = 0 then 'failed' else 'success' end,
           now() - n * interval '10 minutes', now() - n * interval '10 minutes' + interval '20 seconds',
           '[{"entity": "contacts", "read": 12}, {"entity": "users", "read": 4}]', '{"calls": 12, "waited_s": 1}'
    from generate_series(1, %(n)s / 50) as n
    """,
    """
    insert into sync_conflicts (entity_type, entity_id, monday_id, field, base_value, monday_value, postgres_value,
                                rule, winner, status, created_at)
    select (%(types)s::text[])[1], 'row-' || n, 'item-' || n, 'role_title', '"agreed"', '"board"', '"row"', 'manual', 'held',
           case when n %% 2 = 0 then 'open' else 'resolved' end, now() - n * interval '1 hour'
    from generate_series(1, %(n)s / 200) as n
    """,
    """
    insert into sync_proofs (id, entity_type, monday_board_id, kind, outcome, counts, started_at, finished_at)
    select md5(n::text)::uuid, (%(types)s::text[])[1], '1', 'whole', 'different', '{"equal": 3}',
           now() - n * interval '1 day', now() - n * interval '1 day'
    from generate_series(1, 400) as n
    """,
    """
    insert into sync_findings (proof_id, entity_type, class, monday_id, entity_id, cause, fields, state)
    select md5((1 + n %% 2)::text)::uuid, (%(types)s::text[])[1], 'differ', 'item-' || n, 'row-' || n, 'sampled',
           '[{"field": "role_title", "monday": "a", "postgres": "b", "known": ""}]', 'x'
    from generate_series(1, %(n)s / 200) as n
    """,
    """
    insert into sync_latency (hour, entity_type, side, n, seconds, shortest_s, longest_s, counts)
    select date_trunc('hour', now() - hours * interval '1 hour', 'UTC'), type, side, 100, 99.5, 0.15, 4.5,
           array[0, 5, 20, 50, 20, 5, 0, 0, 0, 0, 0, 0]
    from generate_series(0, 4799) as hours, unnest(%(types)s::text[]) as type, unnest(array['postgres', 'monday']) as side
    """,
    """
    insert into board_registry (name, board_id, board_name, table_name, mapping_path, columns)
    select (%(types)s::text[])[3], '1', 'Sample', 'sample', 'sample.yaml', '[]'
    """,
)

FAR_BACK = {
    "/log?days=400&before={}": """
        select to_json(created_at) #>> '{}' || ',' || coalesce(seq, -1) || ',' || id
        from sync_logs where created_at < now() - interval '180 days' order by created_at desc limit 1
    """,
    "/runs?before={}": """
        select to_json(started_at) #>> '{}' || ',' || id from sync_runs order by started_at limit 1 offset 50
    """,
    "/conflicts?state=all&before={}": """
        select to_json(created_at) #>> '{}' || ',' || id from sync_conflicts order by created_at limit 1 offset 50
    """,
    "/runs/{}": "select id::text from sync_runs order by started_at limit 1 offset 60",
    "/conflicts/{}": "select id::text from sync_conflicts order by created_at limit 1 offset 60",
    "/proofs/{}": "select id::text from sync_proofs order by started_at desc limit 1",
    "/boards/{}": "select name from board_registry",
}
"""Pages that are named by a row, far back where that is possible, and the statement that finds it."""


def grow(db: Database, rows: int, types: Sequence[str]) -> None:
    """Fills the tables with links and log rows of these types of entities, then collects statistics."""
    for statement in GROW:
        with db.transaction() as tx:
            tx.execute(statement, {"n": rows, "types": list(types)})
    with db.autocommit() as session:
        session.execute("vacuum analyze")
