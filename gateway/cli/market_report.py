"""What came of the play of two marketplaces: the invoices of each subscription, held against what they must be."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.cli.offer import STRIPES_PAGE
from gateway.cli.output import OUT, money, table
from gateway.cli.stage import Line

PENDING, GRANTED, ENDED = "pending_first_payment", "granted", "ended"
BILLS: Final = ("first", "period", "final")


class Statement(msgspec.Struct, frozen=True):
    """What one organization has bought at one marketplace: three invoices, and what each must come to."""

    marketplace: str
    organization: str
    pays_at: str
    billed: list[int]
    access: list[str]
    """As it was seen: before the first payment, after it, and in the end."""
    own_invoices: list[str]
    """What it sees by its own token."""
    methods: list[str]
    """How the processor says that its payment methods stand."""
    lines: list[Line]

    @property
    def good(self) -> bool:
        hosted = self.pays_at == STRIPES_PAGE
        return (
            [line.stripe_paid for line in self.lines] == self.billed
            and all(line.agrees and line.state == "paid" for line in self.lines)
            and all(line.captures == (0 if hosted else 1) for line in self.lines)
            and self.access == [PENDING, GRANTED, ENDED]
            and self.own_invoices == sorted(line.invoice for line in self.lines)
            and self.methods == ([] if hosted else ["revoked"])
        )


class MarketReport(msgspec.Struct, frozen=True):
    """What came of it."""

    statements: list[Statement]
    strangers: list[str]
    """What a marketplace's key or an organization's token opened though it is another's."""
    open_cases: list[str]
    elapsed_s: float

    @property
    def good(self) -> bool:
        return not self.strangers and not self.open_cases and all(one.good for one in self.statements)


def show(report: MarketReport) -> None:
    """For people."""
    columns = ("marketplace", "organization", "invoice", "bills", "expected", "Stripe", "paid at", "received", "ledger")
    rows = [
        (one.marketplace, one.organization, line.number, bills, *_amounts(line, billed, one.pays_at))
        for one in report.statements
        for line, billed, bills in zip(one.lines, one.billed, BILLS, strict=False)
    ]
    table(columns, rows, "no invoices")
    OUT.print("\nThe ledger holds what a processor took; what is paid on Stripe's page stays at Stripe.")
    for one in report.statements:
        OUT.print(f"{one.marketplace}, {one.organization}: {_ends(one)}.")
    for what in report.strangers:
        OUT.print(f"Seen by a stranger: {what}")
    for case in report.open_cases:
        OUT.print(f"Open case: {case}")
    OUT.print(verdict(report))


def verdict(report: MarketReport) -> str:
    """In a sentence."""
    lines = [line for one in report.statements for line in one.lines]
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, 0) + line.stripe_paid
    paid = " and ".join(money(amount, currency) for currency, amount in sums.items())
    said = "All agree" if report.good else "THEY DO NOT AGREE"
    kept = "everybody sees their own alone" if not report.strangers else "SOMEBODY SEES WHAT IS ANOTHER'S"
    return f"{said}: {len(lines)} invoices, {paid} paid; {kept}; {report.elapsed_s} s."


def _amounts(line: Line, billed: int, pays_at: str) -> list[str]:
    expected, stripe = money(billed, line.currency), money(line.stripe_paid, line.currency)
    received = money(line.captured + line.at_stripe, line.currency)
    booked = pays_at != STRIPES_PAGE or line.ledger
    return [expected, stripe, pays_at, received, money(line.ledger, line.currency) if booked else "-"]


def _ends(one: Statement) -> str:
    access = ", ".join(state.replace("_", " ") for state in one.access)
    said = [f"access was {access}", f"its own page shows {len(one.own_invoices)} invoices"]
    if one.pays_at != STRIPES_PAGE:
        kept = one.methods != ["revoked"]
        said.append("payment method KEPT" if kept else "payment method deleted at the processor")
    if not one.good:
        said.append("NOT AS IT MUST BE")
    return "; ".join(said)
