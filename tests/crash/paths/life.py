"""The life of a customer: payment methods that come and go, ends, switches, imports."""

from __future__ import annotations

from typing import Any

import msgspec

from db import sql
from tests.crash.beginnings import (
    billed_by_others,
    failing_at_stripe,
    owing,
    owing_with_a_card_at_stripe,
    subscribed,
    subscribed_with_a_shared_token,
    unpaid,
)
from tests.crash.paths.registry import paid, path
from tests.crash.world import CrashWorld
from tests.support.moving import Elsewhere
from tests.support.people import Signup
from tests.support.returning import returned


@path(begins=unpaid)
async def new_method(world: CrashWorld, begun: Signup) -> None:
    """The payer gives another card, and the renewal is paid by it; a second card, begun beside it, is not kept."""
    session = await world.method_session(begun.customer)
    for client in [await world.begin_method(session) for _ in range(2)]:
        await world.complete_at_processor(client, "ok")
    await world.method_done(session)
    await world.rest()
    paid(world, begun, 2)
    [_, *made] = world.methods_at_processor()
    assert sorted(method.status for method in made) == ["active", "revoked"]
    assert len(await world.methods_of(begun.customer)) == 2


@path(begins=subscribed)
async def method_revoked(world: CrashWorld, begun: Signup) -> None:
    """The customer's one method is revoked: gone there, erased here and in Stripe's metadata. Nothing is charged."""
    [method] = await world.methods_of(begun.customer)
    await world.call("DELETE", f"/v1/customers/{begun.customer}/payment_methods/{method['id']}")
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert [method["status"] for method in await world.methods_of(begun.customer)] == ["revoked"]
    metadata = world.stripe_account().customers[begun.customer]["metadata"]
    assert not [name for name in metadata if name.startswith("third_party_payment_method")]
    await world.later(days=31)
    await world.rest()
    assert [one["status"] for one in world.invoices_of(begun.subscription)] == ["paid", "open"]
    assert len(world.captures()) == 1


@path(begins=subscribed)
async def agreement_ended(world: CrashWorld, begun: Signup) -> None:
    """The payer ends the only method at the processor: the subscription is set to end, and lives on with another."""
    world.practice.revoke_method(world.methods_at_processor()[0].token)
    await world.rest()
    assert world.stripe_subscription(begun.subscription)["cancel_at_period_end"]
    told = "select data::text as data from tollbridge.outbound_event where type = 'tollbridge.payment_method.revoked'"
    assert [_outcomes(row["data"]) for row in await sql.rows(told)] == [{begun.subscription: "cancel_at_period_end"}]
    await world.repair_card(begun)
    await world.rest()
    assert not world.stripe_subscription(begun.subscription)["cancel_at_period_end"]
    await world.later(days=31)
    await world.rest()
    paid(world, begun, 2)


@path(begins=subscribed)
async def customer_deleted(world: CrashWorld, begun: Signup) -> None:
    """The customer is deleted in Stripe while a renewal is pending, which then succeeds: it goes back, and the method
    is deleted after that."""
    world.practice.set_manner(world.shop.practice_key, cancel="never")
    world.break_card(begun.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    await world.shop.client.v1.customers.delete_async(begun.customer)
    await world.rest()
    await world.later(hours=25)
    await world.rest()
    await world.later(hours=6)
    await world.rest()
    assert (returned(world), len(world.captures())) == ([1000], 2)
    assert [one["status"] for one in world.invoices_of(begun.subscription)] == ["paid", "uncollectible"]
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert await world.open_cases() == ["paid_after_deletion"]


def _outcomes(data: str) -> dict[str, str]:
    return {one["id"]: one["outcome"] for one in msgspec.json.decode(data)["subscriptions"]}


@path(begins=subscribed_with_a_shared_token)
async def shared_token_dropped(world: CrashWorld, begun: Signup) -> None:
    """Both connections let go of their one token: the last of them deletes it, whoever that turns out to be."""
    for method in await world.methods_of(begun.customer):
        await world.call("DELETE", f"/v1/customers/{begun.customer}/payment_methods/{method['id']}")
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert [method["status"] for method in await world.methods_of(begun.customer)] == ["revoked"] * 2
    keys = {call.idempotency_key for call in world.practice.calls if call.method == "DELETE"}
    assert len(keys) == 1, "one deletes; a death has it ask again"


@path(begins=subscribed_with_a_shared_token)
async def shared_token_kept(world: CrashWorld, begun: Signup) -> None:
    """One connection lets go of the token of two: the other one is charged with it."""
    [first, _] = await world.methods_of(begun.customer)
    await world.call("DELETE", f"/v1/customers/{begun.customer}/payment_methods/{first['id']}")
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["active"]
    await world.later(days=31)
    await world.rest()
    paid(world, begun, 2)


@path(begins=owing_with_a_card_at_stripe)
async def switch_to_stripe(world: CrashWorld, begun: Signup) -> None:
    """What is open by then is ours to its end, and then our token goes; what comes is Stripe's."""
    await world.switch(begun.subscription, "stripe")
    await world.rest()
    world.break_card(begun.customer, "ok")
    await world.later(hours=25)
    await world.rest()
    assert _collected(world, begun) == [(1000, 0), (1000, 0)]
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    await world.later(days=31)
    await world.later(hours=2)
    await world.rest()
    assert _collected(world, begun) == [(1000, 0), (1000, 0), (0, 1000)]
    assert await world.open_cases() == []


@path(begins=owing_with_a_card_at_stripe)
async def handed_over_to_stripe(world: CrashWorld, begun: Signup) -> None:
    """What is open by then is paid by Stripe, once."""
    await world.switch(begun.subscription, "stripe", open_invoices="hand_over")
    await world.rest()
    world.break_card(begun.customer, "ok")
    await world.later(hours=25)
    await world.rest()
    assert _collected(world, begun) == [(1000, 0), (0, 1000)]
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert await world.open_cases() == []


@path(begins=failing_at_stripe)
async def switch_to_gateway(world: CrashWorld, begun: Signup) -> None:
    """What Stripe has failed to collect is ours as soon as it has let go of it, and so is what comes."""
    await world.switch(begun.subscription, "gateway")
    await world.rest()
    assert _collected(world, begun) == [(1000, 0)] * 2
    await world.later(days=31)
    await world.rest()
    assert _collected(world, begun) == [(1000, 0)] * 3
    assert await world.open_cases() == []


def _collected(world: CrashWorld, begun: Signup) -> list[tuple[int, int]]:
    """For each invoice what we have taken, and what Stripe has."""
    ours = {charge.reference.rpartition(".")[0]: charge.captured for charge in world.captures()}
    assert len(ours) == len(world.captures())
    live = world.invoices_of(begun.subscription)
    return [(ours.get(one["id"], 0), world.taken_at_stripe(one["id"])) for one in live]


@path(begins=subscribed)
async def cancelled_in_flight(world: CrashWorld, begun: Signup) -> None:
    """Cancelled while a charge is under way that can't be withdrawn: it pays its invoice, and then the token goes."""
    renewal = await _cancelled_while_pending(world, begun)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert returned(world) == []


@path(begins=subscribed)
async def cancelled_and_returned(world: CrashWorld, begun: Signup) -> None:
    """The same where the account wants such money to go back."""
    await world.set_policy(canceled_in_flight="return", canceled_invoices="void")
    renewal = await _cancelled_while_pending(world, begun)
    assert world.stripe_invoice(renewal)["status"] == "void"
    assert returned(world) == [1000]


async def _cancelled_while_pending(world: CrashWorld, begun: Signup) -> str:
    world.practice.set_manner(world.shop.practice_key, cancel="never")
    world.break_card(begun.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    answer = await world.cancel(begun.subscription)
    assert answer.status_code in (202, 409), "asked again after no answer, it had ended"
    await world.rest()
    await world.later(hours=25)
    await world.rest()
    assert world.stripe_subscription(begun.subscription)["status"] == "canceled"
    assert (len(world.captures()), len(world.invoices_of(begun.subscription))) == (2, 2)
    await _let_go(world)
    return str(world.invoices_of(begun.subscription)[-1]["id"])


@path(begins=subscribed)
async def cancelled_and_billed(world: CrashWorld, begun: Signup) -> None:
    """Cancelled at once, with what is pending on a last invoice, which Stripe leaves a draft."""
    item: Any = {"customer": begun.customer, "subscription": begun.subscription, "amount": 700, "currency": "eur"}
    await world.shop.client.v1.invoice_items.create_async(item)
    answer = await world.cancel(begun.subscription, invoice_now=True)
    assert answer.status_code in (202, 409)
    await world.rest()
    assert [invoice["amount_paid"] for invoice in world.invoices_of(begun.subscription)] == [1000, 700]
    assert len(world.captures()) == 2
    await _let_go(world)


async def _let_go(world: CrashWorld) -> None:
    """The token is deleted; a worker that died of it asks once more, which is harmless."""
    await world.later(hours=7)
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]


@path(begins=billed_by_others)
async def imported(world: CrashWorld, begun: Elsewhere) -> None:
    """What is open before is charged by nobody until somebody resumes it, and then once."""
    cards = [world.practice.create_method(world.shop.practice_key, "ok").token for _ in range(2)]
    await world.imported(begun.customer, *cards)
    await world.rest()
    assert world.charge_calls() == []
    assert world.stripe_invoice(begun.overdue)["status"] == "open"
    note = {"reason": "nothing of it is under way elsewhere"}
    resumed = await world.call("POST", f"/v1/invoices/{begun.overdue}/resume_collection", note)
    assert resumed.status_code == 200, resumed.text
    await world.later(days=31)
    await world.rest()
    assert [one["status"] for one in world.invoices_of(begun.subscription)] == ["paid"] * 3
    assert len(world.captures()) == 2
    assert {call.params["method"] for call in world.charge_calls()} == {cards[0]}, "the file's first goes first"


@path(begins=owing_with_a_card_at_stripe)
async def hosted_paid(world: CrashWorld, begun: Signup) -> None:
    """What is open when its customer moves to Stripe's page is paid there, once, and so is what comes; then back."""
    await world.call("POST", f"/v1/customers/{begun.customer}", {"collection": "hosted"})
    await world.rest()
    world.break_card(begun.customer, "ok")
    await world.later(hours=25)
    await world.rest()
    world.pays_there(world.invoices_of(begun.subscription)[-1]["id"])
    await world.rest()
    await world.later(days=31)
    await world.rest()
    assert _collected(world, begun) == [(1000, 0), (0, 1000), (0, 0)]
    await world.call("POST", f"/v1/customers/{begun.customer}", {"collection": "processor"})
    await world.rest()
    assert _collected(world, begun) == [(1000, 0), (0, 1000), (1000, 0)]
    assert await world.open_cases() == []


@path(begins=owing)
async def voided_by_hand(world: CrashWorld, begun: Signup) -> None:
    """Somebody wants an invoice void, and its payer begins a debit on Stripe's page in that moment, which fails after
    three days: then it is void, and nothing was charged for it meanwhile."""
    renewal, charged = world.invoices_of(begun.subscription)[-1]["id"], len(world.charge_calls())
    wish = {"reason": "ordered twice", "wait_s": 0}
    asked = await world.call("POST", f"/v1/invoices/{renewal}/void", wish, headers={"idempotency-key": "void-made-up"})
    assert asked.status_code in (200, 202, 409), asked.text
    if world.stripe_invoice(renewal)["status"] == "open":
        world.pays_there(renewal, "sepaDebit_fails")
    for _ in range(5):
        await world.rest()
        await world.later(days=1)
    await world.rest()
    assert (world.stripe_invoice(renewal)["status"], len(world.charge_calls())) == ("void", charged)
    told = "select count(*) from tollbridge.audit_log where action = 'invoice.void_refused'"
    assert (await sql.value(told), await world.open_cases()) == (0, [])
