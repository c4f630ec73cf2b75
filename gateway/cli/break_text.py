"""What the kinds of breaks and their repairs mean, as `tollbridge reconcile` says it to who must mend them."""

from __future__ import annotations

from typing import Final

from db.states import BreakKind, Repair
from gateway.books import formats
from processors.settlements import SettlementKind

ROW_KINDS: Final = ", ".join((*SettlementKind, formats.IGNORED))
BREAKS: Final = {
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
REPAIRS: Final = {
    Repair.LOOK_UP_CHARGE: "asks the processor for the charge, and stores what it says",
    Repair.POKE_INVOICE: "reads the invoice at Stripe again, and does what is owed to it",
    Repair.READ_CREDIT_NOTES: "reads its credit notes at Stripe again",
    Repair.FETCH_SETTLEMENTS: "fetches the settlement files again",
    Repair.ASK_HUMAN: "opens a case: only a person can tell",
}
BREAK_KINDS: Final = "\b\nKinds:\n" + "\n".join(f"  {kind:<28} {means}" for kind, means in BREAKS.items())
BREAK_REPAIRS: Final = "\b\nRepairs:\n" + "\n".join(f"  {one:<18} {what}" for one, what in REPAIRS.items())
