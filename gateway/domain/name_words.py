"""A person's or a company's name as the words by which people look for it. Pure.

Letters' case and accents make none of them another: who types `muller` finds Müller.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MOST_WORDS: Final = 10
LONGEST_WORD: Final = 40
MOST_SOUGHT: Final = 5


def words_of(name: str) -> list[str]:
    """What is kept of a name: its words, in one order."""
    return sorted(set(_words(name)[:MOST_WORDS]))


def sought_in(typed: str) -> list[str]:
    """With what a name's words must begin, each of these with one of them; none where a name can't be meant."""
    return list(dict.fromkeys(_words(typed)[:MOST_SOUGHT]))


def _words(text: str) -> list[str]:
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return [word[:LONGEST_WORD] for word in re.findall(r"\w+", bare.casefold())]
