"""Checks tokens against a library of other authors, and that nothing but a good signature opens one."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode

import jwt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.monday.signed_tokens import make_token, read_token

SECRET = "a made-up secret of thirty-two bytes"
CLAIMS = {"accountId": 1, "aud": "https://sync.example.com/webhook", "exp": 1606808758, "dat": {"name": "Zoë"}}
JSON = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text())


def by_hand(header: object, claims: object) -> str:
    """Signs whatever it is given, as only a holder of the secret can."""
    content = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims))
    signature = urlsafe_b64encode(hmac.digest(SECRET.encode(), content, "sha256")).rstrip(b"=")
    return (content + b"." + signature).decode()


@given(JSON)
def test_a_token_of_another_library_is_read_and_ours_is_read_by_it(claims):
    assert read_token(jwt.encode(claims, SECRET, algorithm="HS256"), SECRET) == claims
    anything = {"verify_signature": True, **{f"verify_{name}": False for name in ("exp", "iat", "nbf", "aud", "iss")}}
    read = jwt.decode(
        make_token(claims, SECRET), SECRET, ["HS256"], {**anything, "verify_sub": False, "verify_jti": False}
    )
    assert read == claims


@given(st.data())
def test_a_token_with_any_other_character_is_not_read(data):
    token = make_token(CLAIMS, SECRET)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters() | st.just(""))
    assume(other != token[at])
    assert read_token(token[:at] + other + token[at + 1 :], SECRET) is None


@given(st.text())
def test_a_text_that_is_no_token_is_not_read(text):
    assert read_token(text, SECRET) is None


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_token_of_another_algorithm_is_not_read(algorithm):
    assert read_token(jwt.encode(CLAIMS, SECRET * 2, algorithm=algorithm), SECRET * 2) is None


@pytest.mark.parametrize(
    "header", [{}, {"alg": "none"}, {"alg": "hs256"}, {"alg": "HS256", "crit": ["b64"]}, [], "HS256"]
)
def test_a_header_that_does_not_say_how_it_was_signed_is_not_believed(header):
    assert read_token(by_hand({"alg": "HS256"}, CLAIMS), SECRET) == CLAIMS
    assert read_token(by_hand(header, CLAIMS), SECRET) is None


@pytest.mark.parametrize("claims", [[], None, "exp", 1606808758])
def test_claims_that_are_no_object_are_not_read(claims):
    assert read_token(by_hand({"alg": "HS256"}, claims), SECRET) is None


def test_a_signature_over_no_json_or_over_other_parts_is_not_read():
    for content in (b"a.b", b"e30", b"e30.e30.e30", b"", b"e30.====", b"e30.\xc3\xa9"):
        signature = urlsafe_b64encode(hmac.digest(SECRET.encode(), content, "sha256")).rstrip(b"=")
        assert read_token((content + b"." + signature).decode(), SECRET) is None


def test_the_secret_of_another_is_no_secret():
    assert read_token(make_token(CLAIMS, SECRET), SECRET + "x") is None
