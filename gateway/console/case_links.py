"""Where a human acts on what a case asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.console.amounts import plain_amount
from gateway.domain.case_kinds import CaseKind
from gateway.domain.roles import Action
from gateway.returns.sources import beyond


class Elsewhere(msgspec.Struct, frozen=True):
    """A page on which a human does what a case asks for; shown to whoever may do `action`."""

    label: str
    path: str
    action: Action


RETURN: Final = Elsewhere("Return money", "/refunds/new?invoice={invoice}", Action.REFUND)
BEYOND: Final = Elsewhere(
    "Return money", "/refunds/new?invoice={invoice}&attempt={attempt}&amount={amount}", Action.REFUND
)
"""Of the capture that the invoice did not take, or not all of."""
RECORD: Final = Elsewhere("Record a payment", "/invoices/{invoice}#do", Action.COLLECT)
ACCOUNT: Final = Elsewhere("The account's settings", "/settings/account", Action.CONFIGURE)
CONNECTIONS: Final = Elsewhere("Connections", "/settings/connections", Action.CONFIGURE)
ENDPOINTS: Final = Elsewhere("Webhook endpoints", "/settings/endpoints", Action.CONFIGURE)
EVENTS: Final = Elsewhere("Events that went out", "/events", Action.LOOK)
BOOKS: Final = Elsewhere("Reconciliations", "/reconciliations", Action.LOOK)
DECLINES: Final = Elsewhere("Decline codes", "/settings/declines", Action.CONFIGURE)
ACTED_ON: Final[Mapping[str, tuple[Elsewhere, ...]]] = {
    CaseKind.AMOUNT_INEXPRESSIBLE: (RECORD,),
    CaseKind.ATTEMPT_REJECTED: (CONNECTIONS,),
    CaseKind.BELOW_PROCESSOR_MINIMUM: (RECORD,),
    CaseKind.ABOVE_AGREED_MAXIMUM: (RECORD,),
    CaseKind.ABOVE_PROCESSOR_MAXIMUM: (RECORD,),
    CaseKind.BOOKS_DIFFER: (BOOKS,),
    CaseKind.BREAK_TO_EXPLAIN: (BOOKS,),
    CaseKind.CATCH_UP_FAILED: (ACCOUNT, CONNECTIONS),
    CaseKind.COLLECTION_EXHAUSTED: (RECORD,),
    CaseKind.CONNECTION_LOCKED: (CONNECTIONS,),
    CaseKind.DECLINE_UNMAPPED: (DECLINES,),
    CaseKind.DISPUTE_RECOVERED: (RETURN,),
    CaseKind.ENDPOINT_DISABLED: (ENDPOINTS,),
    CaseKind.ENDPOINT_NOT_REPLACED: (ACCOUNT,),
    CaseKind.EVENT_UNDELIVERED: (EVENTS, ENDPOINTS),
    CaseKind.INVOICE_SENT_BY_STRIPE: (ACCOUNT,),
    CaseKind.OVERPAID: (BEYOND,),
    CaseKind.PAID_BY_HAND: (BEYOND,),
    CaseKind.RECONCILIATION_FAILED: (BOOKS,),
    CaseKind.RECORDING_FAILED: (ACCOUNT,),
    CaseKind.REFUND_NOT_SENT: (CONNECTIONS,),
    CaseKind.STRIPE_ACCOUNT_TWICE: (ACCOUNT,),
    CaseKind.SURPLUS_CAPTURE: (BEYOND,),
}


async def acted_on(account: str, kind: str, invoice: str | None) -> list[tuple[Elsewhere, str]]:
    """Where a human acts on a case of this kind, each with its path."""
    found = []
    for one in ACTED_ON.get(kind, ()):
        if one is BEYOND:
            held = await beyond(account, invoice, surplus=kind == CaseKind.SURPLUS_CAPTURE) if invoice else None
            if held is not None:
                amount = plain_amount(held.amount, held.currency)
                found.append((one, one.path.format(invoice=invoice, attempt=held.attempt, amount=amount)))
        elif invoice or "{invoice}" not in one.path:
            found.append((one, one.path.format(invoice=invoice)))
    return found
