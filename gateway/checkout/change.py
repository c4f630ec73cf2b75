"""Changes while a session is open: where the payer is taxed, and a promotion code. The amounts change in Stripe."""

from __future__ import annotations

from typing import Any

import msgspec

from db import sql
from gateway.billing import invoices, subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.checkout.sessions import get_session
from gateway.checkout.values import Change, CheckoutError, CheckoutRequest
from gateway.collect import mirror
from gateway.customers.locations import location_params
from gateway.runtime import Runtime

COUNTRY = "update tollbridge.checkout_session set country = $3 where account = $1 and id = $2"


async def change(runtime: Runtime, account: str, session: str, wanted: Change) -> None:
    """Bring a change to Stripe and read the draft again. Every call sets a value, so a repeat changes nothing.

    Raises CheckoutError: the session is not open, or Stripe refuses the value. And StripeError.
    """
    row = await get_session(account, session)
    if row["state"] != "open":
        code = "session_expired" if row["state"] == "expired" else "session_not_open"
        raise CheckoutError(code, f"the session is {row['state']}")
    request = msgspec.json.decode(row["request"], type=CheckoutRequest)
    stripe = await runtime.stripe(account)
    try:
        location = location_params(wanted.address, wanted.ip_address, taxed=request.automatic_tax)
        if location:
            await subscriptions.update_customer(stripe, row["customer"], location)
        if wanted.address is not None and wanted.address.country:
            await sql.rows(COUNTRY, account, session, wanted.address.country)
        if wanted.promotion_code:
            promotion = await subscriptions.find_promotion_code(stripe, wanted.promotion_code)
            if promotion is None:
                raise CheckoutError("invalid_request", "no such promotion code is active", "promotion_code")
            discounts: dict[str, Any] = {"discounts": [{"promotion_code": promotion.id}]}
            # The draft exists already, so the code goes onto it; onto the subscription only where it lasts beyond the
            # first invoice, or a code for one use would be used twice. Stripe's documents do not settle this.
            await invoices.update(stripe, row["invoice"], discounts)
            if promotion.duration != "once":
                await subscriptions.update(stripe, row["subscription"], discounts)
        await mirror.ask(runtime, account, row["invoice"], invoices.read)
    except StripeRefusedError as error:
        raise CheckoutError("stripe_refused", str(error), error.param) from error
