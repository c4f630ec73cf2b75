"""Every kind of invoice that a subscription's changes produce runs the same path.

Each is charged once, for what Stripe says is due, oldest first, and marked paid; what comes to nothing, or to less,
is Stripe's to settle and never reaches a processor; how the schemes call the charge follows from why the invoice came;
and access follows the money. So too where the change is followed by a decline, by the subscription's end, or by a
switch to Stripe. Amounts are those of a plan of 10.00 a month, in the order in which Stripe bills them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import pytest

from processors.practice.client import PracticeAdapter
from processors.values import ChargeRequest, PreparedCall, Usage
from tests.support.invariants import check_invariants
from tests.support.metered import metered_price, use
from tests.support.people import Signup
from tests.support.world import Doors, World
from tests.support.world import world as new_world

Change: TypeAlias = Callable[[World, Signup], Awaitable[None]]
Begin: TypeAlias = dict[str, Any]

RHYTHM: Final = ("subscription_create", "subscription_cycle")
DAY: Final = 86400


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made
        await made.settle()
        await check_invariants(made)


@pytest.fixture
def usages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Usage]:
    """How each charge was called to the processor, by its reference."""
    told: dict[str, Usage] = {}
    prepare = PracticeAdapter.prepare_charge

    def noting(self: PracticeAdapter, request: ChargeRequest) -> PreparedCall:
        told[request.reference] = request.usage
        return prepare(self, request)

    monkeypatch.setattr(PracticeAdapter, "prepare_charge", noting)
    return told


# --- what is changed, ten days into the first period ---------------------------------------------------------------


async def _price(world: World, amount: int) -> str:
    made = await world.shop.client.v1.prices.create_async(
        {
            "product_data": {"name": "Other"},
            "unit_amount": amount,
            "currency": "eur",
            "recurring": {"interval": "month"},
        }
    )
    return made.id


async def _update(world: World, signup: Signup, **params: Any) -> None:
    await world.shop.client.v1.subscriptions.update_async(signup.subscription, params)  # type: ignore[arg-type]


def _to(amount: int, behavior: str) -> Change:
    """Another plan."""

    async def change(world: World, signup: Signup) -> None:
        [item] = world.stripe_subscription(signup.subscription)["items"]["data"]
        items = [{"id": item["id"], "price": await _price(world, amount)}]
        await _update(world, signup, items=items, proration_behavior=behavior)

    return change


def _quantity(count: int, behavior: str) -> Change:
    async def change(world: World, signup: Signup) -> None:
        [item] = world.stripe_subscription(signup.subscription)["items"]["data"]
        await _update(world, signup, items=[{"id": item["id"], "quantity": count}], proration_behavior=behavior)

    return change


def _updated(**params: Any) -> Change:
    async def change(world: World, signup: Signup) -> None:
        await _update(world, signup, **params)

    return change


def _coupon(**params: Any) -> Change:
    async def change(world: World, signup: Signup) -> None:
        coupon = await world.shop.client.v1.coupons.create_async(params)  # type: ignore[arg-type]
        await _update(world, signup, discounts=[{"coupon": coupon.id}])

    return change


def _balance(amount: int) -> Change:
    async def change(world: World, signup: Signup) -> None:
        entry: Any = {"amount": amount, "currency": "eur"}
        await world.shop.client.v1.customers.balance_transactions.create_async(signup.customer, entry)

    return change


def _pending(amount: int) -> Change:
    """An item that waits for the next invoice."""

    async def change(world: World, signup: Signup) -> None:
        item: Any = {"customer": signup.customer, "subscription": signup.subscription, "amount": amount}
        await world.shop.client.v1.invoice_items.create_async(item | {"currency": "eur"})

    return change


def _by_hand(amount: int, **more: Any) -> Change:
    """An invoice beside the subscription, or of items that wait for it."""

    async def change(world: World, signup: Signup) -> None:
        client = world.shop.client.v1
        wanted: Any = {"customer": signup.customer, "collection_method": "send_invoice", "days_until_due": 10} | more
        made = await client.invoices.create_async(wanted)
        item: Any = {"customer": signup.customer, "invoice": made.id, "amount": amount, "currency": "eur"}
        await client.invoice_items.create_async(item)
        await client.invoices.finalize_invoice_async(made.id)

    return change


def _threshold(amount: int) -> Change:
    """The local Stripe knows no thresholds: an invoice of a subscription that says that one was reached."""

    async def change(world: World, signup: Signup) -> None:
        client = world.shop.client.v1
        await _pending(amount)(world, signup)
        made = await client.invoices.create_async({"customer": signup.customer, "subscription": signup.subscription})
        world.stripe_account().invoices[made.id]["billing_reason"] = "subscription_threshold"
        await client.invoices.finalize_invoice_async(made.id)

    return change


def _phases(end_behavior: str, *amounts: int) -> Change:
    """A schedule of the subscription: a phase of a month for each plan, after the one that runs."""

    async def change(world: World, signup: Signup) -> None:
        schedules = world.shop.client.v1.subscription_schedules
        made = await schedules.create_async({"from_subscription": signup.subscription})
        [now] = made.phases
        phases: list[Any] = [
            {"items": [{"price": world.shop.price}], "start_date": now.start_date, "end_date": now.end_date}
        ]
        for amount in amounts:
            phases.append({"items": [{"price": await _price(world, amount)}], "duration": {"interval": "month"}})
        await schedules.update_async(made.id, {"phases": phases, "end_behavior": end_behavior})  # type: ignore[typeddict-item]

    return change


def _usage(**params: Any) -> Change:
    """Calls are billed from now on, and 250 of them are made."""

    async def change(world: World, signup: Signup) -> None:
        await _update(world, signup, items=[{"price": await metered_price(world)}], **params)
        await world.later(days=1)
        await use(world, signup.customer, 250)

    return change


async def _ends_in_five_days(world: World, signup: Signup) -> None:
    await _update(world, signup, cancel_at=int(world.stripe.now()) + 5 * DAY)


# kind: how it begins, what is changed, what Stripe has due on each invoice until ten days into the third period
KINDS: Final[dict[str, tuple[Begin, Change, list[int]]]] = {
    "upgrade_at_once": ({}, _to(3000, "always_invoice"), [1000, 1333, 3000, 3000]),
    "upgrade_with_the_next": ({}, _to(3000, "create_prorations"), [1000, 4333, 3000]),
    "upgrade_free_until_then": ({}, _to(3000, "none"), [1000, 3000, 3000]),
    "downgrade_at_once": ({}, _to(400, "always_invoice"), [1000, 0, 0, 400]),
    "downgrade_with_the_next": ({}, _to(400, "create_prorations"), [1000, 0, 400]),
    "to_nothing_at_once": ({}, _to(0, "always_invoice"), [1000, 0, 0, 0]),
    "more_at_once": ({}, _quantity(5, "always_invoice"), [1000, 2666, 5000, 5000]),
    "more_with_the_next": ({}, _quantity(5, "create_prorations"), [1000, 7666, 5000]),
    "trial": ({"trial_period_days": 20}, _updated(), [0, 1000, 1000]),
    "trial_that_asks_for_a_method": (
        {"trial_period_days": 20},
        _updated(trial_settings={"end_behavior": {"missing_payment_method": "cancel"}}),
        [0, 1000, 1000],
    ),
    "trial_ends_now": ({"trial_period_days": 20}, _updated(trial_end="now"), [0, 1000, 1000]),
    "coupon_once": ({}, _coupon(percent_off=50, duration="once"), [1000, 500, 1000]),
    "coupon_repeating": ({}, _coupon(percent_off=30, duration="repeating", duration_in_months=2), [1000, 700, 700]),
    "coupon_of_all": ({}, _coupon(percent_off=100, duration="forever"), [1000, 0, 0]),
    "credit": ({}, _balance(-400), [1000, 600, 1000]),
    "credit_for_more_than_one": ({}, _balance(-1500), [1000, 0, 500]),
    "debit": ({}, _balance(300), [1000, 1300, 1000]),
    "paused_void": ({}, _updated(pause_collection={"behavior": "void"}), [1000, 1000, 1000]),
    "paused_draft": ({}, _updated(pause_collection={"behavior": "keep_as_draft"}), [1000, 1000, 1000]),
    "paused_uncollectible": ({}, _updated(pause_collection={"behavior": "mark_uncollectible"}), [1000, 1000, 1000]),
    "schedule": ({}, _phases("release", 2000, 500), [1000, 2000, 500]),
    "schedule_that_ends": ({}, _phases("cancel", 2000), [1000, 2000]),
    "pending_item": ({}, _pending(700), [1000, 1700, 1000]),
    "pending_credit": ({}, _pending(-700), [1000, 300, 1000]),
    "pending_credit_of_more": ({}, _pending(-1700), [1000, 0, 300]),
    "by_hand_beside": ({}, _by_hand(2500), [1000, 2500, 1000, 1000]),
    "by_hand_of_nothing": ({}, _by_hand(0), [1000, 0, 1000, 1000]),
    "threshold": ({}, _threshold(1200), [1000, 1200, 1000, 1000]),
    "ends_within_the_period": ({}, _ends_in_five_days, [1000, 0]),
    "usage": ({}, _usage(), [1000, 2000, 1000]),
    "usage_that_ends": ({}, _usage(cancel_at_period_end=True), [1000, 1000]),
}


PAUSED: Final = {"paused_void": "void", "paused_draft": "draft", "paused_uncollectible": "uncollectible"}
TWINS: Final = frozenset(
    {"upgrade_free_until_then", "to_nothing_at_once", "more_at_once", "more_with_the_next", "coupon_once",
     "coupon_of_all", "trial_that_asks_for_a_method", "debit", "pending_credit", "by_hand_of_nothing"}
)  # fmt: skip
DIFFERENT: Final = [kind for kind in KINDS if kind not in TWINS]
"""Those that differ in what may come between: each of their twins has the same invoices of other amounts."""
EVERY_KIND: Final = [
    pytest.param(kind, marks=[] if number % 3 == 0 else [pytest.mark.slow]) for number, kind in enumerate(KINDS)
]
"""All, of which the quick ring plays a part."""
MOST_ARE_SLOW: Final = [
    pytest.param(kind, marks=[] if number % 5 == 0 else [pytest.mark.slow]) for number, kind in enumerate(DIFFERENT)
]
"""The same, of which the quick ring plays a part."""
AT_ONCE: Final = ["upgrade_at_once", "more_at_once", "threshold"]
ENDS: Final = frozenset({"schedule_that_ends", "ends_within_the_period", "usage_that_ends"})


async def _begin(world: World, kind: str, card: str = "ok") -> Signup:
    """The subscription is there for ten days, and the card has become this one, when it is changed."""
    begin, change, _ = KINDS[kind]
    signup = await world.signup("ok", **begin)
    await world.later(days=10)
    world.break_card(signup.customer, card)
    await change(world, signup)
    await world.settle()
    return signup


async def _two_periods_on(world: World) -> None:
    for days in (2, 8.1, 2, 10, 2, 17, 2, 10, 2):
        await world.later(days=days)


def _invoices(world: World, signup: Signup) -> list[dict[str, Any]]:
    """The customer's at Stripe, oldest first."""
    account = world.stripe_account()
    return [dict(account.invoices[one]) for one in account.invoices_of_customer[signup.customer]]


def _of(invoice: dict[str, Any], references: Any) -> list[str]:
    return [one for one in references if one.split(".")[0] == invoice["id"]]


def _captured(world: World, invoice: dict[str, Any]) -> list[int]:
    return [c.captured for c in world.captures() if c.reference.split(".")[0] == invoice["id"]]


async def _hold(world: World, signup: Signup, usages: dict[str, Usage], cases: Sequence[str] = ()) -> None:
    """What is true of each invoice, whatever came between."""
    asked = [call.params["reference"] for call in world.charge_calls()]
    invoices = _invoices(world, signup)
    for invoice in invoices:
        ours = invoice["collection_method"] == "send_invoice"
        paid = invoice["status"] == "paid" and invoice["amount_due"] > 0 and ours
        assert _captured(world, invoice) == ([invoice["amount_due"]] if paid else []), invoice["billing_reason"]
        if invoice["amount_due"] <= 0 or not ours:
            assert _of(invoice, asked) == [], "nothing of it is a processor's"
        wanted = Usage.RECURRING if invoice["billing_reason"] in RHYTHM else Usage.UNSCHEDULED
        assert {usages[one] for one in _of(invoice, usages)} <= {wanted}
    first_asked = list(dict.fromkeys(one.split(".")[0] for one in asked))
    assert first_asked == [i["id"] for i in invoices if i["id"] in first_asked], "the oldest first"
    assert await world.open_cases() == list(cases)


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_each_invoice_is_collected_once(world: World, usages: dict[str, Usage], kind: str) -> None:
    signup = await _begin(world, kind)
    await _two_periods_on(world)

    await _hold(world, signup, usages)
    invoices = _invoices(world, signup)
    assert [invoice["amount_due"] for invoice in invoices] == KINDS[kind][2]
    later = {invoice["status"] for invoice in invoices[1:]}
    assert later == {PAUSED.get(kind, "paid")}
    granted = (await world.access(signup.subscription))["granted"]
    assert granted is (kind not in ENDS)


@pytest.mark.parametrize("kind", MOST_ARE_SLOW)
async def test_a_decline_changes_nothing_but_the_day(world: World, usages: dict[str, Usage], kind: str) -> None:
    signup = await _begin(world, kind, "soft_then_ok")
    await _two_periods_on(world)

    await _hold(world, signup, usages)
    invoices = _invoices(world, signup)
    assert [invoice["amount_due"] for invoice in invoices] == KINDS[kind][2]
    assert {invoice["status"] for invoice in invoices[1:]} == {PAUSED.get(kind, "paid")}


@pytest.mark.parametrize("kind", AT_ONCE)
async def test_what_is_open_is_charged_oldest_first(world: World, usages: dict[str, Usage], kind: str) -> None:
    """The renewal comes while what was billed before it is still open; then the payer gives another card."""
    signup = await _begin(world, kind, "decline_expired")
    for invoice in world.stripe_account().invoices.values():
        invoice["due_date"] += 40 * DAY
    await world.later(days=21)
    _, before, renewal = _invoices(world, signup)
    assert (before["status"], renewal["status"]) == ("open", "open")
    asked = len(world.charge_calls())

    await world.repair_card(signup)
    await world.settle()

    references = [call.params["reference"].split(".")[0] for call in world.charge_calls()[asked:]]
    assert references == [before["id"], renewal["id"]]
    await _hold(world, signup, usages)


@pytest.mark.parametrize("kind", MOST_ARE_SLOW)
async def test_the_subscription_is_canceled_in_the_middle(world: World, usages: dict[str, Usage], kind: str) -> None:
    """The card declines until then, so that what was billed at once is still open: that is not charged any more, and a
    case asks what to do. What was billed beside the subscription is collected; nothing comes after."""
    signup = await _begin(world, kind, "decline_insufficient_funds")
    await world.later(minutes=10)
    await world.cancel(signup.subscription)
    billed = _invoices(world, signup)
    stopped = [i for i in billed if i["status"] == "open" and i["billing_reason"] != "manual"]
    world.break_card(signup.customer, "ok")
    await _two_periods_on(world)

    await _hold(world, signup, usages, cases=["collection_exhausted"] * len(stopped))
    invoices = _invoices(world, signup)
    assert [one["id"] for one in invoices] == [one["id"] for one in billed]
    for invoice in invoices:
        assert (invoice["status"] == "paid") is (invoice["id"] not in {one["id"] for one in stopped})
    for invoice in stopped:
        assert await world.attempts(invoice["id"]) == ["declined"]
    assert not (await world.access(signup.subscription))["granted"]


@pytest.mark.parametrize("kind", MOST_ARE_SLOW)
async def test_the_customer_switches_to_stripe_in_the_middle(world: World, usages: dict[str, Usage], kind: str) -> None:
    """What was billed before stays ours, what comes later is Stripe's. But a schedule says itself who collects, from
    its next phase on: then it is well that the payment method was kept."""
    await world.set_policy(unused_methods="keep")
    signup = await _begin(world, kind, "soft_then_ok")
    client = world.shop.client.v1
    method = await client.payment_methods.attach_async("pm_card_visa", {"customer": signup.customer})
    await _update(world, signup, collection_method="charge_automatically", default_payment_method=method.id)
    await world.settle()
    before = {invoice["id"] for invoice in _invoices(world, signup)}
    await _two_periods_on(world)

    await _hold(world, signup, usages)
    for invoice in _invoices(world, signup):
        ours = invoice["id"] in before or kind.startswith("schedule")
        assert (invoice["collection_method"] == "send_invoice") is ours
        assert ((await world.gateway_invoice(invoice["id"]))["state"] == "not_ours") is not ours
