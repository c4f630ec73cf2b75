"""`why` says who collects, since when or why, what opens access, and where a payer pays."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from db import sql
from gateway.cli.doctor_text import print_answer
from gateway.doctor.why import why
from gateway.domain.doctor_why import Answer
from gateway.domain.times import moment
from tests.api.seed import insert
from tests.support.hosting import begin
from tests.support.metered import sell_metered
from tests.support.people import Signup
from tests.support.world import World

WANTED = datetime(2027, 3, 1, 12, tzinfo=UTC)


async def sentences(world: World, id: str) -> str:
    return " ".join((await why(world.runtime, world.shop.account, id)).sentences)


async def wish(world: World, subscription: str) -> None:
    """Somebody wants that Stripe charges it from now on."""
    row = {"id": "swi_1", "account": world.shop.account, "subscription": subscription, "state": "wanted"}
    await insert("switch", **row, collector="stripe", stripe_payment_method="pm_1", created_at=WANTED)


@pytest.fixture
async def signup(world: World) -> Signup:
    return await world.signup("ok")


async def test_who_collects_and_by_whose_word(world: World, signup: Signup) -> None:
    told = await sentences(world, signup.subscription)
    assert "Its invoices are collected here, through a processor: the account's policy says so (collection)." in told
    await sql.rows("update tollbridge.customer set collection = 'hosted', opted_out = true")
    told = await sentences(world, signup.subscription)
    assert "Its invoices are paid by the customer on Stripe's own invoice page" in told
    assert "from here: the customer's own setting says so." in told
    assert "The customer is opted out" in told


async def test_who_collects_from_a_switch_on(world: World, signup: Signup) -> None:
    await wish(world, signup.subscription)
    told = await sentences(world, signup.subscription)
    assert "It is being handed over to Stripe itself: that was asked for on 1 Mar 2027, 12:00 UTC." in told
    await sql.rows("update tollbridge.switch set state = 'refused', error = 'no such method', resolved_at = $1", WANTED)
    assert "came to nothing: no such method." in await sentences(world, signup.subscription)
    await sql.rows("update tollbridge.switch set state = 'done', error = ''")
    await sql.rows("update tollbridge.subscription set collection_method = 'charge_automatically'")
    told = await sentences(world, signup.subscription)
    assert "Stripe itself, and nothing is charged from here since 1 Mar 2027, 12:00 UTC: its subscription was" in told


async def test_a_pause_names_who_and_until_when(world: World, signup: Signup) -> None:
    row = {"account": world.shop.account, "object": signup.customer, "reason": "asked by phone", "paused_by": "boss"}
    await insert("collection_pause", **row, paused_at=WANTED)
    for id in (signup.subscription, signup.invoice):
        answer = await why(world.runtime, world.shop.account, id)
        paused = "(boss) paused its customer's collection on 1 Mar 2027, 12:00 UTC, until somebody resumes it: asked by"
        assert paused in " ".join(answer.sentences)
        assert "Resume it: tollbridge customers resume-collection" in answer.human


async def test_an_invoice_on_its_way_to_stripe(world: World, signup: Signup) -> None:
    told = await sentences(world, signup.invoice)
    assert "It was to be collected here, through a processor: Stripe sends it, and charges nobody." in told
    row = {"id": "hov_1", "account": world.shop.account, "invoice": signup.invoice, "state": "wanted"}
    made = {"idempotency_key": "made-up", "stripe_payment_method": "pm_1", "created_at": WANTED}
    await insert("hand_over", **row, **made)
    assert "being handed over to Stripe itself: that was asked for on " in await sentences(world, signup.invoice)


async def test_access_has_its_reason_and_its_time(world: World, signup: Signup) -> None:
    since = await sql.value("select access_since from tollbridge.subscription where id = $1", signup.subscription)
    access = f"Access to the subscription is granted since {moment(since)}: its first invoice is paid, and nothing has"
    assert access in await sentences(world, signup.subscription)
    assert access in await sentences(world, signup.invoice), "this invoice decides"


async def test_what_is_paid_on_stripes_page_names_link_and_end(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the API, and as the command prints it."""
    await world.set_policy(collection="hosted", at_end=["mark_uncollectible"])
    signup = await begin(world)
    answered = (await world.call("GET", f"/v1/doctor/why/{signup.invoice}")).json()
    row = await sql.row("select snapshot, due_date from tollbridge.invoice where id = $1", signup.invoice)
    assert row is not None
    link = msgspec.json.decode(row["snapshot"])["hosted_invoice_url"]
    print_answer(msgspec.convert(answered, Answer))
    printed = capsys.readouterr().out
    for told in (answered["sentences"], printed.replace("- ", "").splitlines()):
        assert f"The link to pay it is {link}" in told
        assert f"It is due on {moment(row['due_date'])}." in told
        assert any(f"If it is not paid by {moment(row['due_date'])}, it is marked uncollectible" in one for one in told)
    await world.pay_at_stripe(signup.invoice)
    await world.settle()
    assert link not in await sentences(world, signup.invoice)


async def test_a_disabled_account_is_told_from_what_was_seen_last(world: World) -> None:
    plan = await sell_metered(world)
    await plan.report()
    await sql.rows("update tollbridge.account set enabled = false")
    answer = await why(world.runtime, world.shop.account, plan.subscription)
    told = " ".join(answer.sentences)
    assert "Stripe was not asked just now (the account is disabled)" in told
    assert "the account is disabled, and nothing is sent until it is enabled" in told
    assert answer.next == "Nothing is done about it, until Stripe can be asked again."
