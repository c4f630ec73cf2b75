"""E. Asynchronous processors: pending is neither paid nor failed."""

from __future__ import annotations

import pytest

from gateway.accounts import connections
from gateway.accounts.connections import ConnectionChange
from tests.support.moves import rest_of, taken_back, tell, told_of_moves
from tests.support.returning import returned
from tests.support.shop import BY
from tests.support.world import World


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    told_of_moves(monkeypatch)


@pytest.mark.scenario(59)
async def test_pending_then_completed(world: World) -> None:
    signup = await world.signup("pending_then_ok", wait_s=0)
    for _ in range(4):
        await world.later(hours=5)
        assert world.stripe_invoice(signup.invoice)["status"] == "open"
        assert await world.attempts(signup.invoice) == ["pending"]
        assert len(world.charge_calls()) == 1
        assert not (await world.access(signup.subscription))["granted"]
    asked = len(world.practice.calls)

    await world.later(hours=5)

    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert len(world.captures()) == len(world.charge_calls()) == 1
    assert len(world.practice.calls) == asked, "its webhook said so, nobody had to ask"
    assert (await world.access(signup.subscription))["granted"]


@pytest.mark.scenario(61)
async def test_pending_beyond_the_due_date(world: World) -> None:
    world.practice.settings.pending_delay_s = 15 * 86400
    signup, renewal = await world.renew("pending_then_ok")
    charged = len(world.charge_calls())

    for _ in range(12):
        await world.later(days=1)

    assert world.stripe_subscription(signup.subscription)["status"] == "past_due"
    assert (await world.access(signup.subscription))["granted"]
    assert len(world.charge_calls()) == charged
    assert (await world.gateway_invoice(renewal))["state"] == "pending"
    assert "pending_too_long" in await world.open_cases()

    await world.later(days=4)

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert len(world.captures()) == 2
    assert len(world.charge_calls()) == charged


@pytest.mark.scenario(67)
async def test_authorized_is_not_settled(world: World) -> None:
    _, renewal = await world.renew("capture_later")
    assert (world.last_charge().status, await world.attempts(renewal)) == ("authorized", ["pending"])
    assert world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay") == []
    assert (await world.gateway_invoice(renewal))["movements"] == []

    await world.later(hours=2)

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == len(world.charge_calls()) == 2


@pytest.mark.scenario(67)
@pytest.mark.parametrize(("kind", "status"), [("pending_then_fail", "pending"), ("capture_fails", "authorized")])
async def test_accepted_and_then_not_captured(world: World, kind: str, status: str) -> None:
    world.practice.settings.pending_delay_s = 7200
    signup, renewal = await world.renew(kind)
    assert world.last_charge().status == status
    assert (await world.gateway_invoice(renewal))["state"] == "pending"
    assert world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay") == []

    await world.later(hours=3)

    assert world.stripe_invoice(renewal)["status"] == "open"
    assert world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay") == []
    assert (await world.gateway_invoice(renewal))["state"] == "retrying"
    assert await world.attempts(renewal) == ["declined"]
    assert len(world.captures()) == 1, "the signup's"

    world.break_card(signup.customer, "ok")
    await world.later(hours=22)
    assert await world.attempts(renewal) == ["declined", "succeeded"]
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == 2


@pytest.mark.scenario(68)
async def test_notification_is_lost(world: World) -> None:
    world.practice.settings.pending_delay_s = 1800
    world.practice.delivery.set(drop=True)
    signup = await world.signup("pending_then_ok", wait_s=0)
    await world.later(minutes=31)
    assert world.stripe_invoice(signup.invoice)["status"] == "open"

    await world.later(minutes=30)

    assert world.practice.delivery.dropped >= 2, "pending and succeeded"
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert len(world.captures()) == len(world.charge_calls()) == 1


@pytest.mark.scenario(62)
async def test_pending_for_ever(world: World) -> None:
    world.practice.settings.pending_delay_s = 90 * 86400
    world.practice.delivery.set(drop=True)
    signup, renewal = await world.renew("pending_then_ok")
    charged = len(world.charge_calls())

    for _ in range(30):
        await world.later(days=1)

    assert await world.open_cases() == ["pending_too_long"]
    assert (await world.gateway_invoice(renewal))["state"] == "pending"
    assert world.stripe_invoice(renewal)["status"] == "open"
    assert world.stripe_subscription(signup.subscription)["status"] != "canceled"
    assert [c for c in world.practice.calls if c.path.endswith("/cancel")] == []
    others = [c for c in world.charge_calls()[charged:] if c.params["reference"].startswith(renewal)]
    assert others == [], "and no other charge of it"


@pytest.mark.scenario(64)
@pytest.mark.usefixtures("told")
async def test_late_failure_and_then_paid_again(world: World) -> None:
    signup = await world.signup("ok", wait_s=0)
    charge = world.last_charge()
    before = world.stripe_invoice(signup.invoice)

    tell(world, "test.taken_back", charge)
    await world.settle()

    shown = await world.gateway_invoice(signup.invoice)
    assert [a["state"] for a in shown["attempts"]] == ["reversed"]
    assert [m["kind"] for m in shown["movements"]] == ["capture", "capture_reversed"]
    assert await world.open_cases() == ["capture_reversed"], "Stripe shows it paid, and it is not"
    await world.later(days=12)
    assert len(world.charge_calls()) == 1

    tell(world, "test.given_again", charge)
    await world.settle()

    shown = await world.gateway_invoice(signup.invoice)
    assert [a["state"] for a in shown["attempts"]] == ["succeeded"]
    assert sum(-m["amount"] if m["kind"] == "capture_reversed" else m["amount"] for m in shown["movements"]) == 1000
    assert await world.open_cases() == []
    assert world.stripe_invoice(signup.invoice) == before
    assert len(world.charge_calls()) == len(world.captures()) == 1


@pytest.mark.scenario(64)
@pytest.mark.usefixtures("told")
async def test_told_the_other_way_round(world: World) -> None:
    signup = await world.signup("ok", wait_s=0)
    tell(world, "test.given_again", world.last_charge())
    tell(world, "test.taken_back", world.last_charge())
    world.practice.delivery.queue.reverse()
    await world.settle()
    # Whichever was routed first: what is given again waits for what was taken.
    await world.later(hours=1)

    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert await world.open_cases() == []
    assert len(world.charge_calls()) == 1


@pytest.mark.usefixtures("told")
async def test_taken_back_before_stripe_was_told(world: World) -> None:
    _, renewal = await world.renew_unseen()
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}/pay", status=500, times=1000)
    await world.settle()
    charge = world.last_charge()
    assert (await world.gateway_invoice(renewal))["state"] == "captured"

    tell(world, "test.taken_back", charge)
    await world.settle()
    assert await world.attempts(renewal) == ["reversed"]
    assert world.stripe_invoice(renewal)["status"] == "open"
    world.stripe.faults.clear()
    await world.later(days=2)
    assert await world.attempts(renewal) == ["reversed", "succeeded"], "it was never paid: the ladder goes on"
    assert world.stripe_invoice(renewal)["status"] == "paid"

    tell(world, "test.given_again", charge)
    await world.settle()
    assert await world.attempts(renewal) == ["succeeded", "succeeded"]
    assert returned(world) == [1000]
    assert await world.open_cases() == []


@pytest.mark.scenario(65)
@pytest.mark.parametrize("retried", [False, True])
async def test_failure_notice_first_and_success_second(world: World, retried: bool) -> None:
    world.practice.settings.pending_delay_s = 3600
    signup, renewal = await world.renew("pending_then_fail")
    charge = world.last_charge()
    await world.later(hours=2)
    assert await world.attempts(renewal) == ["declined"]
    if retried:
        world.break_card(signup.customer, "ok")
        await world.later(hours=25)
        assert await world.attempts(renewal) == ["declined", "succeeded"]

    world.succeed_after_all(charge)
    await world.settle()

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert await world.attempts(renewal) == ["succeeded"] * (2 if retried else 1)
    assert returned(world) == ([1000] if retried else [])
    assert await world.open_cases() == []
    assert len(world.captures()) == (3 if retried else 2), "the signup's among them"


@pytest.mark.usefixtures("told")
async def test_taken_back_and_billed_anew(world: World) -> None:
    charge, renewal = await taken_back(world)

    [note] = [world.stripe_account().credit_notes[n] for n in world.stripe_account().credit_notes_of_invoice[renewal]]
    assert (note["total"], note["out_of_band_amount"]) == (1000, 1000)
    anew = rest_of(world, renewal)
    assert (anew["status"], anew["total"]) == ("open", 1000)
    assert world.stripe_invoice(renewal)["metadata"]["tollbridge_remainder"] == anew["id"]
    assert await world.attempts(anew["id"]) == ["declined"]
    assert await world.open_cases() == []

    [method] = world.methods_at_processor()
    world.break_card(method.customer, "ok")
    await world.later(hours=25)
    assert rest_of(world, renewal)["status"] == "paid"
    assert len(world.captures()) == 3

    tell(world, "test.given_again", charge)
    await world.settle()
    await world.later(minutes=11)
    account = world.practice.account(world.shop.practice_key)
    assert [one.amount for one in account.refunds.values()] == [1000], "it was paid twice by now"
    assert await world.open_cases() == []


@pytest.mark.scenario(64)
@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("fault", ["", "lost_after"])
async def test_what_comes_again_pays_what_was_billed_anew(world: World, fault: str) -> None:
    charge, renewal = await taken_back(world)
    if fault:
        world.stripe.faults.add(fault, method="POST", path="/v1/invoices/{id}/pay")
    tell(world, "test.given_again", charge)
    await world.settle()
    await world.later(minutes=11)

    anew = rest_of(world, renewal)
    assert (anew["status"], anew["amount_paid"]) == ("paid", 1000)
    assert len(world.captures()) == 2
    assert world.practice.account(world.shop.practice_key).refunds == {}
    assert await world.open_cases() == []
    await world.later(days=5)
    assert len(world.captures()) == 2


async def _told_when_settled(world: World) -> None:
    change = ConnectionChange(record_on="settled")
    await connections.update(world.runtime, BY, world.shop.account, world.shop.connection, change)


async def test_stripe_is_told_once_the_money_is_settled(world: World) -> None:
    await _told_when_settled(world)
    _, renewal = await world.renew_unseen()
    await world.settle()
    assert (await world.gateway_invoice(renewal))["state"] == "captured"
    assert world.stripe_invoice(renewal)["status"] == "open"

    await world.later(hours=25)

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == len(world.charge_calls()) == 2


async def test_the_processors_word_that_it_is_settled_is_told_at_once(world: World) -> None:
    """Also where the notice comes twice, and once more after the invoice is paid."""
    await _told_when_settled(world)
    _, renewal = await world.renew_unseen()
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "open"

    for _ in range(3):
        world.practice.tell_settled(world.last_charge().id)
        await world.settle()
        assert world.stripe_invoice(renewal)["status"] == "paid"

    [attempt] = (await world.gateway_invoice(renewal))["attempts"]
    assert attempt["settled"] is not None
    assert len(world.captures()) == len(world.charge_calls()) == 2


async def test_settled_is_told_before_success_was(world: World) -> None:
    """The notice of the success is lost, and nobody has asked yet: that of the settlement proves it."""
    await _told_when_settled(world)
    signup, renewal = await world.renew_unseen()
    world.break_card(signup.customer, "pending_then_ok")
    await world.settle()
    world.practice.delivery.set(drop=1)
    world.practice.settle(world.last_charge().id)
    await world.settle()
    assert await world.attempts(renewal) == ["pending"]

    world.practice.tell_settled(world.last_charge().id)
    await world.settle()
    assert await world.attempts(renewal) == ["succeeded"]
    assert world.stripe_invoice(renewal)["status"] == "paid"


@pytest.mark.usefixtures("told")
async def test_taken_back_before_it_was_settled(world: World) -> None:
    """Stripe was never told, so nothing is credited, and the ladder goes on."""
    await _told_when_settled(world)
    _, renewal = await world.renew_unseen()
    await world.settle()
    tell(world, "test.taken_back", world.last_charge())
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "open"

    await world.later(days=2)
    await world.later(hours=25)

    assert await world.attempts(renewal) == ["reversed", "succeeded"]
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert renewal not in world.stripe_account().credit_notes_of_invoice
