"""Checks that texts are folded alike by Python and by PostgreSQL, in databases of any collation."""

from __future__ import annotations

import sys
import unicodedata
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from errors import SyncError
from tests.kit.shipped import PROJECT
from values.folding import BLANKS, bare, fold

LOCALES = {
    "C": "lc_collate 'C' lc_ctype 'C'",
    "C.UTF-8": "locale_provider builtin builtin_locale 'C.UTF-8'",
    "ICU": "locale_provider icu icu_locale 'en-US'",
    "libc": "lc_collate 'en_US.UTF-8' lc_ctype 'en_US.UTF-8'",
}
BOTH = "select v, sync_fold(v), sync_bare(v), normalize(v, nfd) from unnest(%s::text[]) as v"
EVERY_LETTER = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


@pytest.fixture(scope="module", params=LOCALES)
def folding(postgres, request):
    """Makes a database of that collation, with the tool's functions."""
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    try:
        postgres.create(name, locale=LOCALES[request.param])
    except SyncError as exc:
        pytest.skip(f"this server has no such collation: {exc}")
    database = postgres.database(name)
    with database.transaction() as tx:
        tx.execute((PROJECT / "schema.sql").read_text(encoding="utf-8"))
    yield database
    database.close()
    postgres.drop(name)


def differing(database, texts):
    """Returns what PostgreSQL folds otherwise, of letters that both know in the same version of Unicode."""
    with database.transaction(read_only=True) as tx:
        rows = tx.rows(BOTH, (texts,))
    return [
        (text, folded, fold(text), shown, bare(text))
        for text, folded, shown, letters in rows
        if (folded, shown) != (fold(text), bare(text)) and letters == unicodedata.normalize("NFD", text) and known(text)
    ]


def known(text: str) -> bool:
    """Returns whether Python knows all letters: an older one has an older Unicode than PostgreSQL."""
    return all(unicodedata.category(letter) != "Cn" for letter in text)


def test_every_letter_of_unicode_is_folded_alike(folding):
    assert differing(folding, EVERY_LETTER) == []
    assert differing(folding, [f"a{letter}z" for letter in EVERY_LETTER]) == []


TEXTS = st.text(
    st.characters(blacklist_categories=["Cs"], min_codepoint=1) | st.sampled_from(BLANKS + "İIıißẞſςσΣéÉ\u0301\u0345"),
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(texts=st.lists(TEXTS, min_size=50, max_size=200))
def test_any_text_is_folded_alike(folding, texts):
    assert differing(folding, texts) == []


@pytest.mark.parametrize(
    ("a", "b", "same", "same_without_case"),
    [
        ("Tab", "Tab\t", True, True),
        ("Tab", "Tab\n", True, True),
        ("Tab", "\u00a0Tab\u00a0", True, True),
        ("Tab", "Tab\u3000", True, True),
        ("Tab", "\ufeffTab", True, True),
        ("Tab", "Tab\u200b", True, True),
        ("Tab", "Tab\x1f", True, True),
        ("Tab", "Tab\x85", True, True),
        ("Caf\u00e9", "Cafe\u0301", True, True),
        ("Tab", "tab", False, True),
        ("MÜLLER & SÖHNE", "Müller & Söhne", False, True),
        ("STRASSE", "Straße", False, True),
        ("STRAẞE", "straße", False, True),
        ("ΟΔΟΣ", "οδος", False, True),
        ("οδοσ", "οδος", False, True),
        ("ИВАН", "иван", False, True),
        ("ﬁx", "FIX", False, True),
        ("İ", "i\u0307", False, True),
        ("İ", "i", False, False),
        ("I", "ı", False, False),
        ("Ta b", "Tab", False, False),
        ("Tab", "Täb", False, False),
        ("Tab", "Ｔａｂ", False, False),
        ("東京", "东京", False, False),
    ],
)
def test_texts_that_are_one_key(folding, a, b, same, same_without_case):
    assert ((bare(a) == bare(b)), (fold(a) == fold(b))) == (same, same_without_case)
    with folding.transaction(read_only=True) as tx:
        (found,) = tx.rows("select sync_bare(%s) = sync_bare(%s), sync_fold(%s) = sync_fold(%s)", (a, b, a, b))
    assert found == (same, same_without_case)
