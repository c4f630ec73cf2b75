"""An invoice held still, and seen as `advance` sees it."""

from __future__ import annotations

from db.engine import DB
from gateway.accounts.errors import NotThereError
from gateway.collect.view import view_of
from gateway.domain.view import InvoiceView
from gateway.turns.locks import lock_invoices


async def hold_invoice(account: str, invoice: str) -> InvoiceView:
    """The view, with the row locked until the caller's transaction ends: no charge begins meanwhile.

    Raises NotThereError.
    """
    DB.current("holding an invoice")
    if not await lock_invoices(account, [invoice]):
        raise NotThereError("invoice", invoice)
    return await view_of(account, invoice)
