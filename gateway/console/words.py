"""How the console shows states: which colour repeats what the words say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.states import InvoiceState

TONES: Final[Mapping[str, str]] = {
    InvoiceState.PAID: "good",
    InvoiceState.CAPTURED: "good",
    InvoiceState.RETRYING: "warn",
    InvoiceState.UNKNOWN: "warn",
    InvoiceState.PENDING: "warn",
    InvoiceState.NEEDS_PAYMENT_METHOD: "bad",
    InvoiceState.EXHAUSTED: "bad",
    InvoiceState.UNCOLLECTIBLE: "bad",
}


def tone(state: str) -> str:
    """The class of a badge; none for what is neither good nor bad."""
    return TONES.get(state, "")
