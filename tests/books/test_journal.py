"""The journal of a shop's days, as accountants get it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from db import sql
from gateway.accounts.errors import FieldError
from gateway.books.journal import Format, export
from gateway.clock import business_now
from tests.books.conftest import Books
from tests.support.moves import tell, told_of_moves
from tests.support.world import World


async def text(world: World, form: Format, *, first: date | None = None, last: date | None = None) -> str:
    today = (await business_now()).date()
    parts = await export(world.shop.account, first or today - timedelta(days=100), last or today, form)
    return "".join([part async for part in parts])


def rows(told: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(told)))


def balance(lines: list[dict[str, str]]) -> dict[tuple[str, ...], Decimal]:
    """What each day leaves in each currency, which must be nothing."""
    left: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        left[line["date"], line["currency"]] += Decimal(line["debit"] or 0) - Decimal(line["credit"] or 0)  # type: ignore[assignment]
    return {day: amount for day, amount in left.items() if amount}


async def a_busy_week(world: World, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Captures, a charge taken back, fees, payouts in another currency, a payment by hand."""
    told_of_moves(monkeypatch)
    manner = {"settlement_currency": "USD", "rates": {"EUR": "1.083"}, "fee_basis_points": 290, "fee_fixed": 30}
    world.practice.set_manner(world.shop.practice_key, **manner)
    signup = await world.signup("ok", "one")
    await world.signup("ok", "two")
    await world.later(days=1)
    tell(world, "test.taken_back", world.last_charge())
    await world.settle()
    world.break_card(signup.customer, "decline_insufficient_funds")
    await world.later(days=31)
    renewal = world.invoices_of(signup.subscription)[-1]["id"]
    paid = await world.record_payment(renewal, received_at=int((await business_now()).timestamp()))
    assert paid.status_code == 200, paid.text
    await world.later(days=1)
    await books.compare()


async def test_each_day_balances_in_each_currency(world: World, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_busy_week(world, books, monkeypatch)
    lines = rows(await text(world, "csv"))
    assert {"capture", "capture_reversed", "receipt", "payout"} <= {line["kind"] for line in lines}
    assert {line["currency"] for line in lines} == {"EUR", "USD"}
    assert balance(lines) == {}
    clearing = [line for line in lines if line["account"] == "Assets:Clearing:Practice-eu"]
    left = sum(
        Decimal(line["debit"] or 0) - Decimal(line["credit"] or 0) for line in clearing if line["currency"] == "USD"
    )
    assert left == 0, "everything was paid out"


async def test_beancount_takes_it(world: World, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    loader: Any = pytest.importorskip("beancount.loader")
    await a_busy_week(world, books, monkeypatch)
    told = await text(world, "beancount")
    entries, errors, _ = loader.load_string(told)
    assert errors == []
    made = [one for one in entries if type(one).__name__ == "Transaction"]
    assert sum(len(one.postings) for one in made) == len(rows(await text(world, "csv")))
    assert {posting.account for one in made for posting in one.postings} >= {"Assets:Bank", "Equity:Conversion"}
    assert loader.load_string(told + told)[1] == [], "files of several spans stand side by side"


async def test_two_spans_hold_every_line_once(world: World, books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_busy_week(world, books, monkeypatch)
    whole = rows(await text(world, "csv"))
    middle = date.fromisoformat(whole[0]["date"])
    first = rows(await text(world, "csv", last=middle))
    rest = rows(await text(world, "csv", first=middle + timedelta(days=1)))
    assert first
    assert rest
    assert first + rest == whole


async def test_a_line_names_the_invoice_by_its_number(world: World) -> None:
    signup = await world.signup("ok")
    told = await text(world, "csv")
    number = await sql.value("select number from tollbridge.invoice where id = $1", signup.invoice)
    assert {(line["invoice"], line["invoice_number"]) for line in rows(told)} == {(signup.invoice, number)}
    assert told.splitlines()[0].endswith(",occurred,invoice_number"), "further columns stand behind those of before"


async def test_over_http_it_is_a_file(world: World) -> None:
    await world.signup("ok")
    today = (await business_now()).date()
    answer = await world.call("GET", f"/v1/exports/journal?from={today}&to={today}")
    assert answer.text == await text(world, "csv", first=today)
    assert f"journal-{today}-{today}.csv" in answer.headers["content-disposition"]
    assert len(rows((await world.call("GET", "/v1/exports/journal")).text)) == 0, "yesterday, unless it is said"
    wrong = await world.call("GET", "/v1/exports/journal?from=2027-02-30")
    assert (wrong.status_code, wrong.json()["param"]) == (400, "from")


async def test_an_account_names_its_accounts(world: World, books: Books) -> None:
    await world.signup("ok")
    await world.set_policy(journal={"receivable": "1200", "clearing": "1360 {connection}"})
    lines = rows(await text(world, "csv"))
    assert {line["account"] for line in lines} == {"1200", "1360 Practice-eu"}
    with pytest.raises(FieldError, match="no account for beancount"):
        await text(world, "beancount")


async def test_what_turns_out_to_be_surplus_is_booked_on_that_day(world: World) -> None:
    await world.signup("ok")
    attempt = await sql.row("select * from tollbridge.attempt")
    assert attempt is not None
    before = await text(world, "csv")
    await world.move(days=1)
    now = await business_now()
    mark = "update tollbridge.attempt set surplus = true, surplus_at = $2 where id = $1"
    await sql.rows(mark, attempt["id"], now)
    after = await text(world, "csv")
    assert after.startswith(before), "what was exported stays as it was"
    [debit, credit] = rows(after)[len(rows(before)) :]
    assert (debit["account"], debit["debit"]) == ("Assets:Receivable", "10.00")
    assert (credit["account"], credit["credit"]) == ("Liabilities:Surplus", "10.00")


async def test_a_span_that_runs_backwards(world: World) -> None:
    with pytest.raises(FieldError, match="to"):
        await text(world, "csv", first=date(2027, 1, 2), last=date(2027, 1, 1))
