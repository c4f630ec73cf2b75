"""What is left of the calls that Stripe allows the account."""

from __future__ import annotations

from typing import Final

from db import sql
from gateway.billing.pace import stripes_own
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, few, notice, ok

CHECK: Final = "rate"
# Below nothing: Stripe answered 429, and nobody asks until it is saved up again (`billing/pace.py`).
TURNED_AWAY: Final = """
    select operation from tollbridge.stripe_budget
    where account = $1 and calls_left < 0 and counted_at > clock_timestamp() - interval '1 hour' order by calls_left
"""


async def look(patient: Patient) -> list[Finding]:
    policy, allowed = patient.account.policy, stripes_own(livemode=patient.account.livemode)
    rate = policy.stripe_calls_per_second or allowed.account
    away = [row["operation"] for row in await sql.rows(TURNED_AWAY, patient.id)]
    if away:
        what, why = f"Stripe turned calls away in the last hour: {few(away)}", "somebody else uses this account too"
        return [notice(CHECK, what, why, "leave us less: the policies stripe_calls_per_second and _per_operation")]
    if rate > allowed.account or (policy.stripe_calls_per_operation or 0) > allowed.operation:
        what = f"the policy allows {rate:g} calls a second, and Stripe by itself {allowed.account:g}"
        return [
            notice(CHECK, what, "unless Stripe has raised it for this account, it answers 429", "see docs: rate-limits")
        ]
    return [ok(CHECK, f"{rate:g} calls a second are allowed, and none was turned away in the last hour")]
