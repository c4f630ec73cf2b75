"""What the console promises and does not keep yet."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable
from datetime import timedelta
from itertools import product
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from db import sql
from db.states import INVOICE_UNRESOLVED, InvoiceState
from gateway.console.amounts import AmountError, typed_amount
from gateway.console.invoices import wanted_of
from gateway.console.render import money
from gateway.domain.roles import Role
from gateway.readers.invoice_list import find_invoices
from gateway.readers.invoice_names import invoice_briefs
from tests.api.seed import add_endpoint, add_invoice
from tests.console.conftest import Console
from tests.console.test_invoice import READ, RECORD, WIRE, one_open, receipts
from tests.console.test_overview import now
from tests.scenarios.test_l_partial import renew_in_part, taken
from tests.support.returning import credited, post, refund_later, refunds, retry, returned
from tests.support.staff import clerk, text_of
from tests.support.world import World


async def test_the_rest_of_a_payment_under_the_same_reference_is_not_swallowed(console: Console) -> None:
    """A payer sends what is due in two transfers that say the same. Whoever records the second leaves the amount empty
    (“all that is due”), is shown 69.00, presses “Record 69.00”, and is told that it was recorded."""
    await one_open(console)
    finance = console[Role.FINANCE]
    first = await finance.post(RECORD, WIRE | {"amount": "50.00", "due": "11900"})
    assert first.status_code == 303
    await sql.rows(READ)
    shown = await finance.post(f"{RECORD}/preview", WIRE)
    if shown.status_code != 200:
        return  # refused before anything is promised: as good
    assert ("Record 69.00 EUR" in text_of(shown), 'name="due" value="6900"' in shown.text) == (True, True)

    second = await finance.post(RECORD, WIRE | {"due": "6900"})

    assert (second.status_code, await receipts(console)) != (303, [5000]), "it says that it was recorded"


async def test_what_is_due_is_said_less_what_is_held(console: Console) -> None:
    """The field says how much an empty one stands for: with a part held, that is the rest."""
    await one_open(console)
    finance = console[Role.FINANCE]
    assert (await finance.post(RECORD, WIRE | {"amount": "50.00", "due": "11900"})).status_code == 303
    await sql.rows(READ)
    page = text_of(await finance.get("/invoices/in_open"))
    [said] = re.findall(r"\(empty: all that is due, (.*?)\)", page)
    assert said == "69.00 EUR"


@pytest.mark.parametrize("path", ["/audit", "/audit.csv"])
async def test_where_events_go_is_a_setting_in_the_audit_log_too(console: Console, path: str) -> None:
    """An endpoint's address is shown whole to who may change the settings alone, since it often is its only secret."""
    await add_endpoint(console.api.runtime, console.api.ours.id, "https://192.0.43.8/made-up-secret")
    events = await console[Role.FINANCE].get("/events")
    assert "made-up-secret" not in events.text
    told = await console[Role.FINANCE].get(path)
    assert "webhook" in told.text
    assert "made-up-secret" not in told.text


async def test_the_file_of_invoices_asks_for_nothing_of_what_is_void(console: Console) -> None:
    """The list beside it shows nothing as remaining of a void invoice; whoever adds the file's column up is owed it."""
    await one_open(console, status="void", state="closed")
    finance = console[Role.FINANCE]
    assert "closed 119.00 EUR – – –" in text_of(await finance.get("/invoices?search=in_open"))
    [row] = csv.DictReader(io.StringIO((await finance.get("/invoices.csv?search=in_open")).text.lstrip("\ufeff")))
    assert row["amount_remaining"] in ("", "0", "0.00")


async def listed(console: Console, href: str) -> list[str]:
    """All invoices that a link leads to."""
    wanted = wanted_of(dict(parse_qsl(urlsplit(href).query)))
    found = await find_invoices(console.api.ours.id, wanted, limit=100)
    assert not found.has_more
    return [one.id for one in found.data]


def tiles(page: httpx.Response) -> list[tuple[str, str, int]]:
    """The groups of invoices that the page counts: address, amount, how many."""
    found = re.findall(
        r'<a[^>]* href="([^"]*/invoices\?group=[^"]*)"[^>]*>(.*?)</a>.*?([0-9,]+) invoices?\b', page.text, re.DOTALL
    )
    bare = ((html.unescape(href), html.unescape(re.sub(r"<[^>]+>", "", text)), n) for href, text, n in found)
    return [(href, " ".join(text.split()), int(n.replace(",", ""))) for href, text, n in bare]


async def crowd(console: Console, states: Iterable[InvoiceState], status: str) -> None:
    """An invoice of each state, however collected, and whenever due and made; no two of an amount."""
    due = {"none": None, "past": -1, "soon": 2, "later": 9}
    for n, (state, collector, when) in enumerate(product(states, (None, "gateway", "stripe", "hosted"), due)):
        day = due[when]
        about: dict[str, Any] = {
            "amount_due": 1000 + n,
            "amount_remaining": 1000 + n,
            "total": 1000 + n,
            "collector": collector,
        }
        at = None if day is None else now() + timedelta(days=day)
        if collector == "gateway":
            about |= {"collect_by": at or now()}
        made = now() - timedelta(days=100 if n % 5 == 0 else 1)
        await add_invoice(
            console.api.ours.id, f"in_{n}", at=made, state=state, status=status, currency="eur",
            due_date=at, **about,
        )  # fmt: skip


# Of a void one Stripe goes on to show an amount; a charge of it may be under way yet (voided in flight).
STATES: dict[str, Iterable[InvoiceState]] = {
    "open": InvoiceState,
    "uncollectible": InvoiceState,
    "void": {*INVOICE_UNRESOLVED, InvoiceState.CLOSED},
}


@pytest.mark.parametrize("status", STATES)
async def test_each_sum_of_invoices_is_that_of_its_list(console: Console, status: str) -> None:
    await crowd(console, STATES[status], status)
    page = await console[Role.VIEWER].get("")
    found = tiles(page)
    assert len(found) == 5
    for href, amount, count in found:
        ids = await listed(console, href)
        briefs = await invoice_briefs(console.api.ours.id, ids)
        remaining = sum(briefs[one].remaining for one in ids)
        assert (href, amount, count) == (href, money(remaining, "eur"), len(ids))


async def test_what_waits_again_counts_among_what_one_person_returned(world: World) -> None:
    """Policy `approval_above`: what went back of a refund alone is not forgotten when the rest of it waits."""
    _, renewal = await renew_in_part(world, 60, partial_payment="top_up")
    assert taken(world) == [600, 400]
    await world.set_policy(approval_above={"eur": 500})
    world.practice.script_refunds(world.shop.practice_key, "succeeded", "failed")
    first = await refund_later(world, renewal, amount=500)
    assert returned(world) == [400]
    await refund_later(world, renewal, amount=100)
    assert returned(world) == [400, 100]
    again = await retry(world, first["id"])
    assert again.json()["approval"] == "waiting"

    more = await post(world, "/v1/refunds", {"invoice": renewal, "amount": 400, "wait_s": 0})
    await world.settle()

    assert more.json().get("approval") == "waiting", (returned(world), await refunds(world, renewal))
    assert sum(returned(world)) == 500


async def test_a_viewer_of_the_overview_is_not_shown_where_events_go(console: Console) -> None:
    """“What is not well” names an endpoint that fails, and viewers see no settings."""
    await add_endpoint(console.api.runtime, console.api.ours.id, "https://192.0.43.8/made-up-secret")
    await sql.rows("update tollbridge.webhook_endpoint set enabled = false")
    page = await console[Role.VIEWER].get("")
    assert "is disabled" in text_of(page)
    assert "made-up-secret" not in page.text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/settings/users/invite", {"email": "ada@example.com", "role": "viewer"}),
        ("/settings/keys", {"name": "shop", "scopes": "server"}),
        ("/settings/account/enabled", {"enabled": "false"}),
        ("/settings/connections/practice/enabled", {"enabled": "false"}),
    ],
)
async def test_a_reason_has_a_bound_in_the_settings_too(console: Console, path: str, fields: dict[str, str]) -> None:
    """It stands in the audit log for ever; everywhere else it has 2000 letters at most."""
    await one_open(console)
    answer = await console[Role.ADMIN].post(path, fields | {"reason": "x" * 2001})
    assert (answer.status_code, await sql.value("select max(length(reason)) from tollbridge.audit_log")) == (400, 0)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (RECORD, WIRE | {"amount": "10.00"}),
        (f"{RECORD}/preview", WIRE | {"amount": "10.00"}),
        ("/refunds", {"invoice": "in_open", "amount": "10.00"}),
        ("/refunds/preview", {"invoice": "in_open", "amount": "10.00"}),
    ],
)
async def test_an_amount_of_an_invoice_that_was_not_read_yet_is_no_failure(
    console: Console, path: str, fields: dict[str, str]
) -> None:
    """Its currency is not known before; an event has told of it a moment ago."""
    await add_invoice(console.api.ours.id, "in_open")
    answer = await console[Role.FINANCE].post(path, fields)
    assert answer.status_code in (400, 409), text_of(answer)


async def too_much(world: World, *ends: str) -> tuple[str, str, str]:
    """2.00 too much were captured, which people return by hand; a first refund of them fails. The invoice, its capture,
    the refund. `ends`: what the processor makes of the next ones."""
    await world.set_policy(returns="case")
    signup = await world.signup("over_payment", wait_s=0)
    await world.settle()
    [attempt] = (await world.gateway_invoice(signup.invoice))["attempts"]
    world.practice.script_refunds(world.shop.practice_key, "failed", *ends)
    first = await refund_later(world, signup.invoice, amount=200, attempt=attempt["id"])
    return signup.invoice, attempt["id"], first["id"]


async def press_again(world: World, name: str) -> httpx.Response:
    """“Try again” on the case of a refund that failed while that is open; else on the refund's page."""
    anna = await clerk(world, name=name)
    found = await sql.row("select id, subject from tollbridge.review_case where kind = 'refund_failed'")
    assert found is not None
    is_open = await sql.value("select state = 'open' from tollbridge.review_case where id = $1", found["id"])
    path = f"/cases/{found['id']}/repair/retry" if is_open else f"/refunds/{found['subject']}/retry"
    answer = await anna.post(path, {"once": name})
    await world.settle()
    return answer


async def test_money_that_no_invoice_took_is_not_returned_twice(world: World) -> None:
    """A first refund of it failed. One person asks for another, which succeeds; the failed one's case still offers to
    try again, and who does so returns 2.00 of what has paid the invoice, without a credit note."""
    invoice, attempt, _ = await too_much(world, "succeeded")
    await refund_later(world, invoice, amount=200, attempt=attempt)
    assert returned(world) == [200]

    again = await press_again(world, "anna")

    assert (again.status_code, returned(world)) == (409, [200]), [r["origin"] for r in await refunds(world, invoice)]


async def test_what_became_the_customers_credit_is_not_returned_too(world: World) -> None:
    """A refund of what came too much failed, and it became the customer's credit at Stripe (the policy is another one
    since): who tries the refund again gives it a second time."""
    invoice, _, _ = await too_much(world)
    await world.set_policy(overpayment="customer_balance")
    [over] = [
        one["id"]
        for one in (await world.call("GET", "/v1/cases?state=open")).json()["data"]
        if one["kind"] == "overpaid"
    ]
    await post(world, f"/v1/cases/{over}/close", {"reason": "the customer keeps it as credit"})
    await world.settle()
    customer = world.stripe_invoice(invoice)["customer"]
    assert world.stripe_account().customers[customer]["balance"] == -200

    again = await press_again(world, "anna")

    assert (again.status_code, returned(world)) == (409, [])


async def test_a_refund_that_waits_for_stripe_is_not_spoiled_by_trying_it_again(world: World) -> None:
    """Nothing of it failed: it is made once Stripe knows of its payment. Its parts are made at once instead, and Stripe
    takes no credit note for an invoice that is open."""
    signup = await world.signup("pending_then_ok", wait_s=0)
    await world.settle()
    asked = await refund_later(world, signup.invoice, amount=400)
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/*/pay", status=500, times=None)
    await world.later(days=3)
    assert (await world.gateway_invoice(signup.invoice))["state"] == "captured"
    assert [one["state"] for one in await refunds(world, signup.invoice)] == ["deferred"]

    again = await (await clerk(world)).post(f"/refunds/{asked['id']}/retry", {"once": "form-1"})
    await world.settle()
    world.stripe.faults.clear()
    await world.later(days=1)

    assert (again.status_code, returned(world)) == (409, [400]), text_of(again)


@pytest.mark.parametrize(
    ("text", "currency"), [("1.000", "eur"), ("12.500", "usd"), ("1.000", "jpy"), ("1.000", "isk")]
)
def test_a_point_before_three_digits_is_not_guessed(text: str, currency: str) -> None:
    """As a comma is not: to half of Europe it says a thousand, and it is read as one."""
    with pytest.raises(AmountError):
        typed_amount(text, currency)


async def test_a_note_of_what_went_back_is_not_called_that_of_a_denied_refund(world: World) -> None:
    """4.00 of 5.00 went back, are credited, and somebody has accepted that. The missing 1.00 is tried again, waits, and
    is denied: the case says that the note tells of money that did not go, and to void it."""
    _, renewal = await renew_in_part(world, 60, partial_payment="top_up")
    await world.set_policy(approval_above={"eur": 500})
    world.practice.script_refunds(world.shop.practice_key, "succeeded", "failed")
    first = await refund_later(world, renewal, amount=500)
    [failed] = (await world.call("GET", "/v1/cases?state=open")).json()["data"]
    await post(world, f"/v1/cases/{failed['id']}/close", {"reason": "4.00 is enough"})
    await world.settle()
    assert (returned(world), credited(world, renewal)) == ([400], [400])
    await refund_later(world, renewal, amount=100)
    assert (await retry(world, first["id"])).json()["approval"] == "waiting"

    denied = await (await clerk(world)).post(f"/refunds/{first['id']}/deny", {"once": "form-1"})
    await world.settle()

    assert (denied.status_code, returned(world), credited(world, renewal)) == (303, [400, 100], [400, 100])
    assert await world.open_cases() == []


async def test_who_approves_what_is_missing_is_asked_for_that_much(world: World) -> None:
    """4.00 of 5.00 went back already, and 1.00 waits: the button says “Approve 5.00 EUR”."""
    _, renewal = await renew_in_part(world, 60, partial_payment="top_up")
    await world.set_policy(approval_above={"eur": 500})
    world.practice.script_refunds(world.shop.practice_key, "succeeded", "failed")
    first = await refund_later(world, renewal, amount=500)
    await refund_later(world, renewal, amount=100)
    assert (await retry(world, first["id"])).json()["approval"] == "waiting"
    asked = text_of(await (await clerk(world, name="bert")).get(f"/refunds/{first['id']}"))
    assert "Approve 5.00 EUR" not in asked
