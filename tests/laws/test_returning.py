"""Histories of money that goes back in which a law was broken once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from db import sql
from db.poke import Kind, WakeUp
from gateway.api import refunds as refunds_api
from gateway.collect import balance as balance_steps
from gateway.collect import record
from gateway.collect.advance import advance_invoice
from gateway.returns import advance as refund_turn
from gateway.returns import execute
from gateway.returns import surplus as surplus_steps
from gateway.sandbox.practice.account import Scripted
from gateway.sandbox.practice.kinds import TokenKind
from processors.money import Money
from processors.practice.client import PracticeAdapter
from processors.values import PreparedCall, RefundRequest
from tests.scenarios.test_d_restored import Backup
from tests.scenarios.test_j_refunds import void
from tests.scenarios.test_l_partial import balance, rest_of, script, taken
from tests.support.disputes import becomes, disputed
from tests.support.moves import tell, told_of_moves
from tests.support.returning import (
    ASK,
    credit,
    credit_and_wait,
    credited,
    in_dashboard,
    post,
    refund_calls,
    refund_later,
    refunds,
    retry,
    returned,
    speak_like,
    the_refund,
)
from tests.support.world import World


def sums_named(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What each refund that is prepared from now on says of itself, and of those before it."""
    named: list[tuple[int, int]] = []
    prepare = PracticeAdapter.prepare_refund

    def noted(adapter: PracticeAdapter, request: RefundRequest) -> PreparedCall:
        assert request.returned_before is not None
        named.append((request.amount.amount, request.returned_before.amount))
        return prepare(adapter, request)

    monkeypatch.setattr(PracticeAdapter, "prepare_refund", noted)
    return named


async def test_a_refund_names_what_went_back_before_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some processors want the sum confirmed; a refund that failed is no part of it, one made past us is."""
    signup = await world.signup("ok")
    named = sums_named(monkeypatch)
    await refund_later(world, signup.invoice, amount=100)
    world.practice.script_refunds(world.shop.practice_key, "failed")
    await refund_later(world, signup.invoice, amount=50)
    in_dashboard(world, 200)
    await world.settle()
    await refund_later(world, signup.invoice, amount=400)
    assert named == [(100, 0), (50, 100), (400, 300)]


async def test_a_sum_that_changes_before_the_call_is_named_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signup = await world.signup("ok")
    named = sums_named(monkeypatch)
    before, moved = execute._returned_before, iter([100])

    async def once_less(row: Any) -> Money:
        """As if another refund went out between the bytes and the call."""
        found = await before(row)
        return Money(found.amount - next(moved, 0), found.currency)

    monkeypatch.setattr(execute, "_returned_before", once_less)
    await refund_later(world, signup.invoice, amount=300)
    assert named == [(300, -100), (300, 0)]
    assert returned(world) == [300]


async def ask_unheard(world: World, invoice: str, amount: int) -> None:
    """Staff ask for a refund, and no worker has seen it yet."""
    headers = {"authorization": f"Bearer {world.shop.api_key}", "idempotency-key": "made-up-by-staff"}
    body = {"invoice": invoice, "amount": amount, "wait_s": 0}
    answer = await world.http.post(f"{world.gateway_url}/v1/refunds", json=body, headers=headers)
    assert answer.status_code == 202, answer.text


async def captured_twice(world: World) -> tuple[str, str]:
    """A renewal that two charges have paid: a decline that was wrong, and a later one. The second is surplus."""
    signup = await world.signup("ok")
    await world.set_policy(returns="case")
    world.break_card(signup.customer, "decline_insufficient_funds")
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    first = world.last_charge()
    world.practice.set_manner(world.shop.practice_key, cancel="never")
    world.break_card(signup.customer, "pending_then_ok")
    await world.later(hours=25)
    world.succeed_after_all(first)
    for _ in range(4):
        await world.later(days=1)
    assert await world.attempts(renewal) == ["succeeded", "succeeded"]
    return signup.customer, renewal


async def test_a_restored_database_credits_a_refund_again(world: World) -> None:
    """Law 11: the backup has the refund and not its note; the note is made again, or taken for somebody else's."""
    signup = await world.signup("ok")
    backup = Backup(world)
    await ask_unheard(world, signup.invoice, 400)
    await backup.take()
    await world.settle()
    assert (returned(world), credited(world, signup.invoice)) == ([400], [400])
    await world.move(minutes=10)
    await backup.restore()
    await world.settle()
    for _ in range(3):
        await world.later(minutes=30)
        await world.catch_up()
        await world.settle()

    assert (returned(world), credited(world, signup.invoice)) == ([400], [400])


async def test_a_refund_whose_answer_was_lost_is_asked_for_again_under_its_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 2: the refund is committed, the answer is a 500 (or the process dies); the client sends the same again."""
    signup = await world.signup("ok")
    find = refunds_api.find_refund
    left = [1]

    async def failing(*args: Any) -> Any:
        if left:
            left.pop()
            raise OSError("the database is away for a moment")
        return await find(*args)

    monkeypatch.setattr(refunds_api, "find_refund", failing)
    body, headers = {"invoice": signup.invoice, "amount": 400, "wait_s": 0}, {"idempotency-key": "one-made-up"}
    first = await world.call("POST", "/v1/refunds", body, headers=headers)
    again = await world.call("POST", "/v1/refunds", body, headers=headers)
    await world.settle()

    assert first.status_code == 500
    assert again.status_code in (200, 202)
    assert returned(world) == [400]


async def test_a_credit_note_for_a_dashboard_refund_that_takes_days(world: World) -> None:
    """Returned twice: the refund is pending, our wait for a note is over, and then staff make the note in Stripe."""
    signup = await world.signup("ok")
    world.practice.set_manner(world.shop.practice_key, refunds="async")
    in_dashboard(world, 400)
    await world.settle()
    await world.later(minutes=10)
    assert (await the_refund(world, signup.invoice))["state"] == "pending"
    await credit_and_wait(world, signup.invoice, 400)
    await world.later(days=4)

    assert returned(world) == [400]
    assert credited(world, signup.invoice) == [400]


async def test_what_is_the_customers_credit_is_returned_as_well(world: World) -> None:
    """Law 8: the credit's answer was lost, so the excess is still held; staff return it, and no note says so."""
    signup = await world.signup("ok")
    await world.set_policy(overpayment="customer_balance")
    script(world, 120)
    world.stripe.faults.add("lost_after", method="POST", path="/v1/customers/{id}/balance_transactions")
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert balance(world, signup.customer) == -200
    [attempt] = (await world.gateway_invoice(renewal))["attempts"]
    body = {"invoice": renewal, "amount": 200, "attempt": attempt["id"], "wait_s": 0}
    await post(world, "/v1/refunds", body)
    await world.settle()
    await world.later(minutes=10)

    assert balance(world, signup.customer) == -200
    assert returned(world) == credited(world, renewal)


async def test_a_restored_database_credits_a_lost_dispute_again(world: World) -> None:
    """Law 11: the backup knows the dispute, and not that it was lost and credited."""
    signup = await world.signup("ok")
    dispute = await disputed(world, 400)
    backup = Backup(world)
    await backup.take()
    await becomes(world, dispute, "lost")
    assert credited(world, signup.invoice) == [400]
    await world.move(minutes=10)
    await backup.restore()
    account = world.practice.account(world.shop.practice_key)
    world.practice.announce(account, "dispute.lost", account.disputes[dispute.id].shown(account.id))
    await world.settle()
    await world.catch_up()
    await world.settle()

    assert credited(world, signup.invoice) == [400]


async def test_retry_beside_the_worker_that_spreads(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Returned twice: somebody presses "try again" on a refund that waits, while a worker makes its parts."""
    signup = await world.signup("ok")
    await world.set_policy(refund_in_dispute="queue")
    dispute = await disputed(world, 1000)
    asked = await refund_later(world, signup.invoice, amount=400)
    left = [1]

    async def beside(claim: Any, row: Any, now: Any) -> None:
        if left:
            left.pop()
            answer = await post(world, f"/v1/refunds/{asked['id']}/retry", {"wait_s": 0})
            assert answer.status_code < 500, answer.text
        await own(claim, row, now)

    own = refund_turn._spread
    monkeypatch.setattr(refund_turn, "_spread", beside)
    await becomes(world, dispute, "won")
    await world.later(minutes=10)

    assert not left
    assert returned(world) == [400]


async def test_two_return_what_was_too_much(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 8: staff return the excess while a worker is about to; what is held is not read again under the lock."""
    signup = await world.signup("ok")
    script(world, 120)
    own, left = surplus_steps.return_surplus, [1]

    async def beside(claim: Any, view: Any, action: Any, now: Any) -> None:
        if left:
            left.pop()
            body = {"invoice": claim.id, "amount": 200, "attempt": action.attempt, "wait_s": 0}
            assert (await post(world, "/v1/refunds", body)).status_code == 202
        await own(claim, view, action, now)

    monkeypatch.setattr(surplus_steps, "return_surplus", beside)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    await world.later(minutes=10)

    assert sum(returned(world)) - sum(credited(world, renewal)) == 200


async def test_one_returns_what_another_credits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 8: staff return the excess while a worker is about to make it the customer's credit."""
    signup = await world.signup("ok")
    await world.set_policy(overpayment="customer_balance")
    script(world, 120)
    own, left = balance_steps._credit, [1]

    async def beside(runtime: Any, claim: Any, loaded: Any, action: Any, now: Any) -> None:
        if left:
            left.pop()
            body = {"invoice": claim.id, "amount": 200, "attempt": action.payment, "wait_s": 0}
            assert (await post(world, "/v1/refunds", body)).status_code == 202
        await own(runtime, claim, loaded, action, now)

    monkeypatch.setattr(balance_steps, "_credit", beside)
    await world.later(days=31)
    await world.later(minutes=10)

    assert sum(returned(world)) - balance(world, signup.customer) == 200


async def test_a_capture_that_grows_after_its_rest_was_charged(world: World) -> None:
    """Law 5: the processor captures the missing part after all; our ledger can't take it."""
    signup = await world.signup("ok")
    await world.set_policy(partial_payment="top_up")
    script(world, 60)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert taken(world) == [600, 400]
    account, charge = world.practice.account(world.shop.practice_key), world.captures()[1]
    charge.captured = 1000
    world.practice.announce(account, "charge.succeeded", charge.shown(account.id))
    await world.settle()
    for _ in range(3):
        await world.later(days=1)

    moved = [(m["kind"], m["amount"]) for m in (await world.gateway_invoice(renewal))["movements"]]
    assert ("capture", 400) in moved[2:], await world.open_cases()


async def test_a_refund_that_waits_and_is_told_too_early(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stuck for ever: its payment comes between its look and the note that it waits, and pokes only who waits."""
    signup = await world.signup("pending_then_ok", wait_s=0)
    own, left = refund_turn._store_state, [1]

    async def beside(claim: Any, view: Any, invoice: str, now: Any) -> None:
        if left:
            left.pop()
            world.succeed_after_all(world.last_charge())
            await world.hear()
            await advance_invoice(world.runtime, WakeUp(Kind.INVOICE, world.shop.account, invoice))
            assert world.stripe_invoice(invoice)["status"] == "paid"
        await own(claim, view, invoice, now)

    monkeypatch.setattr(refund_turn, "_store_state", beside)
    await refund_later(world, signup.invoice, amount=400)
    for _ in range(5):
        await world.later(days=1)

    assert not left
    assert returned(world) == [400], await world.open_cases()


async def test_a_credit_note_beside_money_that_a_human_looks_at(world: World) -> None:
    """Stuck without a case: the invoice holds too much, and what staff credit in Stripe is never returned."""
    signup = await world.signup("ok")
    await world.set_policy(overpayment="case")
    script(world, 120)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert await world.open_cases() == ["overpaid"]
    await credit_and_wait(world, renewal, 400)
    await world.later(days=2)

    assert returned(world) == [400]


async def test_a_part_above_the_limit_goes_back_by_itself(world: World) -> None:
    """Law 5: automatic returns above a limit are cases."""
    signup = await world.signup("ok")
    end = {"at_end": ["mark_uncollectible", "cancel_subscription"], "partial_at_end": "return"}
    await world.set_policy(**end, returns_up_to={"eur": 300})
    script(world, 60)
    declined = [Scripted(kind=TokenKind.DECLINE_INSUFFICIENT_FUNDS) for _ in range(4)]
    world.practice.script(world.shop.practice_key, *declined)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    for _ in range(10):
        await world.later(days=1)

    assert rest_of(world, renewal)["status"] == "uncollectible"
    assert returned(world) == []
    assert await world.open_cases() != []


async def test_a_refund_before_we_know_that_ours_paid(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe shows money that is back: its invoice is paid, by a call of ours whose answer was lost."""
    signup = await world.signup("ok")
    world.stripe.faults.add("lost_after", method="POST", path="/v1/invoices/{id}/pay")
    own, left = record.confirm, [1]

    async def beside(claim: Any, loaded: Any, action: Any, now: Any) -> None:
        if left:
            left.pop()
            [attempt] = loaded.view.attempts
            body = {"invoice": claim.id, "amount": 1000, "attempt": attempt.id, "wait_s": 0}
            assert (await post(world, "/v1/refunds", body)).status_code == 202
        await own(claim, loaded, action, now)

    monkeypatch.setattr(record, "confirm", beside)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    await world.later(minutes=10)

    assert not left
    assert returned(world) == credited(world, renewal)


async def test_the_rest_of_a_refund_that_goes_back_after_its_note(world: World) -> None:
    """Stripe shows less returned than went back: one part fails, its case is closed, and later it is tried again."""
    signup = await world.signup("ok")
    await world.set_policy(partial_payment="top_up")
    script(world, 60)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert taken(world) == [600, 400]
    world.practice.script_refunds(world.shop.practice_key, "failed")
    asked = await refund_later(world, renewal)
    [case] = (await world.call("GET", "/v1/cases?state=open")).json()["data"]
    closed = await world.call("POST", f"/v1/cases/{case['id']}/close", {"reason": "seen"})
    assert closed.status_code == 200, closed.text
    await world.settle()
    await world.later(hours=1)
    await retry(world, asked["id"])
    await world.later(hours=1)

    assert sum(returned(world)) == 1000
    assert sum(credited(world, renewal)) == 1000 or await world.open_cases()


async def test_a_refusal_that_was_wrong(world: World) -> None:
    """More goes back than was asked for, without a case: refused, tried again, and then the first is told of."""
    signup = await world.signup("ok")
    world.practice.delivery.set(drop={"refund.succeeded"})
    world.practice.faults.add("error_after", status=422, **ASK)
    asked = await refund_later(world, signup.invoice, amount=400)
    assert (await the_refund(world, signup.invoice))["state"] == "refused"
    await retry(world, asked["id"])
    account = world.practice.account(world.shop.practice_key)
    world.practice.delivery.set(drop=False)
    for one in account.refunds.values():
        world.practice.announce(account, "refund.succeeded", one.shown(account.id))
    await world.settle()
    await world.later(hours=1)

    assert returned(world) == [400] or credited(world, signup.invoice) == [800] or await world.open_cases()


async def test_a_refund_told_in_another_currency(world: World) -> None:
    """Law 10: the processor tells of 400 dollars returned of a capture in euros; the ledger takes them for cents."""
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=True)
    made = in_dashboard(world, 400)
    await world.settle()
    world.practice.delivery.set(drop=False)
    made.currency = "USD"
    account = world.practice.account(world.shop.practice_key)
    world.practice.announce(account, "refund.succeeded", made.shown(account.id))
    await world.settle()

    moved = [(m["kind"], m["currency"]) for m in (await world.gateway_invoice(signup.invoice))["movements"]]
    assert moved == [("capture", "eur")]
    assert await world.open_cases() == ["notice_mismatch"]


async def test_what_was_returned_before_stripe_was_told(world: World) -> None:
    """Laws 5, 13: all of a capture goes back in the dashboard; then it is recorded, and opens access."""
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}/pay", status=429, times=None)
    signup = await world.signup("ok", wait_s=0)
    assert world.stripe_invoice(signup.invoice)["status"] == "open"
    in_dashboard(world)
    await world.settle()
    world.stripe.faults.clear()
    await world.later(minutes=30)

    assert returned(world) == [1000]
    assert not (await world.access(signup.subscription))["granted"]


async def test_a_voided_note_of_which_the_event_was_lost(world: World) -> None:
    """Money goes back for a credit note that Stripe shows as void: nobody looks before it is carried out."""
    signup = await world.signup("ok")
    made = await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    await world.settle()
    world.stripe.delivery.set(drop=True)
    await void(world, made.id)
    world.stripe.delivery.set(drop=False)
    await world.later(minutes=6)

    assert returned(world) == []


async def test_a_surplus_whose_return_the_bank_refuses(world: World) -> None:
    """Policy "returns": what was tried in vain is put before a human; the invoice hears of it before its refund does,
    and sends it again by itself."""
    signup = await world.signup("ok")
    world.practice.set_manner(world.shop.practice_key, refunds="async")
    script(world, 120)
    await world.later(days=31)
    account = world.practice.account(world.shop.practice_key)
    for _ in range(4):
        pending = [one for one in account.refunds.values() if one.status == "pending"]
        for one in pending:
            world.practice.settle_refund(one.id, "failed")
        await world.settle()

    assert signup
    assert len(refund_calls(world)) == 1
    assert "overpaid" in await world.open_cases()


async def test_a_surplus_and_a_refund_lock_their_captures_crosswise(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deadlock: the return of the second capture locks it first and then both; staff's refund locks both in order."""
    signup = await world.signup("ok")
    await world.set_policy(returns="case")
    world.break_card(signup.customer, "decline_insufficient_funds")
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    first = world.last_charge()
    world.practice.set_manner(world.shop.practice_key, cancel="never")
    world.break_card(signup.customer, "pending_then_ok")
    await world.later(hours=25)
    assert await world.attempts(renewal) == ["declined", "pending"]
    world.succeed_after_all(first)
    for _ in range(4):
        await world.later(days=1)
    assert await world.attempts(renewal) == ["succeeded", "succeeded"]
    await world.set_policy(returns="automatic")
    [case] = (await world.call("GET", "/v1/cases?state=open")).json()["data"]
    insert, asked = surplus_steps.insert_refund, []

    async def beside(*args: Any, **more: Any) -> Any:
        asked.append(asyncio.ensure_future(ask_unheard(world, renewal, 400)))
        await asyncio.sleep(0.5)
        return await insert(*args, **more)

    monkeypatch.setattr(surplus_steps, "insert_refund", beside)
    await world.call("POST", f"/v1/cases/{case['id']}/close", {"reason": "return it"})
    await world.settle()
    await asyncio.gather(*asked)

    assert asked
    assert await sql.rows("select id from tollbridge.invoice where failures > 0") == []


async def test_a_note_takes_the_refund_of_another_capture_for_its_own(world: World) -> None:
    """Lost: staff returned a surplus in the dashboard; a later credit note of that amount returns nothing."""
    _, renewal = await captured_twice(world)
    surplus = await sql.value("select processor_id from tollbridge.attempt where surplus")
    world.practice.refund_from_dashboard(surplus)
    await world.settle()
    await world.later(days=1)
    assert (returned(world), credited(world, renewal)) == ([1000], [])
    await credit_and_wait(world, renewal, 1000)
    await world.later(hours=1)

    assert returned(world) == [1000, 1000], await refunds(world, renewal)


async def test_a_surplus_that_was_returned_is_taken_back_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More goes back than was captured, without a case: the payer's bank takes a debit back that we had returned."""
    told_of_moves(monkeypatch)
    _, invoice = await world.renew("pending_then_ok")
    await world.shop.client.v1.invoices.void_invoice_async(invoice)
    await world.settle()
    charge = world.last_charge()
    world.succeed_after_all(charge)
    await world.settle()
    assert returned(world) == [1000]
    tell(world, "test.taken_back", charge)
    await world.settle()
    await world.later(days=1)

    assert await world.attempts(invoice) == ["reversed"]
    assert await world.open_cases() != []


async def test_one_alone_resolves_a_note_above_the_limit(world: World) -> None:
    """Policy `approval_above`: what waits for approval when a worker carries it out does not when one person does."""
    await speak_like(world, "adyen")
    await world.set_policy(approval_above={"eur": 300})
    signup = await world.signup("ok")
    await credit_and_wait(world, signup.invoice, 400)
    [note] = (await world.call("GET", f"/v1/credit_notes?invoice={signup.invoice}")).json()["data"]
    answer = await post(world, f"/v1/credit_notes/{note['id']}/resolve", {"refund": None})
    assert answer.status_code == 200, answer.text
    await world.settle()

    assert refund_calls(world) == []
    assert (await the_refund(world, signup.invoice))["approval"] == "waiting"


async def test_a_lost_dispute_about_more_than_the_invoice_took(world: World) -> None:
    """Stripe shows as paid what is gone: the customer's credit counts as if the invoice had taken it."""
    signup = await world.signup("ok")
    await world.set_policy(overpayment="customer_balance")
    script(world, 120)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    dispute = await disputed(world)
    await becomes(world, dispute, "lost")
    await world.later(days=1)

    assert credited(world, renewal) == [1000], await world.open_cases()


async def test_a_case_of_too_much_ends_with_the_money_although_a_first_try_failed(world: World) -> None:
    """2.00 too much were captured, which people return by hand: a first refund fails, a second one succeeds."""
    await world.set_policy(returns="case")
    signup = await world.signup("over_payment", wait_s=0)
    await world.settle()
    [attempt] = (await world.gateway_invoice(signup.invoice))["attempts"]
    world.practice.script_refunds(world.shop.practice_key, "failed", "succeeded")
    await refund_later(world, signup.invoice, amount=200, attempt=attempt["id"])
    assert (returned(world), "overpaid" in await world.open_cases()) == ([], True)
    await refund_later(world, signup.invoice, amount=200, attempt=attempt["id"])
    assert returned(world) == [200]
    assert "overpaid" not in await world.open_cases()
