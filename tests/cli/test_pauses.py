"""Pausing collection, and catching up, from the command line."""

from __future__ import annotations

from datetime import timedelta

from db import sql
from gateway.clock import business_now
from tests.api.seed import add_invoice
from tests.cli.conftest import Tollbridge
from tests.cli.test_commands import add_account


async def test_a_pause_of_an_invoice_and_of_its_customer(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    await add_invoice(account, "in_1", state="due", status="open", customer="cus_1")
    paused = await tollbridge(
        "customers", "pause-collection", "cus_1", "--reason", "ticket 4711", "--until", "2999-01-01", "--json"
    )
    assert paused.json["pause"]["reason"] == "ticket 4711"
    shown = await tollbridge("invoices", "show", "in_1")
    assert "ticket 4711" in shown.out
    assert "2999-01-01" in shown.out
    own = await tollbridge("invoices", "pause-collection", "in_1", "--reason", "for good")
    assert "until it is resumed" in own.out
    resumed = await tollbridge("invoices", "resume-collection", "in_1", "--reason", "enough")
    assert "customer's pause goes on" in resumed.out
    assert (await tollbridge("customers", "resume-collection", "cus_1", "--reason", "enough")).code == 0
    assert (await tollbridge("invoices", "show", "in_1", "--json")).json["pause"] is None
    actors = await sql.rows("select distinct actor from tollbridge.audit_log where action like '%collection%'")
    assert [row["actor"].partition(":")[0] for row in actors] == ["cli"]


async def test_a_pause_that_cannot_be(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    assert (await tollbridge("invoices", "pause-collection", "in_none", "--reason", "x")).code == 1
    assert (await tollbridge("customers", "pause-collection", "cus_none", "--reason", "x")).code == 1
    assert (await tollbridge("invoices", "pause-collection", "in_none")).code == 2


async def test_catching_up_in_vain_is_no_success(tollbridge: Tollbridge) -> None:
    """Nobody answers at the account's address."""
    await add_account(tollbridge)
    await sql.rows("update tollbridge.account set api_base = 'http://127.0.0.1:1'")
    told = await tollbridge("catch-up")
    assert told.code == 1
    assert "something may be missing" in told.out
    assert "gap = 0" not in told.out
    as_json = await tollbridge("catch-up", "--account", "eu", "--json")
    assert as_json.code == 1
    assert '"gap":null' in as_json.out


async def test_catching_up_from_too_long_ago_says_what_cannot_be_seen(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    await sql.rows("update tollbridge.account set api_base = 'http://127.0.0.1:1'")
    recent = f"{await business_now() - timedelta(days=29):%Y-%m-%d}"
    assert '"events_forgotten_before":null' in (await tollbridge("catch-up", "--since", recent, "--json")).out
    told = await tollbridge("catch-up", "--since", "2020-01-01")
    assert "Stripe lists no events from before" in " ".join(told.out.split())


async def test_catching_up_from_the_future_is_refused(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    wrong = await tollbridge("catch-up", "--since", "2999-01-01")
    assert (wrong.code, "--since: must not be in the future" in wrong.err) == (2, True)
