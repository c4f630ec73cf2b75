"""Objects as older API versions show them: nothing of the new shape, everything of the old."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import World

ACACIA, BASIL, CLOVER = "2022-11-15", "2025-03-31.basil", "2025-09-30.clover"


async def get(world: World, path: str, version: str, **params: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {world.key}", "Stripe-Version": version}
    async with httpx.AsyncClient(base_url=world.url, trust_env=False, headers=headers) as http:
        found: dict[str, Any] = (await http.get(path, params=params)).raise_for_status().json()
        return found


async def shapes(world: World) -> dict[str, str]:
    """A path to one of each object whose shape has moved."""
    rate = await world.v1.tax_rates.create_async({"display_name": "VAT", "percentage": 20, "inclusive": False})
    coupon = await world.v1.coupons.create_async({"percent_off": 10, "duration": "forever"})
    promo = await world.v1.promotion_codes.create_async({"promotion": {"type": "coupon", "coupon": coupon.id}})
    subscription = await world.subscribe(
        default_tax_rates=[rate.id], discounts=[{"promotion_code": promo.id}], quantity=2
    )
    item = await world.v1.invoice_items.create_async(
        {"customer": subscription.customer, "amount": 500, "currency": "eur", "subscription": subscription.id}
    )
    invoice = await world.v1.invoices.finalize_invoice_async(subscription.latest_invoice.id)
    note = await world.v1.credit_notes.create_async({"invoice": invoice.id, "amount": 10})
    await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    return {
        "invoice": f"/v1/invoices/{invoice.id}",
        "subscription": f"/v1/subscriptions/{subscription.id}",
        "credit_note": f"/v1/credit_notes/{note.id}",
        "invoiceitem": f"/v1/invoiceitems/{item.id}",
        "promotion_code": f"/v1/promotion_codes/{promo.id}",
        "payment_intent": f"/v1/payment_intents/{next(iter(world.account.payment_intents))}",
    }


OLD = {
    "invoice": (
        "subscription paid paid_out_of_band tax total_tax_amounts payment_intent",
        "parent total_taxes",
    ),
    "subscription": ("current_period_start current_period_end", ""),
    "credit_note": ("refund tax_amounts", "refunds total_taxes pre_payment_amount"),
    "invoiceitem": ("price subscription unit_amount", "pricing parent"),
    "promotion_code": ("coupon", "promotion"),
    "payment_intent": ("invoice", ""),
}


async def test_every_object_has_the_old_shape(world: World) -> None:
    paths = await shapes(world)
    for name, (there, gone) in OLD.items():
        old = await get(world, paths[name], ACACIA)
        assert set(there.split()) <= old.keys(), name
        assert not set(gone.split()) & old.keys(), name
        new = await get(world, paths[name], "2026-08-26.dahlia")
        assert set(gone.split()) <= new.keys(), name


async def test_lines_have_the_old_shape(world: World) -> None:
    paths = await shapes(world)
    line = (await get(world, paths["invoice"], ACACIA))["lines"]["data"][0]
    assert {"price", "type", "proration", "tax_amounts", "subscription_item"} <= line.keys()
    assert not {"pricing", "parent", "taxes"} & line.keys()
    note_line = (await get(world, paths["credit_note"], ACACIA))["lines"]["data"][0]
    assert ("tax_amounts" in note_line, "taxes" in note_line) == (True, False)


async def test_the_amount_trap(world: World) -> None:
    paths = await shapes(world)
    old, new = [await get(world, paths["invoice"], version) for version in ("2025-02-24.acacia", BASIL)]
    due = new["amount_due"]
    assert (old["status"], old["paid"], old["amount_paid"], old["amount_remaining"]) == ("paid", True, 0, due)
    assert (new["status"], new["amount_paid"], new["amount_remaining"]) == ("paid", due, 0)


@pytest.mark.parametrize(("version", "coupon"), [("2025-08-27.basil", True), (CLOVER, False)])
async def test_discounts_moved_with_clover(world: World, version: str, coupon: bool) -> None:
    paths = await shapes(world)
    shown = await get(world, paths["subscription"], version, **{"expand[]": "discounts"})
    assert ("coupon" in shown["discounts"][0], "source" in shown["discounts"][0]) == (coupon, not coupon)


async def test_mixed_came_with_may_2025(world: World) -> None:
    paths = await shapes(world)
    next(iter(world.account.credit_notes.values()))["type"] = "mixed"
    types = [(await get(world, paths["credit_note"], version))["type"] for version in (BASIL, "2025-05-28.basil")]
    assert types == ["post_payment", "mixed"]


@pytest.mark.parametrize(
    ("version", "asked", "answers"),
    [
        (CLOVER, {"object_id": "cus_1"}, True),
        (CLOVER, {}, False),
        (CLOVER, {"object_id": "cus_1", "types[0]": "v1.customer.created"}, False),
        ("2025-10-29.clover", {"types[0]": "v1.customer.created"}, True),
        ("2025-10-29.clover", {"created[gt]": "2999-01-01T00:00:00Z"}, False),
        ("2025-11-17.clover", {"created[gt]": "2999-01-01T00:00:00Z"}, True),
    ],
)
async def test_thin_events_can_be_listed_by_more(world: World, version: str, asked: Any, answers: bool) -> None:
    if answers:
        assert (await get(world, "/v2/core/events", version, **asked))["data"] == []
    else:
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            await get(world, "/v2/core/events", version, **asked)


async def test_what_is_expanded_has_the_version_too(world: World) -> None:
    paths = await shapes(world)
    old = await get(world, paths["subscription"], ACACIA, **{"expand[]": "latest_invoice"})
    assert old["latest_invoice"]["paid"] is True
    listed = await get(world, "/v1/invoices", ACACIA, **{"expand[]": "data.subscription"})
    assert "current_period_end" in listed["data"][0]["subscription"]


async def test_prices_knew_how_usage_records_add_up(world: World) -> None:
    subscription = await world.subscribe()
    price = subscription["items"].data[0].price.id
    for path, read in (
        (f"/v1/prices/{price}", lambda shown: shown),
        (f"/v1/subscriptions/{subscription.id}", lambda shown: shown["items"]["data"][0]["price"]),
        (f"/v1/invoices/{subscription.latest_invoice.id}", lambda shown: shown["lines"]["data"][0]["price"]),
    ):
        assert read(await get(world, path, ACACIA))["recurring"]["aggregate_usage"] is None, path
    assert "aggregate_usage" not in (await get(world, f"/v1/prices/{price}", BASIL))["recurring"]


async def test_charges_knew_their_invoice(world: World) -> None:
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"payment_method": "pm_card_visa"})
    path = f"/v1/charges/{next(iter(world.account.charges))}"
    assert (await get(world, path, ACACIA))["invoice"] == invoice.id
    assert "invoice" not in await get(world, path, BASIL)
    assert (await get(world, f"/v1/invoices/{invoice.id}", ACACIA))["charge"] == path.rpartition("/")[2]
