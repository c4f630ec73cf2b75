"""The payment method with which Stripe is to charge a customer."""

from __future__ import annotations

from gateway.billing import subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.billing.shapes import id_of
from gateway.runtime import Runtime

HAVE_ONE_GIVEN = "have one given by a SetupIntent or in Stripe's customer portal"


class UnusableMethodError(Exception):
    """Stripe can't charge the customer with it; the text says what to do."""


async def usable(runtime: Runtime, account: str, customer: str, named: str) -> str:
    """The method named, which must be the customer's, or else the default for the customer's invoices.

    Raises UnusableMethodError, StripeError.
    """
    stripe = await runtime.stripe(account)
    if not named:
        shape = await subscriptions.read_customer(stripe, customer)
        default = id_of(shape.invoice_settings.default_payment_method) if shape.invoice_settings else ""
        if not default:
            raise UnusableMethodError(
                f"customer {customer} has no default payment method for invoices at Stripe: {HAVE_ONE_GIVEN}, or name "
                "one as `stripe_payment_method`"
            )
        return default
    try:
        method = await subscriptions.read_method(stripe, named)
    except StripeRefusedError as error:
        if error.status != 404:
            raise
        raise UnusableMethodError(f"Stripe knows no payment method {named}") from error
    if id_of(method.customer) != customer:
        raise UnusableMethodError(
            f"payment method {named} is not attached to customer {customer} at Stripe: attach it there first, or "
            f"{HAVE_ONE_GIVEN}"
        )
    return named
