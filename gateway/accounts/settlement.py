"""Money that Stripe is told of once it is settled (`record_on`) must be so before the due date, less the margin."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from db import sql
from gateway.accounts.errors import FieldError
from gateway.connections import UnknownAdapterError, capabilities_of
from gateway.domain.policy import Policy

SETTLED: Final = """
    select name, adapter from tollbridge.connection where account = $1 and record_on = 'settled' order by name
"""


def check_settles(policy: Policy, adapter: str, param: str) -> None:
    """Raise FieldError for `param` where the processor usually settles too late for the account's invoices."""
    try:
        settlement = capabilities_of(adapter).settlement
    except UnknownAdapterError:
        return
    if settlement + policy.margin > timedelta(days=policy.days_until_due):
        raise FieldError(
            param,
            f"{adapter} settles after {settlement.days} days, and with a margin of {policy.margin_hours} hours that is "
            f"later than the {policy.days_until_due} days that invoices leave (`days_until_due`)",
        )


async def check_connections(account: str, policy: Policy) -> None:
    """The same for every connection of an account whose policies change."""
    for row in await sql.rows(SETTLED, account):
        check_settles(policy, row["adapter"], "policies.days_until_due")
