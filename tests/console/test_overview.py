"""The overview: each number is what the ledger and the invoices say, and leads to its list."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx
import pytest

from db import sql
from db.ids import new_id
from db.states import InvoiceState
from gateway.accounts import connections
from gateway.accounts.audit import Author
from gateway.console.invoices import wanted_of
from gateway.domain.open_money import Group
from gateway.domain.roles import Role
from gateway.readers.invoice_list import find_invoices
from gateway.readers.recoveries import Outcome
from tests.api.seed import PRACTICE, add_case, add_endpoint, add_invoice, add_reconciliation, insert
from tests.console.conftest import Console
from tests.scenarios.test_m_in_flight import renew_in_flight
from tests.support.returning import credit, returned
from tests.support.staff import clerk, text_of
from tests.support.world import World


def now() -> datetime:
    return datetime.now(UTC)


async def connection_of(console: Console, name: str = "card-eu") -> str:
    """A processor of ours, and a payer's method there."""
    ours = console.api.ours.id
    made = await connections.add(console.api.runtime, Author("test"), ours, name, "practice", PRACTICE)
    return made.id


async def tried(
    console: Console,
    connection: str,
    invoice: str,
    state: str = "succeeded",
    *,
    at: datetime | None = None,
    why: str = "",
) -> str:
    """A try of 11.90 EUR; what succeeded is in the ledger."""
    ours, at, attempt, method = console.api.ours.id, at or now(), new_id("att"), new_id("pmt")
    await sql.rows(
        "insert into tollbridge.customer (account, id, created_at) values ($1, 'cus_1', $2) on conflict do nothing",
        ours,
        at,
    )
    await insert(
        "payment_method", id=method, account=ours, customer="cus_1", connection=connection, reference=b"sealed",
        token_hash=method, vault_hash=method, status="active", created_at=at,
    )  # fmt: skip
    took = {"processor_id": attempt, "amount_captured": 1190} if state == "succeeded" else {}
    await insert(
        "attempt", id=attempt, account=ours, invoice=invoice, number=1, connection=connection, payment_method=method,
        amount=1190, currency="eur", state=state, reason="first", idempotency_key=uuid4(), reference=f"{invoice}.1",
        decline_class=why, created_at=at, sent_at=at, resolved_at=at, **took,
    )  # fmt: skip
    if took:
        await moved(console, connection, invoice, attempt, "capture", 1190, at)
    return attempt


async def moved(
    console: Console, connection: str, invoice: str, attempt: str, kind: str, amount: int, at: datetime
) -> None:
    await insert(
        "movement", id=new_id("mov"), account=console.api.ours.id, connection=connection, invoice=invoice,
        attempt=attempt, kind=kind, processor_id=f"{kind}_{attempt}", amount=amount, currency="eur", occurred_at=at,
        created_at=at,
    )  # fmt: skip


async def open_invoice(console: Console, invoice: str, state: InvoiceState, due_in_days: int) -> None:
    about = {"currency": "eur", "amount_due": 1000, "amount_remaining": 1000, "status": "open"}
    due = now() + timedelta(days=due_in_days)
    await add_invoice(console.api.ours.id, invoice, at=now(), state=state, due_date=due, **about)


async def listed(console: Console, href: str) -> set[str]:
    """The invoices that a link of the page leads to."""
    wanted = wanted_of(dict(parse_qsl(urlsplit(href).query)))
    return {one.id for one in (await find_invoices(console.api.ours.id, wanted)).data}


def links(page: httpx.Response) -> dict[str, str]:
    """What each link to invoices says, and its address; of those that say the same, the first."""
    found = re.findall(r'<a[^>]* href="([^"]*/invoices\?[^"]*)"[^>]*>(.*?)</a>', page.text)
    told: dict[str, str] = {}
    for href, text in found:
        told.setdefault(html.unescape(re.sub(r"<[^>]+>", "", text)), html.unescape(href))
    return told


async def test_an_empty_account_says_what_will_be_here(console: Console) -> None:
    page = await console[Role.VIEWER].get("")
    assert page.status_code == 200
    told = text_of(page)
    assert "No money has moved yet" in told
    assert "no case is open" in told.lower()
    assert "The books were not compared yet" in told
    assert "No worker has ever run" in told
    assert "/settings/doctor" not in page.text, "the doctor is not for viewers"
    assert "No webhook of Stripe's has come yet" in told


async def test_what_came_in_this_month_and_what_went_back(console: Console) -> None:
    card = await connection_of(console)
    await add_invoice(console.api.ours.id, "in_1", at=now(), state="paid", status="paid", currency="eur")
    attempt = await tried(console, card, "in_1")
    await moved(console, card, "in_1", attempt, "refund", 190, now())
    page = await console[Role.VIEWER].get("")
    month = now().date().replace(day=1)
    assert "11.90 EUR 1.90 EUR went back to payers" in text_of(page)
    assert f"/console/a/ours/invoices?collected_from={month}&amp;collected_until=" in page.text
    assert f"source={card}&amp;currency=eur" in page.text


async def test_what_payers_paid_at_stripe_counts_and_what_is_in_the_ledger_counts_once(console: Console) -> None:
    paid = {"status": "paid", "state": "paid", "collector": "hosted", "currency": "eur", "amount_due": 500}
    await add_invoice(console.api.ours.id, "in_hosted", at=now(), paid_at=now(), **paid)
    await add_invoice(console.api.ours.id, "in_by_hand", at=now(), paid_at=now(), **paid)
    await insert(
        "movement", id=new_id("mov"), account=console.api.ours.id, invoice="in_by_hand", kind="receipt",
        processor_id="transfer 1", evidence="bank statement", amount=500, currency="eur", occurred_at=now(),
        created_at=now(),
    )  # fmt: skip
    page = await console[Role.VIEWER].get("")
    told = text_of(page)
    assert "10.00 EUR nothing went back" in told
    assert "paid at Stripe 5.00 EUR" in told
    assert "recorded by hand 5.00 EUR" in told
    all_of_it = links(page)["10.00 EUR"]
    assert await listed(console, all_of_it) == {"in_hosted", "in_by_hand"}
    assert await listed(console, f"{all_of_it}&source=stripe") == {"in_hosted"}
    assert await listed(console, f"{all_of_it}&source=by_hand") == {"in_by_hand"}


async def test_of_an_invoice_that_stripe_took_a_part_of_no_part_counts_twice(console: Console) -> None:
    """Whoever collects it: the rest came past Stripe, and is in the ledger."""
    for invoice, collector in (("in_ours", None), ("in_hosted", "hosted")):
        about = {"status": "paid", "state": "paid", "collector": collector, "currency": "eur", "amount_due": 500}
        await add_invoice(console.api.ours.id, invoice, at=now(), paid_at=now(), stripe_took=200, **about)
        await insert(
            "movement", id=new_id("mov"), account=console.api.ours.id, invoice=invoice, kind="receipt",
            processor_id=invoice, evidence="bank statement", amount=300, currency="eur", occurred_at=now(),
            created_at=now(),
        )  # fmt: skip
    page = await console[Role.VIEWER].get("")
    told = text_of(page)
    assert "10.00 EUR nothing went back" in told
    assert "paid at Stripe 4.00 EUR" in told
    assert await listed(console, f"{links(page)['10.00 EUR']}&source=stripe") == {"in_ours", "in_hosted"}


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


@pytest.mark.parametrize(
    ("state", "due_in_days", "tile", "at_risk"),
    [
        (InvoiceState.PENDING, 1, "In flight", False),
        (InvoiceState.RETRYING, 9, "In recovery", False),
        (InvoiceState.RETRYING, 2, "In recovery", True),
        (InvoiceState.NEEDS_PAYMENT_METHOD, 9, "In recovery", True),
        (InvoiceState.EXHAUSTED, 9, "Given up", True),
        (InvoiceState.EXHAUSTED, -1, "Given up", False),
        (InvoiceState.UNCOLLECTIBLE, -9, "Uncollectible", False),
    ],
)
async def test_where_money_stands(
    console: Console, state: InvoiceState, due_in_days: int, tile: str, at_risk: bool
) -> None:
    await open_invoice(console, "in_1", state, due_in_days)
    told = text_of(await console[Role.VIEWER].get(""))
    assert f"{tile} 10.00 EUR 1 invoice" in told
    assert f"At risk before due {'10.00 EUR 1 invoice' if at_risk else '0.00 EUR 0 invoices'}" in told
    assert told.count("10.00 EUR 1 invoice") == 1 + at_risk
    groups = {group for group in Group if await listed(console, f"?group={group}") == {"in_1"}}
    assert (Group.AT_RISK in groups, len(groups)) == (at_risk, 1 + at_risk)


async def test_recovery_counts_invoices_and_reasons_are_plain(console: Console) -> None:
    card = await connection_of(console)
    for n, (state, due) in enumerate(
        (("paid", 1190), ("retrying", 1190), ("exhausted", 1190), ("paid", 1190), ("paid", 0))
    ):
        await add_invoice(console.api.ours.id, f"in_{n}", at=now(), state=state, currency="eur", amount_due=due)
        await tried(console, card, f"in_{n}", "declined", why="insufficient_funds")
    page = await console[Role.VIEWER].get("")
    told = text_of(page)
    assert "card-eu 5 2 40 % 2 1" in told
    assert "there was not enough money on the account" in told
    rate = links(page)["40 % (2 of 5)"]
    assert await listed(console, rate) == {"in_0", "in_1", "in_2", "in_3", "in_4"}
    ended = {one: await listed(console, f"{rate}&outcome={one}") for one in Outcome}
    assert ended == {"recovered": {"in_0", "in_3"}, "lost": {"in_2", "in_4"}, "open": {"in_1"}}
    assert await listed(console, rate.replace("first_decline=true", "decline_class=expired")) == set()


async def test_what_was_credited_away_was_not_recovered(world: World) -> None:
    """Declined, and then staff credited all of it in Stripe, which calls that paid: nobody has paid anything."""
    _, renewal = await world.renew("decline_insufficient_funds")
    await credit(world, renewal, amount=1000)
    await world.settle()
    assert (world.stripe_invoice(renewal)["status"], world.stripe_invoice(renewal)["amount_paid"]) == ("paid", 0)
    told = text_of(await (await clerk(world)).get(""))
    assert "practice-eu 1 0 0 % 1 0" in told


async def test_a_decline_whose_code_has_no_meaning_leads_to_its_own_list(console: Console) -> None:
    card = await connection_of(console)
    for n, why in enumerate(("insufficient_funds", "")):
        await add_invoice(console.api.ours.id, f"in_{n}", at=now(), state="retrying", currency="eur")
        await tried(console, card, f"in_{n}", "declined", why=why)
    page = await console[Role.VIEWER].get("")
    paths = map(html.unescape, re.findall(r'href="([^"]*decline_class=[^"]*)"', page.text))
    lists = {dict(parse_qsl(urlsplit(path).query))["decline_class"]: await listed(console, path) for path in paths}
    assert lists == {"insufficient_funds": {"in_0"}, "not_known": {"in_1"}}


async def test_cases_books_and_another_accounts_money(console: Console) -> None:
    ours, theirs = console.api.ours.id, console.api.theirs.id
    await add_case(ours, "in_1", at=now() - timedelta(days=5))
    await add_case(ours, "in_2", at=now() - timedelta(days=40))
    await add_invoice(ours, "in_1", at=now())
    run, _ = await add_reconciliation(ours, "in_1")
    await add_invoice(theirs, "in_9", at=now(), state="retrying", currency="usd", amount_remaining=77_00, status="open")
    page = await console[Role.VIEWER].get("")
    told = text_of(page)
    assert "outcome unknown 2 0 0 1 0 1" in told
    assert "kind=outcome_unknown&amp;age=week" in page.text
    assert "ledger, processors and Stripe agree" in told
    assert f"/console/a/ours/reconciliations/{run}" in page.text
    assert "USD" not in told


async def test_plots_hold_to_the_policy_and_can_be_read(console: Console) -> None:
    card = await connection_of(console, "a-b")
    await add_invoice(console.api.ours.id, "in_1", at=now(), state="paid", status="paid", currency="eur")
    await tried(console, card, "in_1")
    page = await console[Role.VIEWER].get("")
    picture = page.text.split("<svg", 1)[1].split("</svg>")[0]
    assert 'role="group" aria-labelledby="plot-collected-title"' in picture
    assert "<title>" in picture.split("<a ", 1)[1]
    for never in ("<style", "<script", "style=", "xlink", ' id="activate'):
        assert never not in picture


async def test_a_viewer_of_the_overview_is_not_shown_where_events_go(console: Console) -> None:
    """“What is not well” names an endpoint that fails, and viewers see no settings."""
    await add_endpoint(console.api.runtime, console.api.ours.id, "https://192.0.43.8/made-up-secret")
    await sql.rows("update tollbridge.webhook_endpoint set enabled = false")
    page = await console[Role.VIEWER].get("")
    assert "is disabled" in text_of(page)
    assert "made-up-secret" not in page.text
