"""Holds the jobs of `bulk_archive_items` and `bulk_delete_items`, which run at once and can be asked for afterwards."""

from __future__ import annotations

from sandbox.common.clock import iso
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.world import World


class BulkJobs:
    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs: dict[str, JsonObject] = {}

    def finished(self, total: int, succeeded: int) -> str:
        """Keeps the result of a job; returns its id."""
        id, now = self._world.new_uuid(), iso(self._world.clock.now())
        self._jobs[id] = {
            "id": id,
            "status": "COMPLETED",
            "created_at": now,
            "updated_at": now,
            "error": None,
            "result": {"total": total, "succeeded": succeeded, "failed": total - succeeded, "details": None},
        }
        return id

    def status(self, job_id: str) -> JsonObject | None:
        return self._jobs.get(job_id)
