"""What customers owe: what remains of the invoices that Stripe shows as open, whoever collects them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from db import sql
from gateway.readers.about import about
from gateway.readers.due import DUE

# Over $1, an account, and `k.id`, a customer; along the index on those that live.
OWED: Final = f"""
    select coalesce(jsonb_agg(jsonb_build_object('currency', o.currency, 'amount', o.amount, 'invoices', o.invoices,
                                                 'overdue', o.overdue) order by o.currency), '[]'::jsonb)
    from (select t.currency, sum(t.amount_remaining)::bigint as amount, count(*) as invoices,
              coalesce(sum(t.amount_remaining) filter (
                  where {DUE} < tollbridge.business_now()), 0)::bigint as overdue
          from tollbridge.invoice t
          where t.account = $1 and t.customer = k.id and t.status = 'open' and t.amount_remaining > 0
          group by t.currency) o
"""  # noqa: S608 (a constant of ours)

OF_ONE: Final = f"select ({OWED}) from (select $2::text) k(id)"  # noqa: S608 (a constant of ours)


class Owed(msgspec.Struct, frozen=True):
    """All that is open in one currency."""

    currency: str
    amount: Annotated[int, about("In minor units.")]
    invoices: Annotated[int, about("How many.")]
    overdue: Annotated[int, about("What of the amount was due before now.")]


async def owed_by(account: str, customer: str) -> list[Owed]:
    """What a customer owes, by currency."""
    return owed_in(await sql.value(OF_ONE, account, customer))


def owed_in(column: str) -> list[Owed]:
    """The column of such a statement."""
    return msgspec.json.decode(column, type=list[Owed])
