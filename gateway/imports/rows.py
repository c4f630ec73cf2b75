"""A row that is to be adopted, and what became of it. No token is in what is shown (law 12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from processors.values import Card, PaymentMethodReference, Unprinted


class Status(StrEnum):
    """What becomes of a row. STORE: would be stored, in a dry run. FAILED: nobody could be asked; try it again."""

    STORE = "store"
    STORED = "stored"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"


class Row(Unprinted, frozen=True):
    """What is to be adopted. `line`: where it stands in its file, or its number; `place`: its place in the order in
    which the customer's methods are charged."""

    line: int
    customer: str
    connection: str
    reference: PaymentMethodReference
    card: Card = Card()
    subscription: str = ""
    place: int | None = None


class Refused(msgspec.Struct, frozen=True):
    """A line that is no row: what is wrong with it, without its values."""

    line: int
    reason: str


class Result(msgspec.Struct, frozen=True):
    """What became of a row.

    `subscriptions`: of the customer, whose invoices are collected from now on; `switched`: those of them that Stripe
    charges by itself until then. `collect`: its open invoices that are
    charged at once, `left_alone`: those that are not, until somebody resumes them. A customer with several rows shows
    these once; one that is stored already shows what still waits. `amounts`: what `collect` comes to, in minor units by
    currency.
    """

    line: int
    status: Status
    reason: str = ""
    customer: str = ""
    connection: str = ""
    payment_method: str = ""
    subscriptions: Sequence[str] = ()
    collect: Sequence[str] = ()
    left_alone: Sequence[str] = ()
    switched: Sequence[str] = ()
    amounts: dict[str, int] = {}


def result(row: Row, status: Status, reason: str = "", payment_method: str = "") -> Result:
    """Of a row."""
    return Result(row.line, status, reason, row.customer, row.connection, payment_method)


def unlike(rows: Iterable[Row | Refused]) -> list[Row | Refused]:
    """The same, each token once: the later line is refused."""
    first: dict[tuple[str, str], int] = {}
    found: list[Row | Refused] = []
    for row in rows:
        if isinstance(row, Row):
            line = first.setdefault((row.connection, row.reference.token.reveal()), row.line)
            if line != row.line:
                found.append(Refused(row.line, f"the same token as line {line}"))
                continue
        found.append(row)
    return found
