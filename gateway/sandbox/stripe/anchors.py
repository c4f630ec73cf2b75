"""Where the billing cycle of a new subscription is anchored (docs: billing/subscriptions/billing-cycle)."""

from __future__ import annotations

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.periods import next_occurrence, period_end, period_start

PARAMS = (
    "billing_cycle_anchor:int billing_cycle_anchor_config:{*day_of_month:int hour:int minute:int month:int second:int}"
)
LIMITS = {"day_of_month": (1, 31), "month": (1, 12), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}
NAMES = ("day_of_month", "hour", "minute", "month", "second")


def wanted_anchor(params: Obj, recurring: Obj, now: int, trial_end: int | None) -> int | None:
    """The anchor that the parameters ask for: in the future, and at most one period away."""
    if "billing_cycle_anchor" not in params and "billing_cycle_anchor_config" not in params:
        return None
    if "billing_cycle_anchor" in params and "billing_cycle_anchor_config" in params:
        raise invalid(
            "Pass only one of billing_cycle_anchor and billing_cycle_anchor_config.", code="parameters_exclusive"
        )
    if trial_end is not None:
        raise invalid("A trial together with a billing cycle anchor is not covered here.", param="billing_cycle_anchor")
    anchor: int = params.get("billing_cycle_anchor") or _of_config(
        params["billing_cycle_anchor_config"], recurring["interval"], now
    )
    if anchor <= now:
        raise invalid(
            "Invalid timestamp: must be an integer Unix timestamp in the future.", param="billing_cycle_anchor"
        )
    if anchor > period_end(now, now, recurring["interval"], recurring["interval_count"]):
        raise invalid(
            "billing_cycle_anchor cannot be later than next natural billing date for plan.",
            param="billing_cycle_anchor",
        )
    return anchor


def _of_config(config: Obj, interval: str, now: int) -> int:
    if interval not in ("month", "year"):
        raise invalid(
            "billing_cycle_anchor_config is only for monthly and yearly prices.", param="billing_cycle_anchor_config"
        )
    for name, value in config.items():
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise invalid(f"{name} must be between {low} and {high}.", param=f"billing_cycle_anchor_config[{name}]")
    return next_occurrence(now, yearly=interval == "year", **config)


def shown_config(params: Obj) -> Obj | None:
    config = params.get("billing_cycle_anchor_config")
    return {name: config.get(name) for name in NAMES} if config else None


def share_until(anchor: int, now: int, recurring: Obj) -> tuple[int, int]:
    """Seconds until the anchor, and those of the whole period that ends there."""
    start = period_start(anchor, recurring["interval"], recurring["interval_count"])
    return anchor - now, anchor - start
