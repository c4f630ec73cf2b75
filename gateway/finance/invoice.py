"""An invoice held still, and seen as `advance` sees it."""

from __future__ import annotations

from typing import Final

from db import sql
from db.engine import DB
from gateway.accounts.errors import NotThereError
from gateway.collect.view import view_of
from gateway.domain.view import InvoiceView

LOCK: Final = "select id from tollbridge.invoice where account = $1 and id = $2 for no key update"


async def hold_invoice(account: str, invoice: str) -> InvoiceView:
    """The view, with the row locked until the caller's transaction ends: no charge begins meanwhile.

    Raises NotThereError.
    """
    DB.current("holding an invoice")
    row = await sql.row(LOCK, account, invoice)
    if row is None:
        raise NotThereError("invoice", invoice)
    return await view_of(account, invoice)
