"""The chart of accounts that the journal is written in: names, which an account may choose for itself."""

from __future__ import annotations

import re
from typing import Final

import msgspec

LONGEST: Final = 200
CONNECTION: Final = "{connection}"


class Chart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names of accounts. Any will do for CSV; for beancount they follow its rules, as the defaults do.

    `{connection}` in `clearing` becomes the connection's name, so that each processor has an account of its own.
    """

    clearing: str = "Assets:Clearing:{connection}"
    """Money at a processor: taken from payers, and not paid out yet."""
    bank: str = "Assets:Bank"
    """Where payouts arrive."""
    receipts: str = "Assets:Receipts"
    """Where payments arrive that were recorded by hand."""
    receivable: str = "Assets:Receivable"
    """What invoices are owed: cleared by what is captured."""
    refunds: str = "Liabilities:Refunds"
    """What credit notes promised to payers: paid by refunds."""
    surplus: str = "Liabilities:Surplus"
    """Captures that their invoice did not need, until they are returned."""
    disputes: str = "Assets:Disputed"
    """Withdrawn for disputes, and not given back."""
    fees: str = "Expenses:Processor-Fees"
    adjustments: str = "Expenses:Processor-Adjustments"
    conversion: str = "Equity:Conversion"
    """Between the currency charged and the one paid out."""

    def clearing_of(self, connection: str) -> str:
        """The clearing account of a connection, whose name is fitted to beancount's rules."""
        fitted = connection.replace("_", "--")
        return self.clearing.replace(CONNECTION, fitted[:1].upper() + fitted[1:])

    def wrong(self) -> tuple[str, str] | None:
        """The first name that can't be, and why."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 < len(value.strip()) <= LONGEST or not value.isprintable():
                return name, f"must have 1 to {LONGEST} printable letters"
        return None


BEANCOUNT: Final = re.compile(r"(Assets|Liabilities|Equity|Income|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+")
"""What beancount takes for the name of an account (its language syntax, "Accounts")."""
