"""How subscriptions are set, at Stripe and here; and policies that undo each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from db import sql
from gateway.accounts.errors import FieldError
from gateway.accounts.settlement import check_connections
from gateway.billing import configured
from gateway.billing.configured import PAGE, LivingShape
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, few, notice, ok, wrong
from gateway.domain.doctor_house import Setting, contradictions, judge_days

DAYS: Final = """
    select coalesce(days_until_due, 0) as days, count(*) as n, min(id) as example from tollbridge.subscription
    where account = $1 and collection_method = 'send_invoice' and ended_at is null and read_at is not null
      and tollbridge.collection(account, customer, id) = 'processor'
    group by 1 order by 1
"""
# One that was switched to Stripe is Stripe's on purpose.
AT_STRIPE: Final = """
    select s.id from tollbridge.subscription s
    where s.account = $1 and s.collection_method = 'charge_automatically' and s.ended_at is null
      and exists (select 1 from tollbridge.payment_method p
                  where p.account = s.account and p.customer = s.customer and p.status = 'active' and not p.alone)
      and not exists (select 1 from tollbridge.switch w
                      where w.account = s.account and w.subscription = s.id and w.collector = 'stripe'
                        and w.state in ('wanted', 'done'))
    order by s.id
"""


async def look(patient: Patient) -> list[Finding]:
    """By our own rows."""
    days = [Setting(row["days"], row["n"], row["example"]) for row in await sql.rows(DAYS, patient.id)]
    return [*judge_days(days, patient.account.policy), *await _at_stripe(patient), *await _policies(patient)]


async def look_at_stripe(patient: Patient) -> list[Finding]:
    """By what Stripe shows of the newest ones. Raises StripeError."""
    living = await configured.living(await patient.stripe())
    return [_paying_themselves(living), _modes(living)]


async def _at_stripe(patient: Patient) -> list[Finding]:
    found = [row["id"] for row in await sql.rows(AT_STRIPE, patient.id)]
    if not found:
        return [ok("collection_method", "no subscription is charged by Stripe whose payer has a method here")]
    what = f"Stripe charges {len(found)} subscriptions by itself whose payers have a method here: {few(found)}"
    why = "nobody asked us for it: somebody changed their collection_method in Stripe"
    return [
        notice("collection_method", what, why, "tollbridge subscriptions switch, to us or to Stripe", concerns=found[0])
    ]


def _paying_themselves(living: Sequence[LivingShape]) -> Finding:
    found = [one.id for one in living if one.pays_itself]
    among = f"the newest {PAGE}" if len(living) == PAGE else f"{len(living)}"
    if not found:
        return ok("default_method", f"Stripe has no default payment method for any of {among} subscriptions")
    what = f"Stripe has a default payment method for {len(found)} of {among} subscriptions: {few(found)}"
    why = "somebody who presses Charge in Stripe, or switches the subscription there, charges it a second time"
    return notice("default_method", what, why, "detach it in Stripe unless it is wanted", concerns=found[0])


def _modes(living: Sequence[LivingShape]) -> Finding:
    modes = Counter(one.billing_mode.type for one in living if one.billing_mode is not None and one.billing_mode.type)
    shown = ", ".join(f"{count} {mode}" for mode, count in modes.most_common())
    if len(modes) > 1:
        what = f"subscriptions are of several billing modes: {shown}"
        why = "a metered plan has a first invoice in classic mode, and none in flexible; prorations differ too"
        return notice("billing_mode", what, why, "set billing_mode where subscriptions are created; migrate the others")
    return ok("billing_mode", f"billing mode: {shown or 'no subscription yet'}")


async def _policies(patient: Patient) -> list[Finding]:
    policy = patient.account.policy
    told = contradictions(policy)
    try:
        await check_connections(patient.id, policy)
    except FieldError as error:
        why = "an invoice would be given up before its money is known to be there"
        told.append(wrong("policies", str(error), why, "raise days_until_due, or record what is confirmed"))
    return told
