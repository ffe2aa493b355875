"""Reads cells of files and documents, which are stored in the shapes of `value`; a write can only empty them."""

from __future__ import annotations

from sandbox.common.clock import iso
from sandbox.common.json_text import JsonObject
from sandbox.monday.cells.kind import Cell, Kind, Writing, need


def file_text(cell: Cell) -> str:
    return ", ".join(file_url(cell, file) for file in cell.datum or ())


def file_url(cell: Cell, file: JsonObject) -> str:
    account = cell.world.account
    return file.get("linkToFile") or (
        f"{account.url}/protected_static/{account.id}/resources/{file.get('assetId')}/{file['name']}"
    )


def file_entries(cell: Cell) -> list[JsonObject]:
    return [file_entry(cell, file) for file in cell.datum or ()]


def first_entry(cell: Cell) -> JsonObject | None:
    return next(iter(file_entries(cell)), None)


def file_entry(cell: Cell, file: JsonObject) -> JsonObject:
    common = {
        "name": file["name"],
        "created_at": iso(int(file["createdAt"]) / 1000),
        "creator_id": file["createdBy"],
        "creator": cell.world.users.get(int(file["createdBy"])),
    }
    if file["fileType"] == "ASSET":
        return {
            "__typename": "FileAssetValue",
            "asset_id": str(file["assetId"]),
            **common,
            "is_image": file["isImage"] == "true",
            "asset": cell.world.assets.get(file["assetId"]),
        }
    if file["fileType"] == "MONDAY_DOC":
        return {
            "__typename": "FileDocValue",
            "file_id": file["fileId"],
            "object_id": str(file["objectId"]),
            "url": file["linkToFile"],
            **common,
        }
    return {
        "__typename": "FileLinkValue",
        "file_id": file["fileId"],
        "kind": file["fileType"].lower(),
        "url": file["linkToFile"],
        **common,
    }


def file_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"files": list(cell.datum)}


def read_clear_all(sent: object, writing: Writing) -> None:
    need(not writing.many and sent == {"clear_all": True})


FILE_KINDS = [
    Kind(
        type="file",
        graphql="FileValue",
        internal="file",
        text=file_text,
        value=file_value,
        fields={"files": file_entries},
        read=read_clear_all,
    ),
    Kind(
        type="doc",
        graphql="DocValue",
        internal="doc",
        text=lambda cell: "",
        value=file_value,
        fields={"file": first_entry},
        read=read_clear_all,
    ),
    Kind(
        type="direct_doc",
        graphql="DirectDocValue",
        internal="direct-doc",
        text=lambda cell: "",
        value=file_value,
    ),
]
