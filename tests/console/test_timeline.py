"""The time line of an invoice: the order of what happened, and that nothing of it is left out."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import httpx
import pytest

from db import sql
from db.ids import new_id
from gateway.domain.roles import Role
from tests.api.seed import NOW, insert, seed
from tests.console.conftest import Console
from tests.console.test_invoice import SNAPSHOT, one_open
from tests.support.staff import text_of


def entries(page: httpx.Response) -> list[tuple[str, str]]:
    """The time line as it stands on the page: each with its day, the newest first."""
    line = page.text.partition('class="timeline"')[2]
    found = re.findall(r'<time datetime="(\d{4}-\d\d-\d\d)[^"]*">.*?<div>(.*?)</div>', line, flags=re.DOTALL)
    return [(day, " ".join(html.unescape(re.sub(r"<[^>]+>", " ", said)).split())) for day, said in found]


async def test_what_happened_in_one_second_stands_in_its_order(console: Console) -> None:
    """The newest first: a pause that was ended in the same second does not look as if it came after its end."""
    account = await one_open(console)
    for number, verb in enumerate(("paused", "resumed")):
        at = NOW + timedelta(milliseconds=number)
        await insert("audit_log", id=new_id("aud"), account=account, actor=console[Role.FINANCE].user, object="in_open",
                     action=f"invoice.collection_{verb}", reason="", created_at=at)  # fmt: skip
    told = entries(await console[Role.FINANCE].get("/invoices/in_open"))
    assert [said for _, said in told if "the collection of" in said] == [
        "finance resumed the collection of an invoice",
        "finance paused the collection of an invoice",
    ]


@pytest.mark.parametrize(("status", "state", "word"), [("void", "closed", "void"), ("uncollectible",) * 3])
async def test_the_time_line_tells_of_an_end_without_payment(
    console: Console, status: str, state: str, word: str
) -> None:
    ended = SNAPSHOT | {
        "status": status,
        "status_transitions": {f"{'voided' if word == 'void' else 'marked_uncollectible'}_at": int(NOW.timestamp())},
    }
    await one_open(console, status=status, state=state, snapshot=ended)
    page = text_of(await console[Role.VIEWER].get("/invoices/in_open"))
    line = page.partition("What happened")[2]
    assert f"Stripe shows it {word}" in line


async def test_a_debit_that_was_taken_back_later_has_succeeded_before(console: Console) -> None:
    """The time of a success is not that of its return, weeks after."""
    seeded = await seed(console.api.runtime, console.api.ours.id)
    await sql.rows("update tollbridge.attempt set state = 'reversed' where id = $1", seeded.attempt)
    later = NOW + timedelta(days=30)
    await insert(
        "movement", id=new_id("mov"), account=seeded.account, connection=seeded.connection, invoice=seeded.invoice,
        attempt=seeded.attempt, kind="capture_reversed", processor_id="pch_back", amount=1190, currency="eur",
        occurred_at=later, created_at=later,
    )  # fmt: skip
    told = entries(await console[Role.VIEWER].get(f"/invoices/{seeded.invoice}"))
    assert [(day, said) for day, said in told if said.startswith("Attempt 1 succeeded")] == [
        ("2027-03-01", f"Attempt 1 succeeded pch_{seeded.account}")
    ]
    assert [day for day, said in told if "taken back" in said] == ["2027-03-31"]
