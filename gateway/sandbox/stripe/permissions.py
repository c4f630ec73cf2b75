"""What a restricted key may do: nothing, read or write, per resource (docs: keys, restricted API keys).

Stripe names a permission in the refusal: `rak_invoice_write`. Those seen in real refusals are `customer`, `charge`
(refunds too), `plan` (prices), `payment_method`, `subscription`, `webhook`, `checkout_session`, `payout`; the rest
follow the same pattern. A POST needs write, also where it only previews.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Level(StrEnum):
    NONE = "none"
    READ = "read"
    WRITE = "write"


SPECIAL = {
    "prices": "plan",
    "plans": "plan",
    "refunds": "charge",
    "disputes": "charge",
    "subscription_items": "subscription",
    "invoiceitems": "invoice",
    "invoice_payments": "invoice",
    "invoice_rendering_templates": "invoice",
    "payment_attempt_records": "payment_record",
    "webhook_endpoints": "webhook",
    "event_destinations": "webhook",
    "billing_portal": "customer_portal",
    "account": "accounts_kyc_basic",
    "accounts": "accounts_kyc_basic",
    "meter_event_adjustments": "meter_event",
    "checkout": "checkout_session",
}
RESOURCES = frozenset(
    {
        "accounts_kyc_basic", "charge", "coupon", "credit_note", "customer", "customer_portal", "event", "invoice",
        "meter", "meter_event", "payment_intent", "payment_method", "payment_record", "plan", "product",
        "promotion_code", "setup_intent", "subscription", "subscription_schedule", "tax_rate", "test_clock", "webhook",
    }
)  # fmt: skip
"""All of them: a new endpoint under another name must be put into `SPECIAL` or here."""
GROUPS = frozenset({"core", "billing", "test_helpers"})


def resource_of(path: str) -> str:
    """`/v1/invoices/{id}/pay` is about `invoice`, `/v1/billing/meters` about `meter`."""
    parts = path.strip("/").split("/")[1:]
    name = parts[1] if len(parts) > 1 and parts[0] in GROUPS else parts[0] if parts else ""
    return SPECIAL.get(name, name.removesuffix("s"))


def missing_permission(permissions: Mapping[str, Level], method: str, path: str) -> str | None:
    """The permission that a call needs and the key lacks, by the name Stripe gives it."""
    resource = resource_of(path)
    held = permissions.get(resource, Level.NONE)
    if method == "GET":
        return None if held is not Level.NONE else f"rak_{resource}_read"
    return None if held is Level.WRITE else f"rak_{resource}_write"
