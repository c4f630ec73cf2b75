"""What the console promises and does not keep yet."""

from __future__ import annotations

import re

import pytest

from db import sql
from gateway.domain.roles import Role
from tests.api.seed import add_endpoint
from tests.console.conftest import Console
from tests.console.test_invoice import READ, RECORD, WIRE, one_open, receipts
from tests.returns.test_retrying import too_much
from tests.scenarios.test_m_in_flight import renew_in_flight
from tests.support.returning import credit, refund_later, returned
from tests.support.staff import clerk, text_of
from tests.support.world import World


@pytest.mark.parametrize("path", ["/audit", "/audit.csv"])
async def test_where_events_go_is_a_setting_in_the_audit_log_too(console: Console, path: str) -> None:
    """An endpoint's address is shown whole to who may change the settings alone, since it often is its only secret."""
    await add_endpoint(console.api.runtime, console.api.ours.id, "https://192.0.43.8/made-up-secret")
    events = await console[Role.FINANCE].get("/events")
    assert "made-up-secret" not in events.text
    told = await console[Role.FINANCE].get(path)
    assert "webhook" in told.text
    assert "made-up-secret" not in told.text


async def collected_at_stripe(world: World) -> set[str]:
    """The sums of the overview that are of what payers paid at Stripe: of a week, or of the month."""
    page = (await (await clerk(world)).get("")).text
    found = re.findall(r'<a[^>]* href="[^"]*source=stripe[^"]*"[^>]*>(.*?)</a>', page.partition("As a table")[2])
    return {text.strip() for text in found}


async def test_what_a_payer_paid_at_stripe_after_our_decline_is_collected(world: World) -> None:
    """It is collected by us, and its payer paid it on Stripe's own page: the recovery beside counts it as paid."""
    _, renewal = await world.renew("decline_insufficient_funds")
    await world.pay_at_stripe(renewal)
    await world.settle()
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert world.taken_at_stripe(renewal) == 1000

    assert await collected_at_stripe(world) == {"10.00 EUR"}


async def test_what_a_payer_paid_at_stripe_is_collected_although_a_charge_came_too_and_went_back(world: World) -> None:
    """The payer paid twice, and has one of them back: one was collected."""
    _, renewal = await renew_in_flight(world)
    world.pays_there(renewal)
    await world.later(days=2)
    assert (world.taken_at_stripe(renewal), returned(world)) == (1000, [1000])

    assert await collected_at_stripe(world) == {"10.00 EUR"}


async def test_a_viewer_of_the_overview_is_not_shown_where_events_go(console: Console) -> None:
    """“What is not well” names an endpoint that fails, and viewers see no settings."""
    await add_endpoint(console.api.runtime, console.api.ours.id, "https://192.0.43.8/made-up-secret")
    await sql.rows("update tollbridge.webhook_endpoint set enabled = false")
    page = await console[Role.VIEWER].get("")
    assert "is disabled" in text_of(page)
    assert "made-up-secret" not in page.text


async def test_a_case_of_too_much_is_over_once_that_is_back(world: World) -> None:
    """Nothing is held any more; the case goes on to say that it is, and to offer that it is returned."""
    invoice, attempt, _ = await too_much(world, "succeeded")
    await refund_later(world, invoice, amount=200, attempt=attempt)
    assert returned(world) == [200]
    held = "select tollbridge.held_money(account, id) from tollbridge.invoice where id = $1"
    assert await sql.value(held, invoice) == 0
    assert "overpaid" not in await world.open_cases()


async def test_a_form_that_was_refused_is_not_said_to_stand(console: Console) -> None:
    """What was due had changed, so nothing was recorded. The back button leads to the form; what is mended there comes
    back with “what it asked for then stands”."""
    await one_open(console)
    finance, wrong = console[Role.FINANCE], WIRE | {"due": "10000", "once": "form-1"}
    assert ((await finance.post(RECORD, wrong)).status_code, await receipts(console)) == (409, [])
    mended = await finance.post(RECORD, wrong | {"due": "11900"})
    assert "what it asked for then stands" not in text_of(mended)


async def test_a_form_that_came_too_early_can_be_sent_again_as_it_is(console: Console) -> None:
    """“Stripe is about to be asked what the invoice is; ask again”: a reload of that page asks again, and is answered
    the same for a day."""
    await one_open(console, stale=True)
    finance, form = console[Role.FINANCE], WIRE | {"due": "11900", "once": "form-1"}
    early = await finance.post(RECORD, form)
    assert (early.status_code, "ask again" in text_of(early)) == (409, True)
    await sql.rows(READ)
    assert ((await finance.post(RECORD, form)).status_code, await receipts(console)) == (303, [11900])


async def test_what_was_credited_away_was_not_recovered(world: World) -> None:
    """Declined, and then staff credited all of it in Stripe, which calls that paid: nobody has paid anything."""
    _, renewal = await world.renew("decline_insufficient_funds")
    await credit(world, renewal, amount=1000)
    await world.settle()
    assert (world.stripe_invoice(renewal)["status"], world.stripe_invoice(renewal)["amount_paid"]) == ("paid", 0)
    page = text_of(await (await clerk(world)).get(""))
    assert "practice-eu: 100 % (1 of 1)" not in page
