"""A shadow of an account: one customer's billing state copied, in which the engine can be run for a preview.

What happens in it is forgotten: it sends no events, starts no timers, and its clock stands where it is put. Nothing
may be finalized in it, for payments are not copied.
"""

from __future__ import annotations

import copy
from collections import defaultdict

from gateway.sandbox.kit.clock import Clock, Ring
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account, Collection

CATALOGUE = ("prices", "tax_rates", "discounts")  # what a preview may add to
LISTS = ("invoices_of_customer", "subscriptions_of_customer", "items_of_customer")


class StandingClock(Clock):
    """Stands at `moment` and rings for nobody."""

    def __init__(self, moment: int) -> None:
        super().__init__()
        self.moment = moment

    def now(self) -> int:
        return self.moment

    def at(self, when: float, ring: Ring) -> None:
        """A timer of a preview never rings."""


def shadow_of(account: Account, customer: str) -> Account:
    """The account as `customer` sees it, standing at the present moment."""
    shadow = copy.copy(account)
    shadow.previewing, shadow.clock = True, StandingClock(account.now())
    for name in CATALOGUE:
        setattr(shadow, name, _forked(getattr(account, name)))
    for name in LISTS:
        setattr(shadow, name, defaultdict(list, {customer: list(getattr(account, name).get(customer, []))}))
    subscriptions = [id for id in shadow.subscriptions_of_customer[customer] if id in account.subscriptions]
    shadow.invoices_of_subscription = defaultdict(
        list, {id: list(account.invoices_of_subscription.get(id, [])) for id in subscriptions}
    )
    invoices = {id for ids in shadow.invoices_of_subscription.values() for id in ids}
    shadow.customers = _copies(account.customers, [customer])
    shadow.subscriptions = _copies(account.subscriptions, subscriptions)
    shadow.invoices = _copies(
        account.invoices, [id for id in account.invoices_of_customer.get(customer, []) if id in invoices]
    )
    shadow.invoice_items = _copies(account.invoice_items, list(account.pending_items.get(customer, {})))
    shadow.pending_items = defaultdict(dict, {customer: dict(account.pending_items.get(customer, {}))})
    shadow.drafts_of_customer = defaultdict(dict)
    schedules = [found["schedule"] for found in shadow.subscriptions.values() if found["schedule"] is not None]
    shadow.subscription_schedules = _copies(account.subscription_schedules, schedules)
    shadow.subscription_items = Collection("subscription item")
    for subscription in shadow.subscriptions.values():
        for item in subscription["items"]["data"]:
            shadow.subscription_items.add(item["id"], item)
    return shadow


def stand_at(shadow: Account, moment: int) -> None:
    shadow.clock = StandingClock(moment)


def _copies(of: Collection[Obj], ids: list[str]) -> Collection[Obj]:
    found: Collection[Obj] = Collection(of.kind)
    for id in ids:
        if id in of:
            found.add(id, copy.deepcopy(of[id]))
    return found


def _forked(of: Collection[Obj]) -> Collection[Obj]:
    found: Collection[Obj] = Collection(of.kind)
    for id, item in of.items():
        found.add(id, item)
    return found
