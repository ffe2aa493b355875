"""Reads and writes cells of choices: status, dropdown, checkbox, tags, vote."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Column, Datum, Label, Tag, User
from sandbox.monday.account.new_columns import BLANK_STATUS
from sandbox.monday.cells.kind import Cell, Kind, Writing, as_id, as_ids, as_object, need, no_value
from sandbox.monday.errors import NO_SUCH_LABEL, BadValue

STATUS_LABEL_CHARACTERS = 30
STATUS_LABELS = 40


def status_label(cell: Cell) -> Label | None:
    return None if cell.datum is None else cell.column.label(cell.datum)


def status_text(cell: Cell) -> str | None:
    label = status_label(cell)
    return label.name if label and label.name else None


def status_index(cell: Cell) -> int | None:
    # blank, and shown by its number
    if cell.datum is None and not cell.world.switches.blank_status_is_null:
        return BLANK_STATUS
    return cell.datum


def status_value(cell: Cell) -> JsonObject | None:
    index = status_index(cell)
    return None if index is None else {"index": index, "post_id": None, "changed_at": cell.changed_at()}


def status_is_done(cell: Cell) -> bool | None:
    label = status_label(cell)
    return label.is_done if label else None


def status_style(cell: Cell) -> JsonObject | None:
    label = status_label(cell)
    return {"color": label.color, "border": label.color} if label else None


def status_event(cell: Cell) -> JsonObject | None:
    label = status_label(cell)
    if label is None:
        return None
    style = {"color": label.color, "border": label.color, "var_name": label.color_name}
    return {
        "label": {"index": label.id, "text": label.name, "style": style, "is_done": label.is_done},
        "post_id": None,
    }


def read_status(sent: object, writing: Writing) -> int | None:
    wanted = as_object(sent)
    if wanted is None:
        return None
    if "index" in wanted:
        return status_number(wanted["index"], writing)
    need("label" in wanted and isinstance(wanted["label"], str))
    return status_named(wanted["label"], writing)


def status_number(sent: object, writing: Writing) -> int:
    number = as_id(sent)
    label = writing.column.label(number)
    # the blank label always exists
    if number != BLANK_STATUS and (label is None or label.deactivated):
        raise BadValue(NO_SUCH_LABEL)
    return number


def status_named(name: str, writing: Writing) -> int | None:
    """Finds a label; a name made of digits is read as a number, never as a text."""
    if name == "":
        return None
    if name.isdecimal():
        return status_number(name, writing)
    return choose(name, writing, STATUS_LABELS, STATUS_LABEL_CHARACTERS)


def choose(name: str, writing: Writing, most_labels: int | None, most_characters: int | None) -> int:
    """Finds the number of a label by its exact text; makes the label when the mutation asked for that."""
    column = writing.column
    pending = [label for owner, label in writing.new_labels if owner is column]
    found = next((label for label in column.labels + pending if label.name == name and not label.deactivated), None)
    if found:
        return found.id
    # not asked to make labels
    if not writing.create_labels or column.settings.get("managed"):
        raise BadValue(NO_SUCH_LABEL)
    # Limits hold for new labels only.
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


def dropdown_labels(cell: Cell) -> list[Label]:
    found = (cell.column.label(number) for number in cell.datum or ())
    return [label for label in found if label]


def dropdown_text(cell: Cell) -> str:
    return ", ".join(label.name for label in dropdown_labels(cell))


def dropdown_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"ids": list(cell.datum), "changed_at": cell.changed_at()}


def dropdown_options(cell: Cell) -> list[JsonObject]:
    return [{"id": str(label.id), "label": label.name} for label in dropdown_labels(cell)]


def dropdown_event(cell: Cell) -> JsonObject | None:
    return cell.datum and {"chosenValues": [{"id": label.id, "name": label.name} for label in dropdown_labels(cell)]}


def read_dropdown(sent: object, writing: Writing) -> tuple[int, ...] | None:
    wanted = as_object(sent)
    if wanted is None:
        return None
    # exactly one of the two forms
    need(("ids" in wanted) != ("labels" in wanted))
    if "ids" in wanted:
        return dropdown_chosen([dropdown_number(number, writing) for number in as_ids(wanted["ids"])], writing)
    labels = wanted["labels"]
    need(isinstance(labels, list) and all(isinstance(name, str) for name in labels))
    return dropdown_chosen([choose(name, writing, None, None) for name in labels], writing)


def dropdown_number(number: int, writing: Writing) -> int:
    label = writing.column.label(number)
    if label is None or label.deactivated:
        raise BadValue(NO_SUCH_LABEL)
    return number


def dropdown_chosen(numbers: list[int], writing: Writing) -> tuple[int, ...] | None:
    chosen = tuple(dict.fromkeys(numbers))
    limit = writing.column.settings.get("label_limit_count")
    need(not writing.column.settings.get("limit_select") or len(chosen) <= int(limit or 1))
    return chosen or None


def simple_dropdown(text: str, writing: Writing) -> tuple[int, ...] | None:
    names = [name.strip() for name in text.split(",") if name.strip()]
    # numbers of labels, not names
    if all(name.isdecimal() for name in names):
        return dropdown_chosen([dropdown_number(int(name), writing) for name in names], writing)
    return dropdown_chosen([choose(name, writing, None, None) for name in names], writing)


def checkbox_value(cell: Cell) -> JsonObject | None:
    if not cell.datum:
        return None
    return {"checked": "true" if cell.world.switches.checkbox_as_string else True, "changed_at": cell.changed_at()}


def read_checkbox(sent: object, writing: Writing) -> bool | None:
    """Takes only the strings that the reference knows; JSON booleans are refused, so that no client relies on them."""
    wanted = as_object(sent, "checked")
    if wanted is None:
        return None
    need(wanted["checked"] in ("true", "false") and isinstance(wanted["checked"], str))
    return True if wanted["checked"] == "true" else None


def tags_of(cell: Cell) -> list[Tag]:
    return [cell.world.tags[number] for number in cell.datum or () if number in cell.world.tags]


def tags_text(cell: Cell) -> str:
    return ", ".join(tag.name for tag in tags_of(cell))


def tag_ids(cell: Cell) -> list[int]:
    return list(cell.datum or ())


def tags_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"tag_ids": list(cell.datum)}


def read_tags(sent: object, writing: Writing) -> tuple[int, ...] | None:
    wanted = as_object(sent, "tag_ids")
    ids = as_ids(wanted["tag_ids"]) if wanted else ()
    need(all(number in writing.world.tags for number in ids))
    return ids or None


def vote_count(cell: Cell) -> int:
    return len(cell.datum or ())


def vote_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"voter_ids": list(cell.datum), "changed_at": cell.changed_at()}


def voter_ids(cell: Cell) -> list[str]:
    return [str(number) for number in cell.datum or ()]


def voters(cell: Cell) -> list[User]:
    return [cell.world.users[number] for number in cell.datum or () if number in cell.world.users]


def read_vote(sent: object, writing: Writing) -> Datum:
    """Accepts a vote, and leaves the cell as it is."""
    return writing.item.cells.get(writing.column.id) if writing.item else None


CHOICE_KINDS = [
    Kind(
        type="status",
        graphql="StatusValue",
        internal="color",
        text=status_text,
        value=status_value,
        fields={
            "index": status_index,
            "label": status_text,
            "update_id": no_value,
            "is_done": status_is_done,
            "label_style": status_style,
        },
        read=read_status,
        simple=status_named,
        event=status_event,
    ),
    Kind(
        type="dropdown",
        graphql="DropdownValue",
        internal="dropdown",
        text=dropdown_text,
        value=dropdown_value,
        fields={"values": dropdown_options},
        read=read_dropdown,
        simple=simple_dropdown,
        event=dropdown_event,
    ),
    Kind(
        type="checkbox",
        graphql="CheckboxValue",
        internal="boolean",
        text=lambda cell: "v" if cell.datum else "",
        value=checkbox_value,
        fields={"checked": lambda cell: bool(cell.datum) or None},
        read=read_checkbox,
        event=lambda cell: {"checked": True} if cell.datum else None,
    ),
    Kind(
        type="tags",
        graphql="TagsValue",
        internal="tag",
        text=tags_text,
        value=tags_value,
        fields={"tag_ids": tag_ids, "tags": tags_of},
        read=read_tags,
    ),
    Kind(
        type="vote",
        graphql="VoteValue",
        internal="votes",
        text=lambda cell: str(vote_count(cell)),
        value=vote_value,
        fields={"vote_count": vote_count, "voter_ids": voter_ids, "voters": voters},
        read=read_vote,
    ),
]
