"""A break: one difference between the ledger and the processor, or Stripe, with what may mend it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from db.states import BreakKind, Repair


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
