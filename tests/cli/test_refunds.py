"""Refunds on the command line: amounts with their currency, who asked, who approved, and what is in the way."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from tests.api.seed import Seeded
from tests.cli.conftest import Tollbridge
from tests.cli.test_invoices import seeded, set_policy

__all__ = ["seeded"]

MOVED_BACK = """
    insert into tollbridge.movement (id, account, connection, invoice, attempt, kind, processor_id, amount, currency,
        occurred_at, created_at)
    select 'mov_back', account, connection, invoice, attempt, 'dispute_withdrawn', 'prf_back', 400, currency,
        occurred_at, created_at
    from tollbridge.movement where invoice = $1 and kind = 'capture'
"""


async def create(tollbridge: Tollbridge, seeded: Seeded, *options: str) -> Any:
    return await tollbridge("refunds", "create", seeded.invoice, "--reason", "ticket 4711", *options)


async def test_asked_for_and_shown(tollbridge: Tollbridge, seeded: Seeded) -> None:
    made = await create(tollbridge, seeded, "--amount", "400")
    assert made.code == 0, made.err
    assert "4.00 EUR" in made.out
    assert "No worker is running" in made.err
    refund = (await tollbridge("refunds", "list", "--json")).json["data"][0]
    shown = await tollbridge("refunds", "show", refund["id"])
    assert "4.00 EUR" in shown.out
    assert "requested  4.00 EUR  practice" in shown.out
    assert "400" not in shown.out.replace("4.00", "")
    assert refund["requested_by"].startswith("cli:")
    listed = await tollbridge("refunds", "list", "--invoice", seeded.invoice, "--state", "requested")
    assert refund["id"] in listed.out
    assert refund["id"] in (await tollbridge("invoices", "show", seeded.invoice)).out


async def test_without_an_amount_it_is_all_that_is_left(tollbridge: Tollbridge, seeded: Seeded) -> None:
    await create(tollbridge, seeded, "--amount", "190")
    assert "10.00 EUR" in (await create(tollbridge, seeded)).out


@pytest.mark.parametrize("amount", ["0", "-5", "4.00"])
async def test_amounts_that_are_none(tollbridge: Tollbridge, seeded: Seeded, amount: str) -> None:
    refused = await create(tollbridge, seeded, "--amount", amount)
    assert refused.code == 2
    assert "minor units: write 600 for 6.00 EUR" in refused.err
    assert await sql.value("select count(*) from tollbridge.refund") == 1, "the seeded one alone"


async def test_more_than_is_left_is_one_line(tollbridge: Tollbridge, seeded: Seeded) -> None:
    refused = await create(tollbridge, seeded, "--amount", "99999")
    assert refused.code == 1
    assert refused.err.count("\n") == 1
    assert "not so much left" in refused.err
    assert "11.90 EUR can be returned now" in refused.err


async def test_nobody_approves_what_they_asked_for(tollbridge: Tollbridge, seeded: Seeded) -> None:
    await set_policy(seeded, approval_above={"eur": 300})
    made = await create(tollbridge, seeded, "--amount", "400", "--json")
    assert made.json["approval"] == "waiting"
    refused = await tollbridge("refunds", "approve", made.json["id"])
    assert refused.code == 1
    assert "somebody else must" in refused.err
    assert "waits for approval" in (await tollbridge("refunds", "list")).out

    denied = await tollbridge("refunds", "deny", made.json["id"], "--reason", "a mistake")
    assert denied.code == 0, denied.err
    shown = await tollbridge("refunds", "show", made.json["id"])
    assert "refused" in shown.out
    assert "denied by" in shown.out
    assert "approved by" not in shown.out
    audit = await sql.rows(
        "select action, actor from tollbridge.audit_log where object = $1 order by id", made.json["id"]
    )
    assert [row["action"] for row in audit] == ["refund.requested", "refund.denied"]


async def test_the_invoice_shows_what_went_back(tollbridge: Tollbridge, seeded: Seeded) -> None:
    assert "went back" in (before := (await tollbridge("invoices", "show", seeded.invoice)).out)
    assert "came in" not in before
    await sql.rows(MOVED_BACK, seeded.invoice)
    after = (await tollbridge("invoices", "show", seeded.invoice)).out
    assert "4.00 EUR of the 11.90 EUR that came in; 7.90 EUR are left" in after
    assert "-4.00 EUR" in after, "the movement"


async def test_another_approves(tollbridge: Tollbridge, seeded: Seeded) -> None:
    await set_policy(seeded, approval_above={"eur": 300})
    made = await create(tollbridge, seeded, "--amount", "400", "--json")
    approved = await tollbridge("refunds", "approve", made.json["id"], LOGNAME="somebody-else")
    assert approved.code == 0, approved.err
    refund = (await tollbridge("refunds", "show", made.json["id"], "--json")).json
    assert (refund["approval"], refund["approved_by"]) == ("given", "cli:somebody-else")


async def test_nothing_of_it_failed(tollbridge: Tollbridge, seeded: Seeded) -> None:
    made = await create(tollbridge, seeded, "--json")
    refused = await tollbridge("refunds", "retry", made.json["id"])
    assert (refused.code, "nothing of it failed" in refused.err) == (1, True)


async def test_a_refund_that_is_not_there(tollbridge: Tollbridge, seeded: Seeded) -> None:
    assert (await tollbridge("refunds", "show", "rfd_nothing")).code == 1


async def test_credit_notes_are_resolved_one_way_or_the_other(tollbridge: Tollbridge, seeded: Seeded) -> None:
    assert "1.00 EUR" in (await tollbridge("credit-notes", "list")).out
    for options in ([], ["--send", "--refund", "rfd_x"]):
        wrong = await tollbridge("credit-notes", "resolve", "crn_x", "--reason", "seen", *options)
        assert wrong.code == 2
    missing = await tollbridge("credit-notes", "resolve", "crn_x", "--reason", "seen", "--send")
    assert (missing.code, "crn_x" in missing.err) == (1, True)
