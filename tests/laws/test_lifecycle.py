"""Every pair of what can happen to a customer and how a charge stands at that moment.

Whatever comes together, money ends where the laws say: what was taken for an invoice pays it at Stripe, or went back,
or a case names it; nothing is left unresolved; and a subscription's end begins no further charge. The scenarios' own
invariants (and a replay of every event) follow after each pair.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

import pytest

from db import sql
from processors.practice.client import PracticeAdapter
from tests.support.crash import let_claims_run_out
from tests.support.invariants import check_invariants
from tests.support.people import Signup
from tests.support.world import Doors, World
from tests.support.world import world as new_world

Stands: TypeAlias = Callable[[World, pytest.MonkeyPatch], Awaitable[Signup]]
Happens: TypeAlias = Callable[[World, Signup], Awaitable[None]]

CHARGE: Final = {"method": "POST", "path": "/v1/charges"}
UNRESOLVED: Final = frozenset({"sending", "pending", "requires_action", "unknown"})


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made
        await made.settle()
        await check_invariants(made)


class DiedError(BaseException):
    """The worker's process is gone, as no handler sees."""


# --- how the renewal's charge stands -------------------------------------------------------------------------------


def _by_card(kind: str) -> Stands:
    async def stands(world: World, _: pytest.MonkeyPatch) -> Signup:
        signup, _ = await world.renew(kind)
        return signup

    return stands


def _dies(*, after: bool) -> Stands:
    async def stands(world: World, patch: pytest.MonkeyPatch) -> Signup:
        signup = await world.signup("ok")
        charge = PracticeAdapter.charge

        async def dying(self: PracticeAdapter, *given: Any) -> Any:
            if after:
                await charge(self, *given)
            raise DiedError

        patch.setattr(PracticeAdapter, "charge", dying)
        with pytest.raises(DiedError):
            await world.later(days=31)
        patch.undo()
        await let_claims_run_out()
        return signup

    return stands


async def _not_sent(world: World, _: pytest.MonkeyPatch) -> Signup:
    signup = await world.signup("ok")
    world.practice.faults.add("error_before", status=429, delay_s=90, times=1, **CHARGE)
    await world.later(days=31)
    return signup


async def _unknown(world: World, _: pytest.MonkeyPatch) -> Signup:
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=1)
    world.practice.faults.add("lost_after", times=1, **CHARGE)
    await world.later(days=31)
    return signup


async def _captured(world: World, _: pytest.MonkeyPatch) -> Signup:
    """Stripe does not take the payment for an hour."""
    signup = await world.signup("ok")
    world.stripe.faults.add("error_before", status=500, method="POST", path="/v1/invoices/{id}/pay", times=4)
    await world.later(days=31)
    return signup


async def _draft(world: World, _: pytest.MonkeyPatch) -> Signup:
    await world.set_policy(finalize="leave")
    signup = await world.signup("ok")
    period = world.stripe_subscription(signup.subscription)["items"]["data"][0]
    await world.later(seconds=period["current_period_end"] - world.stripe_account().now() + 60)
    return signup


async def _reversed(world: World, patch: pytest.MonkeyPatch) -> Signup:
    signup = await _by_card("late_failure")(world, patch)
    await world.later(days=5)
    return signup


STATES: Final[dict[str, tuple[Stands, tuple[str, ...]]]] = {
    "draft": (_draft, ()),
    "died_before": (_dies(after=False), ("sending",)),
    "died_after": (_dies(after=True), ("sending",)),
    "not_sent": (_not_sent, ("not_sent",)),
    "unknown": (_unknown, ("unknown",)),
    "pending_then_ok": (_by_card("pending_then_ok"), ("pending",)),
    "pending_then_fail": (_by_card("pending_then_fail"), ("pending",)),
    "requires_action": (_by_card("requires_action"), ("requires_action",)),
    "declined": (_by_card("decline_insufficient_funds"), ("declined",)),
    "declined_hard": (_by_card("decline_lost_stolen"), ("declined",)),
    "rejected": (_by_card("reject"), ("rejected",)),
    "captured": (_captured, ("succeeded",)),
    "paid": (_by_card("ok"), ("succeeded",)),
    "reversed": (_reversed, ("reversed",)),
}
"""How each is brought about, and the states of the renewal's attempts then."""


# --- what happens then ---------------------------------------------------------------------------------------------


async def _cancel_now(world: World, signup: Signup) -> None:
    assert (await world.cancel(signup.subscription)).status_code == 202


async def _cancel_and_bill(world: World, signup: Signup) -> None:
    assert (await world.cancel(signup.subscription, invoice_now=True, prorate=True)).status_code == 202


async def _cancel_and_return(world: World, signup: Signup) -> None:
    await world.set_policy(canceled_in_flight="return", canceled_invoices="void")
    await _cancel_now(world, signup)


async def _cancel_with_period(world: World, signup: Signup) -> None:
    assert (await world.cancel(signup.subscription, "period_end")).status_code == 202


async def _cancel_in_stripe(world: World, signup: Signup) -> None:
    await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)


async def _delete_customer(world: World, signup: Signup) -> None:
    await world.shop.client.v1.customers.delete_async(signup.customer)


async def _remove_method(world: World, signup: Signup) -> None:
    for method in await world.methods_of(signup.customer):
        path = f"/v1/customers/{signup.customer}/payment_methods/{method['id']}"
        assert (await world.call("DELETE", path)).status_code == 200


async def _payer_ends_agreement(world: World, signup: Signup) -> None:
    for method in world.methods_at_processor():
        world.practice.revoke_method(method.token)


async def _other_method(world: World, signup: Signup) -> None:
    await world.new_card(signup.customer)


async def _method_of_its_own(world: World, signup: Signup) -> None:
    """Another card, for this subscription alone; the ones before go."""
    method = await world.repair_card(signup)
    answer = await world.switch(signup.subscription, "gateway", payment_method=method, retire=True)
    assert answer.status_code in (200, 202), answer.text


async def _switch_to_stripe(world: World, signup: Signup, **body: str) -> None:
    card = await world.stripe_card(signup.customer)
    answer = await world.switch(signup.subscription, "stripe", stripe_payment_method=card, **body)
    assert answer.status_code in (200, 202), answer.text


async def _hand_over(world: World, signup: Signup) -> None:
    await _switch_to_stripe(world, signup, open_invoices="hand_over")


async def _there_and_back(world: World, signup: Signup) -> None:
    await _hand_over(world, signup)
    method = await world.repair_card(signup)
    answer = await world.switch(signup.subscription, "gateway", payment_method=method)
    assert answer.status_code in (200, 202), answer.text


async def _pause(world: World, signup: Signup) -> None:
    body = {"reason": "pays by transfer"}
    answer = await world.call("POST", f"/v1/customers/{signup.customer}/pause_collection", body)
    assert answer.status_code == 200, answer.text


async def _pause_in_stripe(world: World, signup: Signup) -> None:
    paused: Any = {"pause_collection": {"behavior": "keep_as_draft"}}
    await world.shop.client.v1.subscriptions.update_async(signup.subscription, paused)


async def _void_invoice(world: World, signup: Signup) -> None:
    """As far as Stripe lets somebody in its dashboard."""
    last = world.invoices_of(signup.subscription)[-1]
    if last["status"] == "open":
        await world.shop.client.v1.invoices.void_invoice_async(str(last["id"]))


async def _change_plan(world: World, signup: Signup) -> None:
    """Twice as many, billed at once."""
    [item] = world.stripe_subscription(signup.subscription)["items"]["data"]
    change: Any = {"items": [{"id": item["id"], "quantity": 2}], "proration_behavior": "always_invoice"}
    await world.shop.client.v1.subscriptions.update_async(signup.subscription, change)


ENDS: Final[dict[str, Happens]] = {
    "cancel_now": _cancel_now,
    "cancel_and_return": _cancel_and_return,
    "cancel_in_stripe": _cancel_in_stripe,
    "delete_customer": _delete_customer,
}
"""After these nothing new is charged for what was there."""
ACTIONS: Final[dict[str, Happens]] = ENDS | {
    "cancel_and_bill": _cancel_and_bill,
    "cancel_with_period": _cancel_with_period,
    "remove_method": _remove_method,
    "payer_ends_agreement": _payer_ends_agreement,
    "other_method": _other_method,
    "method_of_its_own": _method_of_its_own,
    "switch_to_stripe": _switch_to_stripe,
    "hand_over": _hand_over,
    "there_and_back": _there_and_back,
    "pause": _pause,
    "pause_in_stripe": _pause_in_stripe,
    "void_invoice": _void_invoice,
    "change_plan": _change_plan,
}


def _pairs() -> list[Any]:
    """All of them; each state and each action is in the quick ring once, the others are slow."""
    found, states, actions = [], list(STATES), list(ACTIONS)
    quick = {(states[n % len(states)], actions[n % len(actions)]) for n in range(max(len(states), len(actions)))}
    for state in states:
        for action in actions:
            marks = [] if (state, action) in quick else [pytest.mark.slow]
            found.append(pytest.param(state, action, marks=marks, id=f"{state}-{action}"))
    return found


@pytest.mark.parametrize(("state", "action"), _pairs())
async def test_money_ends_where_it_must(world: World, monkeypatch: pytest.MonkeyPatch, state: str, action: str) -> None:
    stands, states = STATES[state]
    signup = await stands(world, monkeypatch)
    [_, renewal] = [str(invoice["id"]) for invoice in world.invoices_of(signup.subscription)]
    attempts = await world.attempts(renewal)
    # What a dead worker has left, another may have found already.
    assert tuple(attempts) == states or (states == ("sending",) and attempts == ["unknown"])
    sent = len(world.charge_calls())

    await ACTIONS[action](world, signup)
    await world.settle()

    for step in ({"minutes": 2}, {"hours": 2}, {"days": 1}, {"days": 2}, {"days": 8}, {"days": 25}):
        await world.later(**step)
        world.stripe.faults.clear()
    await _has_ended(world, renewal)
    if action in ENDS:
        bound = 2 if state == "died_before" and action != "delete_customer" else 1
        again = [call for call in world.charge_calls()[sent:] if call.params["reference"].startswith(renewal)]
        assert len(again) < bound, "its subscription has ended"


async def _has_ended(world: World, renewal: str) -> None:
    attempts, live = await world.attempts(renewal), world.stripe_invoice(renewal)
    held = await sql.value("select tollbridge.held_money($1, $2)", world.shop.account, renewal)
    account = world.practice.account(world.shop.practice_key)
    charges = [c for c in world.captures() if c.reference.startswith(renewal)]
    back = sum(r.amount for r in account.refunds.values() if r.has_succeeded and r.charge in {c.id for c in charges})
    kept = sum(c.captured for c in charges) - back
    cases = await sql.rows("select kind from tollbridge.review_case where invoice = $1 and state = 'open'", renewal)
    assert not UNRESOLVED & set(attempts) or cases, attempts
    told = live["status"] == "paid" and live.get("_paid_by") == "out_of_band"
    assert kept == (live["amount_paid"] if told else 0) or cases, (kept, live["status"], attempts)
    assert held == 0 or cases, held
