"""Histories in which two sides made the same, or a restored database had forgotten what it made: it is found first."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from gateway.billing import credit_notes
from gateway.billing.errors import StripeNotSentError
from gateway.collect import remainders
from gateway.returns import notes
from gateway.sandbox.practice.account import Scripted
from gateway.sandbox.practice.kinds import TokenKind
from tests.scenarios.test_d_restored import Backup
from tests.scenarios.test_l_partial import balance, rest_of, script, taken
from tests.support.returning import credit, credited, in_dashboard, post, refund_later, returned, the_refund
from tests.support.world import World

BALANCES = {"method": "POST", "path": "/v1/customers/{id}/balance_transactions"}


# --- a credit note made in Stripe while ours is on its way ----------------------------------------------------------


def staff_credit_before(
    monkeypatch: pytest.MonkeyPatch, world: World, place: Any, name: str, *amounts: int
) -> list[str]:
    """Staff make credit notes in Stripe just before this step of ours is taken for the first time; their ids."""
    own, made = getattr(place, name), list[str]()

    async def beside(first: Any, second: Any, *args: Any) -> Any:
        if not made:
            invoice = str(world.captures()[-1].reference).split(".")[0]
            for amount in amounts:
                made.append((await credit(world, invoice, amount=amount, out_of_band_amount=amount)).id)
        return await own(first, second, *args)

    monkeypatch.setattr(place, name, beside)
    return made


async def test_staff_credit_what_a_refund_of_ours_has_returned(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credited twice, and returned again: our refund is back, and staff make its note before we do."""
    signup = await world.signup("ok")
    [note] = [staff_credit_before(monkeypatch, world, notes, "issue", 400)]
    await refund_later(world, signup.invoice, amount=400)
    for _ in range(3):
        await world.later(minutes=10)

    assert (returned(world), credited(world, signup.invoice)) == ([400], [400])
    refund = await the_refund(world, signup.invoice)
    assert (refund["state"], refund["credit_note"]["stripe_id"]) == ("recorded", note[0])
    assert await world.open_cases() == []


async def test_staff_credit_while_our_refund_is_on_its_way(world: World) -> None:
    """Returned again: the processor takes days, and staff's note is carried out after its five minutes."""
    signup = await world.signup("ok")
    world.practice.set_manner(world.shop.practice_key, refunds="async")
    await refund_later(world, signup.invoice, amount=400)
    assert (await the_refund(world, signup.invoice))["state"] == "pending"
    await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    for days in (0, 3, 3):
        await world.later(days=days, minutes=10)

    assert (returned(world), credited(world, signup.invoice)) == ([400], [400])
    assert (await the_refund(world, signup.invoice))["state"] == "recorded"
    assert await world.open_cases() == []


async def test_two_notes_that_may_be_the_refund_s(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can know which is meant: a human says so, and the other one is carried out."""
    signup = await world.signup("ok")
    staff_credit_before(monkeypatch, world, notes, "issue", 300, 300)
    await refund_later(world, signup.invoice, amount=300)
    await world.later(days=1)
    assert (returned(world), credited(world, signup.invoice)) == ([300], [300, 300])
    assert await world.open_cases() == ["credit_note_unmatched", "credit_note_unmatched"]

    ours = await the_refund(world, signup.invoice)
    shown = (await world.call("GET", f"/v1/credit_notes?invoice={signup.invoice}")).json()["data"]
    first, second = (one["id"] for one in shown if one["origin"] == "stripe")
    answer = await post(world, f"/v1/credit_notes/{first}/resolve", {"refund": ours["id"]})
    assert answer.status_code == 200, answer.text
    await world.settle()
    answer = await post(world, f"/v1/credit_notes/{second}/resolve", {"refund": None})
    assert answer.status_code == 200, answer.text
    await world.settle()

    assert (returned(world), credited(world, signup.invoice)) == ([300, 300], [300, 300])
    assert await world.open_cases() == []


async def test_staff_credit_between_our_look_and_our_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both stand: nothing goes back for the second before a human has said that it should."""
    signup = await world.signup("ok")
    staff_credit_before(monkeypatch, world, credit_notes, "create", 400)
    await refund_later(world, signup.invoice, amount=400)
    await world.later(days=1)

    assert (returned(world), credited(world, signup.invoice)) == ([400], [400, 400])
    assert await world.open_cases() == ["credit_note_unmatched"]


async def test_staff_make_the_note_that_stripe_refused_us(world: World) -> None:
    """Returned twice: the case says "make the credit note in Stripe", and who does so has it carried out."""
    signup = await world.signup("ok")
    world.stripe.faults.add("error_before", method="POST", path="/v1/credit_notes", status=400)
    await refund_later(world, signup.invoice, amount=400)
    assert await world.open_cases() == ["credit_note_refused"]
    await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    for _ in range(3):
        await world.later(minutes=10)

    assert (returned(world), credited(world, signup.invoice)) == ([400], [400])
    assert await world.open_cases() == []


# --- a customer's credit that a restored database has forgotten ------------------------------------------------------


async def overpaid(world: World) -> tuple[str, str]:
    """A customer whose next renewal of 10.00 will bring in 12.00; the customer and the subscription."""
    signup = await world.signup("ok")
    await world.set_policy(overpayment="customer_balance")
    script(world, 120)
    return signup.customer, signup.subscription


@pytest.mark.parametrize("days", [0, 3])
async def test_a_restored_database_gives_the_customer_s_credit_again(world: World, days: int) -> None:
    """Law 11: neither the payment nor the credit is in the backup."""
    customer, _ = await overpaid(world)
    backup = Backup(world)
    await backup.take()
    await world.later(days=31)
    assert balance(world, customer) == -200
    await world.move(days=days, minutes=10)
    await backup.restore()
    for _ in range(3):
        await world.catch_up()
        await world.settle()
        await world.later(hours=1)

    assert (balance(world, customer), await world.open_cases()) == (-200, [])
    assert returned(world) == []


@pytest.mark.parametrize("days", [0, 3])
async def test_a_restored_database_that_knows_the_payment_credits_it_again(world: World, days: int) -> None:
    """The backup was taken while Stripe turned the credit away."""
    customer, _ = await overpaid(world)
    world.stripe.faults.add("error_before", status=429, times=None, **BALANCES)
    await world.later(days=31)
    backup = Backup(world)
    await backup.take()
    world.stripe.faults.clear()
    await world.later(hours=2)
    assert balance(world, customer) == -200
    await world.move(days=days, minutes=10)
    await backup.restore()
    for _ in range(3):
        await world.later(hours=1)

    assert (balance(world, customer), await world.open_cases()) == (-200, [])


async def test_a_transfer_whose_credit_was_forgotten(world: World) -> None:
    """A receipt is credited once as well: it is known by the reference that staff gave it."""
    signup = await world.signup("ok")
    await world.set_policy(overpayment="customer_balance")
    world.break_card(signup.customer, "decline_insufficient_funds")
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    away = world.stripe.faults.add("error_before", status=429, times=None, **BALANCES)
    assert (await world.record_payment(renewal, amount=1200, wait_s=0)).status_code in (200, 202)
    await world.settle()
    backup = Backup(world)
    await backup.take()
    world.stripe.faults.remove(away.id)
    await world.later(hours=2)
    assert balance(world, signup.customer) == -200
    await world.move(days=3)
    await backup.restore()
    for _ in range(3):
        await world.later(hours=1)

    assert (balance(world, signup.customer), await world.open_cases()) == (-200, [])


async def test_what_comes_later_is_credited_as_well(world: World) -> None:
    """The capture grows after its excess was credited: what was found before explains the first part alone."""
    customer, _ = await overpaid(world)
    await world.later(days=31)
    assert balance(world, customer) == -200
    account, charge = world.practice.account(world.shop.practice_key), world.captures()[-1]
    charge.captured = 1500
    world.practice.announce(account, "charge.succeeded", charge.shown(account.id))
    await world.settle()
    await world.later(hours=1)

    assert (balance(world, customer), await world.open_cases()) == (-500, [])


# --- an invoice for a rest that a restored database has forgotten ----------------------------------------------------


def in_part(world: World) -> None:
    """The next charge takes 6.00 of 10.00, and the card has no more for a day."""
    declined = Scripted(kind=TokenKind.DECLINE_INSUFFICIENT_FUNDS)
    world.practice.script(world.shop.practice_key, Scripted(percent=60), declined)


async def after_restore(world: World, backup: Backup, **later: int) -> None:
    await world.move(**later)
    await backup.restore()
    for _ in range(3):
        await world.catch_up()
        await world.settle()
        await world.later(minutes=20)


@pytest.mark.parametrize("days", [0, 2])
async def test_access_does_not_open_by_what_was_forgotten(world: World, days: int) -> None:
    """Law 13: the backup has the checkout, and nothing of its payment: 6.00 of 10.00, and the rest on an invoice."""
    world.practice.script(
        world.shop.practice_key,
        Scripted(percent=60),
        *(Scripted(kind=TokenKind.DECLINE_INSUFFICIENT_FUNDS) for _ in range(9)),
    )
    opened = (await world.open_session()).json()
    await world.give_card(opened)
    away = world.stripe.faults.add(
        "error_before", method="POST", path="/v1/invoices/{id}/finalize", status=429, times=None
    )
    await world.confirm(opened, wait_s=0)
    await world.settle()
    backup = Backup(world)
    await backup.take()
    world.stripe.faults.remove(away.id)
    await world.later(minutes=10)
    subscription = next(iter(world.stripe_account().subscriptions))
    first = str(world.invoices_of(subscription)[0]["id"])
    rest = rest_of(world, first)
    assert (world.stripe_invoice(first)["status"], rest["status"]) == ("paid", "open")
    assert (await world.access(subscription))["reason"] == "first_invoice_rest_due"

    await after_restore(world, backup, days=days, minutes=10)

    assert rest_of(world, first)["status"] == "open"
    access = await world.access(subscription)
    assert (access["granted"], access["reason"]) == (False, "first_invoice_rest_due")
    assert (await world.gateway_invoice(rest["id"]))["remainder_of"] == first


@pytest.mark.parametrize("days", [0, 2])
async def test_a_rest_is_collected_as_the_rest_that_it_is(world: World, days: int) -> None:
    """The backup knows nothing of the renewal: its payment, its note and the invoice for the rest are found."""
    signup = await world.signup("ok")
    in_part(world)
    backup = Backup(world)
    await backup.take()
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    rest = rest_of(world, renewal)
    assert (world.stripe_invoice(renewal)["status"], rest["status"]) == ("paid", "open")
    await after_restore(world, backup, days=days, minutes=10)
    await world.later(days=3)

    assert rest_of(world, renewal)["status"] == "paid"
    assert (await world.gateway_invoice(rest["id"]))["remainder_of"] == renewal
    assert [one["invoice"] for one in (await world.gateway_invoice(renewal))["remainders"]] == [rest["id"]]
    assert (taken(world), await world.open_cases()) == ([600, 400], [])


async def test_a_draft_that_was_left_behind_is_filled(world: World) -> None:
    """The disaster came between the draft and its lines: nobody else would finalize it."""
    signup = await world.signup("ok")
    script(world, 60)
    backup = Backup(world)
    await backup.take()
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}/add_lines", status=429, times=None)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert (rest_of(world, renewal)["status"], rest_of(world, renewal)["total"]) == ("draft", 0)
    await world.move(minutes=10)
    await backup.restore()
    world.stripe.faults.clear()
    for _ in range(3):
        await world.catch_up()
        await world.settle()
        await world.later(hours=1)

    assert (rest_of(world, renewal)["status"], rest_of(world, renewal)["total"]) == ("paid", 400)
    assert taken(world) == [600, 400]


@pytest.mark.parametrize("linked", [True, False])
async def test_a_rest_is_not_billed_again(world: World, monkeypatch: pytest.MonkeyPatch, linked: bool) -> None:
    """The backup knows that a rest is to be billed; its invoice was made after that, and perhaps named on the first."""
    signup = await world.signup("ok")
    in_part(world)

    async def away(*args: Any) -> None:
        raise StripeNotSentError("no worker has come so far yet")

    with monkeypatch.context() as before:
        before.setattr(remainders, "_issue", away)
        await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert [row["state"] for row in await sql.rows("select state from tollbridge.remainder")] == ["wanted"]
    backup = Backup(world)
    await backup.take()
    with monkeypatch.context() as before:
        if not linked:
            before.setattr(remainders, "_link", away)
        await world.later(hours=2)
    rest = rest_of(world, renewal)
    assert ("tollbridge_remainder" in world.stripe_invoice(renewal)["metadata"]) is linked
    await world.move(days=2)
    await backup.restore()
    await world.settle()
    await world.later(days=3)

    assert rest_of(world, renewal)["id"] == rest["id"]
    assert rest_of(world, renewal)["status"] == "paid"
    assert (taken(world), await world.open_cases()) == ([600, 400], [])


async def test_metadata_that_somebody_copied_make_no_rest(world: World) -> None:
    """Law 11: a hint. Staff make an invoice that names another one; no credit note of ours stands for it."""
    signup = await world.signup("ok")
    client = world.shop.client.v1
    made = await client.invoices.create_async(
        {
            "customer": signup.customer,
            "collection_method": "send_invoice",
            "days_until_due": 10,
            "metadata": {"tollbridge_remainder_of": signup.invoice, "tollbridge_remainder_row": "rem_made_up"},
        }
    )
    await world.settle()
    await world.later(days=1)

    assert (await world.gateway_invoice(made.id))["remainder_of"] in (None, "")
    assert await sql.rows("select id from tollbridge.remainder") == []
    assert (await world.access(signup.subscription))["granted"]


# --- a failure that is heard before the success ----------------------------------------------------------------------


async def notices_of(world: World, amount: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Staff refund in the processor's dashboard, and later it fails; both notices, which nobody has had yet."""
    account = world.practice.account(world.shop.practice_key)
    world.practice.delivery.set(drop=True)
    world.practice.script_refunds(world.shop.practice_key, "failed_later")
    made = in_dashboard(world, amount)
    succeeded = made.shown(account.id)
    world.practice.settle_refund(made.id, "failed")
    await world.practice.flush()
    world.practice.delivery.set(drop=False)
    return succeeded, made.shown(account.id)


@pytest.mark.parametrize("order", ["success_first", "failure_first", "together"])
async def test_the_notices_of_a_dashboard_refund_in_any_order(world: World, order: str) -> None:
    """Stripe shows what never went back: the failure is heard first, and dropped."""
    signup = await world.signup("ok")
    account = world.practice.account(world.shop.practice_key)
    succeeded, reversed_ = await notices_of(world, 400)
    told = [("refund.succeeded", succeeded), ("refund.reversed", reversed_)]
    for what, how in told if order == "success_first" else told[::-1]:
        world.practice.announce(account, what, how)
        if order != "together":
            await world.settle()
    await world.settle()
    for _ in range(3):
        await world.later(days=1)

    assert (returned(world), credited(world, signup.invoice)) == ([], [])
    assert await world.open_cases() == ["refund_failed"]
    moved = [(m["kind"], m["amount"]) for m in (await world.gateway_invoice(signup.invoice))["movements"]]
    assert moved == [("capture", 1000), ("refund", 400), ("refund_failed", 400)]


async def test_after_a_failure_that_was_heard_first_all_can_be_returned(world: World) -> None:
    signup = await world.signup("ok")
    account = world.practice.account(world.shop.practice_key)
    succeeded, reversed_ = await notices_of(world, 400)
    world.practice.announce(account, "refund.reversed", reversed_)
    await world.settle()
    world.practice.announce(account, "refund.succeeded", succeeded)
    await world.settle()
    await refund_later(world, signup.invoice, amount=1000)

    assert (returned(world), credited(world, signup.invoice)) == ([1000], [1000])
