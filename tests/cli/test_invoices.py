"""Invoices as finance people read them: amounts with their currency, what was tried with what, and when next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from db import sql
from db.encryption import Keyring
from db.states import InvoiceState
from gateway.accounts import accounts
from gateway.accounts.accounts import AccountChange
from gateway.accounts.audit import Author
from gateway.clock import business_now
from gateway.domain.times import moment
from gateway.runtime import running
from gateway.settings import Settings
from processors.values import Secret
from tests.api.seed import Seeded, add_invoice, insert, seed
from tests.billing.payloads import DAHLIA
from tests.cli.conftest import KEYS, Tollbridge

BY = Author("test")
HOUR = timedelta(hours=1)


@pytest.fixture
async def seeded(database: str) -> AsyncIterator[Seeded]:
    """One of everything, in an account of its own."""
    keyring = Keyring.from_environment(KEYS)
    account = await accounts.add(keyring, BY, "eu", Secret("sk_test_made_up"))
    async with running(Settings(), keyring) as runtime:
        yield await seed(runtime, account.id)


async def owe(one: Seeded, *declined_at: datetime) -> str:
    """An open invoice of its customer that is due in ten days, with tries that were declined; its id."""
    now = await business_now()
    created, due = (int((now + timedelta(days=days)).timestamp()) for days in (-1, 10))
    ours = {"id": "in_open", "customer": one.customer, "created": created, "due_date": due}
    kept: dict[str, Any] = {"customer": one.customer, "number": "N-1", "state": "retrying", "status": "open"}
    amounts = {"currency": "eur", "amount_due": 1000, "amount_remaining": 1000}
    snapshot = {**DAHLIA, **ours, "parent": None, "billing_reason": "manual"}
    await add_invoice(one.account, "in_open", read_at=now, snapshot=snapshot, **kept, **amounts)
    for number, at in enumerate(declined_at, 1):
        await add_decline(one, number, at)
    return "in_open"


async def add_decline(one: Seeded, number: int, at: datetime) -> None:
    keys = {"idempotency_key": uuid4(), "reference": f"in_open.{number}"}
    why = {"decline_class": "insufficient_funds", "advice": "retry_later", "processor_code": "51"}
    times = {"created_at": at, "sent_at": at, "resolved_at": at}
    of = {"account": one.account, "invoice": "in_open", "connection": one.connection, "payment_method": one.method}
    tried = {"number": number, "amount": 1000, "currency": "eur", "state": "declined", "reason": "first"}
    await insert("attempt", id=f"att_{number}", **of, **tried, **keys, **why, **times)


async def set_policy(one: Seeded, **policies: Any) -> None:
    await accounts.update(Keyring.from_environment(KEYS), BY, one.account, AccountChange(policies=policies))


async def test_amounts_are_as_people_write_them(tollbridge: Tollbridge, seeded: Seeded) -> None:
    shown = await tollbridge("invoices", "show", seeded.invoice)
    assert shown.out.count("11.90 EUR") == 5, "what is due, the attempt, the capture, the recording, the dispute"
    assert "0.00 EUR" in shown.out, "what remains"
    assert "1190" not in shown.out
    machine = (await tollbridge("invoices", "show", seeded.invoice, "--json")).json
    assert (machine["amount_due"], machine["movements"][0]["amount"]) == (1190, 1190)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(1000, "jpy", "1,000 JPY"), (50000, "isk", "500 ISK"), (12340, "kwd", "12.340 KWD"), (0, "", "No currency yet")],
)
async def test_every_currency_has_its_own_decimals(
    tollbridge: Tollbridge, seeded: Seeded, amount: int, currency: str, text: str
) -> None:
    await add_invoice(seeded.account, "in_x", currency=currency, amount_due=amount, reason="No currency yet")
    assert text in (await tollbridge("invoices", "list")).out


async def test_an_attempt_says_when_with_what_and_why(tollbridge: Tollbridge, seeded: Seeded) -> None:
    at = await business_now() - HOUR
    shown = (await tollbridge("invoices", "show", await owe(seeded, at))).out
    [tried] = [line for line in shown.splitlines() if "in_open.1" in line]
    for told in (f"{at:%Y-%m-%d %H:%M:%S} UTC", "visa 4242", seeded.method, "insufficient_funds (51)", "10.00 EUR"):
        assert told in tried


async def test_the_plan_says_what_shifted_a_try(tollbridge: Tollbridge, seeded: Seeded) -> None:
    at = await business_now() - HOUR
    hour = (at.hour + 5) % 23
    await set_policy(seeded, hours_of_day=[hour, hour + 1], ladder_hours=[0, 24])
    shown = await tollbridge("invoices", "show", await owe(seeded, at))
    [planned] = [line for line in shown.out.splitlines() if "try 2 of 2" in line and line.startswith("2")]
    assert f"only from {hour:02}:00 to {hour + 1:02}:00 UTC" in planned
    assert "visa 4242" in planned
    assert ": a case is opened, for a person to decide." in shown.out
    [in_json] = (await tollbridge("invoices", "show", "in_open", "--json")).json["plan"]["tries"]
    assert in_json["shifted"] == f"only from {hour:02}:00 to {hour + 1:02}:00 UTC"


async def test_what_an_event_told_is_in_major_units_too(tollbridge: Tollbridge, seeded: Seeded) -> None:
    told = '{"object": "invoice", "id": "in_1", "currency": "jpy", "amount_due": 1000, "number": null}'
    await sql.rows("update tollbridge.outbound_event set data = $1", told)
    assert "amount_due=1,000 JPY" in (await tollbridge("events", "list")).out


async def test_an_invoice_is_found_by_its_number_too(tollbridge: Tollbridge, seeded: Seeded) -> None:
    await owe(seeded)
    assert (await tollbridge("invoices", "show", "N-1", "--json")).json["id"] == "in_open"
    paused = await tollbridge("invoices", "pause-collection", "N-1", "--reason", "the payer asked", "--json")
    assert paused.json["id"] == "in_open"
    unknown = await tollbridge("invoices", "show", "N-2")
    assert (unknown.code, "tollbridge catch-up" in unknown.err) == (1, True)


async def test_who_may_not_collect_now_is_told_when(tollbridge: Tollbridge, seeded: Seeded) -> None:
    at = await business_now() - HOUR
    await owe(seeded, at)
    await sql.rows("update tollbridge.attempt set reason = 'operator' where id = 'att_1'")
    refused = await tollbridge("invoices", "collect", "in_open")
    then = moment(at + timedelta(hours=24))
    assert refused.code == 1
    assert f"tried by itself on {then} (try 2 of 4), by hand not before {then}" in " ".join(refused.err.split())


async def test_who_asks_for_work_is_told_that_nobody_works(tollbridge: Tollbridge, seeded: Seeded) -> None:
    await owe(seeded, await business_now() - HOUR)
    asked = await tollbridge("invoices", "collect", "in_open")
    assert (asked.code, "No worker is running" in asked.err) == (0, True)
    await sql.rows("insert into tollbridge.worker (id, started_at, beat_at) values ('wrk_1', now(), now())")
    revoked = await tollbridge("payment-methods", "revoke", seeded.method, "--reason", "the payer asked")
    assert (revoked.code, revoked.err) == (0, "")


async def test_every_state_is_explained(tollbridge: Tollbridge) -> None:
    told = (await tollbridge("invoices", "--help")).out
    for state in InvoiceState:
        assert f"  {state} " in told
