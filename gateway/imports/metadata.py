"""Rows from Stripe itself: the references that its guide for third-party processors keeps in a customer's metadata.

docs: billing/subscriptions/third-party-payment-processing
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.billing import lists
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeUnknownError
from gateway.billing.pace import Lane, in_lane
from gateway.billing.shapes import CustomerShape
from gateway.customers.methods import CUSTOMER_KEY, METHOD_KEY, PROCESSOR_KEY
from gateway.imports.patience import patiently
from gateway.imports.rows import Refused, Row
from processors.values import PaymentMethodReference, Secret


async def read_metadata(stripe: StripeClient, connection: str, told: Callable[[int], None]) -> list[Row | Refused]:
    """The customers whose metadata name a payment method; `connection` is that of those which name no processor.

    `told` hears how many customers each page had. Raises StripeError.
    """
    found: list[Row | Refused] = []
    after, seen = "", set[str]()
    with in_lane(Lane.MIRROR):
        while True:
            page = await patiently(partial(lists.customers, stripe, after=after))
            for shape in page.items:
                if shape.metadata.get(METHOD_KEY):
                    found.append(_row(len(found) + 1, shape, connection))
            told(len(page.items))
            if not page.last:
                return found
            if page.last in seen:
                raise StripeUnknownError("Stripe's list of customers begins again: it has no end")
            seen.add(page.last)
            after = page.last


def _row(number: int, shape: CustomerShape, connection: str) -> Row | Refused:
    named = shape.metadata.get(PROCESSOR_KEY) or connection
    if not named:
        return Refused(number, f"metadata {PROCESSOR_KEY} of {shape.id} is empty, and --connection names none")
    payer = shape.metadata.get(CUSTOMER_KEY)
    reference = PaymentMethodReference(Secret(shape.metadata[METHOD_KEY]), Secret(payer) if payer else None)
    return Row(number, shape.id, named, reference)
