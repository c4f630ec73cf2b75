"""The ledger against Stripe, invoice by invoice: what came in, what went back, and what Stripe says of both. Pure.

For every invoice: captures − refunds − lost disputes = what Stripe records as paid − what credit notes gave back out of
band; and whatever came in beyond what the invoice wanted goes back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from db.states import BreakKind, Repair
from gateway.domain.billed import HowPaid
from gateway.domain.breaks import Finding

PATIENCE: Final = timedelta(hours=1)
"""What moved so recently may still be on its way to Stripe: no break yet."""
REFUND_PATIENCE: Final = timedelta(days=1)
"""A credit note waits so long for its refund."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger holds for one invoice, in its currency and Stripe's minor units.

    `captured` is net of reversals, without `surplus`, the captures that the invoice did not need. `received` was
    recorded by hand. `refunded` is net of refunds that failed, `returning` is on its way, `disputed` is withdrawn now.
    `lent` came for it and pays another invoice, as Stripe was told; `borrowed` is the other side of that.
    `other_currency` was moved in another currency.
    """

    captured: int = 0
    surplus: int = 0
    received: int = 0
    refunded: int = 0
    surplus_returned: int = 0
    returning: int = 0
    disputed: int = 0
    lent: int = 0
    borrowed: int = 0
    other_currency: int = 0
    moved_at: datetime | None = None

    @property
    def came_in(self) -> int:
        return self.captured + self.surplus + self.received + self.borrowed - self.lent

    @property
    def went_out(self) -> int:
        return self.refunded + self.surplus_returned + self.disputed


class Credits(msgspec.Struct, frozen=True, kw_only=True):
    """The invoice's issued credit notes, as mirrored: their sum, what they give back out of band, and their ids.

    `reopened` is what else they say is not paid any more, since the payer's bank took it back: another invoice bills it.
    """

    total: int = 0
    out_of_band: int = 0
    reopened: int = 0
    ids: str = ""
    newest_at: datetime | None = None


class InvoiceBooks(msgspec.Struct, frozen=True, kw_only=True):
    """One invoice on both sides. `paid` is what it cost the payer, once it is paid; `credited` the sum of the credit
    notes that it shows. `tagged`: the invoice of the attempt that its metadata name, where that is known."""

    id: str
    currency: str
    status: str
    paid: int
    how: HowPaid | None
    credited: int
    created_at: datetime
    sums: Sums
    credits: Credits
    tagged: str = ""


def judge_invoice(books: InvoiceBooks, now: datetime) -> list[Finding]:
    """What is wrong between the ledger and Stripe for one invoice."""
    if books.sums.other_currency:
        # Its sums mean nothing.
        return [_foreign(books)]
    found = [_money(books, now), _returned_too_much(books), _misnamed(books), *_credits(books, now)]
    return [one for one in found if one is not None]


def _money(books: InvoiceBooks, now: datetime) -> Finding | None:
    """What came in, against what Stripe says was paid."""
    sums, ours = books.sums, books.how in (HowPaid.OURS, HowPaid.BY_HAND)
    held = sums.captured + sums.received + sums.borrowed - sums.lent
    paid = books.paid - books.credits.reopened
    if ours and held < paid:
        reason = f"Stripe shows it paid ({books.how}), and the ledger holds less"
        # By hand, in Stripe: only who did it knows of what money.
        repair = Repair.ASK_HUMAN if books.how is HowPaid.BY_HAND else Repair.POKE_INVOICE
        return _finding(
            books, BreakKind.PAID_AT_STRIPE_WITHOUT_MONEY, paid - held, reason, repair, ledger=held, other=paid
        )
    wanted = paid if ours else 0
    left = sums.came_in - wanted - sums.surplus_returned - (0 if ours else sums.refunded + sums.disputed)
    left -= sums.returning
    if left <= 0 or _recent(sums.moved_at, now, PATIENCE):
        return None
    kind = BreakKind.SURPLUS_NOT_RETURNED
    reason = "more came in than it wanted, and is not returned"
    if not ours and held > 0 and books.status in ("draft", "open", "uncollectible", ""):
        kind, reason = BreakKind.MONEY_WITHOUT_STRIPE_RECORD, f"the money is here, and Stripe shows it {books.status}"
    return _finding(books, kind, left, reason, Repair.POKE_INVOICE, ledger=sums.came_in, other=wanted)


def _credits(books: InvoiceBooks, now: datetime) -> list[Finding]:
    """What went back, against the credit notes. Only an invoice that our money paid has any of ours."""
    sums, credits = books.sums, books.credits
    if credits.total != books.credited:
        reason = f"it shows {books.credited} credited, and its credit notes, as far as we know them, {credits.total}"
        amount = abs(credits.total - books.credited)
        return [_finding(books, BreakKind.MIRROR_OUTDATED, amount, reason, Repair.READ_CREDIT_NOTES)]
    if books.how not in (HowPaid.OURS, HowPaid.BY_HAND):
        return []
    out_of_band = credits.out_of_band
    if sums.refunded > out_of_band and not _recent(sums.moved_at, now, PATIENCE):
        return [
            _finding(
                books, BreakKind.REFUND_WITHOUT_CREDIT_NOTE, sums.refunded - out_of_band,
                "money went back, and no credit note says so", Repair.READ_CREDIT_NOTES,
                ledger=-sums.refunded, other=-out_of_band,
            )
        ]  # fmt: skip
    # A dispute that was lost has a credit note too; one that is still open has none.
    gone = sums.refunded + sums.returning + max(sums.disputed, 0)
    if out_of_band > gone and not _recent(credits.newest_at, now, REFUND_PATIENCE):
        return [
            _finding(
                books, BreakKind.CREDIT_NOTE_WITHOUT_REFUND, out_of_band - gone,
                "a credit note gives money back out of band, and none went", Repair.READ_CREDIT_NOTES,
                ledger=-gone, other=-out_of_band,
            )
        ]  # fmt: skip
    return []


def _returned_too_much(books: InvoiceBooks) -> Finding | None:
    sums = books.sums
    if sums.went_out <= max(sums.came_in, 0):
        return None
    reason = "refunds and disputes took more than came in"
    return _finding(
        books, BreakKind.RETURNED_TOO_MUCH, sums.went_out - max(sums.came_in, 0), reason, Repair.ASK_HUMAN,
        ledger=sums.came_in - sums.went_out,
    )  # fmt: skip


def _misnamed(books: InvoiceBooks) -> Finding | None:
    if books.tagged in ("", books.id) or books.sums.borrowed:
        return None
    reason = f"its metadata name a payment of {books.tagged}"
    return _finding(books, BreakKind.WRONG_INVOICE, books.paid, reason, Repair.ASK_HUMAN)


def _foreign(books: InvoiceBooks) -> Finding:
    reason = f"the invoice is in {books.currency}, and money of it moved in another currency"
    return _finding(books, BreakKind.CURRENCY_DIFFERS, books.sums.other_currency, reason, Repair.ASK_HUMAN)


def _finding(
    books: InvoiceBooks,
    kind: BreakKind,
    amount: int,
    reason: str,
    repair: Repair,
    *,
    ledger: int | None = None,
    other: int | None = None,
) -> Finding:
    return Finding(
        kind=kind,
        subject=books.id,
        amount=amount,
        currency=books.currency,
        occurred_at=books.sums.moved_at or books.created_at,
        repair=repair,
        reason=reason,
        invoice=books.id,
        credit_notes=books.credits.ids,
        ledger_amount=ledger,
        other_amount=other,
    )


def _recent(at: datetime | None, now: datetime, patience: timedelta) -> bool:
    return at is not None and now - at <= patience
