"""A break: one difference between the ledger and the processor, or Stripe, with what may mend it, in words, too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from db.states import BreakKind, Repair

BREAKS: Final[Mapping[BreakKind, str]] = {
    BreakKind.MISSING_IN_LEDGER: "the processor settled a move of money that is not known here",
    BreakKind.MISSING_AT_PROCESSOR: "a move of money that no settlement file shows, though one should by now",
    BreakKind.AMOUNT_DIFFERS: "the two sides show the same move with different amounts",
    BreakKind.CURRENCY_DIFFERS: "the same move, in different currencies",
    BreakKind.DUPLICATE_AT_PROCESSOR: "settled twice; or two files show it, each by its own id: forget one of them",
    BreakKind.WRONG_INVOICE: "the processor, or Stripe, names another invoice for it",
    BreakKind.SETTLEMENT_LATE: "no settlement file came for days that should be settled",
    BreakKind.SETTLEMENT_REFUSED: "a settlement file can't be read, or is at odds with one before",
    BreakKind.PAID_AT_STRIPE_WITHOUT_MONEY: "Stripe shows it paid, and no money is here",
    BreakKind.MONEY_WITHOUT_STRIPE_RECORD: "money is here, and Stripe does not show it",
    BreakKind.SURPLUS_NOT_RETURNED: "more is here than the invoice wanted, and has not gone back",
    BreakKind.CREDIT_NOTE_WITHOUT_REFUND: "Stripe says that money went back, and none did",
    BreakKind.REFUND_WITHOUT_CREDIT_NOTE: "money went back, and no credit note says so",
    BreakKind.RETURNED_TOO_MUCH: "more went back than ever came in",
    BreakKind.MIRROR_OUTDATED: "the copies of Stripe's objects don't fit each other; they are read again",
}
"""What each kind means, to who must mend it."""
REPAIRS: Final[Mapping[Repair, str]] = {
    Repair.LOOK_UP_CHARGE: "asks the processor for the charge, and stores what it says",
    Repair.POKE_INVOICE: "reads the invoice at Stripe again, and does what is owed to it",
    Repair.READ_CREDIT_NOTES: "reads its credit notes at Stripe again",
    Repair.FETCH_SETTLEMENTS: "fetches the settlement files again",
    Repair.ASK_HUMAN: "opens a case: only a person can tell",
}
"""What each repair does."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One break as one comparison finds it.

    `subject` names it: the same difference has the same one in every run. `amount` is what is in doubt, in Stripe's
    minor units and without a sign; `ledger_amount` and `other_amount` are signed, from the merchant's side, where
    there is one on that side. `occurred_at` is when the older side of it happened.
    """

    kind: BreakKind
    subject: str
    amount: int
    currency: str
    occurred_at: datetime
    repair: Repair
    reason: str
    connection: str = ""
    invoice: str = ""
    attempt: str = ""
    movement: str = ""
    settlement_row: str = ""
    credit_notes: str = ""
    """Their ids, with blanks between."""
    processor_id: str = ""
    ledger_amount: int | None = None
    other_amount: int | None = None
