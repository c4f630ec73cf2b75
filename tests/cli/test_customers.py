"""What a customer may use, from the command line."""

from __future__ import annotations

from tests.api.seed import NOW, add_invoice, insert
from tests.cli.conftest import Tollbridge
from tests.cli.test_commands import add_account


async def test_access_and_why(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    await insert("subscription", account=account, id="sub_1", customer="cus_1", status="unpaid", created_at=NOW)
    first = {"subscription": "sub_1", "customer": "cus_1", "billing_reason": "subscription_create"}
    await add_invoice(account, "in_1", state="paid", status="paid", **first)
    shown = await tollbridge("customers", "access", "cus_1")
    assert "Stripe calls the subscription unpaid: its recovery has ended there" in shown.out
    as_json = (await tollbridge("customers", "access", "cus_1", "--json")).json
    [one] = as_json["subscriptions"]
    assert (as_json["granted"], one["granted"], one["reason"]) == (False, False, "subscription_unpaid")
    assert (await tollbridge("customers", "access", "cus_none")).code == 1
