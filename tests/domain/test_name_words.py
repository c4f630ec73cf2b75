"""Names as the words by which people look for them."""

from __future__ import annotations

import pytest

from gateway.domain.name_words import sought_in, words_of

NAMES = {
    "Cleo Weber": ["cleo", "weber"],
    "  Müller & Söhne GmbH ": ["gmbh", "muller", "sohne"],
    "Anne-Marie O'Neil": ["anne", "marie", "neil", "o"],
    "STRAẞE straße": ["strasse"],
    "株式会社": ["株式会社"],
    "": [],
    "…": [],
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_its_words(name: str) -> None:
    assert words_of(name) == NAMES[name]


def test_what_is_kept_and_what_is_looked_for_is_bounded() -> None:
    assert len(words_of(" ".join(f"w{n}" for n in range(50)))) == 10
    assert [len(word) for word in words_of("x" * 500)] == [40]
    assert len(sought_in("a b c d e f g h")) == 5


def test_an_id_is_one_word_which_no_name_has() -> None:
    assert sought_in("in_1AbC") == ["in_1abc"]
