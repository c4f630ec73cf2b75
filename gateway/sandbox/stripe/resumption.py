"""POST /v1/subscriptions/{id}/resume: a subscription that paused for want of a payment method goes on.

Docs: api/subscriptions/resume. Its resumption invoice is finalized at once; paid or uncollectible it makes the
subscription active, and after 23 hours without payment it is voided and the subscription stays paused.
"""

from __future__ import annotations

from functools import partial

from gateway.sandbox.stripe import closing, cycle, invoices, payments, usage_lines
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.periods import period_end, period_start
from gateway.sandbox.stripe.routes import Call, route
from gateway.sandbox.stripe.standing import resumed
from gateway.sandbox.stripe.store import Account

UNPAID_S = 23 * 3600


@route(
    "POST",
    "/v1/subscriptions/{id}/resume",
    "billing_cycle_anchor:now|unchanged proration_behavior:always_invoice|create_prorations|none proration_date:int",
)
def resume(call: Call) -> Obj:
    account, params, subscription = call.account, call.params, call.account.subscriptions.need(call.id)
    if subscription["status"] != "paused":
        raise invalid("Only paused subscriptions can be resumed.")
    if subscription["collection_method"] != "charge_automatically":
        raise invalid("Only subscriptions with collection_method=charge_automatically can be resumed.")
    with updating(account, subscription, "customer.subscription.updated"):
        share = _begin_period(account, subscription, params)
        for item in cycle.items_of(subscription):
            usage_lines.start_counting(account, item)
        free = share is not None and params.get("proration_behavior") == "none"
        invoice = cycle.bill(account, subscription, reason="subscription_update", whole=not free, share=share)
        subscription["_resumption"] = invoice["id"] if invoice else None
    cycle.schedule(account, subscription)
    if invoice is None:
        resumed(account, subscription)
        return subscription
    invoices.finalize(account, invoice)
    if invoice["status"] == "open":
        account.clock.at(account.now() + UNPAID_S, partial(_void_unpaid, account, invoice))
    return subscription


def _begin_period(account: Account, subscription: Obj, params: Obj) -> tuple[int, int] | None:
    """A new period from now on, or what is left of the present one: then the share of a whole one that is billed."""
    now, recurring = params.get("proration_date", account.now()), cycle.items_of(subscription)[0]["price"]["recurring"]
    interval = (recurring["interval"], recurring["interval_count"])
    if params.get("billing_cycle_anchor", "now") == "now":
        subscription["billing_cycle_anchor"] = account.now()
        cycle.set_period(subscription, account.now(), cycle.next_end(subscription, account.now()))
        return None
    end = period_end(subscription["billing_cycle_anchor"], now, *interval)
    cycle.set_period(subscription, now, end)
    return end - now, end - period_start(end, *interval)


def _void_unpaid(account: Account, invoice: Obj) -> None:
    if invoice["status"] == "open":
        payments.drop_attached(account, invoice)
        closing.void(account, invoice)
