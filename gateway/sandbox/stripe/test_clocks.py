"""Test clocks: a time of their own for the customers that are created on them (docs: billing/testing/test-clocks).

Advancing answers `advancing` at once; what it brings about happens right after the answer, or before the next call.
Chosen where the documents are silent: the words of the refusals; a clock's own events carry the sandbox's time, those
of the objects on it the clock's; deleting a clock deletes its customers, as deleting each of them does.
"""

from __future__ import annotations

import logging
from functools import partial

from gateway.sandbox.kit.clock import Clock
from gateway.sandbox.stripe.customers import remove
from gateway.sandbox.stripe.cycle import items_of
from gateway.sandbox.stripe.errors import Refusal, invalid
from gateway.sandbox.stripe.events import record
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, listing
from gateway.sandbox.stripe.periods import period_end
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.standing import ENDED
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.times import FrozenClock, in_time

log = logging.getLogger(__name__)

ROOT = "/v1/test_helpers/test_clocks"
KEPT_S = 30 * 86400
INTERVALS = 2
YEARS_WITHOUT_SUBSCRIPTION = 2


@route("POST", ROOT, "*frozen_time:int name")
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    now = account.sandbox_clock.now()
    row = {
        "id": new_id("clock"),
        "object": "test_helpers.test_clock",
        "created": now,
        "deletes_after": now + KEPT_S,
        "frozen_time": params["frozen_time"],
        "livemode": False,
        "name": params.get("name"),
        "status": "ready",
        "status_details": {},
        "_clock": FrozenClock(params["frozen_time"]),
    }
    account.test_clocks.add(row["id"], row)
    account.sandbox_clock.at(row["deletes_after"], partial(_expire, account, row["id"]))
    _tell(account, "created", row)
    return row


retrieves(f"{ROOT}/{{id}}", lambda account: account.test_clocks)


@route("GET", ROOT, PAGE)
def index(call: Call) -> Obj:
    return listing(ROOT, *call.account.test_clocks.page(call.params))


@route("POST", f"{ROOT}/{{id}}/advance", "*frozen_time:int")
def advance(call: Call) -> Obj:
    account, row, to = call.account, call.account.test_clocks.need(call.id), call.params["frozen_time"]
    if to <= row["frozen_time"]:
        raise invalid("The time to advance to must be after the test clock's frozen time.", param="frozen_time")
    if to > _furthest(account, row):
        raise invalid(
            "A test clock can be advanced by at most two intervals of its shortest subscription, or by two years "
            "without one.",
            param="frozen_time",
        )
    row |= {"status": "advancing", "status_details": {"advancing": {"target_frozen_time": to}}}
    _tell(account, "advancing", row)
    account.sandbox_clock.at(account.sandbox_clock.now(), partial(_move, account, row["id"], to))
    return row


@route("DELETE", f"{ROOT}/{{id}}")
def delete(call: Call) -> Obj:
    row = call.account.test_clocks.need(call.id)
    _delete(call.account, row)
    return {"id": row["id"], "object": "test_helpers.test_clock", "deleted": True}


def refuse_while_advancing(account: Account, clock: Clock) -> None:
    """Whoever changes something while its clock advances gets 429 (seen: status and words)."""
    if clock is account.sandbox_clock:
        return
    for row in account.test_clocks.values():
        if row["_clock"] is clock and row["status"] == "advancing":
            text = f"Test clock advancement underway - cannot perform modifications: {row['id']}"
            raise Refusal(text, status=429, executed=False)


def _furthest(account: Account, row: Obj) -> int:
    """Two intervals on, of the subscription whose interval is the shortest."""
    now = row["frozen_time"]
    ends = []
    for subscription in account.subscriptions.values():
        if subscription["test_clock"] == row["id"] and subscription["status"] not in ENDED:
            recurring = items_of(subscription)[0]["price"]["recurring"]
            ends.append(period_end(now, now, recurring["interval"], INTERVALS * recurring["interval_count"]))
    return min(ends, default=period_end(now, now, "year", YEARS_WITHOUT_SUBSCRIPTION))


def _move(account: Account, id: str, to: int) -> None:
    row = account.test_clocks.get(id)
    if row is None:
        return
    clock: Clock = row["_clock"]
    try:
        with in_time(account, clock):
            clock.move_to(to)
    except Exception:
        log.exception("the test clock %s stopped", id)
        row |= {"status": "internal_failure", "frozen_time": clock.now(), "status_details": {}}
        _tell(account, "internal_failure", row)
        return
    row["frozen_time"] = to
    now = account.sandbox_clock.now()
    account.sandbox_clock.at(now + account.test_clock_advances_s, partial(_ready, account, id))


def _ready(account: Account, id: str) -> None:
    if id in account.test_clocks:
        row = account.test_clocks[id]
        row |= {"status": "ready", "status_details": {}}
        _tell(account, "ready", row)


def _expire(account: Account, id: str) -> None:
    if id in account.test_clocks:
        _delete(account, account.test_clocks[id])


def _delete(account: Account, row: Obj) -> None:
    with in_time(account, row["_clock"]):
        for customer in list(account.customers.values()):
            if customer.get("test_clock") == row["id"]:
                remove(account, customer)
    row["_clock"].reset()
    del account.test_clocks[row["id"]]
    _tell(account, "deleted", row)


def _tell(account: Account, what: str, row: Obj) -> None:
    with in_time(account, account.sandbox_clock):
        record(account, f"test_helpers.test_clock.{what}", row)
