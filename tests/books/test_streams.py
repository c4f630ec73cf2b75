"""What keeps a comparison small: streams read in step, and invoices that are judged where they lie."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.books import processor_side, sources
from gateway.books.processor_side import _in_step, _Side
from gateway.books.stripe_side import InvoicesCompared, _judged
from gateway.domain.matching import Entry
from tests.db.rows import World, insert

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
keys = st.lists(st.sampled_from("abcdef"), max_size=30).map(sorted)


def entries(of: list[str]) -> list[tuple[Any, ...]]:
    return [("capture", key, "", 1, "eur", NOW, f"{key}{n}", "", "", "") for n, key in enumerate(of)]


async def paged(rows: list[tuple[Any, ...]], size: int) -> AsyncIterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


@given(keys, keys, st.integers(1, 4))
@settings(deadline=None)
async def test_every_key_lies_whole_in_one_part(left: list[str], right: list[str], size: int) -> None:
    before, processor_side.PAGE = processor_side.PAGE, size  # type: ignore[misc]
    try:
        sides = [_Side(paged(entries(one), size)) for one in (left, right)]
        parts = [part async for part in _in_step(*sides)]
    finally:
        processor_side.PAGE = before  # type: ignore[misc]
    for place, told in enumerate((left, right)):
        assert [one.processor_id for part in parts for one in part[place]] == told, "nothing is lost, nor doubled"
    seen = [{one.processor_id for side in part for one in side} for part in parts]
    assert sum(map(len, seen)) == len(set(left) | set(right)), "no key stands in two parts"


def test_an_entry_has_a_column_for_each_field() -> None:
    assert Entry(*entries(["a"])[0]).key == ("capture", "a")


async def test_what_is_judged_by_the_database_has_no_break(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of invoices with whatever money: left out as plain are only those with nothing wrong."""
    world, draw = await World.make(), random.Random(4711)
    for number in range(300):
        await _draw(world, f"in_{number}", draw)
    short = await _findings(world.account)
    monkeypatch.setattr(sources, "INVOICES", sources.INVOICES.replace(sources.PLAIN, "false"))
    whole = await _findings(world.account)
    assert short == whole
    assert len(short) > 50
    assert len({invoice for _, invoice in whole}) < 280, "some are plain"


async def _findings(account: str) -> set[tuple[str, str]]:
    found = set()
    async for _, findings in _judged(account, None, None, InvoicesCompared()):
        found |= {(one.kind.value, one.invoice) for one in findings}
    return found


async def _draw(world: World, invoice: str, draw: random.Random) -> None:
    due, status = draw.choice([0, 1000, 1000]), draw.choice(["paid", "paid", "paid", "open", "void"])
    notes = draw.choice([0, 0, 400])
    shape = {
        "id": invoice, "status": status, "collection_method": "send_invoice", "currency": "eur", "amount_due": due,
        "created": 1, "post_payment_credit_notes_amount": notes,
        "metadata": {"tollbridge_attempt": "att"} if draw.random() < 0.9 else {},
    }  # fmt: skip
    then = datetime(2026, 1, 1, tzinfo=UTC)
    await insert(
        "invoice", account=world.account, id=invoice, state=draw.choice(["paid", "paid", "not_ours"]), status=status,
        snapshot=msgspec.json.encode(shape), currency="eur", amount_due=due, created_at=then, read_at=then,
    )  # fmt: skip
    if notes:
        await insert(
            "credit_note", account=world.account, id=f"crn_{invoice}", invoice=invoice, origin="stripe",
            subject=f"cn_{invoice}", stripe_id=f"cn_{invoice}", state="issued", amount=notes,
            out_of_band=draw.choice([notes, 0]), currency="eur", created_at=then, issued_at=then, read_at=then,
        )  # fmt: skip
    world.invoice = invoice
    attempt = await world.attempt(state="succeeded", surplus=draw.random() < 0.2)
    kinds = ["capture", "capture", "refund", "surplus_returned", "dispute_withdrawn", "dispute_returned"]
    for place in range(draw.choice([0, 1, 1, 1, 2, 3])):
        kind, amount = (kinds[0] if place == 0 else draw.choice(kinds)), draw.choice([1000, 1000, 400, 600])
        currency = "usd" if draw.random() < 0.05 else "eur"
        told = {"processor_id": f"{invoice}_{place}", "currency": currency, "created_at": then}
        await world.movement(attempt, kind, amount, **told)
    if draw.random() < 0.15:
        second = await world.attempt(number=2, state="succeeded", surplus=True)
        await world.movement(second, "capture", 1000, processor_id=f"{invoice}_second", created_at=then)
    if draw.random() < 0.8:
        await insert(
            "recording", id=f"rec_{invoice}", account=world.account, invoice=invoice, attempt=attempt, amount=1000,
            currency="eur", state="recorded", idempotency_key=invoice, created_at=then, resolved_at=then,
        )  # fmt: skip
