"""The overview's sums of money against the lists that they lead to."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import product
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx
import pytest

from db import sql
from db.ids import new_id
from db.states import INVOICE_UNRESOLVED, InvoiceState
from gateway.console.invoices import wanted_of
from gateway.console.render import money
from gateway.domain.roles import Role
from gateway.readers.invoice_list import find_invoices
from gateway.readers.invoice_names import invoice_briefs
from tests.api.seed import add_invoice, insert
from tests.console.conftest import Console
from tests.console.test_overview import connection_of, now


async def test_each_sum_of_money_is_that_of_its_list(console: Console) -> None:
    """Of every kind of move, at the edges of weeks and months, in several currencies: by a source, or by all."""
    ours, at = console.api.ours.id, now()
    month = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    monday = (at - timedelta(days=at.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    tick = timedelta(microseconds=1)
    days = [
        at - tick,
        month,
        month - tick,
        monday,
        monday - tick,
        monday - timedelta(weeks=11),
        monday - timedelta(weeks=11) - tick,
    ]
    cards = [await connection_of(console, name) for name in ("card-eu", "debit")]
    moves: list[tuple[str, str, str, int, Any]] = []  # invoice, currency, source, what came, when
    kinds = [
        "capture",
        "receipt",
        "capture_reversed",
        "capture_reinstated",
        "refund",
        "refund_failed",
        "dispute_withdrawn",
        "dispute_returned",
        "surplus_returned",
    ]
    signs = {"capture": 1, "receipt": 1, "capture_reinstated": 1, "capture_reversed": -1}
    await sql.rows("insert into tollbridge.customer (account, id, created_at) values ($1, 'cus_1', $2)", ours, at)
    for n, (when, currency) in enumerate(product(days, ("eur", "jpy", "bhd"))):
        for m, kind in enumerate(kinds):
            invoice, card = f"in_{n}_{m}", cards[(n + m) % 2]
            state = ("paid", "not_ours", "closed", "captured")[m % 4]
            collector = (None, "hosted", "stripe")[n % 3]
            about = {
                "state": state,
                "status": "paid",
                "collector": collector,
                "currency": currency,
                "amount_due": 700 + n,
                "stripe_took": m % 2 * 5,
            }
            await add_invoice(ours, invoice, at=when, paid_at=when, **about)
            attempt = None if kind == "receipt" else await attempted(console, card, invoice, currency, when)
            await insert(
                "movement", id=new_id("mov"), account=ours, connection=None if kind == "receipt" else card,
                invoice=invoice, attempt=attempt, kind=kind, processor_id=f"{kind}_{n}", occurrence=invoice,
                amount=1000 * (n + 1) + 10 * m,
                currency=currency, evidence="statement" if kind == "receipt" else "", occurred_at=when, created_at=when,
            )  # fmt: skip
            source = "by_hand" if kind == "receipt" else card
            if kind in signs:
                moves.append((invoice, currency, source, signs[kind] * (1000 * (n + 1) + 10 * m), when))
            if m % 2:
                moves.append((invoice, currency, "stripe", 5, when))
        for collector, state, took in product((None, "hosted", "stripe"), ("paid", "not_ours"), (0, 90)):
            invoice = f"in_there_{n}_{collector}_{state}_{took}"
            about = {
                "state": state,
                "status": "paid",
                "collector": collector,
                "currency": currency,
                "amount_due": 700 + n * 10,
                "stripe_took": took,
            }
            await add_invoice(ours, invoice, at=when, paid_at=when, **about)
            if collector or state == "not_ours":
                moves.append((invoice, currency, "stripe", 700 + n * 10, when))
            elif took:
                moves.append((invoice, currency, "stripe", took, when))
    page = await console[Role.VIEWER].get("?currency=jpy")
    found = re.findall(
        r'<a[^>]* href="([^"]*collected_from=[^"]*)"[^>]*>(.*?)</a>', page.text.replace("xlink:href", "nothref")
    )
    seen = 0
    for href, text in found:
        said = html.unescape(re.sub(r"<[^>]+>", "", text)).strip()
        if not re.match(r"^-?[0-9.,]+ [A-Z]{3}$", said):
            continue
        query = dict(parse_qsl(urlsplit(html.unescape(href)).query))
        first, last = date.fromisoformat(query["collected_from"]), date.fromisoformat(query["collected_until"])
        of = [
            one
            for one in moves
            if one[1] == query["currency"] and first <= one[4].date() <= last and query.get("source", one[2]) == one[2]
        ]
        wanted = wanted_of(query)
        listed_ = {one.id for one in (await find_invoices(ours, wanted, limit=100)).data}
        assert (said, listed_) == (money(sum(one[3] for one in of), query["currency"]), {one[0] for one in of}), href
        seen += 1
    assert seen > 15


async def attempted(console: Console, card: str, invoice: str, currency: str, at: Any) -> str:
    attempt, method = new_id("att"), new_id("pmt")
    ours = console.api.ours.id
    await insert(
        "payment_method", id=method, account=ours, customer="cus_1", connection=card, reference=b"sealed",
        token_hash=method, vault_hash=method, status="active", created_at=at,
    )  # fmt: skip
    await insert(
        "attempt", id=attempt, account=ours, invoice=invoice, number=1, connection=card, payment_method=method,
        amount=1190, currency=currency, state="succeeded", reason="first", idempotency_key=uuid4(),
        reference=f"{invoice}.1", created_at=at, sent_at=at, resolved_at=at, processor_id=attempt, amount_captured=1190,
    )  # fmt: skip
    return attempt


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
