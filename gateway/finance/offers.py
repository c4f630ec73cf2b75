"""What can be asked for by hand of an invoice now: what would not be refused."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from db.states import UnknownStateError
from gateway.clock import business_now
from gateway.collect.view import view_of
from gateway.domain.view import InvoiceView
from gateway.finance import collect_now, record_payment, void
from gateway.finance.errors import ByHandError


class Offer(StrEnum):
    """What may be offered."""

    COLLECT = "collect"
    RECORD_PAYMENT = "record_payment"
    VOID = "void"


class Offered(msgspec.Struct, frozen=True):
    """What may be asked for. `wanted`: what is due, less what is held, in minor units."""

    offers: frozenset[Offer] = frozenset()
    wanted: int = 0


async def offered(account: str, invoice: str) -> Offered:
    """Of an invoice, which must exist; of one whose state only a newer version of us knows, nothing."""
    try:
        view = await view_of(account, invoice)
        return Offered(offers(view, await business_now()), view.wanted)
    except UnknownStateError:
        return Offered()


def offers(view: InvoiceView, now: datetime) -> frozenset[Offer]:
    """Those that nothing stands in the way of. Pure."""
    return frozenset(one for one in Offer if not _refused(one, view, now))


def _refused(one: Offer, view: InvoiceView, now: datetime) -> bool:
    try:
        match one:
            case Offer.COLLECT:
                collect_now.refuse(view, now)
            case Offer.RECORD_PAYMENT:
                record_payment.refuse(view)
            case Offer.VOID:
                void.refuse(view)
    except ByHandError:
        return True
    return False
