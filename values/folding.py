"""Folds texts, so that keys and matches are compared in one way: by letters, not by case, normal form or outer blanks.

`sync_fold` and `sync_bare` in `schema.sql` do the same in PostgreSQL, whatever the database's collation. A test compares
the two for all of Unicode.
"""

from __future__ import annotations

import unicodedata

ASCII_BLANKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f "
BLANKS = (
    ASCII_BLANKS
    + "\x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))  # spaces of all widths
    + "\u2028\u2029\u202f\u205f\u3000"
    + "\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"  # without any width
)
"""What does not count at the ends of a text: all white space, and what cannot be seen there."""


def bare(text: str) -> str:
    """Returns a text without outer blanks; a letter and its accent are one character, however they are written."""
    if text.isascii():
        return text.strip(ASCII_BLANKS)
    return unicodedata.normalize("NFC", text).strip(BLANKS)


def fold(text: str) -> str:
    """Returns a text as keys and matches are compared: bare, and without case (`ß` is `ss`)."""
    if text.isascii():
        return text.strip(ASCII_BLANKS).lower()
    letters = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFC", letters).strip(BLANKS)
