"""What a restricted key must be allowed: every operation of Stripe's that we call, and the permission that it takes.

One table, from which people are told the least permissions of a key, and by which a refusal says what the key lacks.
A permission is one resource, to read or to write (docs: keys, restricted API keys); a GET takes reading, everything
else writing, which includes reading. Stripe names one in its refusals, as `rak_invoice_write`; the words of its
Dashboard's form are close to ours, and are not part of any document.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Resource(StrEnum):
    """What a permission is about; the value is Stripe's name of it."""

    ACCOUNT = "accounts_kyc_basic"
    CHARGE = "charge"
    CREDIT_NOTE = "credit_note"
    CUSTOMER = "customer"
    EVENT = "event"
    INVOICE = "invoice"
    METER = "meter"
    METER_EVENT = "meter_event"
    PAYMENT_METHOD = "payment_method"
    PORTAL = "customer_portal"
    PRICE = "plan"
    PRODUCT = "product"
    PROMOTION_CODE = "promotion_code"
    SETUP_INTENT = "setup_intent"
    SUBSCRIPTION = "subscription"
    TAX_ID = "tax_id"
    WEBHOOK = "webhook"


class Level(StrEnum):
    """How much of it; to write includes to read."""

    READ = "read"
    WRITE = "write"


LABELS: Final[Mapping[Resource, str]] = {
    Resource.ACCOUNT: "Account",
    Resource.CHARGE: "Charges and refunds",
    Resource.CREDIT_NOTE: "Credit notes",
    Resource.CUSTOMER: "Customers",
    Resource.EVENT: "Events",
    Resource.INVOICE: "Invoices",
    Resource.METER: "Meters",
    Resource.METER_EVENT: "Meter events",
    Resource.PAYMENT_METHOD: "Payment methods",
    Resource.PORTAL: "Customer portal",
    Resource.PRICE: "Prices",
    Resource.PRODUCT: "Products",
    Resource.PROMOTION_CODE: "Promotion codes",
    Resource.SETUP_INTENT: "Setup intents",
    Resource.SUBSCRIPTION: "Subscriptions",
    Resource.TAX_ID: "Tax IDs",
    Resource.WEBHOOK: "Webhook endpoints",
}

OPERATIONS: Final[Mapping[str, Resource]] = {
    "GET /v1/account": Resource.ACCOUNT,
    "GET /v1/charges/{id}": Resource.CHARGE,
    "GET /v1/disputes/{id}": Resource.CHARGE,
    "GET /v1/refunds/{id}": Resource.CHARGE,
    "GET /v1/credit_notes": Resource.CREDIT_NOTE,
    "GET /v1/credit_notes/{id}": Resource.CREDIT_NOTE,
    "GET /v1/credit_notes/preview": Resource.CREDIT_NOTE,
    "POST /v1/credit_notes": Resource.CREDIT_NOTE,
    "GET /v1/customers": Resource.CUSTOMER,
    "GET /v1/customers/{id}": Resource.CUSTOMER,
    "GET /v1/customers/{id}/balance_transactions": Resource.CUSTOMER,
    "POST /v1/customers": Resource.CUSTOMER,
    "POST /v1/customers/{id}": Resource.CUSTOMER,
    "POST /v1/customers/{id}/balance_transactions": Resource.CUSTOMER,
    "DELETE /v1/customers/{id}": Resource.CUSTOMER,
    "GET /v1/events": Resource.EVENT,
    "GET /v2/core/events": Resource.EVENT,
    "GET /v2/core/events/{id}": Resource.EVENT,
    "GET /v1/invoice_payments": Resource.INVOICE,
    "GET /v1/invoice_payments/{id}": Resource.INVOICE,
    "GET /v1/invoices": Resource.INVOICE,
    "GET /v1/invoices/{id}": Resource.INVOICE,
    "GET /v1/invoices/{id}/lines": Resource.INVOICE,
    "POST /v1/invoices": Resource.INVOICE,
    "POST /v1/invoices/create_preview": Resource.INVOICE,
    "POST /v1/invoices/{id}": Resource.INVOICE,
    "POST /v1/invoices/{id}/add_lines": Resource.INVOICE,
    "POST /v1/invoices/{id}/finalize": Resource.INVOICE,
    "POST /v1/invoices/{id}/mark_uncollectible": Resource.INVOICE,
    "POST /v1/invoices/{id}/pay": Resource.INVOICE,
    "POST /v1/invoices/{id}/remove_lines": Resource.INVOICE,
    "POST /v1/invoices/{id}/void": Resource.INVOICE,
    "GET /v1/billing/meters": Resource.METER,
    "POST /v1/billing/meter_events": Resource.METER_EVENT,
    "GET /v1/payment_methods/{id}": Resource.PAYMENT_METHOD,
    "GET /v1/billing_portal/configurations": Resource.PORTAL,
    "POST /v1/billing_portal/configurations/{id}": Resource.PORTAL,
    "POST /v1/billing_portal/sessions": Resource.PORTAL,
    "GET /v1/prices/{id}": Resource.PRICE,
    "POST /v1/prices": Resource.PRICE,
    "POST /v1/prices/{id}": Resource.PRICE,
    "GET /v1/products/{id}": Resource.PRODUCT,
    "POST /v1/products": Resource.PRODUCT,
    "POST /v1/products/{id}": Resource.PRODUCT,
    "GET /v1/promotion_codes": Resource.PROMOTION_CODE,
    "GET /v1/setup_intents/{id}": Resource.SETUP_INTENT,
    "POST /v1/setup_intents": Resource.SETUP_INTENT,
    "GET /v1/subscriptions": Resource.SUBSCRIPTION,
    "GET /v1/subscriptions/{id}": Resource.SUBSCRIPTION,
    "POST /v1/subscriptions": Resource.SUBSCRIPTION,
    "POST /v1/subscriptions/{id}": Resource.SUBSCRIPTION,
    "DELETE /v1/subscriptions/{id}": Resource.SUBSCRIPTION,
    "GET /v1/tax_ids/{id}": Resource.TAX_ID,
    "GET /v1/webhook_endpoints": Resource.WEBHOOK,
    "POST /v1/webhook_endpoints": Resource.WEBHOOK,
    "POST /v1/webhook_endpoints/{id}": Resource.WEBHOOK,
    "DELETE /v1/webhook_endpoints/{id}": Resource.WEBHOOK,
    "GET /v2/core/event_destinations": Resource.WEBHOOK,
    "POST /v2/core/event_destinations": Resource.WEBHOOK,
    "POST /v2/core/event_destinations/{id}": Resource.WEBHOOK,
    "POST /v2/core/event_destinations/{id}/enable": Resource.WEBHOOK,
    "DELETE /v2/core/event_destinations/{id}": Resource.WEBHOOK,
}
"""As `pace.operation` calls them. What is missing here would be missing from people's keys."""


class Use(StrEnum):
    """What some accounts alone do, in words that follow `only for`."""

    CHECKING = "the check of which account a key opens"
    CODES = "promotion codes in a checkout"
    PORTAL = "links to Stripe's customer portal, and the doctor's look at it"
    SWITCHING = "switching subscriptions to Stripe"
    THIN = "thin events"
    USAGE = "usage that is reported here"
    REHEARSING = "doctor --rehearse"
    SETTING_UP = "setup-webhook, and the doctor's look at what it made"


ONLY_FOR: Final[Mapping[Resource, Use]] = {
    Resource.ACCOUNT: Use.CHECKING,
    Resource.CHARGE: Use.THIN,
    Resource.METER: Use.USAGE,
    Resource.METER_EVENT: Use.USAGE,
    Resource.PAYMENT_METHOD: Use.SWITCHING,
    Resource.PORTAL: Use.PORTAL,
    Resource.PRICE: Use.REHEARSING,
    Resource.PRODUCT: Use.REHEARSING,
    Resource.PROMOTION_CODE: Use.CODES,
    Resource.SETUP_INTENT: Use.SWITCHING,
    Resource.TAX_ID: Use.THIN,
    Resource.WEBHOOK: Use.SETTING_UP,
}
"""Every other resource is needed wherever anything is collected."""

COMMANDS: Final = frozenset({Use.REHEARSING, Use.SETTING_UP})
"""Commands that somebody runs: they can be left, or done by hand, and need not stand in the key of every day."""


class Permission(msgspec.Struct, frozen=True):
    """A resource and how much of it."""

    resource: Resource
    level: Level

    @property
    def label(self) -> str:
        return LABELS[self.resource]

    @property
    def name(self) -> str:
        """As Stripe's refusals name it."""
        return f"rak_{self.resource}_{self.level}"

    @property
    def only_for(self) -> Use | None:
        """What it is for, where not every account needs it."""
        return ONLY_FOR.get(self.resource)


def taken_by(operation: str) -> Permission | None:
    """The permission that an operation takes; None for one that is not in the table."""
    resource = OPERATIONS.get(operation)
    if resource is None:
        return None
    return Permission(resource, Level.READ if operation.startswith("GET ") else Level.WRITE)


def permission_of(operation: str) -> str:
    """The same in words, for an error: `Invoices: write (rak_invoice_write)`; empty where it is not known."""
    needed = taken_by(operation)
    return "" if needed is None else f"{needed.label}: {needed.level} ({needed.name})"


def least(*, for_commands: bool = False) -> list[Permission]:
    """The least that a restricted key must be allowed for all that we do, by the Dashboard's words; `for_commands`:
    what only a command takes that somebody runs."""
    levels: dict[Resource, Level] = {}
    for operation, resource in OPERATIONS.items():
        needed = taken_by(operation)
        wanted = (ONLY_FOR.get(resource) in COMMANDS) is for_commands
        if needed is not None and wanted and levels.get(resource) != Level.WRITE:
            levels[resource] = needed.level
    return [Permission(resource, levels[resource]) for resource in sorted(levels, key=LABELS.__getitem__)]
