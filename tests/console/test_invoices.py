"""The list of invoices: what finds one, who sees what, the searches that people keep, the file."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from db import sql
from db.states import Collector
from gateway.billing.mails import mail_hash
from gateway.customers.organization_tokens import Scope
from gateway.domain.open_money import Group
from gateway.domain.roles import Role
from gateway.domain.switch_words import NAMES
from gateway.readers import organization
from gateway.readers.billed import open_invoices
from gateway.readers.invoice_list import find_invoices
from gateway.readers.invoice_search import InvoiceFilter
from gateway.readers.open_money import open_money
from gateway.readers.owed import owed_by
from tests.api.seed import NOW, add_case, add_invoice, insert, seed
from tests.console.conftest import Console
from tests.support.staff import text_of

COLUMNS: Final = {"status": "open", "currency": "eur", "amount_due": 11900, "amount_remaining": 11900, "total": 11900}


async def some(console: Console) -> str:
    """One that is open, an older one in yen that is paid, and a third, of somebody else; the account."""
    account = console.api.ours.id
    mail = {"mail_hash": mail_hash(account, "Ada@example.com")}
    for word in ("ada", "lovelace"):
        await insert("customer_word", account=account, customer="cus_ada", word=word)
        await insert("customer_word", account=console.api.theirs.id, customer="cus_theirs", word=word)
    await add_invoice(account, "in_open", number="AB-0001", customer="cus_ada", state="exhausted", **COLUMNS, **mail)
    yen = COLUMNS | {"currency": "jpy", "status": "paid", "amount_remaining": 0, "total": 119, "amount_due": 100}
    await add_invoice(account, "in_yen", state="paid", at=NOW - timedelta(days=1), due_date=NOW, **yen)
    await add_invoice(console.api.theirs.id, "in_theirs", number="AB-0001", customer="cus_theirs", **COLUMNS)
    return account


def listed(page: str) -> list[str]:
    return re.findall(r'<th scope="row"[^>]*><a [^>]*href="[^"]*/invoices/(in_\w+)"', page)


SOUGHT = {
    "in_open": ["in_open"],
    "ab-0001": ["in_open"],
    "cus_ada": ["in_open"],
    " ADA@example.com ": ["in_open"],
    "119.00": ["in_open", "in_yen"],
    "lovel": ["in_open"],
    "Ada Lovelace": ["in_open"],
    "Ada Byron": [],
    "lace": [],
    "119.50": [],
    "119.00 EUR": ["in_open"],
    "119 JPY": ["in_yen"],
    "100 jpy": ["in_yen"],
    "119": ["in_open", "in_yen"],
    "119.00 USD": [],
    "in_theirs": [],
    "%": [],
}


@pytest.mark.parametrize("typed", SOUGHT)
async def test_one_field_finds_an_invoice_by_whatever_is_known_of_it(console: Console, typed: str) -> None:
    await some(console)
    answer = await console[Role.VIEWER].get("/invoices?search=" + typed.replace("%", "%25").replace(" ", "+"))
    assert (answer.status_code, listed(answer.text)) == (200, SOUGHT[typed])


async def test_a_name_of_too_many_must_be_named_further(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    await some(console)
    await insert("customer_word", account=console.api.ours.id, customer="cus_2", word="ada")
    monkeypatch.setattr("gateway.readers.invoice_search.MOST_CALLED", 1)
    answer = await console[Role.VIEWER].get("/invoices?search=ada")
    assert answer.status_code == 400
    assert "ore than 1 customers are called so" in text_of(answer)
    assert listed((await console[Role.VIEWER].get("/invoices?search=ada+love")).text) == ["in_open"]


async def test_an_invoice_is_found_by_what_a_processor_or_we_call_its_payment(console: Console) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)
    names = [f"pch_{seeded.account}", f"{seeded.invoice}.1", seeded.attempt, seeded.refund, seeded.dispute, seeded.case]
    for name in [*names, f"cn_{seeded.account}", seeded.subscription]:
        answer = await console[Role.VIEWER].get(f"/invoices?search={name}")
        assert listed(answer.text) == [seeded.invoice], name


FILTERS = {
    "state=exhausted": ["in_open"],
    "status=paid": ["in_yen"],
    "currency=JPY": ["in_yen"],
    "due_from=2027-03-01&due_until=2027-03-01": ["in_yen"],
    "due_from=2027-03-02": [],
    "with_open_case=true": ["in_open"],
    "collected_by=gateway": ["in_open", "in_yen"],
    "collected_by=hosted": [],
    "connection=nowhere": [],
    "state=&status=&currency=": ["in_open", "in_yen"],
}


@pytest.mark.parametrize("query", FILTERS)
async def test_filters(console: Console, query: str) -> None:
    account = await some(console)
    await add_case(account, "in_open", invoice="in_open")
    answer = await console[Role.VIEWER].get(f"/invoices?{query}")
    assert (answer.status_code, listed(answer.text)) == (200, FILTERS[query])


async def one_of_each_collector(console: Console, collect_by: datetime) -> str:
    """Two that were taken from Stripe, which sets no due date: one was handed back, one is ours; the account."""
    account = console.api.ours.id
    about = COLUMNS | {"customer": "cus_ada", "state": "retrying", "collection_method": "charge_automatically"}
    snapshot = {"id": "in_", "created": 1, "status": "open", "currency": "eur"}
    await insert("customer", account=account, id="cus_ada", created_at=NOW)
    for name, collector in (("in_back", "stripe"), ("in_ours", "gateway")):
        switched = {"collector": collector, "collect_by": collect_by, "taken_at": collect_by - timedelta(days=7)}
        await add_invoice(account, name, snapshot=snapshot, **about, **switched)
    return account


async def test_what_stripe_is_to_pay_again_is_due_on_no_day_in_any_list_or_sum(console: Console) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    account = await one_of_each_collector(console, yesterday)
    assert {one.id: one.due_date for one in (await find_invoices(account)).data} == {
        "in_back": None,
        "in_ours": int(yesterday.timestamp()),
    }
    wanted = InvoiceFilter(due_from=yesterday.date(), due_until=yesterday.date())
    assert [one.id for one in (await find_invoices(account, wanted)).data] == ["in_ours"]
    assert [one.id for one in await open_invoices(account, "cus_ada", limit=2)] == ["in_ours", "in_back"]
    [owed] = await owed_by(account, "cus_ada")
    assert (owed.amount, owed.overdue) == (23800, 11900)
    seen = await organization.find_invoices(Scope(account, "cus_ada"))
    assert {one.id: one.due_date is None for one in seen.data} == {"in_back": True, "in_ours": False}


async def test_the_sum_of_what_is_at_risk_and_its_list_mean_the_same_due_date(console: Console) -> None:
    now = datetime.now(UTC)
    account = await one_of_each_collector(console, now + timedelta(days=1))
    found = await find_invoices(account, InvoiceFilter(group=Group.AT_RISK))
    money = await open_money(account, now, now)
    assert ([one.id for one in found.data], money["eur"][Group.AT_RISK].count) == (["in_ours"], 1)


async def test_who_collects_is_said_alike_in_the_filter_and_on_the_invoices_page(console: Console) -> None:
    await some(console)
    page = await console[Role.VIEWER].get("/invoices?collected_by=gateway")
    choices = re.findall(r'value="(gateway|stripe|hosted)">([^<]*)<', page.text)
    assert {Collector(value): html.unescape(said) for value, said in choices} == NAMES
    one = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    assert f"Collected by {NAMES[Collector.GATEWAY]}" in one


async def test_a_filter_that_there_is_not_is_said(console: Console) -> None:
    for role, path in ((Role.VIEWER, "/invoices"), (Role.FINANCE, "/invoices.csv")):
        answer = await console[role].get(f"{path}?due_from=yesterday")
        assert (answer.status_code, "'yesterday' is none that there is" in text_of(answer)) == (400, True)


async def test_the_file_holds_what_is_listed_in_exact_decimals_and_no_formulas(console: Console) -> None:
    account = await some(console)
    await add_invoice(account, "in_odd", number='=HYPERLINK("x")', reason="@cmd", **COLUMNS)
    answer = await console[Role.FINANCE].get("/invoices.csv?status=open")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert {(one["invoice"], one["total"], one["currency"]) for one in rows} == {
        ("in_open", "119.00", "EUR"),
        ("in_odd", "119.00", "EUR"),
    }
    assert ('\'=HYPERLINK("x")', "'@cmd") in {(one["number"], one["why"]) for one in rows}
    assert (await console[Role.SUPPORT].get("/invoices.csv")).status_code == 403


async def test_a_search_is_kept_shared_and_deleted_by_whoever_made_it(console: Console) -> None:
    support, finance, viewer = console[Role.SUPPORT], console[Role.FINANCE], console[Role.VIEWER]
    fields = {"name": "Stuck", "query": "state=exhausted&nonsense=1"}
    kept = await support.post("/invoices/views", fields)
    assert (kept.status_code, kept.headers["location"].split("?")[1]) == (303, "state=exhausted&said=view_kept")
    assert "Stuck" in text_of(await support.get("/invoices"))
    assert "Stuck" not in text_of(await finance.get("/invoices"))
    view = await sql.value("select id from tollbridge.console_view")
    assert (await finance.post(f"/invoices/views/{view}/share", {"shared": "yes"})).status_code == 404
    assert (await support.post(f"/invoices/views/{view}/share", {"shared": "yes"})).status_code == 303
    assert "Stuck of support" in text_of(await viewer.get("/invoices"))
    assert (await viewer.post(f"/invoices/views/{view}/delete")).status_code == 403
    assert (await support.post(f"/invoices/views/{view}/delete")).status_code == 303
    assert await sql.value("select count(*) from tollbridge.console_view") == 0


async def test_a_shared_search_of_somebody_who_left_is_an_admins_to_delete(console: Console) -> None:
    support, finance, admin = console[Role.SUPPORT], console[Role.FINANCE], console[Role.ADMIN]
    for name, shared in (("Everybody's", "yes"), ("Their own", "")):
        fields = {"name": name, "query": "state=due", "shared": shared, "once": name}
        assert (await support.post("/invoices/views", fields)).status_code == 303
    await sql.rows("delete from tollbridge.console_role where console_user = $1", support.user)
    views = await sql.rows("select id from tollbridge.console_view order by shared desc")
    shared, own = (f"/invoices/views/{row['id']}/delete" for row in views)
    assert shared not in (await finance.get("/invoices")).text
    assert (await finance.post(shared)).status_code == 404
    assert (await admin.post(own)).status_code == 404
    page = await admin.get("/invoices")
    assert (shared in page.text, own in page.text) == (True, False)
    assert (await admin.post(shared)).status_code == 303
    assert await sql.value("select count(*) from tollbridge.console_view") == 1


async def test_a_search_wants_a_name(console: Console) -> None:
    fields = {"name": " ", "query": "state=paid", "shared": "yes"}
    answer = await console[Role.SUPPORT].post("/invoices/views", fields)
    assert 'name="shared" value="yes" checked' in answer.text
    assert (answer.status_code, "Must have 1 to 100 letters" in text_of(answer)) == (400, True)
    assert (await console[Role.VIEWER].post("/invoices/views", {"name": "x", "query": ""})).status_code == 403


async def test_what_a_figure_counts_alone_is_said_and_kept_by_the_form(console: Console) -> None:
    page = await console[Role.VIEWER].get("/invoices?group=given_up&search=x")
    assert "Only those that a figure of the overview counts: group given up" in text_of(page)
    assert '<input type="hidden" name="group" value="given_up">' in page.text


async def test_older_invoices_are_found_though_the_last_of_the_page_was_paid(console: Console) -> None:
    for number in range(27):
        at = datetime.now(UTC) - timedelta(days=number)
        await add_invoice(console.api.ours.id, f"in_{number}", at=at, state="retrying", status="open", currency="eur")
    viewer = console[Role.VIEWER]
    page = await viewer.get("/invoices?state=retrying")
    [older] = re.findall(r'rel="next" href="([^"]+)"', page.text)
    await sql.rows("update tollbridge.invoice set state = 'paid', status = 'paid' where id = 'in_24'")
    answer = await viewer.get(html.unescape(older))
    assert (answer.status_code, "in_25" in answer.text) == (200, True)


async def test_a_search_that_takes_anothers_place_is_kept_in_the_log(console: Console) -> None:
    support = console[Role.SUPPORT]
    for query in ("state=retrying", "state=exhausted"):
        answer = await support.post("/invoices/views", {"name": "mine", "query": query, "shared": "yes"})
        assert answer.status_code == 303
    rows = await sql.rows("select * from tollbridge.audit_log where action = 'console_view.saved' order by id")
    assert (rows[0]["before"], '"mine"' in rows[1]["before"], "(changed)" in rows[1]["after"]) == (None, True, True)


async def test_a_file_of_all_days_holds_what_the_list_holds(console: Console) -> None:
    """What can't be looked for is told before the file begins: an empty one under 200 would say that there is none."""
    await add_invoice(console.api.ours.id, "in_1", due_date=NOW, state="retrying", currency="eur")
    answer = await console[Role.FINANCE].get("/invoices.csv?due_until=9999-12-31")
    assert (answer.status_code, "in_1" in answer.text) == (200, True), answer.text


async def test_a_kept_search_writes_no_persons_mail_into_the_log(console: Console) -> None:
    """The log is append-only and outlives an erasure: of a customer it holds nothing but reasons
    (`customers/personal.py`)."""
    fields = {"name": "hers", "query": "search=payer%40example.com"}
    assert (await console[Role.SUPPORT].post("/invoices/views", fields)).status_code == 303
    rows = await sql.rows("select * from tollbridge.audit_log where action = 'console_view.saved'")
    assert len(rows) == 1
    assert "payer" not in str(rows)
    assert "hers" in str(rows)


@pytest.mark.parametrize("field", ["due_until", "created_until", "collected_until", "declined_until"])
async def test_the_last_day_of_all_is_no_error_of_ours(console: Console, field: str) -> None:
    """The audit log's days have an end (`audit.FAR`), and those of a form (`dates.end_of_day`)."""
    assert (await console[Role.VIEWER].get(f"/invoices?{field}=9999-12-31")).status_code < 500
