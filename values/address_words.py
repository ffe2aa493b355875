"""Labels the words of an address as the library `usaddress` does, and remembers what is known of each word.

The library describes a word, and for its neighbours the same once more, with some thirty texts. Most words of addresses
come again and again, so their texts are kept. What they say, and their order, is the library's, and so are the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import usaddress

REMEMBERED = 4_096
"""Words. Of most a few dozen texts are kept, about 2 kB."""

FIRST, LAST, AFTER_FIRST, BEFORE_LAST = (
    [text] for text in (b"address.start", b"address.end", b"previous:address.start", b"next:address.end")
)


class _Described(NamedTuple):
    """Holds what the model is told of a word: of itself, after it, and before it."""

    own: tuple[bytes, ...]
    previous: tuple[bytes, ...]
    next: tuple[bytes, ...]


def labelled(line: str) -> list[tuple[str, str]]:
    """Returns the words of an address with their labels, as `usaddress.parse` does."""
    words = usaddress.tokenize(line)
    if not words:
        return []
    labels: list[str] = usaddress.TAGGER.tag(list(_described([_word(word) for word in words])))
    return list(zip(words, labels, strict=True))


def _described(words: list[_Described]) -> Iterator[list[bytes]]:
    """Yields for each word what the model is told of it, in the order in which the library tells it."""
    last = len(words) - 1
    for at, word in enumerate(words):
        told = [*word.own]
        if at > 0:
            told += words[at - 1].previous
            if at == 1:
                told += AFTER_FIRST
        if at < last:
            told += words[at + 1].next
            if at == last - 1:
                told += BEFORE_LAST
        if at == 0:
            told += FIRST
        if at == last:
            told += LAST
        yield told


@lru_cache(maxsize=REMEMBERED)
def _word(word: str) -> _Described:
    features = usaddress.tokenFeatures(word).items()
    # a feature that is false counts for nothing
    texts = [name if value is True else f"{name}:{value}" for name, value in features if value is not False]
    return _Described(tuple(_texts("", texts)), tuple(_texts("previous:", texts)), tuple(_texts("next:", texts)))


def _texts(prefix: str, texts: Iterable[str]) -> list[bytes]:
    return [(prefix + text).encode() for text in texts]
