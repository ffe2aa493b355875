"""Holds one bulk import, from its start to its report."""

from __future__ import annotations

import csv
import io

from msgspec import Struct, field

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Board, Group, Item, User

COUNTS = ("submitted", "invalid", "skipped", "created", "updated", "failed")


class Order(Struct, frozen=True):
    """Says what is imported where. A silent import (`backfill_items`) has no log, webhooks or automations."""

    board: Board
    group: Group
    user: User
    on_match: JsonObject | None
    silent: bool
    base_url: str

    @property
    def match_column_id(self) -> str | None:
        return self.on_match["match_column_id"] if self.on_match else None

    @property
    def skips_matches(self) -> bool:
        return self.on_match is not None and self.on_match["behaviour"] == "SKIP"


class Job(Struct):
    id: str
    order: Order
    started: float
    status: str = "UPLOAD_PENDING"
    due: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    failure: tuple[str, str] | None = None
    report: list[list[str]] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)

    def note(self, number: int, result: str, message: str, item: Item | None = None) -> None:
        """Notes the result of a row for the report."""
        self.counts[result] += 1
        self.report.append([str(number + 1), result, message, str(item.id) if item else ""])

    def as_status(self, with_counts: bool) -> JsonObject:
        done = self.status == "COMPLETED"
        return {
            "__typename": "ItemsJobStatus",
            "status": self.status,
            "counts": self.counts if with_counts else None,
            "progress_percentage": 100 if done else 0,
            "report_created": done,
            "failure_reason": self.failure[0] if self.failure else None,
            "failure_message": self.failure[1] if self.failure else None,
            "fully_imported": done and not self.counts["invalid"] + self.counts["failed"],
            "report_url": f"{self.order.base_url}/reports/{self.id}" if done else None,
        }

    def as_csv(self, with_ids: bool) -> str:
        """Writes the report. The reference promises no item ids, so they come only when a switch says so."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["row", "status", "message", *(["item_id"] if with_ids else [])])
        writer.writerows(line if with_ids else line[:3] for line in self.report)
        return out.getvalue()
