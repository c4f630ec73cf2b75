"""Rows from Stripe itself: the references that its guide for third-party processors keeps in a customer's metadata.

docs: billing/subscriptions/third-party-payment-processing
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.billing import lists
from gateway.billing.client import StripeClient
from gateway.billing.pace import Lane, in_lane
from gateway.billing.shapes import CustomerShape
from gateway.imports.patience import patiently
from gateway.imports.rows import Refused, Row
from processors.values import PaymentMethodReference, Secret

PROCESSOR: Final = "third_party_processor"
CUSTOMER: Final = "third_party_customer_id"
METHOD: Final = "third_party_payment_method_id"


async def read_metadata(stripe: StripeClient, connection: str, told: Callable[[int], None]) -> list[Row | Refused]:
    """The customers whose metadata name a payment method; `connection` is that of those which name no processor.

    `told` hears how many customers each page had. Raises StripeError.
    """
    found: list[Row | Refused] = []
    after = ""
    with in_lane(Lane.MIRROR):
        while True:
            page = await patiently(partial(lists.customers, stripe, after=after))
            for shape in page.items:
                if shape.metadata.get(METHOD):
                    found.append(_row(len(found) + 1, shape, connection))
            told(len(page.items))
            if not page.last:
                return found
            after = page.last


def _row(number: int, shape: CustomerShape, connection: str) -> Row | Refused:
    named = shape.metadata.get(PROCESSOR) or connection
    if not named:
        return Refused(number, f"metadata {PROCESSOR} of {shape.id} is empty, and --connection names none")
    payer = shape.metadata.get(CUSTOMER)
    reference = PaymentMethodReference(Secret(shape.metadata[METHOD]), Secret(payer) if payer else None)
    return Row(number, shape.id, named, reference)
