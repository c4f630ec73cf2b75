"""Subscriptions that Stripe collects itself, of customers whose payment methods are stored here now: switched to us.

It comes after a token is stored, and for one that was stored before too: whoever dies in between is followed by the
same import again. Stripe lets go of each first (`subscriptions/switch.py`); what an import leaves alone stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from db import sql
from db.states import Collector
from gateway.accounts.errors import FieldError
from gateway.collect.switch_wish import Asked
from gateway.imports.asked import Import
from gateway.imports.rows import Result, Row, Status
from gateway.subscriptions import switch
from gateway.subscriptions.errors import ScheduledError, SubscriptionEndedError

STRIPES: Final = """
    select s.id from tollbridge.subscription s
    where s.account = $1 and s.customer = $2 and s.collection_method = 'charge_automatically' and s.ended_at is null
      and not exists (select 1 from tollbridge.switch w
                      where w.account = s.account and w.subscription = s.id and w.state = 'wanted')
    order by s.id
"""
HERE: Final = frozenset({Status.STORED, Status.UNCHANGED})


def is_meant(rows: Sequence[Row], subscription: str) -> bool:
    """Whether rows of a customer are about a subscription: one names it, or is for all."""
    return any(row.subscription in ("", subscription) for row in rows)


async def have_switched(asked: Import, rows: Sequence[Row], found: dict[int, Result]) -> None:
    """Ask for it, where the import is to do so; once more changes nothing.

    A row that names its subscription is for that one alone. What can't be switched is told on a row, whose token is
    stored all the same.
    """
    here = [row for row in rows if row.line in found and found[row.line].status in HERE]
    if not (asked.switch and asked.apply and here):
        return
    own: dict[str, str] = {}
    for row in here:  # in the order in which they are to be charged
        if row.subscription:
            own.setdefault(row.subscription, found[row.line].payment_method)
    for one in await sql.rows(STRIPES, asked.account, here[0].customer):
        if is_meant(here, one["id"]):
            try:
                wish = Asked(Collector.GATEWAY, payment_method=own.get(one["id"], ""))
                await switch.ask(asked.by, asked.account, one["id"], wish)
            except (ScheduledError, SubscriptionEndedError, FieldError) as error:
                row = next((row for row in here if row.subscription == one["id"]), here[0])
                why = f"stored, but {one['id']} is not switched: {error}"
                found[row.line] = msgspec.structs.replace(found[row.line], status=Status.REFUSED, reason=why)
