"""An invoice that Stripe was to charge by itself, and that we collect since its subscription was switched to us.

Nothing is charged for it before Stripe's answer has confirmed that it lets go of it (`domain/switching.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from db import sql
from db.engine import DB
from db.poke import Claim
from gateway.billing import invoices
from gateway.billing.errors import StripeRefusedError
from gateway.billing.invoices import StripeInvoice
from gateway.clock import business_now
from gateway.collect import mirror
from gateway.collect.load import Loaded
from gateway.runtime import Runtime

LEAST: Final = timedelta(days=1)
"""A draft that waited for long is not due before this: Stripe takes no due date in the past."""

COLLECT_BY: Final = "select collect_by from tollbridge.invoice where account = $1 and id = $2"
TAKEN: Final = """
    update tollbridge.invoice set taken_at = $3 where account = $1 and id = $2 and collector = 'gateway'
"""


async def take(runtime: Runtime, claim: Claim, loaded: Loaded, now: datetime) -> None:
    """Have Stripe leave it to us. After a refusal the invoice is read: it was finalized, paid or closed (law 6)."""
    invoice = loaded.view.invoice
    assert invoice is not None, "what is taken was read"
    params: Mapping[str, Any] = {"auto_advance": False}
    if invoice.status == "draft":
        due = max(await sql.value(COLLECT_BY, claim.account, claim.id), now + LEAST)
        params = {"collection_method": "send_invoice", "due_date": int(due.timestamp())}
    stripe, asked_at = await runtime.stripe(claim.account), await business_now()
    try:
        answer = await invoices.update(stripe, claim.id, params)
    except StripeRefusedError:
        answer = await invoices.read(stripe, claim.id)
        if answer.shape.status == invoice.status:
            raise
    async with DB.transaction():
        await mirror.store(claim.account, answer, read_at=asked_at, poked=loaded.poked)
        if _lets_go(answer):
            await sql.rows(TAKEN, claim.account, claim.id, await business_now())


def _lets_go(answer: StripeInvoice) -> bool:
    shape = answer.shape
    return shape.status == "open" and not shape.auto_advance and shape.collection_method == "charge_automatically"
