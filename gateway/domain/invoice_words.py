"""What becomes of an invoice, in words for the merchant's own people: the command line and the console say the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.states import AttemptState, InvoiceState, MovementKind, RecordingState
from gateway.domain.billed import HowPaid
from gateway.domain.news import WHAT, WHY
from processors.outcome import Advice, DeclineClass

MEANING: Final[Mapping[InvoiceState, str]] = {
    InvoiceState.DRAFT: "Stripe has not finalized it",
    InvoiceState.DUE: "open, and no try is under way",
    InvoiceState.CHARGING: "a charge is on its way to the processor",
    InvoiceState.PENDING: "the processor, or the payer's bank, has not decided yet",
    InvoiceState.UNKNOWN: "the answer to a charge was lost: it is being found out, and nothing else is charged",
    InvoiceState.CAPTURED: "the money is taken, and Stripe is about to be told",
    InvoiceState.PAID: "paid in Stripe",
    InvoiceState.RETRYING: "declined, and tried again by its plan",
    InvoiceState.NEEDS_PAYMENT_METHOD: "nothing can be charged: the payer must give another payment method",
    InvoiceState.EXHAUSTED: "every try is used, or its time is over: somebody must decide",
    InvoiceState.UNCOLLECTIBLE: "given up in Stripe",
    InvoiceState.CLOSED: "void or deleted in Stripe",
    InvoiceState.NOT_OURS: "Stripe collects it itself, or its customer was opted out",
}
HOSTED: Final = "its payer pays it on Stripe's page"
"""Of one that is due, and ours to be charged never."""
NEVER_SAID: Final = "the processor's code is not known"
TRIED: Final[Mapping[str, str]] = {
    "first": "the first try",
    "retry": "a retry by its plan",
    "method_stored": "the payer gave another payment method",
    "operator": "somebody asked for it",
}
"""Why an attempt was made."""
ENDED: Final[Mapping[AttemptState, str]] = {
    AttemptState.SENDING: "is on its way",
    AttemptState.SUCCEEDED: "succeeded",
    AttemptState.DECLINED: "was declined",
    AttemptState.REJECTED: "was refused by the processor as a mistake of ours",
    AttemptState.PENDING: "is accepted, and the money is on its way",
    AttemptState.REQUIRES_ACTION: "waits for the payer to confirm it",
    AttemptState.UNKNOWN: "has no known end: its answer was lost, and it is being found out",
    AttemptState.NOT_SENT: "did not reach the processor: no money moved",
    AttemptState.CANCELED: "was withdrawn before any money moved",
    AttemptState.REVERSED: "succeeded, and was taken back by the payer's bank",
}
MOVED: Final[Mapping[MovementKind, str]] = {
    MovementKind.CAPTURE: "came in",
    MovementKind.RECEIPT: "came in, and was recorded by hand",
    MovementKind.CAPTURE_REVERSED: "was taken back by the payer's bank",
    MovementKind.CAPTURE_REINSTATED: "came in again, after it had been taken back",
    MovementKind.REFUND: "went back as a refund",
    MovementKind.REFUND_FAILED: "came back, as its refund failed",
    MovementKind.DISPUTE_WITHDRAWN: "was withdrawn for a dispute",
    MovementKind.DISPUTE_RETURNED: "came back from a dispute",
    MovementKind.SURPLUS_RETURNED: "went back, as no invoice took it",
}
PAID: Final[Mapping[HowPaid, str]] = {
    HowPaid.OURS: "by a payment of ours, outside Stripe",
    HowPaid.STRIPE_PAYMENT: "by a payment at Stripe",
    HowPaid.CREDITED: "by a credit note",
    HowPaid.BY_HAND: "somebody marked it paid in Stripe",
    HowPaid.ZERO: "nothing was due",
}
"""By what means one was paid that is."""
TOLD: Final[Mapping[RecordingState, str]] = {
    RecordingState.SENDING: "Stripe is being told of",
    RecordingState.RECORDED: "Stripe was told of",
    RecordingState.REFUSED: "Stripe refused to be told of",
    RecordingState.NOT_SENT: "Stripe could not be told of",
    RecordingState.UNKNOWN: "Stripe gave no answer about",
}
"""How far telling Stripe of money is."""


def decline(decline_class: str, advice: str) -> str:
    """Why the payer's side refused, and what that asks for; of a later version's advice, nothing."""
    try:
        return f"{why(decline_class)}; {WHAT[Advice(advice)]}"
    except ValueError:
        return why(decline_class)


def why(decline_class: str) -> str:
    """Why the payer's side refused. A newer version of us may have stored a class that this one does not know."""
    try:
        return WHY[DeclineClass(decline_class)]
    except ValueError:
        return decline_class.replace("_", " ") or NEVER_SAID
