"""What Stripe, the processors and the ledger say of one invoice's money, and where they differ, in plain words. Pure.

Stripe against the ledger is judged as the reconciliation judges it (`invoice_books`); here is what else people compare:
the processors' word, as it was heard, against the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.domain.breaks import Finding
from processors.money import to_text


class ProcessorSide(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection's processor has told: of charges, of refunds, and in its settlement files.

    `settled` is what its files show of these payments; None where none has come. `unknown`: how many charges have no
    known end.
    """

    connection: str
    adapter: str
    took: int = 0
    returned: int = 0
    unknown: int = 0
    settled: int | None = None
    fee: int | None = None
    settled_currency: str = ""


class LedgerSide(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger holds. `taken` is what of it came through processors, net of what banks took back; `held` is
    here, and Stripe does not know of it (yet)."""

    came_in: int = 0
    taken: int = 0
    went_back: int = 0
    refunded: int = 0
    held: int = 0

    @property
    def left(self) -> int:
        return self.came_in - self.went_back


def differences(
    currency: str, processors: Sequence[ProcessorSide], ledger: LedgerSide, findings: Sequence[Finding]
) -> list[str]:
    """A sentence for each difference; none where all agree, or what differs is only on its way."""
    said = [_told(one) for one in findings]
    took, returned = sum(one.took for one in processors), sum(one.returned for one in processors)
    if took != ledger.taken:
        said.append(_differ("The processor says that it took", took, "the ledger holds", ledger.taken, currency))
    if returned != ledger.refunded:
        said.append(
            _differ("The processor says that it returned", returned, "the ledger shows", ledger.refunded, currency)
        )
    for one in processors:
        if one.settled is not None and one.settled_currency == currency and one.settled != one.took:
            said.append(_differ(f"{one.connection} settled", one.settled, "it had taken", one.took, currency))
    return said


def _told(one: Finding) -> str:
    sides = [
        f"{who} {to_text(amount, one.currency)}"
        for who, amount in (("the ledger:", one.ledger_amount), ("Stripe:", one.other_amount))
        if amount is not None
    ]
    reason = f"{one.reason[:1].upper()}{one.reason[1:]}"
    return f"{reason} ({'; '.join(sides)})." if sides else f"{reason}: {to_text(one.amount, one.currency)}."


def _differ(who: str, one: int, against: str, other: int, currency: str) -> str:
    return f"{who} {to_text(one, currency)}, and {against} {to_text(other, currency)}."
