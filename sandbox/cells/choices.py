"""Cells that choose: status, dropdown, checkbox, tags, vote."""

from __future__ import annotations

from typing import Any

from sandbox.cells.kind import Cell, Kind, Writing, as_id, as_ids, as_object, need
from sandbox.errors import NO_SUCH_LABEL, BadValue
from sandbox.models import Column, Label

STATUS_LABEL_CHARACTERS = 30
STATUS_LABELS = 40
BLANK_STATUS = 5


def status_label(cell: Cell) -> Label | None:
    return None if cell.datum is None else cell.column.label(cell.datum)


def status_text(cell: Cell) -> str | None:
    label = status_label(cell)
    return label.name if label and label.name else None


def status_index(cell: Cell) -> int | None:
    if cell.datum is None and not cell.world.switches.blank_status_is_null:
        return BLANK_STATUS
    return cell.datum


def status_value(cell: Cell) -> Any:
    index = status_index(cell)
    return None if index is None else {"index": index, "post_id": None, "changed_at": cell.changed_at()}


def status_event(cell: Cell) -> Any:
    label = status_label(cell)
    if label is None:
        return None
    style = {"color": label.color, "border": label.color, "var_name": label.color_name}
    return {"label": {"index": label.id, "text": label.name, "style": style, "is_done": label.is_done},
            "post_id": None}


def read_status(sent: Any, writing: Writing) -> int | None:
    wanted = as_object(sent)
    if wanted is None:
        return None
    if "index" in wanted:
        return status_number(wanted["index"], writing)
    need("label" in wanted and isinstance(wanted["label"], str))
    return status_named(wanted["label"], writing)


def status_number(sent: Any, writing: Writing) -> int:
    number = as_id(sent)
    label = writing.column.label(number)
    if number != BLANK_STATUS and (label is None or label.deactivated):
        raise BadValue(NO_SUCH_LABEL)
    return number


def status_named(name: str, writing: Writing) -> int | None:
    """A label made of digits is read as a number, never as a text."""
    if name == "":
        return None
    if name.isdecimal():
        return status_number(name, writing)
    return choose(name, writing, STATUS_LABELS, STATUS_LABEL_CHARACTERS)


def choose(name: str, writing: Writing, most_labels: int | None, most_characters: int | None) -> int:
    """The number of a label by its exact text; made when that was asked for."""
    column = writing.column
    pending = [label for owner, label in writing.new_labels if owner is column]
    found = next((x for x in column.labels + pending if x.name == name and not x.deactivated), None)
    if found:
        return found.id
    if not writing.create_labels or column.settings.get("managed"):
        raise BadValue(NO_SUCH_LABEL)
    need(most_characters is None or len(name) <= most_characters)
    need(most_labels is None or len(column.labels) + len(pending) < most_labels)
    label = Label(free_number(column, pending), name, "#037f4c", "grass_green")
    writing.new_labels.append((column, label))
    return label.id


def free_number(column: Column, pending: list[Label]) -> int:
    taken = {label.id for label in column.labels + pending}
    if column.type == "status":
        taken.add(BLANK_STATUS)
        return next(number for number in range(len(taken) + 1) if number not in taken)
    return max(taken, default=0) + 1


def simple_status(text: str, writing: Writing) -> int | None:
    return status_named(text, writing)


def dropdown_labels(cell: Cell) -> list[Label]:
    found = (cell.column.label(number) for number in cell.datum or ())
    return [label for label in found if label]


def dropdown_value(cell: Cell) -> Any:
    return cell.datum and {"ids": list(cell.datum), "changed_at": cell.changed_at()}


def dropdown_event(cell: Cell) -> Any:
    return cell.datum and {"chosenValues": [{"id": x.id, "name": x.name} for x in dropdown_labels(cell)]}


def read_dropdown(sent: Any, writing: Writing) -> Any:
    wanted = as_object(sent)
    if wanted is None:
        return None
    need(("ids" in wanted) != ("labels" in wanted))
    if "ids" in wanted:
        return dropdown_chosen([dropdown_number(one, writing) for one in as_ids(wanted["ids"])], writing)
    labels = wanted["labels"]
    need(isinstance(labels, list) and all(isinstance(name, str) for name in labels))
    return dropdown_chosen([choose(name, writing, None, None) for name in labels], writing)


def dropdown_number(number: int, writing: Writing) -> int:
    label = writing.column.label(number)
    if label is None or label.deactivated:
        raise BadValue(NO_SUCH_LABEL)
    return number


def dropdown_chosen(numbers: list[int], writing: Writing) -> Any:
    chosen = tuple(dict.fromkeys(numbers))
    limit = writing.column.settings.get("label_limit_count")
    need(not writing.column.settings.get("limit_select") or len(chosen) <= int(limit or 1))
    return chosen or None


def simple_dropdown(text: str, writing: Writing) -> Any:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if all(name.isdecimal() for name in names):
        return dropdown_chosen([dropdown_number(int(name), writing) for name in names], writing)
    return dropdown_chosen([choose(name, writing, None, None) for name in names], writing)


def checkbox_value(cell: Cell) -> Any:
    if not cell.datum:
        return None
    return {"checked": "true" if cell.world.switches.checkbox_as_string else True, "changed_at": cell.changed_at()}


def read_checkbox(sent: Any, writing: Writing) -> Any:
    """The reference knows only the strings; JSON booleans are refused so that nobody comes to rely on them."""
    wanted = as_object(sent, "checked")
    if wanted is None:
        return None
    need(wanted["checked"] in ("true", "false") and isinstance(wanted["checked"], str))
    return True if wanted["checked"] == "true" else None


def read_tags(sent: Any, writing: Writing) -> Any:
    wanted = as_object(sent, "tag_ids")
    ids = as_ids(wanted["tag_ids"]) if wanted else ()
    need(all(number in writing.world.tags for number in ids))
    return ids or None


def tags_of(cell: Cell) -> list[Any]:
    return [cell.world.tags[n] for n in cell.datum or () if n in cell.world.tags]


def read_vote(sent: Any, writing: Writing) -> Any:
    """Writing a vote is accepted and has no effect."""
    return writing.item.cells.get(writing.column.id) if writing.item else None


CHOICE_KINDS = [
    Kind("status", "StatusValue", "color", status_text, status_value,
         {"index": status_index, "label": status_text, "update_id": lambda c: None,
          "is_done": lambda c: label.is_done if (label := status_label(c)) else None,
          "label_style": lambda c: {"color": x.color, "border": x.color} if (x := status_label(c)) else None},
         read_status, simple_status, status_event, cell_time=True),
    Kind("dropdown", "DropdownValue", "dropdown", lambda c: ", ".join(x.name for x in dropdown_labels(c)),
         dropdown_value,
         {"values": lambda c: [{"id": str(x.id), "label": x.name} for x in dropdown_labels(c)]},
         read_dropdown, simple_dropdown, dropdown_event),
    Kind("checkbox", "CheckboxValue", "boolean", lambda c: "v" if c.datum else "", checkbox_value,
         {"checked": lambda c: bool(c.datum) or None}, read_checkbox,
         event=lambda c: {"checked": True} if c.datum else None, cell_time=True),
    Kind("tags", "TagsValue", "tag", lambda c: ", ".join(t.name for t in tags_of(c)),
         lambda c: c.datum and {"tag_ids": list(c.datum)},
         {"tag_ids": lambda c: list(c.datum or ()), "tags": tags_of}, read_tags),
    Kind("vote", "VoteValue", "votes", lambda c: str(len(c.datum or ())),
         lambda c: c.datum and {"voter_ids": list(c.datum), "changed_at": c.changed_at()},
         {"vote_count": lambda c: len(c.datum or ()), "voter_ids": lambda c: [str(n) for n in c.datum or ()],
          "voters": lambda c: [c.world.users[n] for n in c.datum or () if n in c.world.users]},
         read_vote, cell_time=True),
]
