"""The labels of an address's words: the same as the library's own, however often a word comes."""

from __future__ import annotations

import usaddress
from hypothesis import given
from hypothesis import strategies as st

from values.address_words import labelled

WORDS = st.sampled_from(
    "742 0 100 1000 12B Evergreen Ter Ter. Terrace, N S.W. Ave Springfield, IL IL. 62701 62701-1234 PO Box Apt #4 # & ½ "
    "Corner of Überstraße (rear) Suite; TBD usa. St. O'Neill's 5th &amp; -".split()
)
LINES = st.lists(WORDS | st.text(max_size=8), max_size=12).map(" ".join)


def outcome(way, line):
    try:
        return way(line)
    except Exception as exc:
        return type(exc)


@given(LINES)
def test_words_have_the_labels_of_the_library(line):
    assert outcome(labelled, line) == outcome(usaddress.parse, line)


@given(LINES)
def test_neighbours_of_a_word_count_and_not_what_it_was_before(line):
    assert outcome(labelled, f"{line} {line}") == outcome(usaddress.parse, f"{line} {line}")
