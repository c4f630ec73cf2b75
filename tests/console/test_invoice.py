"""The page of one invoice: what each side says, the time line, and the buttons."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db import sql
from db.engine import DB
from db.ids import new_id
from db.states import ECHO
from gateway.accounts.audit import Author
from gateway.billing.invoice_detail import page_of
from gateway.domain.roles import Role
from tests.api.seed import NOW, add_delivery, add_invoice, insert, seed
from tests.console.conftest import Console
from tests.support.staff import text_of

DONE = "select reason, actor from tollbridge.audit_log where action = $1 and object = $2"
RECEIPTS = "select amount from tollbridge.movement where kind = 'receipt' and invoice = 'in_open' order by created_at"
READ = "update tollbridge.invoice set stale = false, seen = poked where id = 'in_open'"
OPEN = {
    "state": "exhausted", "status": "open", "currency": "eur", "amount_due": 11900, "amount_remaining": 11900,
    "total": 11900, "collection_method": "send_invoice", "read_at": NOW, "stale": False,
}  # fmt: skip
SNAPSHOT = {
    "id": "in_open", "created": 1, "status": "open", "collection_method": "send_invoice", "currency": "eur",
    "customer": "cus_1", "customer_name": "Ada L.", "customer_email": "ada@example.com", "amount_due": 11900,
    "amount_remaining": 11900, "total": 11900,
}  # fmt: skip


async def one_open(console: Console, **values: object) -> str:
    """An open invoice that a declined attempt was made for; the account."""
    account = console.api.ours.id
    seeded = await seed(console.api.runtime, account)
    await add_invoice(account, "in_open", customer=seeded.customer, **(OPEN | {"snapshot": SNAPSHOT} | values))
    made = {"account": account, "invoice": "in_open", "connection": seeded.connection, "number": 1}
    how = {"payment_method": seeded.method, "amount": 11900, "currency": "eur", "reason": "first", "state": "declined"}
    why = {"decline_class": "insufficient_funds", "advice": "retry_later", "processor_code": "51"}
    ids = {"id": "att_declined", "idempotency_key": "00000000-0000-0000-0000-000000000001", "reference": "in_open.1"}
    before = NOW - timedelta(days=365)
    times = {"created_at": before, "sent_at": before, "resolved_at": before}
    await insert("attempt", **made, **how, **why, **ids, **times)
    return account


async def receipts(console: Console) -> list[int]:
    return [row["amount"] for row in await sql.rows(RECEIPTS)]


async def test_a_paid_invoice_shows_all_three_sides_and_what_happened(console: Console) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)
    await add_delivery(seeded.account, kind="invoice.finalized", object_id=seeded.invoice)
    page = text_of(await console[Role.VIEWER].get(f"/invoices/{seeded.invoice}"))
    for said in ("Stripe says", "The processor says", "Took 11.90 EUR", "The ledger says Came in 11.90 EUR"):
        assert said in page
    for said in (
        "Attempt 1 succeeded",
        "11.90 EUR came in over practice",
        "Stripe was told of the payment of 11.90 EUR",
        "A case was opened: outcome unknown",
        "Your systems are told: invoice: overdue",
        "Stripe told of it: invoice.finalized",
        "The payer disputes 11.90 EUR",
    ):
        assert said in page


async def test_a_decline_is_told_in_plain_words(console: Console) -> None:
    await one_open(console)
    page = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    assert "Attempt 1 was declined There was not enough money on the account; it may work later 51" in page
    assert "every try is used, or its time is over: somebody must decide" in page.lower()
    assert "Ada L." in page
    assert "They differ" not in page


async def test_it_warns_where_the_ledger_and_stripe_differ(console: Console) -> None:
    paid = SNAPSHOT | {"status": "paid", "amount_remaining": 0, "amount_paid": 11900}
    await one_open(console, status="paid", state="paid", snapshot=paid)
    page = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    assert "They differ. Stripe shows it paid (by_hand), and the ledger holds less" in page


async def test_it_warns_where_the_processor_and_the_ledger_differ(console: Console) -> None:
    await one_open(console)
    await sql.rows("""update tollbridge.attempt set state = 'succeeded', amount_captured = 11900, processor_id = 'p1'
                      where id = 'att_declined'""")
    page = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    assert "The processor says that it took 119.00 EUR, and the ledger holds 0.00 EUR." in page


PAUSED = "paused the collection of an invoice"


async def test_who_asked_a_processor_stands_on_the_invoices_time_line_in_the_audit_logs_words(console: Console) -> None:
    account = await one_open(console)
    async with DB.transaction():
        by = Author(console[Role.FINANCE].user)
        await by.note(account, "attempt.asked_about", "att_declined", name="in_open")
    page = text_of(await console[Role.FINANCE].get("/invoices/in_open"))
    assert "finance had the processor asked how a charge ended" in page


async def test_a_viewer_sees_no_button_nor_who_did_what_and_another_account_nothing(console: Console) -> None:
    await one_open(console)
    await console[Role.FINANCE].post("/invoices/in_open/pause", {"reason": "pays by wire"})
    viewer = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    finance = text_of(await console[Role.FINANCE].get("/invoices/in_open"))
    assert ("What can be done" in viewer, PAUSED in viewer) == (False, False)
    assert ("What can be done" in finance, f"finance {PAUSED}" in finance) == (True, True)
    await add_invoice(console.api.theirs.id, "in_theirs")
    assert (await console[Role.VIEWER].get("/invoices/in_theirs")).status_code == 404


WIRE = {"source": "bank_transfer", "reference": "line 4", "received_at": "2026-01-02", "reason": "on the statement"}
CHANGES = {
    "collect": ({}, "collecting", "invoice.collect"),
    "pause": ({"reason": "pays by wire"}, "paused", "invoice.collection_paused"),
    "record-payment": (WIRE | {"amount": "119.00"}, "payment_recorded", "invoice.payment_recorded"),
    "void": ({"reason": "ordered twice"}, "voiding", "invoice.void"),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_finance_changes_an_invoice_with_a_reason_and_support_does_not(console: Console, name: str) -> None:
    await one_open(console)
    fields, said, action = CHANGES[name]
    assert (await console[Role.SUPPORT].post(f"/invoices/in_open/{name}", fields)).status_code == 403
    assert await sql.row(DONE, action, "in_open") is None
    answer = await console[Role.FINANCE].post(f"/invoices/in_open/{name}", fields)
    assert (answer.status_code, answer.headers.get("location", "")[-len(said) :]) == (303, said), text_of(answer)
    done = await sql.row(DONE, action, "in_open")
    assert (done["actor"], done["reason"]) == (console[Role.FINANCE].user, fields.get("reason", ""))


async def test_a_pause_holds_to_the_end_of_its_day(console: Console) -> None:
    await one_open(console)
    answer = await console[Role.FINANCE].post("/invoices/in_open/pause", {"reason": "wire", "until": "2099-03-31"})
    assert answer.status_code == 303, text_of(answer)
    until = await sql.value("select until_at from tollbridge.collection_pause where object = 'in_open'")
    assert until == datetime(2099, 4, 1, tzinfo=UTC)


WRONG = {
    "amount": [("1.999", "such as 12.50"), ("1,000", "two ways"), ("0", "above zero"), ("12 USD", "is in EUR")],
    "received_at": [("soon", "Must be a day"), ("", "Must be a day"), ("2099-01-01", "Must not be in the future")],
    "source": [("magic", "one of those that are offered")],
    "reference": [(" ", "Must name the payment"), ("r" * 256, "Must name the payment")],
    "reason": [("", "Must have 1 to 2000 letters")],
}


@pytest.mark.parametrize(("field", "value", "said"), [(one, *pair) for one, pairs in WRONG.items() for pair in pairs])
async def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(
    console: Console, field: str, value: str, said: str
) -> None:
    await one_open(console)
    answer = await console[Role.FINANCE].post(
        "/invoices/in_open/record-payment", WIRE | {"amount": "1"} | {field: value}
    )
    assert (answer.status_code, said in text_of(answer)) == (400, True), text_of(answer)
    assert f'class="wrong" id="record-{field}-wrong">' in answer.text
    kept = WIRE["reason"] if field == "reference" else 'value="line 4"'
    assert kept in answer.text
    assert await sql.value("select count(*) from tollbridge.movement where invoice = 'in_open'") == 0


async def test_nothing_is_voided_or_recorded_while_a_charge_may_still_succeed(console: Console) -> None:
    await one_open(console)
    await sql.rows("update tollbridge.attempt set state = 'pending', resolved_at = null where id = 'att_declined'")
    for name in ("void", "record-payment", "collect"):
        answer = await console[Role.FINANCE].post(f"/invoices/in_open/{name}", CHANGES[name][0])
        assert answer.status_code == 409, name
    assert await sql.value("select void_asked_at from tollbridge.invoice where id = 'in_open'") is None


BUTTONS = {
    "collect": ">Collect now<",
    "pause": "/pause",
    "record-payment": "/record-payment",
    "void": "/void",
}
CHARGED_THERE = {"collection_method": "charge_automatically"}
OFFERED = {
    "we collect it": ({}, "", set(BUTTONS)),
    "Stripe charges it": (
        CHARGED_THERE | {"state": "not_ours"},
        "delete from tollbridge.attempt where id = 'att_declined'",
        set(),
    ),
    "a charge may still succeed": (
        {},
        "update tollbridge.attempt set state = 'pending', resolved_at = null where id = 'att_declined'",
        {"pause"},
    ),
    "uncollectible": ({"status": "uncollectible", "state": "uncollectible"}, "", {"void"}),
}


@pytest.mark.parametrize("name", OFFERED)
async def test_a_button_stands_where_what_it_asks_for_is_not_refused(console: Console, name: str) -> None:
    values, then, offered = OFFERED[name]
    shown = {key: value for key, value in values.items() if key != "state"}
    await one_open(console, **values, snapshot=SNAPSHOT | shown)
    if then:
        await sql.rows(then)
    page = await console[Role.FINANCE].get("/invoices/in_open")
    assert {act for act, mark in BUTTONS.items() if mark in page.text} == offered
    for act in CHANGES.keys() - offered:
        answer = await console[Role.FINANCE].post(f"/invoices/in_open/{act}", CHANGES[act][0])
        assert answer.status_code == (303 if act == "pause" else 409), act


async def test_a_planned_try_names_its_payment_method_as_its_payer_knows_it(console: Console) -> None:
    due = int((datetime.now(UTC) + timedelta(days=20)).timestamp())
    snapshot = SNAPSHOT | {"due_date": due, "created": due - 86400 * 30}
    await one_open(console, state="due", snapshot=snapshot)
    await sql.rows("delete from tollbridge.attempt where id = 'att_declined'")
    method = await sql.value("select id from tollbridge.payment_method")
    page = await console[Role.VIEWER].get("/invoices/in_open")
    assert ("Visa ending in 4242" in text_of(page), method in page.text) == (True, False)


async def test_a_payment_is_opened_at_its_processor_where_the_adapter_knows_how(console: Console) -> None:
    account = await one_open(console)
    invoice = f"in_{account}"
    assert "open at" not in text_of(await console[Role.VIEWER].get(f"/invoices/{invoice}"))
    told = """{"environment": "test", "account": "CR1"}"""
    await sql.rows("update tollbridge.connection set adapter = 'gocardless', options = $1", told)
    page = await console[Role.VIEWER].get(f"/invoices/{invoice}")
    assert f'href="https://manage-sandbox.gocardless.com/payments/pch_{account}"' in page.text


async def test_a_paused_invoice_names_no_next_try(console: Console) -> None:
    await one_open(console, state="retrying", next_attempt_at=datetime.now(UTC) + timedelta(days=1))
    await console[Role.FINANCE].post("/invoices/in_open/pause", {"reason": "pays by wire"})
    page = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    assert "is paused: pays by wire" in page
    assert "The next try is on" not in page


async def test_a_pause_of_the_invoice_can_be_ended_while_its_customers_is_longer(console: Console) -> None:
    account = await one_open(console)
    finance, until = console[Role.FINANCE], str((datetime.now(UTC) + timedelta(9)).date())
    await finance.post("/invoices/in_open/pause", {"reason": "asks", "until": until})
    await finance.post(f"/customers/cus_{account}/pause", {"reason": "on holiday"})
    page = await finance.get("/invoices/in_open")
    assert "/invoices/in_open/resume" in page.text


async def test_another_payment_under_the_same_reference_is_not_swallowed(console: Console) -> None:
    """Two transfers of one payer often say the same: the second is recorded, or refused, but never lost unsaid."""
    await one_open(console)
    finance = console[Role.FINANCE]
    first = await finance.post("/invoices/in_open/record-payment", WIRE | {"amount": "50.00"})
    assert first.status_code == 303
    await sql.rows(READ)
    second = await finance.post("/invoices/in_open/record-payment", WIRE | {"amount": "69.00"})
    assert (second.status_code, await receipts(console)) != (303, [5000]), "it says that it was recorded"


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


async def test_no_payment_is_recorded_while_stripe_is_charging(console: Console) -> None:
    """It was handed over, and Stripe is being asked to charge its own method: the payer would pay twice."""
    account = await one_open(console, collector="stripe", state="due")
    await insert("hand_over", id=new_id("hov"), account=account, invoice="in_open", stripe_payment_method="pm_1",
                 idempotency_key="made-up", state="sending", sent_at=NOW, created_at=NOW)  # fmt: skip
    answer = await console[Role.FINANCE].post("/invoices/in_open/record-payment", WIRE)
    assert (answer.status_code, await receipts(console)) == (409, [])


@pytest.mark.parametrize("field", ["hosted_invoice_url", "invoice_pdf"])
async def test_a_link_that_is_no_address_is_none(console: Console, field: str) -> None:
    """As of a dispute's page at its processor (`dispute.html`): what is clicked leads on, and runs nothing."""
    snapshot = {"id": "in_x", "status": "open", "currency": "eur", field: "javascript:alert(document.domain)"}
    values: dict[str, Any] = {"state": "closed", "status": "open", "collector": "hosted", "currency": "eur"}
    await add_invoice(console.api.ours.id, "in_x", snapshot=snapshot, stale=False, **values)
    page = await console[Role.VIEWER].get("/invoices/in_x")
    assert page.status_code == 200
    assert 'href="javascript:' not in page.text


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://invoice.stripe.com/i/acct_1/test_1", True),
        ("http://127.0.0.1:8251/pay/in_1", True),
        ("http://localhost:8251/pay/in_1", True),
        ("http://invoice.example/i", False),
        ("data:text/html,x", False),
        ("//invoice.example", False),
        ("http://[", False),
        ("", False),
        (None, False),
    ],
)
def test_where_a_link_of_stripes_leads(url: str | None, leads: bool) -> None:
    assert page_of(url) == (url if leads else None)


RECORD = "/invoices/in_open/record-payment"


async def test_what_follows_from_a_payment_is_shown_before_it_is_recorded(console: Console) -> None:
    await one_open(console)
    finance = console[Role.FINANCE]
    assert f'{RECORD}/preview"' in (await finance.get("/invoices/in_open")).text
    part = await finance.post(f"{RECORD}/preview", WIRE | {"amount": "20.00"})
    assert "a further invoice bills the 99.00 EUR" in text_of(part)
    assert ('name="due" value="11900"' in part.text, 'name="more"' in part.text) == (True, False)
    assert await receipts(console) == []
    again = await finance.post(f"{RECORD}/preview", WIRE | {"amount": "20.00", "change": "yes"})
    assert ('value="20.00"' in again.text, 'value="line 4"' in again.text) == (True, True), "it can be changed"
    wrong = await finance.post(f"{RECORD}/preview", WIRE | {"amount": "1,2,3"})
    assert (wrong.status_code, '<span class="wrong" id="record-amount-wrong">' in wrong.text) == (400, True)
    done = await finance.post(RECORD, WIRE | {"amount": "20.00", "due": "11900"})
    assert (done.status_code, await receipts(console)) == (303, [2000]), text_of(done)


async def test_more_than_is_due_is_recorded_only_where_that_is_meant(console: Console) -> None:
    await one_open(console)
    finance, much = console[Role.FINANCE], WIRE | {"amount": "9,999.00", "due": "11900"}
    shown = await finance.post(f"{RECORD}/preview", much)
    assert "9,880.00 EUR more came than is due" in text_of(shown)
    refused = await finance.post(RECORD, much)
    assert (refused.status_code, 'name="more"' in refused.text) == (400, True)
    assert await receipts(console) == []
    done = await finance.post(RECORD, much | {"more": "true"})
    assert (done.status_code, await receipts(console)) == (303, [999_900])
    held = text_of(await finance.get("/invoices/in_open"))
    assert "The ledger holds 9,999.00 EUR that Stripe was not told of" in held
    assert "/refunds/new" not in (await finance.get("/invoices/in_open")).text, "no processor can return it"


async def test_a_payment_is_not_recorded_where_what_is_due_has_changed_since_it_was_shown(console: Console) -> None:
    await one_open(console)
    answer = await console[Role.FINANCE].post(RECORD, WIRE | {"due": "10000"})
    assert (answer.status_code, "119.00 EUR now" in text_of(answer)) == (409, True)
    assert await receipts(console) == []


async def test_the_rest_of_a_payment_under_the_same_reference_is_not_swallowed(console: Console) -> None:
    """A payer sends what is due in two transfers that say the same, and whoever records the second leaves the amount
    empty: all that is due."""
    await one_open(console)
    finance = console[Role.FINANCE]
    first = await finance.post(RECORD, WIRE | {"amount": "50.00", "due": "11900"})
    assert first.status_code == 303
    await sql.rows(READ)
    for path, fields in ((f"{RECORD}/preview", WIRE), (RECORD, WIRE | {"due": "6900"})):
        second = await finance.post(path, fields)
        assert (second.status_code, "that of the payment of 50.00 EUR" in text_of(second)) == (400, True), path
    own = WIRE | {"reference": "line 5", "due": "6900"}
    assert ((await finance.post(RECORD, own)).status_code, await receipts(console)) == (303, [5000, 6900])


@pytest.mark.parametrize("amount", ["", "119.00"])
async def test_who_tells_of_a_payment_again_is_told_that_it_is_recorded(console: Console, amount: str) -> None:
    await one_open(console)
    finance, wire = console[Role.FINANCE], WIRE | {"amount": amount}
    assert (await finance.post(RECORD, wire | {"due": "11900"})).status_code == 303
    again = await finance.post(f"{RECORD}/preview", wire)
    assert (again.status_code, "is recorded already" in text_of(again)) == (400, True)
    same = await finance.post(RECORD, wire | {"due": "11900"})
    assert (same.status_code, await receipts(console)) == (303, [11900])


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (RECORD, WIRE | {"amount": "10.00"}),
        (f"{RECORD}/preview", WIRE | {"amount": "10.00"}),
        ("/refunds", {"invoice": "in_open", "amount": "10.00"}),
        ("/refunds/preview", {"invoice": "in_open", "amount": "10.00"}),
        ("/refunds", {"invoice": "in_open", "all": "1"}),
    ],
)
async def test_an_amount_of_an_invoice_that_was_not_read_yet_is_no_failure(
    console: Console, path: str, fields: dict[str, str]
) -> None:
    """Its currency is not known before; an event has told of it a moment ago."""
    await add_invoice(console.api.ours.id, "in_open")
    answer = await console[Role.FINANCE].post(path, fields)
    assert answer.status_code in (400, 409), text_of(answer)


async def test_what_is_due_is_said_less_what_is_held(console: Console) -> None:
    """The field says how much an empty one stands for: with a part held, that is the rest."""
    await one_open(console)
    finance = console[Role.FINANCE]
    assert (await finance.post(RECORD, WIRE | {"amount": "50.00", "due": "11900"})).status_code == 303
    await sql.rows(READ)
    page = text_of(await finance.get("/invoices/in_open"))
    [said] = re.findall(r"\(empty: all that is due, (.*?)\)", page)
    assert said == "69.00 EUR"


async def test_an_invoice_leads_to_the_one_that_bills_its_rest_and_back(console: Console) -> None:
    account = await one_open(console)
    await add_invoice(account, "in_rest", number="INV-7", customer=f"cus_{account}")
    of = {"account": account, "invoice": "in_open", "amount": 9900, "currency": "eur", "created_at": NOW}
    made = {"origin": "partial", "subject": "1", "stripe_id": "cn_rest", "state": "issued"}
    await insert("credit_note", id="cnt_rest", **of, **made)
    billed = {"credit_note": "cnt_rest", "days_until_due": 14, "lines": "[]", "state": "issued"}
    await insert("remainder", id="rem_1", **of, **billed, issued_as="in_rest")
    page = await console[Role.VIEWER].get("/invoices/in_open")
    assert "The rest, 99.00 EUR, is billed by INV-7" in text_of(page)
    assert "/invoices/in_rest" in page.text


async def test_what_is_paused_is_resumed_and_not_collected(console: Console) -> None:
    await one_open(console)
    finance = console[Role.FINANCE]
    assert "/in_open/collect" in (await finance.get("/invoices/in_open")).text
    assert (await finance.post("/invoices/in_open/pause", {"reason": "holiday"})).status_code == 303
    page = (await finance.get("/invoices/in_open")).text
    assert ("/in_open/collect" in page, 'href="#resume"' in page, 'id="resume"' in page) == (False, True, True)
    assert (await finance.post("/invoices/in_open/resume", {"reason": "back"})).status_code == 303
    customer = await sql.value("select customer from tollbridge.invoice where id = 'in_open'")
    assert (await finance.post(f"/customers/{customer}/pause", {"reason": "holiday"})).status_code == 303
    page = (await finance.get("/invoices/in_open")).text
    there = f"/console/a/ours/customers/{customer}"
    assert ("/in_open/collect" in page, f'href="{there}#resume"' in page) == (False, True)
    assert 'id="resume"' in (await finance.get(there)).text


async def test_what_is_void_or_paid_leaves_nothing_to_pay(console: Console) -> None:
    """Stripe goes on to show the amount of a void invoice as remaining."""
    await one_open(console, status="void", state="closed")
    page = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    assert "closed Nothing remains to be paid of 119.00 EUR" in page
    await sql.rows("update tollbridge.invoice set status = 'paid', state = 'paid', amount_remaining = 0")
    assert "paid Nothing remains to be paid of 119.00 EUR" in text_of(
        await console[Role.VIEWER].get("/invoices/in_open")
    )


async def test_a_void_invoice_counts_as_nothing_open_in_lists(console: Console) -> None:
    await one_open(console, status="void", state="closed")
    assert "closed 119.00 EUR – – –" in text_of(await console[Role.VIEWER].get("/invoices?search=in_open"))


async def test_the_file_of_invoices_asks_for_nothing_of_what_is_void(console: Console) -> None:
    """The list beside it shows nothing as remaining of a void invoice; whoever adds the file's column up is owed it."""
    await one_open(console, status="void", state="closed")
    finance = console[Role.FINANCE]
    assert "closed 119.00 EUR – – –" in text_of(await finance.get("/invoices?search=in_open"))
    [row] = csv.DictReader(io.StringIO((await finance.get("/invoices.csv?search=in_open")).text.lstrip("\ufeff")))
    assert row["amount_remaining"] in ("", "0", "0.00")


async def test_an_unpaid_invoice_says_at_the_top_why_the_last_try_was_declined(console: Console) -> None:
    await one_open(console, state="retrying", reason="try 2 of 4")
    page = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    top, _, _ = page.partition("Collected by")
    assert "Attempt 1 was declined ( 1 Mar 2026, 12:00 UTC ): there was not enough money on the account" in top
    assert "in_open.1" not in page.partition("What happened")[2]


async def test_the_time_line_leaves_out_what_told_nothing_new(console: Console) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)
    await add_delivery(seeded.account, kind="invoice.paid", object_id=seeded.invoice, state="ignored", reason=ECHO)
    page = await console[Role.ADMIN].get(f"/invoices/{seeded.invoice}")
    assert "told of it: invoice.paid" not in text_of(page)
    assert f"/webhooks?object={seeded.invoice}" in page.text


async def test_one_that_its_payer_pays_at_stripe_says_so(console: Console) -> None:
    await one_open(console, state="due", collector="hosted")
    page = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    assert "Its payer pays it on Stripe's page." in page
