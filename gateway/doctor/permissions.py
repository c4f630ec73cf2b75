"""What the key must be allowed to do, asked one by one without changing anything.

To read is asked by reading. To write can't be proved by reading: it is asked of an object that can't exist. Stripe
looks at the key's permissions before it looks for the object (a restricted key is refused with 403 either way), so that
"no such object" proves the permission, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.billing import configured
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeError
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, few, notice, ok, unknown, wrong

CHECK: Final = "permissions"
NOBODY: Final = "TollbridgeDoctor0"
"""No id of Stripe's ends so: those are random, and shorter or longer."""
ONE: Final[Mapping[str, Any]] = {"limit": 1}


class Needed(msgspec.Struct, frozen=True):
    """One operation that we depend on. `always`: nothing is collected without it; `what_for` else."""

    resource: str
    level: str
    method: str
    path: str
    params: Mapping[str, Any] = {}
    always: bool = True
    what_for: str = ""


def needed() -> tuple[Needed, ...]:
    """The least permissions of a restricted key, by an operation that shows each."""
    customer = {"customer": f"cus_{NOBODY}"}
    return (
        Needed("Events", "read", "get", "/v1/events", ONE),
        Needed("Customers", "write", "post", f"/v1/customers/cus_{NOBODY}"),
        Needed("Subscriptions", "write", "post", f"/v1/subscriptions/sub_{NOBODY}"),
        Needed("Invoices", "write", "post", f"/v1/invoices/in_{NOBODY}"),
        Needed("Credit notes", "write", "post", f"/v1/credit_notes/cn_{NOBODY}"),
        Needed("Payment intents", "read", "get", f"/v1/payment_intents/pi_{NOBODY}"),
        Needed("Charges, refunds and disputes", "read", "get", f"/v1/charges/ch_{NOBODY}"),
        Needed("Promotion codes", "read", "get", "/v1/promotion_codes", ONE, False, "codes in a checkout"),
        Needed("Payment methods", "read", "get", f"/v1/payment_methods/pm_{NOBODY}", {}, False, "switching to Stripe"),
        Needed("Setup intents", "write", "post", f"/v1/setup_intents/seti_{NOBODY}", {}, False, "switching to Stripe"),
        Needed(
            "Customer portal", "write", "post", "/v1/billing_portal/sessions", customer, False,
            "links to the portal, and its check",
        ),
        Needed("Webhook endpoints", "read", "get", "/v1/webhook_endpoints", ONE, False, "the doctor's look at them"),
    )  # fmt: skip


async def look(patient: Patient) -> list[Finding]:
    """One finding for each permission that is missing, or could not be asked for; one for the rest."""
    stripe, told, proved = await patient.stripe(), [], 0
    for one in needed():
        finding = await _ask(stripe, one)
        proved += finding is None
        told += [] if finding is None else [finding]
    writes = "writing was asked of objects that can't exist, which Stripe refuses only after the permission"
    return [ok(CHECK, f"the key may do {proved} of {len(needed())} things that are needed", writes), *told]


async def _ask(stripe: StripeClient, one: Needed) -> Finding | None:
    what = f"{one.resource} ({one.level})"
    try:
        lacking = await configured.lacks(stripe, one.method, one.path, one.params)
    except StripeError as error:
        return unknown(CHECK, f"whether the key may use {what} is not known", few([str(error)]), concerns=one.resource)
    if lacking is None:
        return None
    named = "" if lacking == "?" else f": Stripe calls it {lacking}"
    to_do = f"give the restricted key {what} in Stripe's dashboard"
    if one.always:
        return wrong(CHECK, f"the key may not use {what}{named}", "collection needs it", to_do, concerns=lacking)
    return notice(
        CHECK, f"the key may not use {what}{named}", f"it's needed for {one.what_for}", to_do, concerns=lacking
    )
