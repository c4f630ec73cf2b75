"""Usage on invoices: the lines of metered items, in arrears.

An item counts the events of its window, from its start (or last change of price) on. The lines stay open until the
invoice is finalized, when they take the latest count (docs: usage-based/configure-grace-period). What comes later for
a window that is closed goes to the next invoice; Stripe's documents say so for the older usage records ("otherwise, we
bill that usage in the current period") and are silent for meters. With the formula `last` it does not count.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

from gateway.sandbox.stripe import usage
from gateway.sandbox.stripe.lines import of_quantity
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account

LATE_S = 35 * 86400  # no event is accepted that is older


def metered(item: Obj) -> bool:
    recurring = item["price"]["recurring"]
    return recurring is not None and recurring["usage_type"] == "metered"


def start_counting(account: Account, item: Obj) -> None:
    """A new item, or one with another price, counts from now on (docs: usage-based/manage-billing-setup)."""
    item |= {"_counts_from": account.now(), "_windows": []}


def of_item(account: Account, subscription: Obj, item: Obj, start: int, end: int) -> list[Obj]:
    """The lines for what was used in [start, end), still open."""
    start = max(start, item["_counts_from"])
    lines = of_quantity(account, subscription, item, count(account, subscription, item, start, end), (start, end))
    for line in lines:
        line["_window"] = (item["id"], item["price"]["id"], start, end)
    return lines


def count(account: Account, subscription: Obj, item: Obj, start: int, end: int) -> Decimal:
    """What is to be billed for a window, never below zero; with what came late for earlier ones."""
    meter = account.meters[account.prices[item["price"]["id"]]["recurring"]["meter"]]
    customer = subscription["customer"]
    ended = subscription["ended_at"]
    if ended is not None and end >= ended:
        end += 1  # windows are half open, and no period follows that would count the second of the end
    rows = usage.window(account, meter["id"], customer, start, end)
    if meter["default_aggregation"]["formula"] != "last":
        for begin, until, closed in item["_windows"]:
            if until <= start:
                rows += [r for r in usage.window(account, meter["id"], customer, begin, until) if r.place > closed]
    return max(Decimal(0), usage.aggregate(meter, rows))


def close(account: Account, invoice: Obj, subscription: Obj | None) -> None:
    """The invoice is being finalized: its usage lines take the latest count, and their windows are closed."""
    if subscription is None:
        return
    rows: list[Obj] = []
    for window, group in groupby(invoice["lines"]["data"], key=_window):
        lines = list(group)
        if window is None:
            rows += lines
            continue
        item, price, start, end = window
        # A removed item, and the price of that time, still bill their window.
        counted = {**account.subscription_items[item], "price": account.prices[price]}
        rows += _latest(account, invoice, subscription, counted, lines, (start, end))
        _close(account, account.subscription_items[item], start, end)
    invoice["lines"]["data"] = rows


def _window(line: Obj) -> tuple[str, str, int, int] | None:
    found: tuple[str, str, int, int] | None = line.get("_window")
    return found


def _latest(
    account: Account, invoice: Obj, subscription: Obj, item: Obj, lines: list[Obj], span: tuple[int, int]
) -> list[Obj]:
    fresh = of_quantity(account, subscription, item, count(account, subscription, item, *span), span)
    for old, new in zip(lines, fresh, strict=False):
        new |= {"id": old["id"], "metadata": old["metadata"], "discountable": old["discountable"]}
    for line in fresh:
        line["invoice"] = invoice["id"]
    return fresh


def _close(account: Account, item: Obj, start: int, end: int) -> None:
    place, oldest = account.usage_count, account.now() - LATE_S
    earlier = [(w[0], w[1], place if w[1] <= start else w[2]) for w in item["_windows"] if w[1] > oldest]
    item["_windows"] = [*earlier, (start, end, place)]
