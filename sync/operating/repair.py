"""Mends what a proof has found: plans it, and carries out exactly that plan through the cycle, or refuses.

A finding keeps a hash of both sides and of what is remembered. Where that has changed since, the plan is another one.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from db_connector import Transaction
from errors import EXIT_LEFTOVERS, SettingsError, SyncError
from mappings.declaration import Mapping
from models import Item, LogEntry
from state import findings as kept
from sync.board import BoardSync, Opening, open_board
from sync.operating.compare import (
    DIFFERENCES,
    ITEM_LOST,
    ITEM_REMOVED,
    NEVER_SENT,
    UNLINKED,
    Class,
    Compared,
)
from sync.operating.looking import look_at
from sync.operating.verify import look_again
from sync.options import PullOptions
from sync.parts import Parts, board_of
from sync.push_rows import RowSender
from sync.read_board import read_by_id
from sync.records import item_of, make_anew
from sync.task import Decision, Task


class Moved(SyncError):
    """Says that a finding is not as it was found."""

    exit_code = EXIT_LEFTOVERS


class Step(Struct, frozen=True):
    """Says what a repair writes: where, to which record, which field, and from which value to which."""

    side: str
    record: str
    what: str
    name: str = ""
    before: Any = None
    after: Any = None


class Repair(Struct, frozen=True):
    """Holds the plan for one finding. Without steps nothing can be done for it, and `why` says so."""

    finding: dict[str, Any]
    mapping: Mapping
    compared: Compared
    items: list[Item] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    why: str = ""


def finding_of(tx: Transaction, begin: str) -> dict[str, Any]:
    """Returns the open finding whose id begins so. Raises SettingsError when there is none, or several."""
    found = kept.finding_named(tx, begin)
    if not found:
        raise SettingsError(f"There is no finding {begin}.", hint="python main.py verify lists them.")
    if len(found) > 1:
        raise SettingsError(f"{begin} names several findings.", hint="Give more letters of the id.")
    if found[0]["status"] != "open":
        raise SettingsError(
            f"Finding {begin} is {found[0]['status']} already.", hint="Look again: python main.py verify"
        )
    return found[0]


def planned(parts: Parts, begin: str) -> Repair:
    """Returns the plan for the open finding whose id begins so. Raises SettingsError, or Moved."""
    with parts.db.transaction(read_only=True) as tx:
        finding = finding_of(tx, begin)
    of_type = (known for known in parts.mappings.values() if known.entity_type == finding["entity_type"])
    mapping = next(of_type, None)
    if mapping is None:
        raise SettingsError(
            f"No mapping declares {finding['entity_type']} any more.",
            hint="python main.py mapping lists the mappings and their boards.",
        )
    with parts.in_turn(mapping.entity_type) as in_turn:
        return plan_of(_opened(in_turn, mapping, Opening(PullOptions(dry_run=True), (True, True))), finding)


def _opened(parts: Parts, mapping: Mapping, opening: Opening) -> BoardSync:
    board_id = board_of(parts.settings, mapping)
    if board_id is None:
        setting = mapping.board_setting or f"`board` in {mapping.path}"
        raise SettingsError(f"{mapping.entity} has no board.", hint=f"Set {setting}.")
    return open_board(parts, mapping, board_id, opening)


def plan_of(sync: BoardSync, finding: dict[str, Any]) -> Repair:
    """Returns the plan for a finding as things are now. Raises Moved when they are not as they were found."""
    (compared, *_) = look_again(sync, [_as_found(finding)])
    pair = finding["cause"] == UNLINKED and compared.root_id is None
    if compared.state != finding["state"] or not (compared.kind in DIFFERENCES or compared.stale_base):
        now = "equal" if compared.kind is Class.EQUAL else compared.cause or "not what it was"
        raise Moved(
            f"The record has changed since it was found: {now}.",
            hint=f"Look again: python main.py verify --entity {sync.mapping.entity}",
        )
    items = [item for page in read_by_id(sync, [compared.item_id] if compared.item_id else []) for item in page]
    if not items:
        return Repair(finding, sync.mapping, compared, [], *_for_row(sync, compared))

    def work(tx: Transaction) -> list[tuple[Task, Decision]]:
        if pair:
            sync.state.links.adopt(tx, {items[0].id: finding["entity_id"]})
        return look_at(sync, tx, items).decided()

    decided = sync.db.run_in_transaction(work, snapshot=True, keep=False)
    steps = [step for task, decision in decided for step in _steps(sync, task, decision)]
    return Repair(finding, sync.mapping, compared, items, steps, "" if steps else compared.cause)


def _as_found(finding: dict[str, Any]) -> Compared:
    # the row of a pair is only the item's once a link says so
    root_id = None if finding["cause"] == UNLINKED and finding["monday_id"] else finding["entity_id"]
    return Compared(Class(finding["class"]), finding["monday_id"], root_id)


def _for_row(sync: BoardSync, compared: Compared) -> tuple[list[Step], str]:
    """Returns what a row without an item needs, or why nothing can be done for it."""
    name = f"{sync.mapping.entity}/{compared.root_id}"
    if compared.cause == NEVER_SENT:
        return [Step("monday.com", name, "make an item of the row")], ""
    if compared.cause == ITEM_REMOVED:
        return [Step("PostgreSQL", name, f"{sync.mapping.on_item_removed} the row")], ""
    if compared.cause == ITEM_LOST:
        return [Step("monday.com", name, f"make a new item of the row: item {compared.item_id} is gone for good")], ""
    return [], compared.cause


def _steps(sync: BoardSync, task: Task, decision: Decision) -> list[Step]:
    root_id = task.stored.root_id if task.stored else None
    name = f"{sync.mapping.entity}/{root_id or task.item.id}"
    row = task.stored.record if task.stored else {}
    if decision.operation == "create":
        return [Step("PostgreSQL", name, f"make a row of item {task.item.id}")]
    if decision.removal is not None:
        return [Step("monday.com", name, f"{sync.mapping.on_row_removed} item {task.item.id}")]
    steps = [] if task.link and not task.link.archived else [Step("memory", name, f"link item {task.item.id}")]
    if decision.operation == "restore":
        steps.append(Step("PostgreSQL", name, "restore the row"))
    plan = decision.plan
    steps += [
        Step("PostgreSQL", name, "write", field_name, row.get(field_name), value)
        for field_name, value in plan.to_postgres.items()
    ]
    steps += [
        Step("monday.com", name, "write", field_name, task.record.get(field_name), value)
        for field_name, value in plan.to_monday.items()
    ]
    steps += [Step("memory", name, "hold for a user", conflict.field) for conflict in plan.held]
    return steps or [Step("memory", name, "remember what both sides show")]


def apply(parts: Parts, repair: Repair) -> None:
    """Carries a plan out, while no other process works on the entity. Raises Moved when it is another one by now."""
    with parts.in_turn(repair.mapping.entity_type) as in_turn:
        sync = _opened(in_turn, repair.mapping, Opening(writes=(True, True)))
        now = plan_of(sync, repair.finding)
        if now.steps != repair.steps:
            raise Moved(
                "The plan is another one by now.", hint=f"Look at it again: python main.py repair {_short(repair)}"
            )
        _carry_out(sync, now)
        done = "; ".join(f"{step.side}: {step.what} {step.name}".strip() for step in now.steps)
        message = f"{repair.finding['cause']}: {done}"
        with sync.db.transaction() as tx:
            kept.settle(tx, repair.finding["id"], "mended")
            entry = LogEntry("repair", "success", message, now.compared.item_id, repair.finding["entity_id"])
            sync.state.log.append(tx, [entry])


def _carry_out(sync: BoardSync, repair: Repair) -> None:
    compared = repair.compared
    if repair.items:
        if repair.finding["cause"] == UNLINKED and compared.root_id is None:
            with sync.db.transaction() as tx:
                sync.state.links.adopt(tx, {repair.items[0].id: repair.finding["entity_id"]})
        sync.deliver(sync.engine.take(repair.items, force=True))
    elif compared.cause == ITEM_REMOVED and compared.item_id:
        sync.engine.remove([compared.item_id])
    elif compared.root_id and compared.cause == ITEM_LOST:
        make_anew(sync, compared.root_id, compared.item_id)
    elif compared.root_id:
        sender = RowSender(sync)
        sender.deal_with([compared.root_id])
        sender.create_gathered()
        item_of(sync, compared.root_id)


def _short(repair: Repair) -> str:
    return str(repair.finding["id"])[:8]
