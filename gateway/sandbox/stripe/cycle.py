"""What time does to a subscription: first invoice, renewals, trial ends, pauses, endings.

Sources: docs billing/subscriptions/overview, billing/subscriptions/trials, billing/subscriptions/pause-payment,
billing/subscriptions/cancel. Chosen where they are silent: with pause behaviours void and mark_uncollectible the
renewal's invoice is finalized and closed in the same second; a draft kept during a pause stays a draft afterwards;
the final invoice of a cancellation is a draft that nobody finalizes but the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.sandbox.stripe import closing, coupons, drafts, invoices, lines, payments
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.invoice_items import new_item, pending, take
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.periods import period_end
from gateway.sandbox.stripe.standing import ENDED, end, hold
from gateway.sandbox.stripe.store import Account

TRIAL_NOTICE_S = 3 * 86400
INCOMPLETE_S = 23 * 3600


def items_of(subscription: Obj) -> list[Obj]:
    found: list[Obj] = subscription["items"]["data"]
    return found


def current_end(subscription: Obj) -> int:
    return int(items_of(subscription)[0]["current_period_end"])


def set_period(subscription: Obj, start: int, end: int) -> None:
    for item in items_of(subscription):
        item |= {"current_period_start": start, "current_period_end": end}


def next_end(subscription: Obj, start: int) -> int:
    recurring = items_of(subscription)[0]["price"]["recurring"]
    return period_end(subscription["billing_cycle_anchor"], start, recurring["interval"], recurring["interval_count"])


def schedule(account: Account, subscription: Obj) -> None:
    """Ring at the period's end, three days before a trial's end, at cancel_at, when a pause ends."""
    now, end = account.now(), current_end(subscription)
    account.clock.at(end, partial(_roll, account, subscription, end))
    if (subscription["trial_end"] or 0) == end and end - TRIAL_NOTICE_S > now:
        account.clock.at(end - TRIAL_NOTICE_S, partial(_trial_will_end, account, subscription, end))


def schedule_cancel(account: Account, subscription: Obj) -> None:
    when = subscription["cancel_at"]
    if when is not None and not subscription["cancel_at_period_end"]:
        account.clock.at(when, partial(_cancel_at, account, subscription, when))


def schedule_resume(account: Account, subscription: Obj) -> None:
    pause = subscription["pause_collection"]
    if pause is not None and pause["resumes_at"] is not None:
        account.clock.at(pause["resumes_at"], partial(_resume, account, subscription, pause["resumes_at"]))


def _trial_will_end(account: Account, subscription: Obj, end: int) -> None:
    if subscription["status"] == "trialing" and subscription["trial_end"] == end:
        record(account, "customer.subscription.trial_will_end", subscription)


def _cancel_at(account: Account, subscription: Obj, when: int) -> None:
    if subscription["status"] not in ENDED and subscription["cancel_at"] == when:
        end_now(account, subscription)


def _resume(account: Account, subscription: Obj, when: int) -> None:
    pause = subscription["pause_collection"]
    if subscription["status"] not in ENDED and pause is not None and pause["resumes_at"] == when:
        with updating(account, subscription, "customer.subscription.updated"):
            subscription["pause_collection"] = None


def _roll(account: Account, subscription: Obj, end: int) -> None:
    """The period that ends at `end` is over; a stale ring (the period was changed meanwhile) does nothing."""
    if subscription["status"] in ENDED or subscription["status"] == "incomplete" or current_end(subscription) != end:
        return
    if subscription["cancel_at_period_end"]:
        end_now(account, subscription)
        return
    renew(account, subscription, end)


def renew(account: Account, subscription: Obj, start: int) -> Obj:
    """Begin the period at `start` and bill it in advance."""
    before = items_of(subscription)[0]["current_period_start"]
    with updating(account, subscription, "customer.subscription.updated"):
        set_period(subscription, start, next_end(subscription, start))
        if subscription["status"] == "trialing":
            subscription["status"] = "active"
        invoice = bill(account, subscription, reason="subscription_cycle", period=(before, start))
    schedule(account, subscription)
    return invoice


def bill(
    account: Account, subscription: Obj, *, reason: str, period: tuple[int, int] | None = None, whole: bool = True
) -> Obj:
    """A draft for the current period (`whole`) and everything pending; a pause is heeded."""
    customer = account.customers[subscription["customer"]]
    trial = (subscription["trial_end"] or 0) > account.now()
    rows = (
        [lines.of_period(account, subscription, item, trial=trial) for item in items_of(subscription)] if whole else []
    )
    pause = subscription["pause_collection"] if reason == "subscription_cycle" else None
    invoice = _draft(
        account,
        subscription,
        customer,
        reason,
        period,
        rows,
        held=pause is not None or subscription["status"] == "unpaid",
    )
    waiting = pending(account, customer, subscription["id"])
    if waiting:
        with updating(account, invoice, "invoice.updated"):
            take(account, invoice, waiting)
    if not trial:
        subscription["discounts"] = coupons.lasting(account, subscription["discounts"])
    if pause is not None:
        _close_paused(account, invoice, pause["behavior"])
    return invoice


def _draft(
    account: Account,
    subscription: Obj,
    customer: Obj,
    reason: str,
    period: tuple[int, int] | None,
    rows: Sequence[Obj],
    *,
    held: bool,
) -> Obj:
    send = subscription["collection_method"] == "send_invoice"
    return drafts.new_invoice(
        account,
        customer,
        reason=reason,
        currency=subscription["currency"],
        collection_method=subscription["collection_method"],
        days_until_due=subscription["days_until_due"] if send else None,
        auto_advance=not held,
        subscription=subscription,
        discounts=coupons.live(account, subscription["discounts"]),
        default_tax_rates=subscription["default_tax_rates"] or (),
        automatic_tax=subscription["automatic_tax"]["enabled"],
        period=period,
        lines=rows,
    )


def _close_paused(account: Account, invoice: Obj, behavior: str) -> None:
    if behavior == "keep_as_draft":
        return
    invoices.finalize(account, invoice, auto_advance=False, collect=False)
    if invoice["status"] != "open":
        return
    if behavior == "void":
        closing.void(account, invoice)
    else:
        closing.mark_uncollectible(account, invoice)


def watch_incomplete(account: Account, subscription: Obj) -> None:
    """A first payment that stays away for 23 hours ends the subscription (docs: billing/subscriptions/overview)."""
    account.clock.at(account.now() + INCOMPLETE_S, partial(_expire, account, subscription))


def _expire(account: Account, subscription: Obj) -> None:
    if subscription["status"] != "incomplete":
        return
    first = account.invoices[subscription["latest_invoice"]]
    with updating(account, subscription, "customer.subscription.updated"):
        subscription |= {"status": "incomplete_expired", "ended_at": account.now()}
    if first["status"] == "open":
        payments.drop_attached(account, first)
        closing.void(account, first)


def prorate(account: Account, subscription: Obj, item: Obj, *, at: int, sign: int) -> Obj | None:
    """A pending item for the rest of the period: credit (`sign` −1) or charge (+1), by the second.

    Discounts are left out of prorations here (Stripe takes them in)."""
    start, end = item["current_period_start"], item["current_period_end"]
    price = account.prices[item["price"]["id"]]
    whole = lines.price_amount(price, item["quantity"])
    amount = sign * ((2 * whole * (end - at) + (end - start)) // (2 * (end - start)))
    product = account.products[price["product"]]["name"]
    if amount == 0 or end <= at:
        return None
    return new_item(
        account,
        account.customers[subscription["customer"]],
        subscription["currency"],
        amount,
        description=f"{'Remaining' if sign > 0 else 'Unused'} time on {item['quantity']} × {product}",
        price=price,
        quantity=item["quantity"],
        period=(at, end),
        subscription=subscription["id"],
        proration=True,
        tax_rates=item["tax_rates"],
    )


def end_now(
    account: Account,
    subscription: Obj,
    *,
    invoice_now: bool = False,
    credit_rest: bool = False,
    details: Obj | None = None,
) -> None:
    """→ canceled. Stripe stops advancing its invoices by itself; they stay collectible."""
    now = account.now()
    if credit_rest and subscription["status"] != "trialing":
        for item in items_of(subscription):
            prorate(account, subscription, item, at=now, sign=-1)
    if invoice_now and pending(account, account.customers[subscription["customer"]], subscription["id"], loose=False):
        final = bill(account, subscription, reason="subscription_update", whole=False)
        hold(account, final)
    end(account, subscription, {"reason": "cancellation_requested", **(details or {})})
