"""Holds the bulk imports: starts a job, takes its file, carries it out when it is due, reports on it."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.common.wire import Refusal
from sandbox.monday.account.world import World
from sandbox.monday.changes.item_edits import ItemEdits
from sandbox.monday.errors import refusal
from sandbox.monday.imports.job import Job, Order
from sandbox.monday.imports.rows import run_job
from sandbox.monday.imports.upload import DENIED, open_upload, read_rows

REPORT_SECONDS = 600
JOBS_PER_HOUR = 100
MATCH_TYPES = {"name", "text", "long_text", "numbers", "email", "phone", "link", "date", "status"}


class Imports:
    """Holds the jobs. `silent_edits` change items without log, webhooks or automations."""

    def __init__(self, world: World, edits: ItemEdits, silent_edits: ItemEdits) -> None:
        self._world, self._edits, self._silent_edits = world, edits, silent_edits
        self._jobs: dict[str, Job] = {}

    def start(self, order: Order) -> JsonObject:
        now = self._world.clock.now()
        if sum(job.started > now - 3600 for job in self._jobs.values()) >= JOBS_PER_HOUR:
            raise refusal(429, "Rate limit exceeded", "RATE_LIMIT_EXCEEDED", retryAfterMs=60_000)
        job = Job(self._world.new_uuid(), order, now)
        self._jobs[job.id] = job
        signature = self._world.new_uuid()
        return {"job_id": job.id, "upload_url": f"{order.base_url}/uploads/{job.id}?signature={signature}"}

    def upload(self, job_id: str, headers: dict[str, str], body: bytes) -> None:
        job = open_upload(self._jobs.get(job_id), headers, self._world.clock)
        job.status, job.due = "PROCESSING", self._world.clock.now() + self._world.switches.import_seconds
        problem = read_rows(job, body)
        if problem:
            job.status, job.failure = ("REJECTED" if problem[0] == "INVALID_UPLOAD" else "FAILED"), problem

    def settle(self) -> None:
        """Carries out the jobs that are due; called before a request is answered."""
        for job in self._jobs.values():
            if job.status == "PROCESSING" and self._world.clock.now() >= job.due:
                run_job(job, self._world, self._silent_edits if job.order.silent else self._edits)

    def status(self, job_id: str) -> JsonObject | None:
        self.settle()
        job = self._jobs.get(job_id)
        return job.as_status(self._world.switches.import_counts) if job else None

    def report(self, job_id: str) -> str:
        job = self._jobs.get(job_id)
        # unknown, not done, or too late
        if job is None or job.status != "COMPLETED" or self._world.clock.now() > job.due + REPORT_SECONDS:
            raise Refusal(403, DENIED)
        return job.as_csv(self._world.switches.report_item_ids)
