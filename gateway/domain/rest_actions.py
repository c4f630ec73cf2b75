"""What an invoice's rest may want next: the steps towards the invoice that bills it."""

from __future__ import annotations

import msgspec


class IssueRest(msgspec.Struct, frozen=True):
    """Make the invoice at Stripe, a draft without lines, that bills anew what was credited."""

    remainder: str


class FindRest(msgspec.Struct, frozen=True):
    """List the customer's invoices: the answer to that was lost."""

    remainder: str


class LinkRest(msgspec.Struct, frozen=True):
    """Name the invoice that bills the rest in the metadata of the one whose rest it is."""

    issued_as: str


class FillRest(msgspec.Struct, frozen=True):
    """Put its lines on the draft that bills a rest."""

    remainder: str


class EmptyRest(msgspec.Struct, frozen=True):
    """The lines on the draft don't come to the rest exactly: take them off, for one plain line."""

    remainder: str


class TakeUpRest(msgspec.Struct, frozen=True):
    """Metadata at Stripe say that `issued_as` bills a rest of `invoice`, and no row does: a backup may be older.

    One of the two is the invoice whose step it is; the other is read.
    """

    invoice: str
    issued_as: str
