"""What a refusal means for us: the adapter's word, the operator's over it, the card scheme's over both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from processors.declines import as_class
from processors.outcome import Advice, Decline, DeclineClass

MOST_UNMAPPED: Final = 3
"""So often is a payment method tried that was answered with a code of no table; then its payer is asked for another.

One try more than a passing cause needs. The code may be a hard one, after which the schemes fine each further try, and
nobody would know; a whole ladder (four tries by default) is not spent on it.
"""


def judged(decline: Decline, overrides: Mapping[str, DeclineClass], same_before: int) -> Decline:
    """The refusal as it counts. `same_before`: how often the method had this code lately, before this time."""
    if (mine := overrides.get(decline.processor_code)) is not None:
        return as_class(decline, mine)
    if decline.mapped or decline.advice is not Advice.RETRY_LATER or same_before + 1 < MOST_UNMAPPED:
        return decline
    return replace(decline, advice=Advice.NEW_PAYMENT_METHOD)


def case_subject(connection: str, code: str) -> str:
    """What the case of a code is about: the code at one connection."""
    return f"{connection}:{code[:200]}"
