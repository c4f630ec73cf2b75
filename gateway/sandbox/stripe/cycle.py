"""What time does to a subscription: first invoice, renewals, trial ends, pauses, endings.

Sources: docs billing/subscriptions/overview, billing/subscriptions/trials, billing/subscriptions/pause-payment,
billing/subscriptions/cancel. Chosen where they are silent: with pause behaviours void and mark_uncollectible the
renewal's invoice is finalized and closed in the same second; a draft kept during a pause stays a draft afterwards;
the final invoice of an immediate cancellation is a draft that nobody finalizes but the caller; one that ends at a
`cancel_at` within a period is credited the rest then, on its last invoice, unless `proration_behavior` is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial

from gateway.sandbox.stripe import closing, coupons, drafts, invoices, lines, payments, usage_lines
from gateway.sandbox.stripe.collection import default_method
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.invoice_items import drop_prorations, pending, take
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.periods import period_end
from gateway.sandbox.stripe.prorations import prorate
from gateway.sandbox.stripe.shadow import shadow_of, stand_at
from gateway.sandbox.stripe.standing import ENDED, end, hold
from gateway.sandbox.stripe.store import Account

DAY_S = 86400
TRIAL_NOTICE_S = 3 * DAY_S
MAX_STEPS = 12
BEFORE_RENEWAL: list[Callable[[Account, Obj, int], None]] = []  # a schedule enters its next phase first
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


def next_invoice(account: Account, subscription: Obj) -> Obj | None:
    """What the time to the end of the current period will bring first; `account` is a shadow and moves there."""
    known = set(account.invoices)
    for _ in range(MAX_STEPS):
        period, cancel, phase = current_end(subscription), subscription["cancel_at"], subscription.get("_phase_ends")
        moment = min(when for when in (period, cancel, phase) if when is not None)
        stand_at(account, moment)
        _turn(account, subscription, moment)
        made = [invoice for id, invoice in account.invoices.items() if id not in known]
        if made or subscription["status"] in ENDED:
            return made[-1] if made else None
        if cancel == moment:
            _credit_rest(account, subscription, not subscription["cancel_at_period_end"] and _prorates(subscription))
            return _bill_rest(account, subscription, "subscription_cycle")
        if period == moment:
            return renew(account, subscription, moment)
    raise AssertionError("a period with more phases than a schedule can have")


def _turn(account: Account, subscription: Obj, moment: int) -> None:
    for step in BEFORE_RENEWAL:
        step(account, subscription, moment)


def as_preview(invoice: Obj) -> Obj:
    """An invoice made in a shadow, as Stripe shows one that does not exist yet (the prefix: create_preview)."""
    id = f"upcoming_{invoice['id']}"
    lines = {**invoice["lines"], "url": f"/v1/invoices/{id}/lines"}
    for line in lines["data"]:
        line["invoice"] = id
    return {**invoice, "id": id, "billing_reason": "upcoming", "lines": lines, "webhooks_delivered_at": None}


def _announce_next(account: Account, subscription: Obj, end: int) -> None:
    """invoice.upcoming, a preview without an id, some days before the period's end."""
    if subscription["status"] in (*ENDED, "incomplete", "paused") or current_end(subscription) != end:
        return
    shadow = shadow_of(account, subscription["customer"])
    invoice = next_invoice(shadow, shadow.subscriptions[subscription["id"]])
    if invoice is not None:
        record(account, "invoice.upcoming", {k: v for k, v in as_preview(invoice).items() if k != "id"})


def schedule(account: Account, subscription: Obj) -> None:
    """Ring at the period's end, three days before a trial's end, at cancel_at, when a pause ends."""
    now, end = account.now(), current_end(subscription)
    account.clock.at(end, partial(_roll, account, subscription, end))
    notice = account.upcoming_days * DAY_S
    if notice and end - notice > now:
        account.clock.at(end - notice, partial(_announce_next, account, subscription, end))
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
        end_as_planned(account, subscription, credit_rest=_prorates(subscription))


def _prorates(subscription: Obj) -> bool:
    """Whether an end within a period credits the rest of it: as `proration_behavior` said when cancel_at was set."""
    return bool(subscription.get("_prorates_cancel", True))


def _resume(account: Account, subscription: Obj, when: int) -> None:
    pause = subscription["pause_collection"]
    if subscription["status"] not in ENDED and pause is not None and pause["resumes_at"] == when:
        with updating(account, subscription, "customer.subscription.updated"):
            subscription["pause_collection"] = None


def _roll(account: Account, subscription: Obj, end: int) -> None:
    """The period that ends at `end` is over; a stale ring (the period was changed meanwhile) does nothing."""
    if subscription["status"] in (*ENDED, "incomplete", "paused") or current_end(subscription) != end:
        return
    _turn(account, subscription, end)
    if subscription["status"] in ENDED or current_end(subscription) != end:
        return
    if subscription["status"] == "trialing" and _ends_without_method(account, subscription):
        return
    if subscription["cancel_at_period_end"]:
        end_as_planned(account, subscription)
        return
    renew(account, subscription, end)


def _ends_without_method(account: Account, subscription: Obj) -> bool:
    """A trial ends and nothing can be charged: `trial_settings` say whether that cancels or pauses the subscription.

    Only for charge_automatically (docs: billing/subscriptions/trials, "free trials without payment").
    """
    behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    usable = default_method(account, subscription) is not None
    if usable or behavior == "create_invoice" or subscription["collection_method"] != "charge_automatically":
        return False
    if behavior == "cancel":
        end_now(account, subscription)
        return True
    with updating(account, subscription, "customer.subscription.updated"):
        subscription["status"] = "paused"
        record(account, "customer.subscription.paused", subscription)
    return True


def renew(account: Account, subscription: Obj, start: int) -> Obj | None:
    """Begin the period at `start`: bill it in advance, and in arrears what was used before; nothing in a trial."""
    before = items_of(subscription)[0]["current_period_start"]
    used = None if subscription["status"] == "trialing" else (before, start)
    with updating(account, subscription, "customer.subscription.updated"):
        set_period(subscription, start, next_end(subscription, start))
        if subscription["status"] == "trialing":
            subscription["status"] = "active"
        invoice = bill(account, subscription, reason="subscription_cycle", period=(before, start), used=used)
    schedule(account, subscription)
    return invoice


def bill(
    account: Account,
    subscription: Obj,
    *,
    reason: str,
    period: tuple[int, int] | None = None,
    whole: bool = True,
    used: tuple[int, int] | None = None,
    share: tuple[int, int] | None = None,
) -> Obj | None:
    """A draft for the current period (`whole`, or the `share` of it), the usage of the span `used` and everything
    pending; a pause is heeded.

    None where there is nothing to put on it (docs: billing-mode/compare, "if the invoice is empty").
    """
    customer = account.customers[subscription["customer"]]
    trial = (subscription["trial_end"] or 0) > account.now()
    rows = _rows(account, subscription, whole, trial, used, share)
    waiting = pending(account, customer, subscription["id"])
    if not rows and not (waiting if whole else pending(account, customer, subscription["id"], loose=False)):
        return None
    pause = subscription["pause_collection"] if reason == "subscription_cycle" else None
    held = pause is not None or subscription["status"] == "unpaid"
    invoice = _draft(account, subscription, customer, reason, period, rows, held=held)
    if waiting:
        with updating(account, invoice, "invoice.updated"):
            take(account, invoice, waiting)
    if not trial:
        subscription["discounts"] = coupons.lasting(account, subscription["discounts"])
    if pause is not None and not account.previewing:
        _close_paused(account, invoice, pause["behavior"])
    return invoice


def _rows(
    account: Account,
    subscription: Obj,
    whole: bool,
    trial: bool,
    used: tuple[int, int] | None,
    share: tuple[int, int] | None,
) -> list[Obj]:
    """Usage of the past first, then the period ahead. Classic billing mode begins a metered item with a line of 0."""
    rows: list[Obj] = []
    for item in items_of(subscription):
        if not usage_lines.metered(item):
            continue
        if used is not None and used[1] > item["_counts_from"]:
            rows += usage_lines.of_item(account, subscription, item, *used)
        elif used is None and whole and subscription["billing_mode"]["type"] == "classic":
            span = (item["current_period_start"], item["current_period_end"])
            rows += [r for r in lines.of_quantity(account, subscription, item, Decimal(0), span) if not r["amount"]]
    for item in items_of(subscription):
        if whole and not usage_lines.metered(item):
            rows += lines.of_period(account, subscription, item, trial=trial, share=share)
    return rows


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


def end_now(
    account: Account,
    subscription: Obj,
    *,
    invoice_now: bool = False,
    credit_rest: bool = False,
    details: Obj | None = None,
) -> Obj | None:
    """→ canceled, and the final invoice if one is made. Stripe stops advancing its invoices; they stay collectible.

    Without `invoice_now` usage is dropped, and pending prorations too unless the rest is credited (docs:
    subscriptions/cancel).
    """
    _credit_rest(account, subscription, credit_rest)
    final: Obj | None = None
    if invoice_now:
        final = _bill_rest(account, subscription, "subscription_update")
        if final is not None:
            hold(account, final)
    elif not credit_rest:
        drop_prorations(account, account.customers[subscription["customer"]], subscription["id"])
    end(account, subscription, {"reason": "cancellation_requested", **(details or {})})
    return final


def end_as_planned(account: Account, subscription: Obj, *, credit_rest: bool = False) -> None:
    """→ canceled at the period's end or at cancel_at. What was used and what is pending comes on a last invoice, which
    advances by itself (docs: subscriptions/cancel, "charged for in a final invoice")."""
    _credit_rest(account, subscription, credit_rest)
    end(account, subscription, {"reason": "cancellation_requested"})
    _bill_rest(account, subscription, "subscription_cycle")


def _credit_rest(account: Account, subscription: Obj, wanted: bool) -> None:
    if wanted and subscription["status"] != "trialing":
        for item in items_of(subscription):
            prorate(account, subscription, item, at=account.now(), sign=-1)


def _bill_rest(account: Account, subscription: Obj, reason: str) -> Obj | None:
    start, now = items_of(subscription)[0]["current_period_start"], account.now()
    in_trial = (subscription["trial_end"] or 0) >= now
    span = (start, now)
    return bill(account, subscription, reason=reason, period=span, whole=False, used=None if in_trial else span)
