"""Rate limits, off until they are switched on: so many calls a second, per account, of all kinds and of each endpoint.

Numbers: docs: rate-limits (100 a second live, 25 in a sandbox, 25 for each endpoint, 20 for search; a subscription: 10
new invoices a minute, 20 a day, 200 changes of quantity an hour; meter events: 1,000 a second live, beside the others,
as here for every endpoint that may be called more often than all together). A refusal is a 429 that names its reason in
`Stripe-Rate-Limited-Reason`; Stripe documents no `Retry-After`, so there is none. Time is the machine's, which nobody
moves. Chosen: of a subscription's invoices only those count that a call makes, not those of its renewals.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from gateway.sandbox.stripe.errors import rate_limited
from gateway.sandbox.stripe.store import Account

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
MAX_WINDOWS = 10_000
METER_EVENTS = "POST /v1/billing/meter_events"
Rate = Annotated[int, msgspec.Meta(ge=1)]


class RateSettings(msgspec.Struct, forbid_unknown_fields=True):
    """Calls a second; None for no limit. `endpoints` sets single ones, as `POST /v1/invoices/{id}/pay`."""

    all: Rate | None = None
    each: Rate | None = None
    search: Rate | None = None
    endpoints: dict[str, Rate] = {}
    subscriptions: bool = False

    @classmethod
    def sandbox(cls) -> RateSettings:
        return cls(all=25, each=25, search=20, subscriptions=True)

    @classmethod
    def live(cls) -> RateSettings:
        return cls(all=100, each=25, search=20, endpoints={METER_EVENTS: 1000}, subscriptions=True)

    def of(self, operation: str) -> int | None:
        return self.endpoints.get(operation, self.each)


class Limit(msgspec.Struct, frozen=True):
    """At most `most` of `what` in any `seconds`; `reason` is what a refusal names."""

    what: str
    most: int
    seconds: int
    reason: str


class Rates:
    """What every account has asked lately, and how often it was refused."""

    def __init__(self) -> None:
        self.settings = RateSettings()
        self._windows: dict[tuple[str, Limit], deque[float]] = {}
        self.allowed: dict[tuple[str, str], int] = defaultdict(int)
        self.refused: dict[tuple[str, str], int] = defaultdict(int)

    def take(self, account: str, operation: str, subscription: Iterable[Limit] = ()) -> None:
        """Count one call. Raises Refusal 429, in which case it does not count."""
        limits = [*self._limits(operation), *(subscription if self.settings.subscriptions else ())]
        now = time.time()
        for limit in limits:
            if self._full(account, limit, now):
                self.refused[account, operation] += 1
                raise rate_limited(limit.reason)
        for limit in limits:
            self._windows[account, limit].append(now)
        self.allowed[account, operation] += 1

    def shown(self) -> list[dict[str, Any]]:
        keys = sorted(self.allowed.keys() | self.refused.keys())
        return [
            {"account": account, "operation": operation, "allowed": self.allowed[account, operation],
             "refused": self.refused[account, operation]}
            for account, operation in keys
        ]  # fmt: skip

    def set(self, settings: RateSettings) -> None:
        """Other limits, and every count from the beginning."""
        self.settings = settings
        for kept in (self._windows, self.allowed, self.refused):
            kept.clear()

    def _limits(self, operation: str) -> list[Limit]:
        limits = []
        if self.settings.search is not None and operation.endswith("/search"):
            limits.append(Limit("search", self.settings.search, 1, "endpoint-rate"))  # all searches together
        if (most := self.settings.of(operation)) is not None:
            limits.append(Limit(operation, most, 1, "endpoint-rate"))
        if self.settings.all is not None and self.settings.endpoints.get(operation, 0) <= self.settings.all:
            limits.append(Limit("*", self.settings.all, 1, "global-rate"))
        return limits

    def _full(self, account: str, limit: Limit, now: float) -> bool:
        if len(self._windows) >= MAX_WINDOWS:
            self._windows = {key: window for key, window in self._windows.items() if window}
        window = self._windows.setdefault((account, limit), deque())
        while window and now - window[0] >= limit.seconds:
            window.popleft()
        return len(window) >= limit.most


def subscription_limits(account: Account, method: str, path: str, params: dict[str, Any]) -> list[Limit]:
    """What a call takes of the limits of one subscription."""
    parts = path.strip("/").split("/")
    if method != "POST" or len(parts) < 2:
        return []
    match parts[1:]:
        case ["invoices"]:
            return _new_invoice(params["subscription"]) if isinstance(params.get("subscription"), str) else []
        case ["subscriptions", id]:
            items = params.get("items")
            rows = items.values() if isinstance(items, dict) else ()
            return _change(id, params, quantity=any("quantity" in row for row in rows if isinstance(row, dict)))
        case ["subscriptions", id, "resume"]:
            return _new_invoice(id)
        case ["subscription_items", id] if id in account.subscription_items:
            return _change(account.subscription_items[id]["subscription"], params, quantity="quantity" in params)
    return []


def _change(id: str, params: dict[str, Any], *, quantity: bool) -> list[Limit]:
    bills = (
        params.get("proration_behavior") == "always_invoice"
        or params.get("trial_end") == "now"
        or params.get("billing_cycle_anchor") == "now"
    )
    return [*(_new_invoice(id) if bills else ()), *([_quantity_change(id)] if quantity else ())]


def _new_invoice(subscription: str) -> list[Limit]:
    what = f"new invoices of {subscription}"
    return [Limit(what, 10, MINUTE_S, "resource-specific"), Limit(what, 20, DAY_S, "resource-specific")]


def _quantity_change(subscription: str) -> Limit:
    return Limit(f"quantities of {subscription}", 200, HOUR_S, "resource-specific")
