"""What a payer who gives a payment method is shown to owe: just what is charged to it as soon as it is stored."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from db import sql
from gateway.readers.about import about

DUE: Final = """
    select currency, sum(amount_remaining)::bigint as amount, count(*) as invoices from tollbridge.invoice
    where account = $1 and customer = $2 and ($3::text is null or subscription = $3)
      and status = 'open' and amount_remaining > 0
      and state in ('due', 'retrying', 'needs_payment_method', 'exhausted')
      and coalesce(collector, 'gateway') = 'gateway'
    group by currency order by currency
"""


class Due(msgspec.Struct, frozen=True):
    """What is open in one currency, and is tried with the new method at once."""

    currency: str
    amount: Annotated[int, about("In minor units.")]
    invoices: Annotated[int, about("How many.")]


async def due_of(account: str, customer: str, subscription: str | None) -> list[Due]:
    """What a new method of the customer's is charged for; of one `subscription`, where it is for that alone."""
    rows = await sql.rows(DUE, account, customer, subscription)
    return [Due(row["currency"], row["amount"], row["invoices"]) for row in rows]
