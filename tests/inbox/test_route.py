"""Routing Stripe's events: who is poked, what is an echo, and how every delivery ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from db import poke, sql
from db.poke import Kind, WakeUp
from db.states import ECHO
from gateway.billing.errors import StripeRefusedError, StripeUnknownError
from gateway.billing.shapes import InvoiceShape, SubscriptionShape, invoice_digest
from gateway.clock import business_now
from gateway.inbox import stripe_events
from gateway.inbox.deliveries import replay
from gateway.inbox.route import Router
from gateway.runtime import Runtime
from tests.inbox.test_table import CREDIT_NOTE, CUSTOMER, INTENT, NEW_INVOICE, OLD_INVOICE, SUBSCRIPTION
from tests.support.inbox import (
    add_account,
    add_invoice,
    cases,
    counters,
    deliveries,
    delivery,
    forward,
    opened,
    snapshot,
    stored,
    thin,
)


class ScriptedStripe:
    """Answers by path; what has no answer is a 404."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []

    async def get(self, path: str, shape: Any, params: Any = None) -> Any:
        self.asked.append((path, params))
        answer = self.answers.get(path)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            raise StripeRefusedError("no such object", status=404)
        return msgspec.convert(answer, shape)


@pytest.fixture
def stripe(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> ScriptedStripe:
    scripted = ScriptedStripe()

    async def client(account: str) -> ScriptedStripe:
        return scripted

    monkeypatch.setattr(runtime, "stripe", client)
    return scripted


async def route(runtime: Runtime, account: str, *bodies: bytes) -> list[tuple[str, str]]:
    """State and reason of each, in order."""
    ids = await stored(account, *bodies)
    await Router(runtime).route(ids)
    return [(row["state"], row["reason"]) for row in [await delivery(i) for i in ids]]


async def test_an_invoice_we_never_heard_of_gets_a_stub_and_a_wake_up(runtime: Runtime) -> None:
    account = await add_account()
    await sql.rows("delete from tollbridge_queue.pgqueuer")
    assert await route(runtime, account, snapshot("invoice.created", NEW_INVOICE)) == [("done", "")]
    row = await sql.row("select * from tollbridge.invoice")
    assert row is not None
    assert (row["account"], row["id"], row["poked"], row["stale"]) == (account, "in_1", 1, True)
    jobs = await sql.rows("select payload from tollbridge_queue.pgqueuer where entrypoint = 'advance'")
    assert [msgspec.json.decode(job["payload"], type=WakeUp) for job in jobs] == [WakeUp(Kind.INVOICE, account, "in_1")]


async def test_many_events_of_one_invoice_are_one_poke(runtime: Runtime) -> None:
    account = await add_account()
    bodies = [snapshot(f"invoice.{kind}", NEW_INVOICE) for kind in ("created", "updated", "finalized", "sent")]
    assert await route(runtime, account, *bodies) == [("done", "")] * 4
    assert await counters() == {(account, "in_1"): 1}


async def test_the_echo_of_our_own_reading_pokes_nothing(runtime: Runtime) -> None:
    account = await add_account()
    digest = invoice_digest(msgspec.convert(NEW_INVOICE, InvoiceShape))
    await add_invoice(account, "in_1", digest=digest)
    draft = NEW_INVOICE | {"status": "draft"}
    ends = await route(
        runtime,
        account,
        snapshot("invoice.finalized", NEW_INVOICE),
        snapshot("invoice.finalized", OLD_INVOICE, api_version="2022-11-15"),
        snapshot("invoice.created", draft),  # a status that was left behind for good
    )
    assert ends == [("ignored", ECHO)] * 3
    assert await counters() == {(account, "in_1"): 0}


async def test_what_a_digest_does_not_hold_is_no_echo(runtime: Runtime) -> None:
    account = await add_account()
    draft = NEW_INVOICE | {"status": "draft"}
    await add_invoice(account, "in_1", digest=invoice_digest(msgspec.convert(draft, InvoiceShape)), status="draft")
    for n, kind in enumerate(("finalization_failed", "deleted", "payment_failed")):
        assert await route(runtime, account, snapshot(f"invoice.{kind}", draft)) == [("done", "")]
        assert await counters() == {(account, "in_1"): n + 1}


async def test_a_stale_snapshot_of_a_voided_invoice_changes_nothing(runtime: Runtime) -> None:
    account = await add_account()
    voided = invoice_digest(msgspec.convert(NEW_INVOICE | {"status": "void"}, InvoiceShape))
    await add_invoice(account, "in_1", digest=voided, status="void", state="closed")
    assert await route(runtime, account, snapshot("invoice.finalized", NEW_INVOICE)) == [("ignored", ECHO)]


async def test_a_subscription_and_its_unsettled_invoices(runtime: Runtime) -> None:
    account = await add_account()
    await add_invoice(account, "in_open", subscription="sub_1")
    await add_invoice(account, "in_paid", subscription="sub_1", state="paid", status="paid")
    await add_invoice(account, "in_other", subscription="sub_2")
    assert await route(runtime, account, snapshot("customer.subscription.updated", SUBSCRIPTION)) == [("done", "")]
    assert await counters("subscription") == {(account, "sub_1"): 1}
    assert await counters() == {(account, "in_open"): 1, (account, "in_paid"): 0, (account, "in_other"): 0}
    digest = msgspec.convert(SUBSCRIPTION, SubscriptionShape).digest
    await sql.rows("update tollbridge.subscription set digest = $1", digest)
    assert await route(runtime, account, snapshot("customer.subscription.updated", SUBSCRIPTION)) == [("ignored", ECHO)]
    related = {"id": "sub_1", "type": "subscription", "url": "/v1/subscriptions/sub_1"}
    assert await route(runtime, account, thin("v1.customer.subscription.past_due", related)) == [("done", "")]


async def test_a_customer_and_all_its_unsettled_invoices(runtime: Runtime) -> None:
    account = await add_account()
    await sql.rows("insert into tollbridge.customer (account, id, created_at) values ($1, 'cus_1', now())", account)
    await add_invoice(account, "in_a")
    await add_invoice(account, "in_b", state="retrying")
    await add_invoice(account, "in_closed", state="closed", status="void")
    await add_invoice(account, "in_z", customer="cus_2")
    assert await route(runtime, account, snapshot("customer.deleted", CUSTOMER | {"deleted": True})) == [("done", "")]
    assert {k[1]: v for k, v in (await counters()).items()} == {"in_a": 1, "in_b": 1, "in_closed": 0, "in_z": 0}
    assert await sql.value("select deleted_at from tollbridge.customer") is not None


async def test_a_customer_of_whom_we_know_nothing_is_done(runtime: Runtime) -> None:
    account = await add_account()
    assert await route(runtime, account, snapshot("customer.deleted", CUSTOMER)) == [("done", "")]


async def test_an_event_is_applied_in_the_account_that_it_came_for(runtime: Runtime) -> None:
    """A's signed event that names B's objects does not touch B."""
    ours, theirs = await add_account("ours"), await add_account("theirs", "whsec_theirs")
    await sql.rows("insert into tollbridge.customer (account, id, created_at) values ($1, 'cus_1', now())", theirs)
    await add_invoice(theirs, "in_1", subscription="sub_1")
    before = await sql.row("select * from tollbridge.invoice where account = $1", theirs)
    bodies = [
        snapshot("invoice.voided", NEW_INVOICE | {"status": "void"}),
        snapshot("credit_note.created", CREDIT_NOTE),
        snapshot("customer.deleted", CUSTOMER),
        snapshot("customer.subscription.deleted", SUBSCRIPTION),
        snapshot("charge.succeeded", {"id": "ch_1", "object": "charge", "invoice": "in_1"}),
    ]
    await route(runtime, ours, *bodies)
    assert await sql.row("select * from tollbridge.invoice where account = $1", theirs) == before
    assert await sql.value("select deleted_at from tollbridge.customer") is None
    assert await counters("subscription") == {(ours, "sub_1"): 1}


async def test_the_invoice_behind_a_payment_is_asked_for(runtime: Runtime, stripe: ScriptedStripe) -> None:
    account = await add_account()
    stripe.answers["/v1/invoice_payments"] = {"data": [{"invoice": "in_1"}]}
    assert await route(runtime, account, snapshot("payment_intent.succeeded", INTENT)) == [("done", "")]
    assert await counters() == {(account, "in_1"): 1}
    assert stripe.asked == [("/v1/invoice_payments", {"payment": {"type": "payment_intent", "payment_intent": "pi_1"}})]


async def test_a_payment_without_an_invoice_is_ignored(runtime: Runtime, stripe: ScriptedStripe) -> None:
    account = await add_account()
    stripe.answers["/v1/invoice_payments"] = {"data": []}
    assert await route(
        runtime,
        account,
        snapshot("payment_intent.succeeded", INTENT),
        snapshot("charge.succeeded", {"id": "ch_1", "object": "charge", "payment_intent": None}),
    ) == [("ignored", "no invoice behind the payment"), ("ignored", "no payment intent behind it")]


async def test_where_our_mirror_shows_the_payment_nobody_is_asked(runtime: Runtime, stripe: ScriptedStripe) -> None:
    account = await add_account()
    payment = {
        "status": "open",
        "payment": {"type": "payment_intent", "payment_intent": INTENT | {"status": "canceled"}},
    }
    snap = msgspec.json.encode(NEW_INVOICE | {"payments": {"data": [payment]}})
    await add_invoice(account, "in_1", snapshot=snap)
    assert await route(
        runtime,
        account,
        snapshot("payment_intent.canceled", INTENT | {"status": "canceled"}),
        snapshot("payment_intent.succeeded", INTENT),
    ) == [("ignored", ECHO), ("done", "")]
    assert stripe.asked == []
    assert await counters() == {(account, "in_1"): 1}


async def test_thin_events_that_name_something_else_are_read(runtime: Runtime, stripe: ScriptedStripe) -> None:
    account = await add_account()
    stripe.answers["/v1/credit_notes/cn_1"] = CREDIT_NOTE
    stripe.answers["/v1/charges/ch_1"] = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}
    stripe.answers["/v1/invoice_payments"] = {"data": [{"invoice": "in_2"}]}
    ends = await route(
        runtime,
        account,
        thin("v1.credit_note.created", {"id": "cn_1", "type": "credit_note", "url": "/v1/credit_notes/cn_1"}),
        thin("v1.charge.succeeded", {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"}),
        thin("v1.customer.tax_id.deleted", {"id": "txi_1", "type": "tax_id", "url": "/v1/tax_ids/txi_1"}),
    )
    assert ends == [("done", ""), ("done", ""), ("ignored", "its object is gone at Stripe")]
    assert set(await counters()) == {(account, "in_1"), (account, "in_2")}


async def test_what_nobody_can_read_is_parked_with_a_case(runtime: Runtime) -> None:
    account = await add_account()
    bodies = [b"not json", snapshot("invoice.paid", {"object": "invoice"}), thin("v1.invoice.paid", None)]
    ends = await route(runtime, account, *bodies)
    assert [state for state, _ in ends] == ["parked"] * 3
    assert all(reason for _, reason in ends)
    rows = await deliveries()
    assert await cases() == [("delivery_parked", row["id"]) for row in rows]
    assert [opened(row) for row in rows] == bodies


async def test_a_poison_event_is_parked_after_eight_tries_and_holds_up_nobody(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await add_account()
    plan = stripe_events.plan

    def raising(found: Any) -> Any:
        if found.key == "evt_poison":
            raise ZeroDivisionError("sk_test_secret")
        return plan(found)

    monkeypatch.setattr(stripe_events, "plan", raising)
    [poison] = await stored(account, snapshot("invoice.paid", NEW_INVOICE | {"id": "in_p"}, event="evt_poison"))
    for n in range(8):
        others = await stored(account, snapshot("invoice.paid", NEW_INVOICE | {"id": f"in_{n}"}))
        await Router(runtime).route([poison, *others])
        assert (await delivery(others[0]))["state"] == "done"
        row = await delivery(poison)
        assert row["tries"] == n + 1
        await Router(runtime).route([poison])
        assert (await delivery(poison))["tries"] == n + 1, "not before its time"
        await forward(timedelta(days=1))
    assert (row["state"], row["reason"]) == ("parked", "8 tries failed: ZeroDivisionError")
    assert await cases() == [("delivery_parked", poison)]


async def test_a_delivery_that_kills_its_worker_is_counted_too(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killing(found: Any) -> Any:
        raise Killed

    account = await add_account()
    [poison] = await stored(account, snapshot("invoice.paid", NEW_INVOICE))
    await sql.rows("update tollbridge.delivery set tries = 1")  # it goes alone
    monkeypatch.setattr(stripe_events, "plan", killing)
    for _ in range(30):
        await forward(timedelta(days=1))
        try:
            await Router(runtime).route([poison])
        except Killed:
            continue
        break
    row = await delivery(poison)
    assert (row["state"], row["tries"]) == ("parked", 13)


async def test_one_that_cant_be_applied_does_not_stop_its_batch(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await add_account()
    touched = stripe_events._poke

    async def poisoned(account: str, touches: Any, now: Any) -> None:
        if any(touch.id == "in_poison" for touch in touches):
            raise ZeroDivisionError
        await touched(account, touches, now)

    monkeypatch.setattr(stripe_events, "_poke", poisoned)
    ids = await stored(
        account, *(snapshot("invoice.paid", NEW_INVOICE | {"id": f"in_{n}"}) for n in ("a", "poison", "b"))
    )
    await Router(runtime).route(ids)
    assert [(await delivery(i))["state"] for i in ids] == ["done", "stored", "done"]
    assert set(await counters()) == {(account, "in_a"), (account, "in_b")}


async def test_stripe_being_away_delays_only_what_must_ask_it(runtime: Runtime, stripe: ScriptedStripe) -> None:
    account = await add_account()
    stripe.answers["/v1/invoice_payments"] = StripeUnknownError("GET /v1/invoice_payments: HTTP 500")
    ids = await stored(account, snapshot("payment_intent.succeeded", INTENT), snapshot("invoice.paid", NEW_INVOICE))
    await Router(runtime).route(ids)
    assert [(await delivery(i))["state"] for i in ids] == ["stored", "done"]
    stripe.answers["/v1/invoice_payments"] = {"data": [{"invoice": "in_2"}]}
    await forward(timedelta(minutes=1))
    await Router(runtime).route(ids)
    assert (await delivery(ids[0]))["state"] == "done"


async def test_routing_again_and_twice_at_once_changes_nothing(runtime: Runtime) -> None:
    account = await add_account()
    [found] = await stored(account, snapshot("invoice.paid", NEW_INVOICE))
    await Router(runtime).route([found, found])
    await Router(runtime).route([found])
    assert await counters() == {(account, "in_1"): 1}


async def test_a_replay_routes_again_and_closes_the_case(runtime: Runtime) -> None:
    account, other = await add_account(), await add_account("other")
    [found] = await stored(account, b"not json")
    await Router(runtime).route([found])
    assert len(await cases()) == 1
    now = await business_now()
    assert not await replay(other, found, by="key", now=now)
    assert await replay(account, found, by="key_1", now=now)
    assert await cases() == []
    row = await sql.row("select closed_by, closed_reason from tollbridge.review_case")
    assert row is not None
    assert tuple(row) == ("key_1", "replayed")
    await Router(runtime).route([found])
    assert len(await cases()) == 1


async def test_events_poke_in_one_order_with_advance(runtime: Runtime) -> None:
    """Pokes of both kinds in one batch: rows stay in order by id, so nothing deadlocks."""
    account = await add_account()
    for n in range(20):
        await add_invoice(account, f"in_{n:02}", subscription="sub_1")
    bodies = [snapshot("customer.subscription.updated", SUBSCRIPTION)]
    bodies += [snapshot("invoice.sent", NEW_INVOICE | {"id": f"in_{n:02}"}) for n in range(0, 20, 3)]
    await route(runtime, account, *bodies)
    assert set((await counters()).values()) == {1}
    woken = await poke.lost_wake_ups([Kind.INVOICE], await business_now(), 100)
    assert len(woken) == 20
