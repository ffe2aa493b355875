"""Resolves bulk imports and the jobs of bulk mutations."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, ARCHIVED, DELETED
from sandbox.monday.errors import bad_argument
from sandbox.monday.graph.call import Id, Info, numbers
from sandbox.monday.imports.imports import MATCH_TYPES
from sandbox.monday.imports.job import Order
from sandbox.monday.resolvers.access import board_for, column_on, group_for, refuse_agents
from sandbox.monday.resolvers.fields import Fields, Resolver


def start_import(silent: bool) -> Resolver:
    def mutation(root: None, info: Info, board_id: Id, group_id: Id, on_match: JsonObject | None = None) -> JsonObject:
        call = info.context
        board = board_for(call, board_id)
        group = group_for(board, str(group_id))
        if on_match:
            column = column_on(board, on_match["match_column_id"])
            if column.type not in MATCH_TYPES:
                raise bad_argument(f"Column type {column.type} can't be matched", column_id=column.id)
        return call.service.imports.start(Order(board, group, call.user, on_match, silent, call.base_url))

    return mutation


def fetch_job_status(root: None, info: Info, job_id: str) -> JsonObject:
    return found(info.context.service.imports.status(job_id), job_id)


def change_in_bulk(state: str) -> Resolver:
    """Makes a mutation that runs at once; its job can be asked for afterwards."""

    def mutation(root: None, info: Info, board_id: Id, item_ids: list[Id]) -> JsonObject:
        call = info.context
        if state == ARCHIVED:
            refuse_agents(call)
        board, wanted = board_for(call, board_id), numbers(item_ids) or []
        # Unknown and inactive items count as failed.
        items = [item for id in wanted if (item := board.items.get(id)) and item.state == ACTIVE]
        for item in items:
            call.service.items.set_state(item, state, call.user.id)
        return {"job_id": call.service.bulk_jobs.finished(len(wanted), len(items))}

    return mutation


def job_status(root: None, info: Info, job_id: str) -> JsonObject:
    return found(info.context.service.bulk_jobs.status(job_id), job_id)


def found(job: JsonObject | None, job_id: str) -> JsonObject:
    if job is None:
        raise bad_argument("Job not found", job_id=job_id)
    return job


JOB_FIELDS: Fields = {
    "Query": {"fetch_job_status": fetch_job_status, "job_status": job_status},
    "Mutation": {
        "ingest_items": start_import(silent=False),
        "backfill_items": start_import(silent=True),
        "bulk_archive_items": change_in_bulk(ARCHIVED),
        "bulk_delete_items": change_in_bulk(DELETED),
    },
}
