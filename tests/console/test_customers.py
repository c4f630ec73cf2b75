"""Customers: who is found, what is shown of one, and what its forms change."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote_plus

import msgspec
import pytest

from db import sql
from gateway.billing.mails import mail_hash
from gateway.customers.erase import go_on
from gateway.domain.name_words import words_of
from gateway.domain.roles import Role
from tests.api.seed import NOW, Seeded, add_case, add_invoice, insert, seed
from tests.console.conftest import Console
from tests.support.staff import text_of

METHOD_GONE = """
    update tollbridge.payment_method set status = 'revoked', reference = null, revoked_at = now() where customer = $1
"""


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    return await seed(console.api.runtime, console.api.ours.id)


async def owe(account: str, customer: str, invoice: str = "in_owed", amount: int = 2380) -> None:
    """An open invoice, overdue."""
    money = {"currency": "eur", "amount_due": amount, "amount_remaining": amount, "total": amount}
    person = {"id": invoice, "customer_name": "Ada Example", "customer_email": "ada@example.com"}
    what = {"state": "needs_payment_method", "status": "open", "due_date": NOW - timedelta(days=400)}
    await add_invoice(account, invoice, customer=customer, snapshot=person, read_at=NOW, **what, **money)


async def test_the_list_says_who_owes_what_and_pays_with_what(console: Console, seeded: Seeded) -> None:
    await owe(seeded.account, seeded.customer)
    await owe(seeded.account, "cus_without_anything_else", "in_2", 100)

    shown = text_of(await console[Role.VIEWER].get("/customers"))

    assert f"Ada Example ada@example.com {seeded.customer} 23.80 EUR all of it overdue Visa ending in 4242" in shown
    assert "Ada Example ada@example.com cus_without_anything_else 1.00 EUR" in shown
    assert "4242 1 living as usual" in shown


@pytest.mark.parametrize(
    ("show", "found"), [("owing", "cus_owing"), ("needs_payment_method", "cus_owing"), ("paused", "cus_paused"),
                        ("hosted", "cus_hosted"), ("left_alone", "cus_alone")]
)  # fmt: skip
async def test_the_list_is_narrowed(console: Console, show: str, found: str) -> None:
    account = console.api.ours.id
    await owe(account, "cus_owing")
    await insert("customer", account=account, id="cus_hosted", collection="hosted", created_at=NOW)
    await insert("customer", account=account, id="cus_alone", opted_out=True, created_at=NOW)
    pause = {"reason": "asked for", "paused_by": "ada", "paused_at": NOW}
    for paused in ("cus_paused", "in_owed"):
        await insert("collection_pause", account=account, object=paused, **pause)

    shown = text_of(await console[Role.VIEWER].get(f"/customers?show={show}"))

    assert [one for one in ("cus_owing", "cus_paused", "cus_hosted", "cus_alone") if one in shown] == [found]


async def test_the_list_goes_on_where_it_ended(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.console.customers.ON_A_PAGE", 2)
    for n in range(3):
        await insert("customer", account=console.api.ours.id, id=f"cus_{n}", created_at=NOW)

    first = await console[Role.VIEWER].get("/customers?q=&show=")
    second = await console[Role.VIEWER].get("/customers?starting_after=cus_1")

    assert "starting_after=cus_1" in first.text
    assert "cus_2" not in first.text
    assert "cus_2" in second.text
    assert "starting_after" not in second.text


async def test_a_search_by_any_id_of_theirs_leads_to_the_customer(console: Console, seeded: Seeded) -> None:
    ids = (seeded.customer, seeded.invoice, seeded.subscription, seeded.method, seeded.case)
    for wanted in ids:
        answer = await console[Role.VIEWER].get(f"/customers?q={wanted}")
        assert answer.headers["location"].endswith(f"/customers/{seeded.customer}"), wanted
    strange = await seed(console.api.runtime, console.api.theirs.id)
    for wanted in (strange.customer, strange.invoice, "nothing"):
        assert "Nobody is found" in text_of(await console[Role.VIEWER].get(f"/customers?q={wanted}"))


async def test_one_customer_with_all_that_is_known(console: Console, seeded: Seeded) -> None:
    await owe(seeded.account, seeded.customer)
    await add_case(seeded.account, "in_owed", invoice="in_owed")

    shown = text_of(await console[Role.VIEWER].get(f"/customers/{seeded.customer}"))

    assert "23.80 EUR in 1 open invoice, 23.80 EUR overdue" in shown
    assert f"1 Visa ending in 4242 stored 1 Mar 2027 {seeded.method} practice (practice) Charged first all" in shown
    assert f"{seeded.subscription} active" in shown
    assert "Outcome unknown" in shown
    assert "Pause collection" not in shown, "a viewer changes nothing"
    assert "Send an update link" not in shown


async def test_what_a_customer_is_at_stripe_is_a_part_of_its_own(console: Console, seeded: Seeded) -> None:
    page = await console[Role.VIEWER].get(f"/customers/{seeded.customer}")
    assert f'hx-get="/console/a/ours/customers/{seeded.customer}/at_stripe"' in page.text
    await owe(seeded.account, seeded.customer)
    part = await console[Role.VIEWER].get(f"/customers/{seeded.customer}/at_stripe", **{"hx-request": "true"})
    assert part.text.strip().startswith('<div id="at-stripe">')
    assert "Name Ada Example Mail ada@example.com Stripe can't be asked now" in text_of(part), "it's a closed port here"


async def test_another_accounts_customer_is_not_erased_by_whoever_types_its_id(console: Console) -> None:
    strange = await seed(console.api.runtime, console.api.theirs.id)
    asked = {"reason": "none", "sure": strange.customer}
    assert (await console[Role.ADMIN].post(f"/customers/{strange.customer}/erase", asked)).status_code == 404
    assert await sql.value("select erase_asked_at from tollbridge.customer where id = $1", strange.customer) is None
    # Nor within a customer of one's own.
    own = await seed(console.api.runtime, console.api.ours.id)
    path = f"/customers/{own.customer}/payment_methods/{strange.method}/move"
    moved = await console[Role.ADMIN].post(path, {"position": "1"})
    assert moved.status_code == 404


async def test_pausing_needs_finance_and_a_reason(console: Console, seeded: Seeded) -> None:
    path, asked = f"/customers/{seeded.customer}/pause", {"reason": "Pays by transfer.", "until": "2100-03-31"}
    assert (await console[Role.SUPPORT].post(path, asked)).status_code == 403
    assert await sql.value("select count(*) from tollbridge.collection_pause") == 0

    refused = await console[Role.FINANCE].post(path, {"until": "2100-03-31", "reason": " "})
    assert refused.status_code == 400
    assert 'value="2100-03-31"' in refused.text
    answer = await console[Role.FINANCE].post(path, asked)

    shown = text_of(await console[Role.FINANCE].get(answer.headers["location"]))
    assert "Collection is paused" in shown
    assert "until 1 Apr 2100, 00:00 UTC . “Pays by transfer.”" in shown
    await console[Role.FINANCE].post(f"/customers/{seeded.customer}/resume", {"reason": "It came."})
    shown = text_of(await console[Role.FINANCE].get(f"/customers/{seeded.customer}"))
    assert "Nothing is charged: paused" not in shown


async def test_who_collects_is_changed_with_a_reason(console: Console, seeded: Seeded) -> None:
    path, asked = f"/customers/{seeded.customer}/collection", {"collection": "hosted", "reason": "Asked for."}
    assert (await console[Role.VIEWER].post(path, asked)).status_code == 403
    for wrong in ({"collection": "bank", "reason": "x"}, {"collection": "hosted", "reason": ""}):
        assert (await console[Role.SUPPORT].post(path, wrong)).status_code == 400
    await console[Role.SUPPORT].post(path, asked)
    await console[Role.SUPPORT].post(f"/customers/{seeded.customer}/leave_alone", {"opted_out": "yes", "reason": "x"})

    found = await sql.row("select collection, opted_out from tollbridge.customer where id = $1", seeded.customer)
    assert tuple(found or ()) == ("hosted", True)
    audited = await sql.rows("select actor, reason from tollbridge.audit_log where action = 'customer.updated'")
    assert [tuple(one) for one in audited] == [(console[Role.SUPPORT].user, r) for r in ("Asked for.", "x")]


async def test_payment_methods_are_put_in_order_and_removed(console: Console, seeded: Seeded) -> None:
    second = {"id": "pmt_second", "account": seeded.account, "customer": seeded.customer, "token_hash": "other"}
    second |= {"connection": seeded.connection, "reference": b"sealed", "vault_hash": "other", "status": "active"}
    await insert("payment_method", **second, position=5, created_at=NOW)
    path, support = f"/customers/{seeded.customer}/payment_methods/pmt_second", console[Role.SUPPORT]
    assert (await console[Role.VIEWER].post(f"{path}/move", {"position": "1"})).status_code == 403

    assert (await support.post(f"{path}/move", {"position": "0"})).status_code == 400
    assert (await support.post(f"{path}/move", {"position": "1"})).status_code == 303
    page = text_of(await support.get(f"/customers/{seeded.customer}"))
    assert page.index("pmt_second") < page.index(seeded.method)

    assert (await support.post(f"{path}/remove", {"reason": ""})).status_code == 400
    assert (await support.post(f"{path}/remove", {"reason": "Asked for."})).status_code == 303
    assert "Being removed: it is deleted at the processor in a moment" in text_of(
        await support.get(f"/customers/{seeded.customer}")
    )
    reason = "select reason from tollbridge.audit_log where action = 'payment_method.revoked'"
    assert await sql.value(reason) == "Asked for."


async def test_erasing_is_an_admins_who_types_the_id(console: Console, seeded: Seeded) -> None:
    await sql.rows("update tollbridge.subscription set ended_at = $1", NOW)
    await sql.rows("update tollbridge.checkout_session set state = 'expired'")
    path, asked = f"/customers/{seeded.customer}/erase", {"reason": "Asked for.", "sure": seeded.customer}
    assert (await console[Role.FINANCE].post(path, asked)).status_code == 403
    assert (await console[Role.ADMIN].post(path, asked | {"sure": "cus_other"})).status_code == 400
    asked_at = "select erase_asked_at from tollbridge.customer where id = $1"
    assert await sql.value(asked_at, seeded.customer) is None

    answer = await console[Role.ADMIN].post(path, asked)

    assert answer.status_code == 303
    assert await sql.value(asked_at, seeded.customer) is not None
    shown = text_of(await console[Role.ADMIN].get(f"/customers/{seeded.customer}"))
    assert "are being erased" in shown
    assert "Make a link" not in shown


async def test_who_paused_a_customer_is_named(console: Console, seeded: Seeded) -> None:
    finance = console[Role.FINANCE]
    await finance.post(f"/customers/{seeded.customer}/pause", {"reason": "on holiday"})
    assert "paused by finance since" in text_of(await finance.get(f"/customers/{seeded.customer}"))


async def test_with_a_customer_go_the_searches_that_are_kept_for_them(console: Console, seeded: Seeded) -> None:
    snapshot = msgspec.json.encode({"id": seeded.invoice, "customer_email": "ada@example.com", "customer_name": "Ada"})
    await sql.rows("update tollbridge.invoice set snapshot = $2 where id = $1", seeded.invoice, snapshot)
    await sql.rows(METHOD_GONE, seeded.customer)
    await sql.rows("update tollbridge.customer set erase_asked_at = $2 where id = $1", seeded.customer, NOW)
    searches = {
        "hers": "search=ADA%40example.com",
        "hers too": f"customer={seeded.customer}&state=due",
        "of others": "search=canada&state=due",
        "adA@example.com": "state=due",
    }
    for name, query in searches.items():
        given = {"name": name, "query": query}
        assert (await console[Role.SUPPORT].post("/invoices/views", given | {"once": name})).status_code == 303
    assert await go_on(console.api.runtime, console.api.ours.id, seeded.customer)
    kept = await sql.rows("select name from tollbridge.console_view")
    assert [row["name"] for row in kept] == ["of others"]


async def call(account: str, customer: str, name: str) -> None:
    """An invoice of theirs that shows this name, as it is kept."""
    person = {"id": f"in_of_{customer}", "customer_name": name}
    await add_invoice(account, person["id"], customer=customer, snapshot=person, read_at=NOW)
    for word in words_of(name):
        await insert("customer_word", account=account, customer=customer, word=word)


@pytest.mark.parametrize("typed", ["cleo", "Cleo Weber", "webe cl", "  WEBER"])
async def test_a_search_by_name_leads_to_the_customer(console: Console, typed: str) -> None:
    account = console.api.ours.id
    await call(account, "cus_1", "Cleo Weber")
    await call(account, "cus_2", "Ada Müller")
    await call(console.api.theirs.id, "cus_3", "Cleo Weber")

    answer = await console[Role.VIEWER].get(f"/customers?q={quote_plus(typed)}")

    assert (answer.status_code, answer.headers["location"][-16:]) == (303, "/customers/cus_1")
    for nobody in ("Cleo Muller", "leo", "%", "Cleo_", "…"):
        assert "Nobody is found" in text_of(await console[Role.VIEWER].get(f"/customers?q={quote_plus(nobody)}"))


async def test_who_have_one_name_are_listed_page_by_page(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.console.customers.ON_A_PAGE", 2)
    for n in range(3):
        await call(console.api.ours.id, f"cus_{n}", f"Müller & Söhne {n}")

    first = await console[Role.VIEWER].get("/customers?q=muller+so")
    assert text_of(first).count("Müller & Söhne") == 2
    second = await console[Role.VIEWER].get("/customers?q=muller+so&starting_after=cus_1")

    assert "q=muller+so&amp;starting_after=cus_1" in first.text
    assert "Müller &amp; Söhne 2" in second.text, "one alone on a further page is listed"
    assert "starting_after" not in second.text


async def test_whose_mail_stands_on_an_invoice_is_found_without_asking_stripe(console: Console) -> None:
    account = console.api.ours.id
    await add_invoice(account, "in_1", customer="cus_1", mail_hash=mail_hash(account, "ada@example.com"))

    answer = await console[Role.VIEWER].get("/customers?q=+Ada@Example.com")

    assert answer.headers["location"].endswith("/customers/cus_1")
