"""Who a customer is and what credit it has, asked of Stripe for people; nothing of it is kept."""

from __future__ import annotations

from typing import Final

from db import sql
from gateway.accounts.known import refuse_unknown
from gateway.billing.payers import find_by_email, read_payer
from gateway.runtime import Runtime
from processors.values import Unprinted

KNOWN: Final = """
    select k.id from unnest($2::text[]) k(id)
    where exists (select 1 from tollbridge.customer c where c.account = $1 and c.id = k.id)
       or exists (select 1 from tollbridge.invoice i where i.account = $1 and i.customer = k.id)
       or exists (select 1 from tollbridge.subscription s where s.account = $1 and s.customer = k.id)
    order by k.id
"""


class Payer(Unprinted, frozen=True):
    """As Stripe shows it now. `credit` is taken up by the next invoice, `owes` is billed with it; in minor units."""

    name: str
    email: str
    currency: str | None
    credit: int
    owes: int
    deleted: bool


async def find_payer(runtime: Runtime, account: str, customer: str) -> Payer:
    """Raises NotThereError, StripeError."""
    await refuse_unknown(account, customer)
    shape = await read_payer(await runtime.stripe(account), customer)
    credit, owes = max(-shape.balance, 0), max(shape.balance, 0)
    return Payer(shape.name or "", shape.email or "", shape.currency, credit, owes, shape.deleted)


async def with_email(runtime: Runtime, account: str, email: str) -> list[str]:
    """The customers of ours that have just this mail address at Stripe. Raises StripeError."""
    found = await find_by_email(await runtime.stripe(account), email)
    return [row["id"] for row in await sql.rows(KNOWN, account, found)] if found else []
