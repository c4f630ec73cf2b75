"""What people read: names where they are known, with the id beside at most; the id alone where there is no name."""

from __future__ import annotations

import csv
import io

import msgspec
import pytest

from db import sql
from gateway.domain.roles import Role
from tests.api.seed import NOW, Seeded, add_case, add_delivery, add_event, add_invoice, seed
from tests.console.conftest import Console
from tests.support.staff import text_of

PERIOD = "1 × Gold (at 10 EUR / month)"


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    """The seeded invoice shows a name and what it bills, and has a number."""
    found = await seed(console.api.runtime, console.api.ours.id)
    await show(found, found.invoice, "Cleo Weber", [PERIOD, "Unused time on 1 × Silver after 1 Mar 2027"])
    await sql.rows("update tollbridge.invoice set number = 'AB-0001' where id = $1", found.invoice)
    return found


async def show(seeded: Seeded, invoice: str, name: str, lines: list[str]) -> None:
    snapshot = {"id": invoice, "customer_name": name, "lines": {"data": [{"description": one} for one in lines]}}
    text = msgspec.json.encode(snapshot).decode()
    await sql.rows(
        """update tollbridge.invoice set customer = $2, subscription = $3,
               snapshot = convert_to((coalesce(convert_from(snapshot, 'utf8'), '{}')::jsonb || $4::jsonb)::text, 'utf8')
           where id = $1""",
        invoice,
        seeded.customer,
        seeded.subscription,
        text,
    )


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/invoices", ["Cleo Weber"]),
        ("/customers", ["Cleo Weber"]),
        ("/subscriptions", ["Cleo Weber", "Gold"]),
        ("/subscriptions/{subscription}", ["Cleo Weber: Gold", "It depends on AB-0001"]),
        ("/subscriptions/{subscription}/cancel", ["Back to Cleo Weber: Gold"]),
        ("/subscriptions/{subscription}/switch", ["Back to Cleo Weber: Gold"]),
        ("/customers/{customer}", ["Gold"]),
        ("/invoices/{invoice}", ["Subscription Gold"]),
        ("/disputes", ["AB-0001 Cleo Weber"]),
        ("/disputes/{dispute}", ["Customer Cleo Weber"]),
        ("/refunds", ["AB-0001 Cleo Weber"]),
        ("/refunds/{refund}", ["Customer Cleo Weber"]),
        ("/cases", ["AB-0001 Cleo Weber"]),
        ("/cases/{case}", ["Customer Cleo Weber"]),
        ("/events", ["AB-0001", "Cleo Weber: Gold"]),
        ("/webhooks", ["AB-0001", "Cleo Weber: Gold"]),
    ],
)
async def test_pages_call_things_by_their_names(console: Console, seeded: Seeded, path: str, told: list[str]) -> None:
    await sql.rows("update tollbridge.subscription set access_invoice = $1", seeded.invoice)
    for about in (seeded.invoice, seeded.subscription):
        await add_delivery(seeded.account, object_id=about)
        await add_event(seeded.account, about, step="names")
    place = path.format(**vars(seeded))

    shown = text_of(await console[Role.ADMIN].get(place))

    assert [one for one in told if one not in shown] == [], shown


async def test_whoever_has_no_name_is_called_by_the_id(console: Console, seeded: Seeded) -> None:
    await sql.rows("update tollbridge.invoice set snapshot = null, number = ''")
    for path in ("/invoices", "/subscriptions", "/disputes", f"/subscriptions/{seeded.subscription}"):
        assert seeded.customer in text_of(await console[Role.VIEWER].get(path)), path


async def test_a_name_is_the_one_of_the_newest_invoice_and_of_ones_own_account(
    console: Console, seeded: Seeded
) -> None:
    await add_invoice(seeded.account, "in_new", customer=seeded.customer, at=NOW.replace(year=2028))
    await show(seeded, "in_new", "Cleo Example", [])
    theirs = await seed(console.api.runtime, console.api.theirs.id)
    await show(theirs, theirs.invoice, "Mallory", [PERIOD])
    await add_case(seeded.account, theirs.subscription)

    assert "Cleo Example" in text_of(await console[Role.VIEWER].get(f"/subscriptions/{seeded.subscription}"))
    assert "Mallory" not in text_of(await console[Role.VIEWER].get("/cases"))


async def test_the_file_of_invoices_has_the_customers_name(console: Console, seeded: Seeded) -> None:
    answer = await console[Role.FINANCE].get("/invoices.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [one["customer_name"] for one in rows if one["invoice"] == seeded.invoice] == ["Cleo Weber"]
