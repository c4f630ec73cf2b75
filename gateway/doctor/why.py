"""`why ID`: everything about one invoice or subscription, read on both sides, and told in order."""

from __future__ import annotations

from typing import Final

from gateway.accounts.errors import NotThereError
from gateway.billing.pace import Lane, in_lane
from gateway.doctor import why_invoice, why_subscription
from gateway.doctor.patient import patient
from gateway.domain.doctor_why import Answer
from gateway.runtime import Runtime

INVOICE: Final = "in_"
SUBSCRIPTION: Final = "sub_"


async def why(runtime: Runtime, account: str, id: str, *, strangers: bool = False) -> Answer:
    """`strangers`: what is not known here is asked for at Stripe. Raises NotThereError.

    A StripeError where a subscription can't be read: what Stripe will do, Stripe alone says.
    """
    known = await patient(runtime, account)
    with in_lane(Lane.CHECKOUT):
        if id.startswith(INVOICE):
            return await why_invoice.answer(known, id)
        if id.startswith(SUBSCRIPTION):
            return await why_subscription.answer(known, id, strangers=strangers)
    raise NotThereError("invoice or subscription", id)
