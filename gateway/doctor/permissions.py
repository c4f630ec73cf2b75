"""What the key must be allowed to do, asked one by one without changing anything.

To read is asked by reading. To write can't be proved by reading: it is asked of an object that can't exist, or without
what the call needs. Stripe looks at the key's permissions before it looks for the object (a restricted key is refused
with 403 either way), so that "no such object" proves the permission, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from db import sql
from gateway.billing import configured
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeError
from gateway.billing.permissions import Permission, Resource, Use, least
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, few, notice, ok, unknown, wrong

CHECK: Final = "permissions"
NOBODY: Final = "TollbridgeDoctor0"
"""No id of Stripe's ends so: those are random, and shorter or longer."""
ONE: Final[Mapping[str, Any]] = {"limit": 1}


class Probe(msgspec.Struct, frozen=True):
    """One call that shows whether the key may use a resource as much as we need."""

    method: str
    path: str
    params: Mapping[str, Any] = {}


PROBES: Final[Mapping[Resource, Probe]] = {
    Resource.ACCOUNT: Probe("get", "/v1/account"),
    Resource.CHARGE: Probe("get", f"/v1/charges/ch_{NOBODY}"),
    Resource.CREDIT_NOTE: Probe("post", f"/v1/credit_notes/cn_{NOBODY}"),
    Resource.CUSTOMER: Probe("post", f"/v1/customers/cus_{NOBODY}"),
    Resource.EVENT: Probe("get", "/v1/events", ONE),
    Resource.INVOICE: Probe("post", f"/v1/invoices/in_{NOBODY}"),
    Resource.METER: Probe("get", "/v1/billing/meters", ONE),
    # An event of nothing: what it is of, and how much, must be given (API description).
    Resource.METER_EVENT: Probe("post", "/v1/billing/meter_events"),
    Resource.PAYMENT_METHOD: Probe("get", f"/v1/payment_methods/pm_{NOBODY}"),
    Resource.PORTAL: Probe("post", "/v1/billing_portal/sessions", {"customer": f"cus_{NOBODY}"}),
    Resource.PROMOTION_CODE: Probe("get", "/v1/promotion_codes", ONE),
    Resource.SETUP_INTENT: Probe("post", f"/v1/setup_intents/seti_{NOBODY}"),
    Resource.SUBSCRIPTION: Probe("post", f"/v1/subscriptions/sub_{NOBODY}"),
    Resource.TAX_ID: Probe("get", f"/v1/tax_ids/txi_{NOBODY}"),
}

# A switch that was asked for needs what switching takes; so does one that was done, which may be asked for again.
USES: Final = """
    select exists (select 1 from tollbridge.usage_stream where account = $1) as usage,
        exists (select 1 from tollbridge.switch where account = $1 and collector = 'stripe') as switching,
        exists (select 1 from tollbridge.stripe_endpoint where account = $1 and thin and retire_at is null)
            and not exists (select 1 from tollbridge.stripe_endpoint
                            where account = $1 and not thin and retire_at is null) as thin
"""


async def look(patient: Patient) -> list[Finding]:
    """One finding for each permission that is missing, or could not be asked for; one for the rest."""
    stripe, uses, told, proved = await patient.stripe(), await _uses(patient), [], 0
    for one in least():
        finding = await _ask(stripe, one, uses)
        proved += finding is None
        told += [] if finding is None else [finding]
    writes = "writing was asked of objects that can't exist, which Stripe refuses only after the permission"
    return [ok(CHECK, f"the key may do {proved} of {len(least())} things that are needed", writes), *told]


async def _uses(patient: Patient) -> Collection[Use]:
    """What this account does of all that only some do, as far as our rows show."""
    row = await sql.row(USES, patient.id)
    assert row is not None
    return {use for use, used in zip((Use.USAGE, Use.SWITCHING, Use.THIN), row, strict=True) if used}


async def _ask(stripe: StripeClient, one: Permission, uses: Collection[Use]) -> Finding | None:
    what, probe = f"{one.label} ({one.level})", PROBES[one.resource]
    try:
        lacking = await configured.lacks(stripe, probe.method, probe.path, probe.params)
    except StripeError as error:
        return unknown(CHECK, f"whether the key may use {what} is not known", few([str(error)]), concerns=one.name)
    if lacking is None:
        return None
    named = "" if lacking == "?" else f": Stripe calls it {lacking}"
    missing, to_do = f"the key may not use {what}{named}", f"give the restricted key {what} in Stripe's dashboard"
    if one.only_for is None:
        return wrong(CHECK, missing, "collection needs it", to_do, concerns=lacking)
    if one.only_for in uses:
        return wrong(CHECK, missing, f"it's needed for {one.only_for}", to_do, concerns=lacking)
    return notice(CHECK, missing, f"it's needed for {one.only_for}", to_do, concerns=lacking)
