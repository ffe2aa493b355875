"""Keeps exactly the webhooks that each mapped board needs.

monday.com does not show the address of a webhook, so the tool remembers the ids of those it made, and leaves all others
alone. What is about to be made is noted first: after a run that was killed in between, the next run finds it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from config.hiding import Hiding
from db_connector import Database
from errors import DailyLimitReached, MondayError, MondayUnavailable, RecordRefused, SettingsError
from mappings.declaration import Mapping
from monday_api import Monday
from services.monday.webhook_signatures import Access
from settings import Settings
from state.values import Values, webhooks_key
from sync.cycle import TO_POSTGRES
from sync.parts import Chosen, Parts

log = logging.getLogger("monday_sync")

NEEDED = (
    "create_item",
    "change_column_value",
    "change_name",
    "item_archived",
    "item_deleted",
    "item_restored",
    "item_moved_to_any_group",
    "create_column",
)
"""Events that can change a record. A move to another board comes as a move to a group; there is no event for the rest."""
OF_SUBITEMS = (
    "create_subitem",
    "change_subitem_column_value",
    "change_subitem_name",
    "subitem_archived",
    "subitem_deleted",
    "move_subitem",
)
"""Events by which the board above reports subitems; monday.com refuses webhooks of their own board."""
NOT_SHARED = "Share the board with the owner of the token, with the right to edit it."
IN_THE_WAY = "If the webhook that is there is not needed: python main.py webhooks register --take-over"
NO_USE = (MondayUnavailable, DailyLimitReached)
"""After one of these, every other board would fail too."""
HINT = "Is `python main.py webhook` running, and does the address lead to it? Try: python main.py webhooks test"


class Subscription(Hiding, Struct, frozen=True):
    """Holds what is remembered of a webhook of a board. Its address ends in a token."""

    HIDDEN: ClassVar = frozenset({"url"})

    event: str
    url: str
    key: str
    id: str | None = None
    seen: tuple[str, ...] = ()
    """The webhooks of that event that were there before it was made."""


class Step(Struct, frozen=True):
    """Says what was done, or is to be done, about one event of one board."""

    entity: str
    board_id: str
    event: str
    action: str
    """`keep`, `create`, `delete`; `foreign`: a webhook that the tool did not make; `none`: a board that was refused."""
    id: str | None = None
    problem: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        return asdict(self)


class Subscriptions:
    """Plans, makes and removes the webhooks of the mapped boards."""

    def __init__(
        self, db: Database, monday: Monday, gate: Access, address: str | None, mappings: Iterable[Mapping] = ()
    ) -> None:
        self.memory, self.monday, self.gate, self.address = Values(db), monday, gate, address
        self._with_subitems = {
            mapping.subitems_of for mapping in mappings if mapping.subitems_of and mapping.direction in TO_POSTGRES
        }

    def url(self, board_id: str) -> str:
        """Returns the address for a board's events. It is a secret: a program that knows it can send such events."""
        if not self.address:
            raise SettingsError(
                "WEBHOOK_BASE_URL is not set.",
                hint="Set it to the address under which monday.com reaches this machine.",
            )
        return f"{self.address}/{self.gate.token(board_id)}"

    def plan(self, mapping: Mapping, board_id: str, take_over: bool = False) -> list[Step]:
        """Returns a step for each webhook that is there or is missing; nothing is done."""
        return self._plan(mapping, board_id, self._there(board_id), take_over)

    def _there(self, board_id: str) -> dict[str, str]:
        """Returns the webhooks of a board: id → event."""
        return {str(webhook["id"]): str(webhook["event"]) for webhook in self.monday.account.webhooks(board_id)}

    def _plan(self, mapping: Mapping, board_id: str, there: dict[str, str], take_over: bool) -> list[Step]:
        """Removes before it makes: monday.com allows one webhook for an event of a board."""
        ours, url = self._remembered(board_id), self.url(board_id)
        needed = self._needed(mapping)
        good = {
            event: known for event, known in ours.items() if known.id in there and known.url == url and event in needed
        }
        kept, made = {known.id for known in good.values()}, {known.id for known in ours.values()}
        steps = []
        for webhook_id, event in there.items():
            if webhook_id in kept:
                continue  # planned below, in the order of `needed`
            if webhook_id in made or (take_over and event in needed):  # leads elsewhere, or in the way
                steps.append(Step(mapping.entity, board_id, event, "delete", webhook_id))
            else:  # not made by the tool
                steps.append(Step(mapping.entity, board_id, event, "foreign", webhook_id))
        for event in needed:
            action, id = ("keep", good[event].id) if event in good else ("create", None)
            steps.append(Step(mapping.entity, board_id, event, action, id))
        return steps

    def _needed(self, mapping: Mapping) -> tuple[str, ...]:
        own = NEEDED if mapping.direction in TO_POSTGRES else ()
        return own + (OF_SUBITEMS if mapping.entity in self._with_subitems else ())

    def register(self, mapping: Mapping, board_id: str, take_over: bool = False) -> list[Step]:
        """Makes what is missing and removes what is not needed any more. A second call does nothing.

        `take_over` removes webhooks that the tool does not know and that are in the way of its own.
        """
        there = self._there(board_id)
        self._finish_begun(board_id, there)
        return [self._do(step, there) for step in self._plan(mapping, board_id, there, take_over)]

    def delete(self, mapping: Mapping, board_id: str) -> list[Step]:
        """Removes all that the tool made on a board."""
        there = self._there(board_id)
        self._finish_begun(board_id, there)
        steps = [
            self._do(Step(mapping.entity, board_id, event, "delete", known.id), there)
            for event, known in self._remembered(board_id).items()
            if known.id in there
        ]
        self._remember(board_id, {})
        return steps

    def _do(self, step: Step, there: dict[str, str]) -> Step:
        if step.action == "create":
            return self._create(step, there)
        if step.action == "delete" and step.id:  # without an id it was never made
            try:
                self.monday.account.delete_webhook(step.id)
            except RecordRefused as exc:
                log.debug("Webhook %s was gone already: %s", step.id, exc.message)
            self._forget(step)
        return step

    def _create(self, step: Step, there: dict[str, str]) -> Step:
        """Notes the webhook that is about to be made, makes it, and remembers its id."""
        seen = tuple(webhook_id for webhook_id, event in there.items() if event == step.event)
        begun = Subscription(step.event, self.url(step.board_id), str(uuid.uuid4()), None, seen)
        self._keep(step.board_id, begun)
        try:
            made = self.monday.account.create_webhook(step.board_id, begun.url, step.event, key=begun.key)
        except MondayError as exc:
            self._forget(step)
            # the hint: not shared, another webhook there, or the address
            unseen = "board not found" in exc.message.lower()
            return replace(step, problem=f"{exc.message} {NOT_SHARED if unseen else IN_THE_WAY if seen else HINT}")
        self._keep(step.board_id, replace(begun, id=str(made["id"])))
        return replace(step, id=str(made["id"]))

    def _finish_begun(self, board_id: str, there: dict[str, str]) -> None:
        """Settles webhooks whose making was interrupted: a single new webhook of that event is the tool's own."""
        for begun in self._remembered(board_id).values():
            if begun.id is not None:
                continue  # was made
            new = [found for found, event in there.items() if event == begun.event and found not in begun.seen]
            # exactly one is new: it was made
            if len(new) == 1:
                self._keep(board_id, replace(begun, id=new[0]))
            else:  # it was not made
                self._forget(Step("", board_id, begun.event, "delete"))

    # What is remembered

    def _remembered(self, board_id: str) -> dict[str, Subscription]:
        found = self.memory.get(webhooks_key(board_id)) or {}
        return {event: Subscription(**{**known, "seen": tuple(known["seen"])}) for event, known in found.items()}

    def _remember(self, board_id: str, ours: dict[str, Subscription]) -> None:
        self.memory.put(webhooks_key(board_id), {event: asdict(known) for event, known in ours.items()})

    def _keep(self, board_id: str, known: Subscription) -> None:
        self._remember(board_id, {**self._remembered(board_id), known.event: known})

    def _forget(self, step: Step) -> None:
        """Forgets a webhook, unless a newer one has taken its place."""
        ours = self._remembered(step.board_id)
        if step.event in ours and ours[step.event].id in (None, step.id):
            del ours[step.event]
            self._remember(step.board_id, ours)


def on_each(chosen: Chosen, work: Callable[[Mapping, str], list[Step]]) -> tuple[list[Step], list[MondayError]]:
    """Does the same on every board. A board that is refused gives a step of its own, and the other boards are dealt with."""
    steps: list[Step] = []
    problems: list[MondayError] = []
    for mapping, board_id in chosen:
        refused = Step(mapping.entity, board_id, "", "none")
        if problems and isinstance(problems[-1], NO_USE):  # monday.com is away
            steps.append(replace(refused, problem="not done"))
            continue
        try:
            steps += work(mapping, board_id)
        except MondayError as exc:
            problems.append(exc)
            steps.append(replace(refused, problem=f"{exc.message} {exc.hint}".strip()))
    return steps, problems


def subscriptions(settings: Settings, parts: Parts, boards: Sequence[str]) -> Subscriptions:
    """Returns the subscriptions by the settings."""
    gate = Access(settings.webhook_secret, boards)
    return Subscriptions(parts.db, parts.monday, gate, settings.webhook_address, parts.mappings.values())


def subscribable(chosen: Chosen) -> Chosen:
    """Leaves out the boards of subitems, to which monday.com allows no subscription."""
    own = [(mapping, board) for mapping, board in chosen if not mapping.subitems_of]
    if not own:
        above = " ".join(f"--entity {mapping.subitems_of}" for mapping, _ in chosen)
        raise SettingsError("Subitems have no webhooks of their own.", hint=f"The board above reports them: {above}")
    return own
