"""Changes of a living subscription: items, prices, quantities, billing cycle, trial; and what is billed for them.

Sources: docs billing/subscriptions/prorations, upgrade-downgrade, billing-cycle. Another interval, a step from free to
paid and billing_cycle_anchor=now begin a new period at once: the old one is credited, the new one is billed.
"""

from __future__ import annotations

from typing import Any

from gateway.sandbox.stripe import cycle, invoices, usage_lines
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.invoice_items import pending
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.prorations import bill_usage, prorate
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.subscription_items import (
    SHARED,
    add_invoice_items,
    changed_items,
    differs,
    licensed_amount,
)

PRORATION = "proration_behavior:always_invoice|create_prorations|none proration_date:int"


def change(account: Account, subscription: Obj, params: Obj) -> Obj | None:
    """Items, anchor and trial as `params` of an update say; the invoice, if one is made for it at once."""
    invoice: Obj | None = None
    if "trial_end" in params:
        invoice = _change_trial(account, subscription, params["trial_end"])
    behavior = params.get("proration_behavior", "create_prorations")
    trialing = subscription["status"] == "trialing"
    at = _proration_date(account, subscription, params)
    rows = cycle.items_of(subscription)
    if "items" in params:
        rows = changed_items(account, subscription, params["items"])
    restart = not trialing and _restarts(account, subscription, rows, params)
    old = {item["id"]: item for item in cycle.items_of(subscription)}
    if behavior != "none" and not trialing:
        _prorate(account, subscription, old, {item["id"]: item for item in rows}, at, restart=restart)
    _store(account, subscription, old, rows)
    added = add_invoice_items(account, subscription, account.customers[subscription["customer"]], params)
    if restart:
        return _restart(account, subscription)
    always = behavior == "always_invoice" and "items" in params and not trialing
    return (bill_pending(account, subscription) if added or always else None) or invoice


def _proration_date(account: Account, subscription: Obj, params: Obj) -> int:
    at: int = params.get("proration_date", account.now())
    first = cycle.items_of(subscription)[0]
    if "proration_date" in params and not first["current_period_start"] <= at < first["current_period_end"]:
        raise invalid(
            "Invalid proration_date: it must be within the current billing period of the subscription.",
            param="proration_date",
        )
    return at


def _restarts(account: Account, subscription: Obj, rows: list[Obj], params: Obj) -> bool:
    if params.get("billing_cycle_anchor") == "now":
        return True
    old = cycle.items_of(subscription)
    before, after = old[0]["price"]["recurring"], rows[0]["price"]["recurring"]
    if any(before[name] != after[name] for name in SHARED):
        return True
    metered = any(usage_lines.metered(item) for item in [*old, *rows])
    free = licensed_amount(account, old) == 0 and not metered
    return free and licensed_amount(account, rows) > 0 and params.get("billing_cycle_anchor") != "unchanged"


def _prorate(
    account: Account, subscription: Obj, old: dict[str, Obj], new: dict[str, Obj], at: int, *, restart: bool
) -> None:
    """Credit what ends, charge what begins; a metered price that goes bills its usage."""
    for id, item in old.items():
        ends = id not in new or differs(item, new[id])
        if usage_lines.metered(item):
            if id not in new or item["price"]["id"] != new[id]["price"]["id"]:
                bill_usage(account, subscription, item)
        elif ends or restart:
            prorate(account, subscription, item, at=at, sign=-1)
    for id, item in new.items():
        if not restart and (id not in old or differs(old[id], item)):
            prorate(account, subscription, item, at=at, sign=1)


def _store(account: Account, subscription: Obj, old: dict[str, Obj], rows: list[Obj]) -> None:
    for item in rows:
        if item["id"] in old and old[item["id"]]["price"]["id"] != item["price"]["id"]:
            usage_lines.start_counting(account, item)
        account.subscription_items[item["id"]] = item
    kept = {item["id"] for item in rows}
    for id, item in old.items():
        if id not in kept:
            item["_removed"] = True
    subscription["items"]["data"] = rows


def _restart(account: Account, subscription: Obj) -> Obj | None:
    now, start = account.now(), cycle.items_of(subscription)[0]["current_period_start"]
    subscription["billing_cycle_anchor"] = now
    cycle.set_period(subscription, now, cycle.next_end(subscription, now))
    cycle.schedule(account, subscription)
    return _at_once(
        account, subscription, cycle.bill(account, subscription, reason="subscription_update", used=(start, now))
    )


def bill_pending(account: Account, subscription: Obj) -> Obj | None:
    """What is pending for the subscription, on an invoice of its own."""
    customer = account.customers[subscription["customer"]]
    if not pending(account, customer, subscription["id"], loose=False):
        return None
    return _at_once(account, subscription, cycle.bill(account, subscription, reason="subscription_update", whole=False))


def _at_once(account: Account, subscription: Obj, invoice: Obj | None) -> Obj | None:
    """An invoice for a change of a charge_automatically subscription is finalized at once; send_invoice waits."""
    automatic = subscription["collection_method"] == "charge_automatically"
    if invoice is not None and automatic and not account.previewing:
        invoices.finalize(account, invoice)
    return invoice


def _change_trial(account: Account, subscription: Obj, wanted: Any) -> Obj | None:
    now = account.now()
    if wanted == "now":
        if subscription["status"] == "trialing":
            subscription |= {"trial_end": now, "billing_cycle_anchor": now}
            return cycle.renew(account, subscription, now)
        return None
    if wanted <= now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", param="trial_end")
    subscription |= {
        "trial_end": wanted,
        "trial_start": subscription["trial_start"] or now,
        "billing_cycle_anchor": wanted,
        "status": "trialing",
    }
    cycle.set_period(subscription, cycle.items_of(subscription)[0]["current_period_start"], wanted)
    cycle.schedule(account, subscription)
    return None
