"""How a dispute stands, in words for people who answer one a month. Pure.

Processors have hundreds of reason codes and a few reasons: what is found in a code says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.states import DISPUTE_OPEN, DisputeState

MEANING: Final[Mapping[DisputeState, str]] = {
    DisputeState.INQUIRY: "The payer's bank asks about the payment. No money is held; a good answer may end it here.",
    DisputeState.OPENED: "The payer objects to the payment. The processor may withdraw the money at any moment.",
    DisputeState.FUNDS_WITHDRAWN: "The payer objects to the payment, and the processor has withdrawn the money.",
    DisputeState.WON: "It was decided for you.",
    DisputeState.LOST: "It was decided for the payer, who has the money.",
    DisputeState.PARTLY_LOST: "The payer keeps a part of the money.",
    DisputeState.CLOSED: "It ended without a word about who has won; the moves of its money say.",
}
REASONS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (
        ("fraud", "unauthor", "no_authori", "not_authori", "stolen"),
        "The payer says that they did not make the payment.",
    ),
    (("not_received", "non_receipt", "nonreceipt", "undelivered"), "The payer says that nothing was delivered."),
    (("duplicate", "double"), "The payer says that they were charged twice."),
    (("credit_not", "refund_not", "not_refunded"), "The payer says that a promised refund has not come."),
    (("cancel", "subscription", "recurring"), "The payer says that they had cancelled."),
    (
        ("not_as_described", "unacceptable", "unsatisf", "defective", "quality", "dissimilar"),
        "The payer says that what they got is not what was promised.",
    ),
    (("unrecogni", "not_recogni", "unknown_charge"), "The payer does not recognise the payment on their statement."),
    (
        ("incorrect_amount", "wrong_amount", "amount_differs", "incorrect_account"),
        "The payer says that the amount is wrong.",
    ),
    (("bank", "insufficient", "debit_not"), "The payer's bank took the debit back."),
)


def reason_words(code: str) -> str:
    """A processor's reason in a sentence; what no words are known for says so."""
    said = code.lower().replace(" ", "_").replace("-", "_")
    for parts, sentence in REASONS:
        if any(part in said for part in parts):
            return sentence
    return "The processor's code has no plain words here." if code else "The processor gave no reason."


def meanwhile(state: DisputeState, gone: int, amount: int, policy: str) -> tuple[str, str]:
    """What happens with the invoice, and with refunds. `gone`: withdrawn now; `policy`: of refunds in a dispute."""
    if state is DisputeState.INQUIRY:
        return "The invoice stays paid.", "Refunds go on as usual. A refund of all of it usually ends an inquiry."
    if state in DISPUTE_OPEN:
        waits = "waits, and is made once the dispute is won" if policy == "queue" else "is refused until it ends"
        return (
            "The invoice stays paid in Stripe until it ends; nothing is credited and nothing is charged again.",
            f"What the dispute is about can't be refunded: a refund of it {waits}.",
        )
    if state is DisputeState.WON:
        back = "The money is back" if gone <= 0 else "The money has not come back yet: a case watches for it"
        return (
            f"{back}, and the invoice stays paid.",
            "It can be refunded as usual." if gone <= 0 else "Not before that.",
        )
    if gone <= 0:
        return "No money is gone, and the invoice stays paid.", "It can be refunded as usual."
    left = "It can't be refunded once more." if gone >= amount else "Only what was not withdrawn can be refunded."
    return "What is gone of its payment is credited by a credit note in Stripe; it is not charged again.", left
