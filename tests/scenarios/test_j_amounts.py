"""J, N, O, T. Refunds to the unit: tax by line, other decimals, several captures, a second pair of eyes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from db import sql
from gateway.accounts import keys
from gateway.accounts.audit import Author
from processors.outcome import Found, LookupOutcome
from processors.practice.client import PracticeAdapter
from processors.values import ChargeQuery
from tests.support.returning import credited, in_dashboard, notes, post, refund, refund_calls, refunds, returned
from tests.support.shop import BY
from tests.support.world import World

PLANS: dict[str, list[tuple[int, list[str]]]] = {
    "one line": [(1000, ["20"])],
    "three rates": [(999, ["20"]), (333, ["7"]), (101, [])],
    "two taxes on a line": [(1234, ["9.975", "5"]), (539, ["19"])],
    "odd amounts": [(1, ["20"]), (3, ["20"]), (9_997, ["7.7"])],
}


async def _paid(world: World, plan: list[tuple[int, list[str]]], off: float | None = None) -> tuple[str, int]:
    """An invoice of several lines, each with its tax rates, perhaps at a discount; and what was paid of it."""
    signup, client = await world.signup("ok"), world.shop.client.v1
    wanted: dict[str, Any] = {"customer": signup.customer, "collection_method": "send_invoice", "days_until_due": 10}
    if off is not None:
        coupon = await client.coupons.create_async({"percent_off": off, "duration": "once"})
        wanted["discounts"] = [{"coupon": coupon.id}]
    invoice = str((await client.invoices.create_async(wanted)).id)
    for amount, percentages in plan:
        rates = [
            (await client.tax_rates.create_async({"display_name": "T", "percentage": float(p), "inclusive": False})).id
            for p in percentages
        ]
        await client.invoice_items.create_async(
            {"customer": signup.customer, "invoice": invoice, "amount": amount, "currency": "eur", "tax_rates": rates}
        )
    await client.invoices.finalize_invoice_async(invoice)
    await world.settle()
    live = world.stripe_invoice(invoice)
    assert live["status"] == "paid"
    return invoice, int(live["amount_paid"])


@pytest.mark.scenario(208)
async def test_part_with_tax(world: World) -> None:
    invoice, _ = await _paid(world, [(1000, ["20"])])
    done = await refund(world, invoice, amount=600)
    [note] = notes(world, invoice)
    assert (note["total"], sum(t["amount"] for t in note["total_taxes"])) == (600, 100)
    assert (done["state"], returned(world)) == ("recorded", [600])


@pytest.mark.scenario(208)
@pytest.mark.slow
@pytest.mark.parametrize("off", [None, 15.0, 33.0])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
async def test_the_note_comes_to_the_refund(world: World, plan: list[tuple[int, list[str]]], off: float | None) -> None:
    """To the unit, with the taxes of its lines; and in the end the whole invoice, with all its tax."""
    invoice, paid = await _paid(world, plan, off)
    parts = [paid // 3, 1, paid // 7]
    for amount in [*parts, None]:
        done = await refund(world, invoice, **({} if amount is None else {"amount": amount}))
        assert done["state"] == "recorded", done
    made, wanted = notes(world, invoice), [*parts, paid - sum(parts)]
    assert [n["total"] for n in made] == wanted
    assert credited(world, invoice) == returned(world) == wanted
    taxed = sum(t["amount"] for t in world.stripe_invoice(invoice)["total_taxes"])
    of = [sum(t["amount"] for t in note["total_taxes"]) for note in made]
    assert sum(of) <= taxed
    by_lines = [bool(note["lines"]["data"] and note["lines"]["data"][0].get("invoice_line_item")) for note in made]
    assert by_lines[0], "what has not been credited yet is credited by line"
    if all(by_lines):
        assert sum(of) == taxed


@pytest.mark.scenario(208)
async def test_lines_that_somebody_chose(world: World) -> None:
    invoice, _ = await _paid(world, [(1000, ["20"]), (500, [])])
    first = next(line for line in world.stripe_invoice(invoice)["lines"]["data"] if line["amount"] == 1000)
    wanted = {"invoice": invoice, "lines": [{"invoice_line_item": first["id"], "amount": 500}]}
    previewed = (await post(world, "/v1/refunds/preview", wanted)).json()
    assert (previewed["amount"], previewed["tax"], previewed["by_lines"]) == (600, 100, True)
    assert [(n["invoice_line_item"], n["amount"], n["tax"], n["total"]) for n in previewed["lines"]] == [
        (first["id"], 500, 100, 600)
    ]
    [capture] = previewed["captures"]
    assert (capture["connection"], capture["method"], capture["refundable"], capture["taken"]) == (
        "practice-eu",
        "visa •••• 4242 12/2040",
        1700,
        600,
    )
    assert (previewed["waits"], previewed["needs_approval"]) == (False, False)
    done = (await post(world, "/v1/refunds", wanted)).json()
    assert (done["amount"], done["state"]) == (600, "recorded")
    assert returned(world) == [600]


@pytest.mark.scenario(205)
@pytest.mark.parametrize(
    ("currency", "paid", "part", "at_processor"), [("jpy", 1000, 500, 500), ("isk", 50_000, 20_000, 200)]
)
async def test_other_decimals(world: World, currency: str, paid: int, part: int, at_processor: int) -> None:
    product = await world.shop.client.v1.products.create_async({"name": "Plan abroad"})
    price = await world.shop.client.v1.prices.create_async(
        {"product": product.id, "unit_amount": paid, "currency": currency, "recurring": {"interval": "month"}}
    )
    signup = await world.signup("ok", items=[{"price": price.id}])
    done = await refund(world, signup.invoice, amount=part)
    assert done["state"] == "recorded"
    assert returned(world) == [at_processor]
    assert credited(world, signup.invoice) == [part]


@pytest.mark.scenario(205)
async def test_an_amount_that_the_processor_cannot_write(world: World) -> None:
    product = await world.shop.client.v1.products.create_async({"name": "Plan abroad"})
    price = await world.shop.client.v1.prices.create_async(
        {"product": product.id, "unit_amount": 50_000, "currency": "isk", "recurring": {"interval": "month"}}
    )
    signup = await world.signup("ok", items=[{"price": price.id}])
    done = await refund(world, signup.invoice, amount=150)
    assert (done["state"], done["parts"][0]["refusal"]) == ("refused", "not_expressible")
    assert refund_calls(world) == []
    assert notes(world, signup.invoice) == []


async def test_spread_over_several_captures(world: World, found_twice: None) -> None:
    """Two captures under one reference; the refund takes the newest first, and no capture gives more than it took."""
    await world.set_policy(returns="case")
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges")
    world.practice.delivery.set(drop=True)
    signup = await world.signup("ok", wait_s=0)
    account, first = world.practice.account(world.shop.practice_key), world.last_charge()
    account.charges["ch_second"] = replace(first, id="ch_second")
    await world.later(seconds=15)
    world.practice.delivery.set(drop=False)

    await refund(world, signup.invoice, amount=1000, reason="duplicate")

    assert sum(returned(world)) == 1000
    by_charge = {one.charge: one.amount for one in account.refunds.values()}
    assert all(amount <= 1000 for amount in by_charge.values())
    assert credited(world, signup.invoice) == [1000]


@pytest.fixture
def found_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The practice processor keeps references unique; this one shows what others may have under one."""
    find = PracticeAdapter.lookup_charge

    async def lookup(self: PracticeAdapter, query: ChargeQuery) -> LookupOutcome:
        found = await find(self, query)
        assert isinstance(found, Found)
        return Found(found.outcome, (replace(found.outcome, processor_id="ch_second"),))

    monkeypatch.setattr(PracticeAdapter, "lookup_charge", lookup)


@pytest.mark.scenario(253)
async def test_above_a_limit_somebody_else_approves(world: World) -> None:
    await world.set_policy(approval_above={"eur": 500})
    signup = await world.signup("ok")
    small = await refund(world, signup.invoice, amount=500)
    assert small["state"] == "recorded", "the limit itself needs nobody"

    asked = await refund(world, signup.invoice, amount=1, note="ticket 4711")
    assert asked["approval"] == "waiting", "a limit is not passed in two steps"
    assert returned(world) == [500]


@pytest.mark.scenario(253)
async def test_the_approver_is_another(world: World) -> None:
    await world.set_policy(approval_above={"eur": 500})
    signup = await world.signup("ok")
    asked = await refund(world, signup.invoice, amount=501, note="ticket 4711")
    assert (asked["state"], asked["approval"]) == ("requested", "waiting")
    await world.later(days=1)
    assert refund_calls(world) == []
    left = await post(world, "/v1/refunds", {"invoice": signup.invoice, "amount": 500, "wait_s": 0})
    assert left.status_code == 409, "what waits is spoken for"

    own = await post(world, f"/v1/refunds/{asked['id']}/approve", {"reason": "fine"})
    assert (own.status_code, own.json()["type"]) == (409, "urn:tollbridge:error:state_conflict")
    _, key = await keys.create(Author("somebody else"), world.shop.account, "second", ["finance"])
    _, low = await keys.create(BY, world.shop.account, "third", ["server"])
    refused = await post(world, f"/v1/refunds/{asked['id']}/approve", {}, key=low.reveal())
    assert refused.status_code == 403
    given = await post(world, f"/v1/refunds/{asked['id']}/approve", {"reason": "checked"}, key=key.reveal())
    assert given.json()["state"] == "recorded"

    rows = await sql.rows("select action, actor, reason from tollbridge.audit_log where object = $1", asked["id"])
    told = {row["action"]: (row["actor"], row["reason"]) for row in rows}
    assert told["refund.requested"][1] == "ticket 4711"
    assert told["refund.approved"][1] == "checked"
    assert told["refund.requested"][0] != told["refund.approved"][0]


@pytest.mark.scenario(253)
async def test_denied(world: World) -> None:
    await world.set_policy(approval_above={"eur": 500})
    signup = await world.signup("ok")
    asked = await refund(world, signup.invoice, amount=600)
    denied = await post(world, f"/v1/refunds/{asked['id']}/deny", {"reason": "no"})
    assert (denied.status_code, denied.json()["state"]) == (200, "refused")
    assert (await post(world, f"/v1/refunds/{asked['id']}/approve")).status_code == 409
    assert (await post(world, f"/v1/refunds/{asked['id']}/retry")).status_code == 409
    assert (await refund(world, signup.invoice, amount=400))["state"] == "recorded"
    assert returned(world) == [400]
    assert await world.open_cases() == []


async def test_what_was_taken_too_much_is_returned_by_hand(world: World) -> None:
    """Where it does not go back by itself: in the dashboard, or here, of that capture; without a credit note."""
    await world.set_policy(returns="case")
    signup = await world.signup("over_payment", wait_s=0)
    await world.settle()
    assert await world.open_cases() == ["overpaid"]
    in_dashboard(world, 50)
    await world.settle()
    [attempt] = (await world.gateway_invoice(signup.invoice))["attempts"]
    answer = await post(world, "/v1/refunds", {"invoice": signup.invoice, "amount": 150, "attempt": attempt["id"]})
    assert answer.json()["state"] == "succeeded", answer.text
    await world.later(minutes=6)

    assert returned(world) == [50, 150]
    assert notes(world, signup.invoice) == []
    assert [r["origin"] for r in await refunds(world, signup.invoice)] == ["surplus", "surplus"]
    assert await world.open_cases() == []
