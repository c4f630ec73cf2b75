"""G. Webhooks: doubled, reversed, stale, forged, in old shapes, and lost on the way through us."""

from __future__ import annotations

import time
from typing import Any

import httpx
import msgspec
import pytest

from db import sql
from db.queue import SETTINGS
from gateway.accounts import webhook_secrets
from gateway.inbox import table
from gateway.sandbox.practice.events import sign
from gateway.sandbox.stripe import customers
from processors.values import Secret
from tests.support.crash import boundaries, once
from tests.support.inbox import signed
from tests.support.invariants import fingerprint
from tests.support.returning import refund, refund_calls, returned
from tests.support.shop import BY
from tests.support.world import World

OLD = "2020-08-27"


def _endpoint(world: World) -> dict[str, Any]:
    """The shop's webhook endpoint at Stripe."""
    [endpoint] = world.stripe_account().webhook_endpoints.values()
    return dict(endpoint)


async def _post(world: World, body: bytes, **headers: str) -> httpx.Response:
    """Somebody posts to the shop's address for Stripe's webhooks."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.http.post(_endpoint(world)["url"], content=body, headers=named)


async def _notify(world: World, data: dict[str, Any], secret: str = "", kind: str = "charge.succeeded") -> int:
    """The processor posts one notice, signed with its endpoint's secret or another; the status of our answer."""
    account = world.practice.account(world.shop.practice_key)
    [endpoint] = account.endpoints
    event = {"id": f"pevt_{time.monotonic_ns()}", "type": kind, "account": account.id, "created": int(time.time())}
    body = msgspec.json.encode({"events": [{**event, "data": data}]})
    headers = sign(secret or endpoint.secret, int(time.time()), body)
    return (await world.http.post(endpoint.url, content=body, headers=headers)).status_code


async def _deliveries() -> int:
    return int(await sql.value("select count(*) from tollbridge.delivery"))


async def _pokes() -> int:
    return int(await sql.value("select sum(poked) from tollbridge.invoice"))


async def _refused(world: World) -> float:
    """The counter of refused webhooks, over all reasons."""
    lines = (await world.http.get(f"{world.gateway_url}/metrics")).text.splitlines()
    return sum(float(n.rpartition(" ")[2]) for n in lines if n.startswith("tollbridge_webhooks_refused_total"))


@pytest.mark.scenario(91)
async def test_duplicate_ten_days_later(world: World) -> None:
    await world.signup("ok")
    await world.later(days=10)
    before, stored, poked = await fingerprint(world), await _deliveries(), await _pokes()

    for event in list(world.stripe_account().events):
        world.stripe.resend(event)
    again = await world.stripe.flush()
    await world.settle()

    assert again.sent > 5
    assert again.failed == 0
    assert (await fingerprint(world), await _deliveries(), await _pokes()) == (before, stored, poked)


@pytest.mark.scenario(92)
@pytest.mark.parametrize("paid_by_hand", [True, False])
async def test_order_reversed(world: World, paid_by_hand: bool) -> None:
    signups = [await world.signup("ok", f"order-{n}") for n in range(2)]
    charged = len(world.charge_calls())
    await world.move(days=31, minutes=1)
    renewals = [world.invoices_of(s.subscription)[-1]["id"] for s in signups]
    for renewal in renewals:
        await world.shop.client.v1.invoices.finalize_invoice_async(renewal)
        if paid_by_hand:
            await world.shop.client.v1.invoices.pay_async(renewal, {"paid_out_of_band": True})
    queue = world.stripe.delivery.queue
    reverse = [s for s in queue if s.event.lane == signups[1].customer]
    assert next(s.event.type for s in reverse if s.event.object_id == renewals[1]) == "invoice.created"
    others = [s for s in queue if s.event.lane != signups[1].customer]
    queue.clear()
    queue.extend([*others, *reversed(reverse)])

    await world.settle()

    in_order, in_reverse = [await world.gateway_invoice(r) for r in renewals]
    for shown in (in_order, in_reverse):
        assert (shown["state"], shown["status"]) == ("paid", "paid")
        assert [a["state"] for a in shown["attempts"]] == ([] if paid_by_hand else ["succeeded"])
    assert len(world.charge_calls()) == charged + (0 if paid_by_hand else 2)
    assert [world.stripe_invoice(r)["status"] for r in renewals] == ["paid", "paid"]


@pytest.mark.scenario(94)
async def test_stale_snapshot(world: World) -> None:
    signup, renewal = await world.renew_unseen()
    charged = len(world.charge_calls())
    await world.shop.client.v1.invoices.finalize_invoice_async(renewal)
    world.stripe.delivery.set(drop={"invoice.voided", "invoice.updated", "payment_intent.canceled"})
    await world.shop.client.v1.invoices.void_invoice_async(renewal)
    told = [e.object["status"] for e in world.stripe_account().events.values() if e.type == "invoice.finalized"]
    assert told[-1] == "open"

    await world.settle()

    assert world.stripe_invoice(renewal)["status"] == "void"
    assert len(world.charge_calls()) == charged
    assert (await world.gateway_invoice(renewal))["state"] == "closed"
    assert (await world.access(signup.subscription))["granted"]


@pytest.mark.scenario(97)
@pytest.mark.parametrize("how", ["bad signature", "another endpoint's secret", "no header", "re-serialised"])
async def test_forged(world: World, how: str) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    secret = _endpoint(world)["_secret"]
    invoice = world.stripe_invoice(renewal) | {"status": "paid"}
    event = {"id": "evt_forged", "object": "event", "type": "invoice.paid", "data": {"object": {"id": invoice["id"]}}}
    body = msgspec.json.encode(event | {"livemode": False, "created": int(time.time())})
    other = await world.shop.client.v1.webhook_endpoints.create_async(
        {"url": "https://elsewhere.example/hook", "enabled_events": ["invoice.voided"]}
    )
    before, stored, poked = await fingerprint(world), await _deliveries(), await _pokes()
    refused = await _refused(world)

    header = {
        "bad signature": f"t={int(time.time())},v1={'0' * 64}",
        "another endpoint's secret": signed(body, str(other.secret)),
        "re-serialised": signed(body, secret),
    }.get(how)
    sent = msgspec.json.format(body, indent=2) if how == "re-serialised" else body
    world.stripe_account().webhook_endpoints.pop(other.id)
    answer = await _post(world, sent, **({"stripe_signature": header} if header else {}))
    await world.settle()

    assert answer.status_code == 400
    assert (await fingerprint(world), await _deliveries(), await _pokes()) == (before, stored, poked)
    assert await _refused(world) == refused + 1
    assert (await _post(world, body, stripe_signature=signed(body, secret))).status_code == 200, "and the true one is"
    await world.settle()
    assert await _deliveries() == stored + 1
    assert await fingerprint(world) == before, "which moves no money either: the live invoice is open"


@pytest.mark.scenario(98)
async def test_replayed_signed_body(world: World) -> None:
    await world.signup("ok")
    secret = _endpoint(world)["_secret"]
    paid = next(e for e in world.stripe_account().events.values() if e.type == "invoice.paid")
    before, stored, poked = await fingerprint(world), await _deliveries(), await _pokes()

    old = signed(paid.body(), secret, at_s=time.time() - 310)
    assert (await _post(world, paid.body(), stripe_signature=old)).status_code == 400
    recent = signed(paid.body(), secret, at_s=time.time() - 200)
    assert (await _post(world, paid.body(), stripe_signature=recent)).status_code == 200

    await world.settle()
    assert (await fingerprint(world), await _deliveries(), await _pokes()) == (before, stored, poked)


async def _endpoint_in(world: World, version: str | None, *, beside: bool = False) -> None:
    """The shop's endpoint is of this API version; or another one `beside` it, for the same address."""
    if not beside:
        [endpoint] = world.stripe_account().webhook_endpoints.values()
        endpoint["api_version"] = version
        return
    made = await world.shop.client.v1.webhook_endpoints.create_async(
        {"url": _endpoint(world)["url"], "enabled_events": ["*"], "api_version": version}  # type: ignore[typeddict-item]
    )
    await webhook_secrets.add(world.runtime.keyring, BY, world.shop.account, Secret(str(made.secret)))


@pytest.mark.scenario(100)
@pytest.mark.parametrize("version", [OLD, None])
async def test_old_payload_shape(world: World, version: str | None) -> None:
    await _endpoint_in(world, version)
    signup = await world.signup("ok")
    # A subscription of Stripe's own making, of which only events tell.
    made = await world.shop.client.v1.subscriptions.create_async(
        {
            "customer": signup.customer,
            "items": [{"price": world.shop.price}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
        }
    )
    await world.settle()
    await world.later(days=31)

    bodies = [e.body(version) for e in world.stripe_account().events.values() if e.type == "invoice.paid"]
    assert all((b'"paid_out_of_band":true' in body) is (version is OLD) for body in bodies), "the shapes differ"
    for subscription in (signup.subscription, made.id):
        assert [i["status"] for i in world.invoices_of(subscription)] == ["paid", "paid"]
        assert (await world.access(subscription))["granted"]
    assert len(world.captures()) == len(world.charge_calls()) == 4
    assert await world.open_cases() == []


async def _thin_destination(world: World, *, beside: bool) -> None:
    """The shop is told by thin events: of all that happens, and nothing else unless `beside` the snapshots."""
    url = _endpoint(world)["url"]
    if not beside:
        world.stripe_account().webhook_endpoints.clear()
    made = await world.shop.client.v2.core.event_destinations.create_async(
        {
            "name": "The shop",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": ["*"],
            "webhook_endpoint": {"url": url},
            "include": ["webhook_endpoint.signing_secret"],
        }
    )
    secret = str(made.webhook_endpoint.signing_secret)  # type: ignore[union-attr]
    await webhook_secrets.add(world.runtime.keyring, BY, world.shop.account, Secret(secret))


@pytest.mark.scenario(100)
@pytest.mark.parametrize("beside", [False, True])
async def test_thin_events(world: World, beside: bool) -> None:
    await _thin_destination(world, beside=beside)
    signup = await world.signup("ok")
    # A subscription of Stripe's own making, of which only events tell.
    made = await world.shop.client.v1.subscriptions.create_async(
        {
            "customer": signup.customer,
            "items": [{"price": world.shop.price}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
        }
    )
    await world.settle()
    await world.later(days=31)

    kinds = {row["kind"] for row in await sql.rows("select distinct kind from tollbridge.delivery")}
    assert "v1.invoice.finalized" in kinds
    assert ("invoice.finalized" in kinds) is beside
    for subscription in (signup.subscription, made.id):
        assert [i["status"] for i in world.invoices_of(subscription)] == ["paid", "paid"]
        assert (await world.access(subscription))["granted"]
    assert len(world.captures()) == len(world.charge_calls()) == 4
    assert await world.open_cases() == []
    [destination] = world.stripe_account().event_destinations
    await world.shop.client.v2.core.event_destinations.ping_async(destination)
    await world.settle()
    assert await world.open_cases() == []


@pytest.mark.scenario(100)
async def test_unknown_future_shape(world: World) -> None:
    await world.signup("ok")
    future = {"id": {"object": "reference", "value": "in_1"}, "object": "invoice"}
    world.stripe_account().send_event("invoice.paid", future)
    await world.settle()

    assert await sql.value("select count(*) from tollbridge.delivery where state = 'parked'") == 1
    assert await world.open_cases() == ["delivery_parked"]


@pytest.mark.scenario(101)
async def test_endpoint_upgraded_in_the_middle_of_a_cycle(world: World) -> None:
    await _endpoint_in(world, OLD, beside=True)
    signup = await world.signup("ok")
    await world.later(days=31)

    of_invoices = [entry for entry in world.stripe.delivery.log if entry.type.startswith("invoice.")]
    events = [entry.event for entry in of_invoices if entry.ok]
    assert len(events) == 2 * len(set(events)) > 0, "each in both shapes"
    stored = await sql.value("select count(*) from tollbridge.delivery where delivery_key = any($1)", list(set(events)))
    assert stored == len(set(events))
    _, renewal = world.invoices_of(signup.subscription)
    assert renewal["status"] == "paid"
    assert await world.attempts(renewal["id"]) == ["succeeded"]
    assert len(world.captures()) == len(world.charge_calls()) == 2


@pytest.mark.scenario(104)
async def test_poison_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signup, renewal = await world.renew_unseen()
    read = table.read

    def raising(body: bytes, own_account: str = "") -> table.Reading:
        if renewal.encode() in body:
            raise ZeroDivisionError("unexpected")
        return read(body, own_account)

    monkeypatch.setattr(table, "read", raising)
    assert (await world.stripe.flush()).failed == 0, "stored and 2xx at once"
    await world.settle()
    other = await world.signup("ok", "order-other")
    assert world.stripe_invoice(other.invoice)["status"] == "paid"
    for _ in range(8):
        await world.later(hours=12)

    parked = await sql.rows("select id, tries, object_id from tollbridge.delivery where state = 'parked'")
    assert {row["tries"] for row in parked} == {8}
    assert renewal in {row["object_id"] for row in parked}
    assert (await world.open_cases()).count("delivery_parked") == len(parked) > 0

    monkeypatch.undo()
    for row in parked:
        again = await world.call("POST", f"/v1/inbox/{row['id']}/replay")
        assert again.status_code == 200, again.text
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert (await world.access(signup.subscription))["granted"]
    assert await world.open_cases() == []


@pytest.mark.scenario(109)
async def test_forged_notice_of_the_processor(world: World) -> None:
    signup = await world.signup("pending_then_ok")
    charge = world.last_charge()
    data = charge.shown("") | {"status": "succeeded", "amount_captured": 1000}
    before, stored, refused = await fingerprint(world), await _deliveries(), await _refused(world)

    status = await _notify(world, data, secret="somebody_elses_secret")
    await world.settle()

    assert status == 400
    assert await _refused(world) == refused + 1
    assert (await fingerprint(world), await _deliveries()) == (before, stored)
    assert world.captures() == []
    assert world.stripe_invoice(signup.invoice)["status"] == "open"
    assert await world.attempts(signup.invoice) == ["pending"]


@pytest.mark.scenario(110)
@pytest.mark.parametrize("wrong", ["account", "currency"])
async def test_genuine_notice_with_a_wrong(world: World, wrong: str) -> None:
    signup = await world.signup("pending_then_ok")
    account = world.practice.account(world.shop.practice_key)
    data = world.last_charge().shown(account.id) | {"status": "succeeded", "amount_captured": 1000}
    if wrong == "currency":
        data["currency"] = "USD"
    receiver = "pa_somebody_else" if wrong == "account" else ""
    world.practice.announce(account, "charge.succeeded", data, receiver=receiver)
    await world.settle()

    assert world.stripe_invoice(signup.invoice)["status"] == "open"
    assert await world.attempts(signup.invoice) == ["pending"]
    assert (await world.gateway_invoice(signup.invoice))["movements"] == []
    assert await world.open_cases() == ["notice_mismatch"]
    assert not (await world.access(signup.subscription))["granted"]

    await world.later(hours=25)
    assert world.stripe_invoice(signup.invoice)["status"] == "paid", "by the true one"
    assert len(world.captures()) == len(world.charge_calls()) == 1


@pytest.mark.scenario(110)
async def test_genuine_notice_with_a_smaller_amount(world: World) -> None:
    signup = await world.signup("pending_then_ok")
    account, charge = world.practice.account(world.shop.practice_key), world.last_charge()
    charge.status, charge.captured, charge.course = "succeeded", 500, []
    world.practice.announce(account, "charge.succeeded", charge.shown(account.id))
    await world.settle()

    live = world.stripe_invoice(signup.invoice)
    assert (live["status"], live["amount_paid"], live["pre_payment_credit_notes_amount"]) == ("paid", 500, 500)
    rest = world.stripe_account().invoices[live["metadata"]["tollbridge_remainder"]]
    assert (rest["status"], rest["amount_due"]) == ("open", 500), "by what was told, never by what was asked for"
    assert not (await world.access(signup.subscription))["granted"]
    assert len(world.charge_calls()) == 2, "and the rest, which is pending"


@pytest.mark.scenario(112)
@pytest.mark.parametrize("boundary", ["before COMMIT", "after COMMIT", None])
async def test_crash_after_2xx_to_the_processor(world: World, boundary: str | None) -> None:
    signup = await world.signup("pending_then_ok")
    await world.move(hours=25)
    assert (await world.practice.flush()).sent == 1
    kept = "select count(*) from tollbridge.delivery where kind = 'charge.succeeded'"
    assert await sql.value(f"{kept} and state = 'stored'") == 1

    if boundary is None:
        # The wake-up is gone with the process that held it.
        await sql.rows(f"delete from {SETTINGS.qualified.queue_table}")
        await world.settle()
    else:
        with boundaries(once(boundary)):
            await world.settle()
        assert world.kills == 1

    assert await sql.value(f"{kept} and state = 'done'") == 1
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert len(world.captures()) == len(world.charge_calls()) == 1


@pytest.mark.scenario(113)
async def test_two_notices_for_one_fact(world: World) -> None:
    signup = await world.signup("pending_then_ok")
    await world.move(hours=25)
    account, charge = world.practice.account(world.shop.practice_key), world.last_charge()
    assert charge.status == "succeeded"
    world.practice.announce(account, "charge.succeeded", charge.shown(account.id))
    await world.settle()

    assert await sql.value("select count(*) from tollbridge.delivery where kind = 'charge.succeeded'") == 2
    shown = await world.gateway_invoice(signup.invoice)
    assert len(shown["movements"]) == len(shown["recordings"]) == 1
    assert len(world.stripe_calls("POST", f"/v1/invoices/{signup.invoice}/pay")) == 1
    assert (shown["state"], world.stripe_invoice(signup.invoice)["status"]) == ("paid", "paid")
    assert await world.open_cases() == []


async def _eventful_weeks(world: World, *, days: int) -> tuple[list[str], list[str]]:
    """Three subscriptions renew and one of them ends, while nothing that Stripe says arrives; renewals and the living.

    Another customer's renewal is paid by hand at Stripe.
    """
    signups = [await world.signup("ok", f"order-{n}") for n in range(4)]
    assert await world.catch_up() == 0
    await world.settle()
    world.stripe.delivery.set(drop=True)
    ended, by_hand = signups[0].subscription, signups[3].subscription
    await world.move(days=27)
    await world.shop.client.v1.subscriptions.cancel_async(ended)
    await world.move(days=4, minutes=1)
    paid = world.invoices_of(by_hand)[-1]["id"]
    await world.shop.client.v1.invoices.finalize_invoice_async(paid)
    await world.shop.client.v1.invoices.pay_async(paid, {"paid_out_of_band": True})
    await world.later(days=days)
    assert len(world.captures()) == 4, "nobody told the gateway of the renewals"
    assert (await world.access(ended))["granted"], "nor of the end"
    world.stripe.delivery.set(drop=False)
    return [world.invoices_of(s.subscription)[-1]["id"] for s in signups[1:]], [s.subscription for s in signups[1:]]


async def _caught_up(world: World, renewals: list[str], ended: str) -> None:
    """Every renewal is paid, once; the one that was paid by hand was not charged; the end is known."""
    states = [(await world.gateway_invoice(i))["state"] for i in renewals]
    assert states == ["paid"] * 3
    assert [world.stripe_invoice(i)["status"] for i in renewals] == ["paid"] * 3
    assert [await world.attempts(i) for i in renewals] == [["succeeded"], ["succeeded"], []]
    assert len(world.captures()) == len(world.charge_calls()) == 6
    assert not (await world.access(ended))["granted"]
    assert await world.open_cases() == []


@pytest.mark.scenario(106)
async def test_48_hours_of_lost_events(world: World) -> None:
    renewals, living = await _eventful_weeks(world, days=1)
    [ended] = set(world.stripe_account().subscriptions) - set(living)

    assert await world.catch_up() > 10
    await world.settle()

    await _caught_up(world, renewals, ended)
    stored, pokes = await _deliveries(), await _pokes()
    for event in list(world.stripe_account().events):
        world.stripe.resend(event)
    await world.settle()
    assert (await _deliveries(), await _pokes()) == (stored, pokes), "a webhook that comes late is a repeated one"


@pytest.mark.scenario(107)
async def test_loss_older_than_30_days(world: World) -> None:
    renewals, living = await _eventful_weeks(world, days=1)
    [ended] = set(world.stripe_account().subscriptions) - set(living)
    for event in list(world.stripe_account().events):
        # Stripe keeps them for 30 days.
        del world.stripe_account().events[event]

    assert await world.catch_up() >= 4
    await world.settle()

    await _caught_up(world, renewals, ended)
    assert await world.catch_up() == 0


@pytest.mark.scenario(95)
@pytest.mark.parametrize("reverse", [False, True])
async def test_the_refund_finds_the_id_whichever_event_comes_first(world: World, reverse: bool) -> None:
    _, renewal = await world.renew_unseen()
    await world.hear()
    await world.work()
    told = [e for e in world.stripe_account().events.values() if e.object_id == renewal]
    tagged = [e for e in told if e.type == "invoice.updated" and "third_party_payment_id" in e.object["metadata"]]
    assert {e.created for e in told if e.type == "invoice.paid"} == {e.created for e in tagged}
    if reverse:
        world.stripe.delivery.queue.reverse()
    await world.settle()

    done = await refund(world, renewal)

    assert done["state"] == "recorded"
    [call] = refund_calls(world)
    assert world.captures()[-1].id in call.path
    assert returned(world) == [1000]


@pytest.mark.scenario(95)
@pytest.mark.parametrize("reverse", [False, True])
async def test_two_events_in_the_same_second_both_needed(world: World, reverse: bool) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    invoices = world.shop.client.v1.invoices
    await invoices.update_async(renewal, {"metadata": {"transaction_id": "txn_made_up"}})
    await invoices.pay_async(renewal, {"paid_out_of_band": True})
    told = [e for e in world.stripe_account().events.values() if e.object_id == renewal][-3:]
    assert {"invoice.updated", "invoice.paid"} <= {e.type for e in told}
    assert len({e.created for e in told}) == 1
    if reverse:
        world.stripe.delivery.queue.reverse()

    await world.settle()

    row = await sql.row("select status, snapshot from tollbridge.invoice where id = $1", renewal)
    assert row is not None
    assert row["status"] == "paid"
    assert msgspec.json.decode(row["snapshot"])["metadata"]["transaction_id"] == "txn_made_up"
    assert (await world.gateway_invoice(renewal))["state"] == "paid"


@pytest.mark.scenario(103)
@pytest.mark.parametrize("left_open", [False, True])
async def test_event_for_a_deleted_customer(world: World, monkeypatch: pytest.MonkeyPatch, left_open: bool) -> None:
    if left_open:
        # Stripe's documents do not say what becomes of open invoices.
        monkeypatch.setattr(customers, "mark_uncollectible", lambda account, invoice: None)
    signup, renewal = await world.renew("soft_then_ok")
    charged = len(world.charge_calls())

    await world.shop.client.v1.customers.delete_async(signup.customer)
    for event in list(world.stripe_account().events):
        world.stripe.resend(event)
    flushed = await world.stripe.flush()
    await world.settle()

    assert flushed.failed == 0
    assert world.stripe.delivery.waiting == 0, "nothing is delivered again and again"
    assert await sql.value("select count(*) from tollbridge.delivery where state not in ('done', 'ignored')") == 0
    for _ in range(5):
        await world.later(days=1)
    assert len(world.charge_calls()) == charged
    assert not (await world.access(signup.subscription))["granted"]
    assert await world.open_cases() == (["customer_deleted"] if left_open else [])
    if left_open:
        await world.shop.client.v1.invoices.mark_uncollectible_async(renewal)
        await world.settle()
    assert (await world.gateway_invoice(renewal))["state"] == "uncollectible"
    assert await world.open_cases() == []
