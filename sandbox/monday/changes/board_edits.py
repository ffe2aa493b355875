"""Carries out what a change of a board does: its columns, labels, groups, and the board of its subitems."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.monday.account.models import ACTIVE, ARCHIVED, SUBITEMS_BOARD, Board, Column, Group, Label
from sandbox.monday.account.new_columns import new_column
from sandbox.monday.account.world import World
from sandbox.monday.changes import events
from sandbox.monday.changes.news import News


class BoardEdits:
    def __init__(self, world: World, news: News) -> None:
        self._world, self._news = world, news

    def log(self, board: Board, event: str, user_id: int, **data: object) -> None:
        """Writes to the activity log of a board."""
        self._news.log(board, event, "board", {"board_id": board.id, **data}, user_id)

    def add_column(self, board: Board, column: Column, user_id: int, after: str | None = None) -> Column:
        board.add_column(column)
        if after in board.columns:
            order = [column_id for column_id in board.columns if column_id != column.id]
            order.insert(order.index(after) + 1, column.id)
            board.columns = {column_id: board.columns[column_id] for column_id in order}
        names = {"column_id": column.id, "column_title": column.title, "column_type": column.type}
        self.log(board, "create_column", user_id, **names)
        self._news.announce(events.column_created(self._world, board, column, self._news.trigger(user_id)))
        return column

    def delete_column(self, board: Board, column: Column, user_id: int) -> None:
        del board.columns[column.id]
        for item in board.items.values():
            # Cells that are made later hold the datum still; no column shows it.
            if item.make is None:
                item.cells.pop(column.id, None)
        self.log(board, "delete_column", user_id, column_id=column.id, column_title=column.title)

    def change_settings(self, board: Board, column: Column, user_id: int) -> None:
        """Notes that the settings of a column, or its labels, were changed."""
        column.revision += 1
        self.log(board, "change_column_settings", user_id, column_id=column.id)

    def add_labels(self, board: Board, new_labels: list[tuple[Column, Label]], user_id: int) -> None:
        for column, label in new_labels:
            column.labels.append(label)
            self.change_settings(board, column, user_id)

    def drop_group(self, board: Board, group: Group, state: str, user_id: int) -> None:
        """Archives or deletes a group with its items: they are logged one by one, and no webhooks are promised."""
        word = "archive" if state == ARCHIVED else "delete"
        for item in board.items.values():
            if item.group_id == group.id and item.state == ACTIVE:
                self._world.remember(item.id, item)
                item.state = state
                data = {"board_id": board.id, "group_id": group.id, "pulse_id": item.id}
                self._news.log(board, f"{word}_group_pulse", "pulse", data, user_id)
        group.state = state
        self.log(board, f"{word}_group", user_id, group_id=group.id)

    def subitem_board(self, board: Board, user_id: int) -> tuple[Board, Callable[[], None]]:
        """Finds or makes the board of the subitems; a new one is in the account only once the function was called."""
        column = board.subtasks_column()
        # the board has subitems already
        if column and column.settings.get("boardIds"):
            return self._world.boards[int(column.settings["boardIds"][0])], lambda: None
        below = self._new_subitem_board(board, user_id)

        def keep() -> None:
            self._world.boards[below.id] = below
            known = column or board.add_column(Column("subitems", "Subitems", "subtasks"))
            known.settings |= {
                "allowMultipleItems": True,
                "itemTypeName": "column.subtasks.title",
                "displayType": "BOARD_INLINE",
                "boardIds": [below.id],
            }

        return below, keep

    def _new_subitem_board(self, board: Board, user_id: int) -> Board:
        now = self._world.clock.now()
        below = Board(
            self._world.new_id(),
            f"Subitems of {board.name}",
            type=SUBITEMS_BOARD,
            parent_board_id=board.id,
            created_at=now,
            updated_at=now,
            creator_id=user_id,
        )
        for column in (
            new_column("name", "Name", "name"),
            new_column("person", "Owner", "people"),
            new_column("status", "Status", "status"),
            new_column("date0", "Date", "date"),
        ):
            below.add_column(column)
        below.groups["topics"] = Group("topics", "Subitems")
        return below
