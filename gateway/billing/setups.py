"""How a payer gives Stripe itself a payment method: a SetupIntent for the merchant's page, or Stripe's portal; and the
portal for whoever wants to see it."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.billing.client import StripeClient
from processors.values import Unprinted

SESSION_KEY = "tollbridge_method_session"
"""The metadata key on a SetupIntent that names the session which made it (law 11)."""


class SetupError(msgspec.Struct, frozen=True):
    code: str | None = None
    message: str | None = None


class SetupIntentShape(Unprinted, frozen=True):
    """Its client secret opens it for a browser: it is handed on, and never stored or logged (law 12)."""

    id: str
    status: str = ""
    client_secret: str | None = None
    payment_method: str | dict[str, Any] | None = None
    last_setup_error: SetupError | None = None


class PortalShape(Unprinted, frozen=True):
    """A session of the portal: whoever has its address is the customer there, for some minutes."""

    url: str


async def create_intent(stripe: StripeClient, customer: str, session: str, lost: int) -> SetupIntentShape:
    """The SetupIntent of a session: a repeated call is the same one (law 2), until Stripe leaves one unanswered.

    `lost`: how many calls it has left so. A stored error answers for ever, and an intent that nobody uses is harmless.
    """
    params = {"customer": customer, "usage": "off_session", "metadata": {SESSION_KEY: session}}
    return await stripe.post("/v1/setup_intents", SetupIntentShape, params, key=f"{session}.{lost}")


async def read_intent(stripe: StripeClient, intent: str) -> SetupIntentShape:
    return await stripe.get(f"/v1/setup_intents/{intent}", SetupIntentShape)


async def open_home(stripe: StripeClient, customer: str, return_url: str) -> PortalShape:
    """Stripe's customer portal, as the account has configured it."""
    params = {"customer": customer} | ({"return_url": return_url} if return_url else {})
    return await stripe.post("/v1/billing_portal/sessions", PortalShape, params)


async def open_portal(stripe: StripeClient, customer: str, return_url: str) -> PortalShape:
    """A page of Stripe's on which the customer's default payment method is changed, and nothing else."""
    after = {"type": "redirect", "redirect": {"return_url": return_url}}
    flow = {"type": "payment_method_update", "after_completion": after}
    params = {"customer": customer, "return_url": return_url, "flow_data": flow}
    return await stripe.post("/v1/billing_portal/sessions", PortalShape, params)
