"""What people do by the console, and the truth of what it shows them: each test is a promise that is broken."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from db import sql
from db.ids import new_id
from gateway.domain.case_kinds import CaseKind
from gateway.domain.roles import Role
from tests.api.seed import NOW, add_invoice, insert, seed
from tests.console.conftest import Console, text_of
from tests.console.test_cases import add_case
from tests.console.test_invoice import SNAPSHOT, WIRE, one_open
from tests.console.test_overview import now
from tests.scenarios.test_j_console import clerk
from tests.scenarios.test_m_in_flight import _renew_in_flight
from tests.support.returning import credited, returned
from tests.support.world import Doors, World
from tests.support.world import world as new_world

RECEIPTS = "select amount from tollbridge.movement where kind = 'receipt' and invoice = 'in_open' order by created_at"
LIMIT = """update tollbridge.account set policies = '{"approval_above": {"eur": 500}}' where id = $1"""
READ = "update tollbridge.invoice set stale = false, seen = poked where id = 'in_open'"


async def receipts(console: Console) -> list[int]:
    return [row["amount"] for row in await sql.rows(RECEIPTS)]


# --- payments that are recorded by hand ------------------------------------------------------------------------------


async def test_another_payment_under_the_same_reference_is_not_swallowed(console: Console) -> None:
    """Two transfers of one payer often say the same: the second is recorded, or refused, but never lost unsaid."""
    await one_open(console)
    finance = console[Role.FINANCE]
    first = await finance.post("/invoices/in_open/record-payment", WIRE | {"amount": "50.00"})
    assert first.status_code == 303
    await sql.rows(READ)
    second = await finance.post("/invoices/in_open/record-payment", WIRE | {"amount": "69.00"})
    assert (second.status_code, await receipts(console)) != (303, [5000]), "it says that it was recorded"


@pytest.mark.parametrize(("amount", "currency"), [("5.50", "isk"), ("1.234", "kwd")])
async def test_an_amount_that_stripe_can_not_say_is_refused(console: Console, amount: str, currency: str) -> None:
    """As the form of a refund refuses it: nobody pays half a króna."""
    await one_open(console, currency=currency, snapshot=SNAPSHOT | {"currency": currency})
    answer = await console[Role.FINANCE].post("/invoices/in_open/record-payment", WIRE | {"amount": amount})
    assert (answer.status_code, await receipts(console)) == (400, [])


@pytest.mark.parametrize("amount", ["10.00 EUR", "1,000.00", ".50"])
async def test_an_amount_is_typed_as_in_a_refund(console: Console, amount: str) -> None:
    await one_open(console, amount_remaining=200_000, snapshot=SNAPSHOT | {"amount_remaining": 200_000})
    answer = await console[Role.FINANCE].post("/invoices/in_open/record-payment", WIRE | {"amount": amount})
    assert answer.status_code == 303, text_of(answer)


async def test_no_payment_is_recorded_on_what_is_about_to_be_void(console: Console) -> None:
    """Stripe has been read for the void, and is told in a moment: the money would stand on a void invoice."""
    await one_open(console)
    finance = console[Role.FINANCE]
    assert (await finance.post("/invoices/in_open/void", {"reason": "ordered twice"})).status_code == 303
    await sql.rows(READ)
    answer = await finance.post("/invoices/in_open/record-payment", WIRE)
    assert (answer.status_code, await receipts(console)) == (409, [])


async def test_nothing_is_collected_of_what_is_about_to_be_void(console: Console) -> None:
    """It says that a charge is tried now, and none will be."""
    await one_open(console)
    finance = console[Role.FINANCE]
    await sql.rows("update tollbridge.attempt set state = 'rejected' where id = 'att_declined'")
    assert (await finance.post("/invoices/in_open/void", {"reason": "ordered twice"})).status_code == 303
    await sql.rows(READ)
    answer = await finance.post("/invoices/in_open/collect")
    assert answer.status_code == 409
    assert "void" in text_of(answer)


# --- pauses ----------------------------------------------------------------------------------------------------------


async def test_until_a_day_means_the_same_for_an_invoice_and_its_customer(console: Console) -> None:
    account = await one_open(console)
    finance, day = console[Role.FINANCE], (now() + timedelta(days=10)).date()
    given = {"reason": "on holiday", "until": day.isoformat()}
    for path in ("/invoices/in_open/pause", f"/customers/cus_{account}/pause"):
        assert (await finance.post(path, given)).status_code == 303
    ends = await sql.rows("select until_at from tollbridge.collection_pause")
    assert len({row["until_at"] for row in ends}) == 1, [str(row["until_at"]) for row in ends]


# --- the time line ---------------------------------------------------------------------------------------------------


# --- cases: two people, one list -------------------------------------------------------------------------------------


# --- refunds ---------------------------------------------------------------------------------------------------------


async def test_who_asked_does_not_approve_by_a_key_of_their_own_making(console: Console) -> None:
    """A second pair of eyes: not the same person, who has made themselves a key."""
    seeded = await seed(console.api.runtime, console.api.ours.id)
    await sql.rows(LIMIT, console.api.ours.id)
    admin = console[Role.ADMIN]
    await admin.post("/refunds", {"invoice": seeded.invoice, "by": "amount", "amount": "6", "once": "x"})
    refund = await sql.value("select id from tollbridge.refund where approval = 'waiting'")
    made = await admin.post("/settings/keys", {"name": "mine", "scopes": "finance"})
    [key] = re.findall(r"tb_test_[0-9a-f]{48}", made.text)
    headers = {"authorization": f"Bearer {key}", "idempotency-key": "a"}
    answer = await console.http.post(f"/v1/refunds/{refund}/approve", json={"wait_s": 0}, headers=headers)
    assert (answer.status_code, await sql.value("select approval from tollbridge.refund where id = $1", refund)) == (
        409,
        "waiting",
    )


async def test_money_that_no_invoice_takes_is_returned_where_its_case_leads(console: Console) -> None:
    """Its case says: return this capture. The form that it leads to can't."""
    seeded = await seed(console.api.runtime, console.api.ours.id)
    await sql.rows(
        "update tollbridge.attempt set surplus = true, surplus_at = created_at, surplus_reason = 'twice' where id = $1",
        seeded.attempt,
    )
    case = await add_case(console, CaseKind.SURPLUS_CAPTURE, seeded.invoice, invoice=seeded.invoice)
    finance = console[Role.FINANCE]
    shown = await finance.get(f"/cases/{case}")
    [path] = re.findall(r'href="(/console[^"]*/refunds/new[^"]*)"', shown.text)
    page = await finance.get(html.unescape(path))
    assert "11.90 EUR can be returned now" in text_of(page)


# --- the overview ----------------------------------------------------------------------------------------------------


async def test_the_filter_of_due_days_finds_what_shows_such_a_day(console: Console) -> None:
    """A row that shows no due date is none that is due on a day."""
    due = now() + timedelta(days=3)
    about = {"state": "due", "status": "open", "currency": "eur", "collection_method": "send_invoice"}
    await add_invoice(console.api.ours.id, "in_1", at=now(), collect_by=due, collector="stripe", **about)
    answer = await console[Role.FINANCE].get(f"/invoices.csv?due_from={due.date()}&due_until={due.date()}")
    assert [row["due"] for row in csv.DictReader(io.StringIO(answer.text)) if not row["due"]] == []


# --- strange input: a page that says what to mend --------------------------------------------------------------------


UNTIL = ["collected_until", "created_until", "declined_until", "due_until"]


@pytest.mark.parametrize("field", UNTIL)
async def test_the_last_day_that_a_browser_can_send_is_no_failure(console: Console, field: str) -> None:
    answer = await console[Role.FINANCE].get(f"/invoices?{field}=9999-12-31")
    assert answer.status_code in (200, 400)


async def test_a_file_of_all_days_holds_what_the_list_holds(console: Console) -> None:
    """It came as a file of no invoices at all, under 200."""
    await add_invoice(console.api.ours.id, "in_1", at=now(), due_date=now(), state="retrying", currency="eur")
    answer = await console[Role.FINANCE].get("/invoices.csv?due_until=9999-12-31")
    assert answer.status_code == 400 or "in_1" in answer.text, answer.text


async def test_the_journal_of_the_last_days_there_are_is_no_broken_file(console: Console) -> None:
    """The failure comes after 200 was said: a browser keeps the stump."""
    finance = console[Role.FINANCE]
    behind = httpx.ASGITransport(app=console.api.app)  # what breaks a file off is raised
    async with httpx.AsyncClient(transport=behind, base_url="http://test") as finance.http:
        answer = await finance.get("/exports/journal?from=9999-12-01&to=9999-12-31&format=csv")
    assert answer.status_code in (200, 400)


async def test_a_number_of_very_many_digits_is_told_to_be_wrong(console: Console) -> None:
    seeded, many, admin = await seed(console.api.runtime, console.api.ours.id), "1" * 5000, console[Role.ADMIN]
    forms = {
        f"/customers/{seeded.customer}/payment_methods/{seeded.method}/move": {"position": many},
        f"/subscriptions/{seeded.subscription}/switch": {"to": "gateway", "days_until_due": many},
        f"/settings/endpoints/{seeded.endpoint}/roll": {"keep_s": "99999999999999999999999"},
    }
    found = {path: (await admin.post(path, fields)).status_code for path, fields in forms.items()}
    assert set(found.values()) == {400}, found


@pytest.mark.parametrize("key", ["", " ", "sk_test_\n", "sk_test_\u00e9"])
async def test_a_key_that_can_be_none_is_told_to_be_wrong(console: Console, key: str) -> None:
    answer = await console[Role.ADMIN].post("/settings/account/key", {"api_key": key, "reason": "rolled"})
    assert answer.status_code == 400, text_of(answer)


# --- what the audit log is told --------------------------------------------------------------------------------------


async def test_no_payment_is_recorded_while_stripe_is_charging(console: Console) -> None:
    """It was handed over, and Stripe is being asked to charge its own method: the payer would pay twice."""
    account = await one_open(console, collector="stripe", state="due")
    await insert("hand_over", id=new_id("hov"), account=account, invoice="in_open", stripe_payment_method="pm_1",
                 idempotency_key="made-up", state="sending", sent_at=NOW, created_at=NOW)  # fmt: skip
    answer = await console[Role.FINANCE].post("/invoices/in_open/record-payment", WIRE)
    assert (answer.status_code, await receipts(console)) == (409, [])


# --- in a whole world ------------------------------------------------------------------------------------------------


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made


async def test_a_refund_that_waits_for_its_payment_is_previewed_as_what_it_is(world: World) -> None:
    """Nothing is refused: it is stored, and made once the payment has come (scenarios 70, 155)."""
    signup = await world.signup("pending_then_ok", wait_s=0)
    await world.settle()
    asking = await clerk(world)
    form = {"invoice": signup.invoice, "amount": "4.00"}
    shown = text_of(await asking.post("/refunds/preview", **form))

    asked = await asking.post("/refunds", **form, once="form-1")
    await world.later(days=5)

    assert (asked.status_code, returned(world), credited(world, signup.invoice)) == (303, [400], [400])
    assert "so nothing would be sent" not in shown
    assert "4.00 EUR would go back" in shown


async def test_what_somebody_wants_void_is_void_or_they_are_told_why_not(world: World) -> None:
    """A debit was begun on Stripe's page as the worker got there, and failed later: the wish is not forgotten unsaid,
    and above all nothing is charged for it."""
    await world.set_policy(ladder_hours=[0, 72, 120, 168])
    _, renewal = await world.renew("decline_insufficient_funds")
    await world.pay_at_stripe(renewal, "sepaDebit_fails")
    asking = await clerk(world)
    voiding = await asking.post(f"/invoices/{renewal}/void", reason="ordered twice")
    charged = len(world.charge_calls())
    await world.settle()
    refused = await sql.value("select count(*) from tollbridge.audit_log where action = 'invoice.void_refused'")

    for _ in range(6):
        await world.later(days=1)

    assert voiding.status_code == 303, text_of(voiding)
    live = world.stripe_invoice(renewal)["status"]
    assert len(world.charge_calls()) == charged, "it was charged, though somebody wanted it void"
    assert (live, refused) in (("void", 0), ("open", 1)), "it was asked for, was not done, and nobody was told"


def into(page: str) -> dict[str, str]:
    """The fields of the form for a refund, as a browser would send them; empty ones too."""
    form = page.partition('action="/console')[2]
    return {
        name: html.unescape(value)
        for name, value in re.findall(r'<input[^>]*name="([\w:]+)"[^>]*value="([^"]*)"', form)
    }


async def returned_from_its_case(world: World, amount: str) -> None:
    """As somebody would: the case, its "Return money", the form, and what is to go back."""
    asking = await clerk(world)
    case = await sql.value("select id from tollbridge.review_case where state = 'open'")
    page = await asking.page(f"/cases/{case}")
    [path] = re.findall(r'href="/console/a/[^/]+(/refunds/new[^"]*)"', page)
    fields = into(await asking.page(html.unescape(path))) | {"amount": amount, "once": "form-1"}
    fields.pop("csrf", None)
    answer = await asking.post("/refunds", **fields)
    assert answer.status_code == 303, text_of(answer)
    await world.settle()


async def test_what_was_taken_too_much_goes_back_without_a_credit_note(world: World) -> None:
    """As the API does it, of the capture (`attempt`): the invoice took none of it, so nothing of it is credited."""
    await world.set_policy(returns="case")
    signup = await world.signup("over_payment", wait_s=0)
    await world.settle()
    assert await world.open_cases() == ["overpaid"]

    await returned_from_its_case(world, "2.00")

    assert (returned(world), credited(world, signup.invoice)) == ([200], [])
    assert await world.open_cases() == []


async def test_what_was_paid_by_hand_beside_a_capture_goes_back_without_a_credit_note(world: World) -> None:
    """The invoice stays paid, by the payment that somebody marked: a credit note would take that away in the books."""
    _, renewal = await _renew_in_flight(world)
    await world.shop.client.v1.invoices.pay_async(renewal, {"paid_out_of_band": True})
    await world.settle()
    await world.later(seconds=15)
    assert await world.open_cases() == ["paid_by_hand"]

    await returned_from_its_case(world, "10.00")

    assert (returned(world), credited(world, renewal)) == ([1000], [])


async def test_lines_of_an_invoice_whose_payment_is_under_way_can_be_asked_for(world: World) -> None:
    """As an amount can: the page says that a refund waits for the payment."""
    signup = await world.signup("pending_then_ok", wait_s=0)
    await world.settle()
    asking = await clerk(world)
    page = await asking.page(f"/refunds/new?invoice={signup.invoice}&by=lines")
    [line] = re.findall(r'name="line_amount:(il_\w+)"', page)
    form = {"invoice": signup.invoice, "by": "lines", f"line_amount:{line}": "4.00", "once": "form-1"}
    asked = await asking.post("/refunds", **form)
    assert asked.status_code == 303, text_of(asked)
