"""Fields of text: title, text, text area, SmartDoc, e-mail, link."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.record import Stored
from sandbox.smartsuite.errors import Invalid
from sandbox.smartsuite.fields.kind import KEPT_AS_IT_WAS, Kind, Place, a_text, an_object, entries, known_keys

PREVIEW_LENGTH = 200


class TextKind(Kind):
    """Keeps one line."""

    filters, empty = "text", ""

    def stored(self, value: Any, place: Place) -> Stored:
        text = within_limits(a_text(value), place)
        if "\n" in text or "\r" in text:
            match place.switches.line_breaks:
                case "refused":
                    raise Invalid("Line breaks are not allowed.")
                case "spaces":
                    return " ".join(text.splitlines())
        return text

    def index_key(self, value: Stored) -> Hashable | None:
        return value if isinstance(value, str) else None


class TextAreaKind(TextKind):
    """Keeps many lines."""

    def stored(self, value: Any, place: Place) -> Stored:
        return within_limits(a_text(value), place)


def within_limits(text: str, place: Place) -> str:
    most = place.field.params.get("max_length") or place.switches.text_limit
    if most and len(text) > most:
        raise Invalid(f"Ensure this field has no more than {most} characters.")
    return text


class TextListKind(Kind):
    """Keeps e-mail addresses or links: always an array."""

    filters, empty = "text", []

    def stored(self, value: Any, place: Place) -> Stored:
        return [within_limits(a_text(entry), place) for entry in entries(value, place)]

    def key(self, value: Stored, place: Place) -> Any:
        return ", ".join(value)


class SmartDocKind(Kind):
    """Keeps a document; `html` and `preview` are made here."""

    def stored(self, value: Any, place: Place) -> Stored:
        if isinstance(value, str):
            match place.switches.smartdoc_text:
                case "ignored":
                    return KEPT_AS_IT_WAS
                case "refused":
                    raise Invalid("Not a valid document.")
            return {"data": document_of(value)}
        found = known_keys(an_object(value), ("data", "html"), ("preview", "yjsData"))
        data = an_object(found.get("data"))
        if not data and isinstance(found.get("html"), str) and found["html"]:
            ignored = place.switches.smartdoc_html == "ignored"
            return KEPT_AS_IT_WAS if ignored else {"data": {}, "html": found["html"]}
        return {"data": checked_document(data)}

    def shown(self, value: Stored, place: Place) -> Any:
        return rendered(value)

    def key(self, value: Stored, place: Place) -> Any:
        return text_of(value["data"]) or value.get("html") or None


def checked_document(data: JsonObject) -> JsonObject:
    if data.get("type") != "doc" or not isinstance(data.get("content", []), list):
        raise Invalid("Not a valid document.")
    for node in data.get("content", []):
        check_node(node)
    return data


def check_node(node: object) -> None:
    if not isinstance(node, dict) or not isinstance(node.get("type"), str) or not node["type"]:
        raise Invalid("Not a valid document.")
    if node["type"] == "text" and not isinstance(node.get("text"), str):
        raise Invalid("Not a valid document.")
    # names of nodes have underscores: bullet_list, hard_break
    if any(letter.isupper() for letter in node["type"]):
        raise Invalid(f"Unknown node type: {node['type']}.")
    for part in node.get("content") or []:
        check_node(part)


def document_of(text: str) -> JsonObject:
    lines = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in text.split("\n")]
    return {"type": "doc", "content": lines}


def rendered(value: JsonObject) -> JsonObject:
    """Returns a document as an answer shows it."""
    data = value["data"]
    lines = [text_of(node) for node in data.get("content") or []]
    inner = value.get("html") or "\n ".join(f"<p>{escaped(line)}</p>" for line in lines)
    preview = " ".join(line for line in lines if line)[:PREVIEW_LENGTH]
    return {"data": data, "html": f'<div class="rendered">\n {inner}\n</div>', "preview": preview}


def text_of(node: JsonObject) -> str:
    if node.get("type") == "text":
        return str(node["text"])
    return "".join(text_of(part) for part in node.get("content") or [])


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
