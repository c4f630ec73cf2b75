"""One invoice's money side by side: as Stripe shows it, as processors told of it, as the ledger has it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import msgspec

from db import sql
from db.states import UNRESOLVED, AttemptState, MovementKind, RefundPartState
from gateway.billing.shapes import InvoiceShape, billed
from gateway.books.stripe_side import findings_of
from gateway.domain.billed import how_paid
from gateway.domain.invoice_words import PAID
from gateway.domain.moves import SIGN
from gateway.domain.sides import LedgerSide, ProcessorSide, differences
from gateway.readers.customer_list import person_in
from gateway.readers.invoices import InvoiceDetail
from gateway.readers.pages import unix

ROW: Final = """
    select i.snapshot, i.read_at, i.given_up_at, i.void_asked_at, i.asked_at,
        tollbridge.held_money(i.account, i.id) as held,
        exists (select from tollbridge.recording r where r.account = $1 and r.invoice = i.id
                and r.state in ('sending', 'recorded', 'unknown')) as we_may_have
    from tollbridge.invoice i where i.account = $1 and i.id = $2
"""
# Files show a capture by the processor's id of it.
SETTLED: Final = """
    select c.name, sum(s.amount)::bigint as amount, sum(s.fee)::bigint as fee, min(s.currency) as currency,
        min(s.settled_currency) as fee_currency
    from tollbridge.attempt t join tollbridge.connection c on c.id = t.connection
    join tollbridge.settlement_row s on s.account = t.account and s.connection = t.connection and s.kind = 'capture'
        and s.processor_id = t.processor_id
    where t.account = $1 and t.invoice = $2
    group by c.name
"""
RETURNS: Final = frozenset({MovementKind.REFUND, MovementKind.REFUND_FAILED, MovementKind.SURPLUS_RETURNED})
BANKS: Final = frozenset({MovementKind.CAPTURE, MovementKind.CAPTURE_REVERSED, MovementKind.CAPTURE_REINSTATED})
IN: Final = BANKS | {MovementKind.RECEIPT}


class StripeSide(msgspec.Struct, frozen=True, kw_only=True):
    """As Stripe showed it last, at `read`; None and empty before it was read. `how`: by what means it was paid.

    Name and mail are the customer's as they stand on this invoice, until they are erased.
    """

    status: str = ""
    how: str = ""
    total: int = 0
    due: int = 0
    paid: int = 0
    remaining: int = 0
    credited: int = 0
    read: int | None = None
    finalized: int | None = None
    uncollectible: int | None = None
    voided: int | None = None
    customer_name: str = ""
    customer_email: str = ""


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """All three, and where they differ. `voiding` and `collecting`: somebody asked for that, and it is about to be."""

    stripe: StripeSide
    processors: list[ProcessorSide]
    ledger: LedgerSide
    differences: list[str]
    given_up: int | None = None
    voiding: bool = False
    collecting: bool = False


async def sides_of(account: str, invoice: InvoiceDetail) -> Sides:
    """Of an invoice that was found in this account."""
    row = await sql.row(ROW, account, invoice.id)
    assert row is not None, "it was found"
    settled = {one["name"]: one for one in await sql.rows(SETTLED, account, invoice.id)}
    processors, ledger = _processors(invoice, settled), _ledger(invoice, row["held"])
    findings = await findings_of(account, invoice.id)
    return Sides(
        stripe=_stripe(row),
        processors=processors,
        ledger=ledger,
        differences=differences(invoice.currency or "", processors, ledger, findings),
        given_up=unix(row["given_up_at"]),
        voiding=row["void_asked_at"] is not None,
        collecting=row["asked_at"] is not None,
    )


def _stripe(row: Any) -> StripeSide:
    if row["snapshot"] is None:
        return StripeSide()
    shape = msgspec.json.decode(row["snapshot"], type=InvoiceShape)
    shown, turned = billed(shape), shape.status_transitions
    person = person_in(row["snapshot"])
    how = PAID[how_paid(shown, we_may_have=row["we_may_have"])] if shown.status == "paid" else ""
    return StripeSide(
        status=shown.status,
        how=how,
        total=shown.total,
        due=shown.amount_due,
        paid=shown.amount_paid,
        remaining=shown.amount_remaining,
        credited=shown.pre_payment_credit + shown.post_payment_credit,
        read=unix(row["read_at"]),
        finalized=turned.finalized_at,
        uncollectible=turned.marked_uncollectible_at,
        voided=turned.voided_at,
        customer_name=person.customer_name or "",
        customer_email=person.customer_email or "",
    )


def _processors(invoice: InvoiceDetail, settled: dict[str, Any]) -> list[ProcessorSide]:
    """By connection, in the order of the first try."""
    adapters, took, returned, unknown = (
        {},
        defaultdict[str, int](int),
        defaultdict[str, int](int),
        defaultdict[str, int](int),
    )
    for one in invoice.attempts:
        adapters[one.connection] = one.processor
        took[one.connection] += one.amount_captured if one.state is AttemptState.SUCCEEDED else 0
        unknown[one.connection] += one.state in UNRESOLVED
    for part in (part for refund in invoice.refunds for part in refund.parts):
        # One that failed after all fell with its refund.
        stands = part.state is RefundPartState.SUCCEEDED
        returned[part.connection] += part.amount if stands else 0
    return [
        ProcessorSide(
            connection=name,
            adapter=adapter,
            took=took[name],
            returned=returned[name],
            unknown=unknown[name],
            settled=settled[name]["amount"] if name in settled else None,
            fee=settled[name]["fee"] if name in settled else None,
            settled_currency=settled[name]["currency"] if name in settled else "",
        )
        for name, adapter in adapters.items()
    ]


def _ledger(invoice: InvoiceDetail, held: int) -> LedgerSide:
    def of(kinds: frozenset[MovementKind]) -> int:
        return sum(SIGN[one.kind] * one.amount for one in invoice.movements if one.kind in kinds)

    every = frozenset(MovementKind)
    return LedgerSide(came_in=of(IN), taken=of(BANKS), went_back=-of(every - IN), refunded=-of(RETURNS), held=held)
