"""Fetches the next page in a thread while the present one is worked on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from models import Item, Page, Pages

Prepare = Callable[[Item], None]
"""Works on an item of a page before the page is asked for; the work would have to be done later anyway."""

Walk = Callable[[threading.Event], Iterator[Page]]
"""Begins to read; the pages end once the event is set."""


def ahead(walk: Walk, prepare: Prepare | None = None) -> Pages:
    """Yields the same pages, exactly one of them being fetched while the caller works on the one before.

    While the caller is still at work, the thread calls `prepare` with the items that it has; a caller who waits gets
    them as they are, so that the page after them is asked for at once. Closing the generator ends the thread: a request
    under way is not interrupted, but none follows it.
    """
    fetching = _Fetching(walk, prepare)
    fetching.start()
    try:
        fetching.want_next()
        while (page := fetching.take()) is not None:
            if page.cursor is not None:
                fetching.want_next()
            yield page
            if page.cursor is None:
                return
    finally:
        fetching.stop()


def prepare_ahead(items: Iterable[Item], prepare: Prepare | None, waiting: threading.Event) -> None:
    """Prepares items until they are asked for."""
    for item in items if prepare else ():
        if waiting.is_set() or prepare is None:
            return
        prepare(item)


class _Fetching:
    """Fetches pages in a thread, each when it is wanted."""

    def __init__(self, walk: Walk, prepare: Prepare | None) -> None:
        self._walk = walk
        self._prepare = prepare
        self._cancelled = threading.Event()
        self._waiting = threading.Event()
        self._wanted, self._ready = threading.Semaphore(0), threading.Semaphore(0)
        self._box: list[Page | BaseException | None] = []
        self._thread = threading.Thread(target=self._fetch, name="monday-next-page", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def want_next(self) -> None:
        """Lets the thread fetch one more page."""
        self._wanted.release()

    def take(self) -> Page | None:
        """Waits for the page that was wanted; None when there is no more. Raises the error of the thread."""
        self._waiting.set()
        self._ready.acquire()
        self._waiting.clear()
        page = self._box.pop(0)
        if isinstance(page, BaseException):
            raise page
        return page

    def stop(self) -> None:
        """Ends the thread."""
        self._cancelled.set()
        self._wanted.release()
        self._thread.join(timeout=1.0)

    def _fetch(self) -> None:
        try:
            pages = self._walk(self._cancelled)
            while self._wanted.acquire() and not self._cancelled.is_set():
                page = next(pages, None)
                prepare_ahead(page.items if page else (), self._prepare, self._waiting)
                self._box.append(page)
                del page  # freed once the caller has it
                self._ready.release()
        except BaseException as error:
            self._box.append(error)
            self._ready.release()
