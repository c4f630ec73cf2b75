"""Which passwords are taken: long ones, whatever their letters, that are not made of what everybody knows."""

from __future__ import annotations

import pytest

from gateway.accounts.errors import FieldError
from gateway.users.passwords import refuse_weak

ADA = ("ada@example.com", "Ada Lovelace")


@pytest.mark.parametrize(
    "password",
    [
        "abcde" + "f" * 7,
        "made up words for a test",
        "x" * 251 + "abcde",
        "ada lovelace likes made up words",
        "ünïcödé wörds",
    ],
)
def test_a_long_one_is_taken_whatever_its_letters(password: str) -> None:
    refuse_weak(password, *ADA)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("abcdefghijk", "12 to 256 letters"),
        ("abcde" * 52, "12 to 256 letters"),
        ("", "12 to 256 letters"),
        ("abcdabcdabcdabcd", "five different letters"),
        ("ada@example.com", "your name"),
        ("Ada Lovelace!", "your name"),
        ("LOVELACEada123", "your name"),
        ("tollbridge password", "your name"),
        ("Password1234", "your name"),
    ],
)
def test_a_weak_one_is_refused(password: str, why: str) -> None:
    with pytest.raises(FieldError, match=why) as wrong:
        refuse_weak(password, *ADA)
    assert wrong.value.param == "password"
