"""What a customer may use, from the command line."""

from __future__ import annotations

from db import sql
from gateway.access.gate import settle
from tests.api.seed import NOW, add_invoice, insert
from tests.cli.conftest import Tollbridge
from tests.cli.test_commands import add_account


async def test_access_and_why(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    await insert("subscription", account=account, id="sub_1", customer="cus_1", status="unpaid", created_at=NOW)
    first = {"subscription": "sub_1", "customer": "cus_1", "billing_reason": "subscription_create"}
    await add_invoice(account, "in_1", state="paid", status="paid", **first)
    await settle(account, "sub_1", NOW)
    shown = await tollbridge("customers", "access", "cus_1")
    assert "Stripe calls the subscription unpaid: its recovery has ended there" in shown.out
    as_json = (await tollbridge("customers", "access", "cus_1", "--json")).json
    [one] = as_json["subscriptions"]
    assert (as_json["granted"], one["granted"], one["reason"]) == (False, False, "subscription_unpaid")
    assert (await tollbridge("customers", "access", "cus_none")).code == 1


async def test_where_a_customer_is_taxed(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    await insert("subscription", account=account, id="sub_1", customer="cus_1", status="active", created_at=NOW)
    nothing = await tollbridge("customers", "tax-location", "cus_1")
    wrong = await tollbridge("customers", "tax-location", "cus_1", "--country", "Germany")
    nobody = await tollbridge("customers", "tax-location", "cus_1", "--from-processor")
    stranger = await tollbridge("customers", "tax-location", "cus_none", "--country", "DE", "--json")
    assert [one.code for one in (nothing, wrong, nobody, stranger)] == [2, 2, 2, 1]
    assert "ISO 3166-1" in wrong.err
    assert "no payment method" in nobody.err


async def test_erased_and_what_stands_in_the_way(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    lives = {"collection_method": "send_invoice", "created_at": NOW}
    await insert("subscription", account=account, id="sub_1", customer="cus_1", **lives)
    refused = await tollbridge("customers", "erase", "cus_1", "--reason", "ticket 4711")
    assert (refused.code, "subscription sub_1 lives" in refused.err) == (1, True)
    await sql.rows("update tollbridge.subscription set ended_at = $1", NOW)
    erased = await tollbridge("customers", "erase", "cus_1", "--reason", "ticket 4711", "--json")
    assert erased.json["erased"] is not None


async def test_how_a_customers_invoices_are_collected(tollbridge: Tollbridge) -> None:
    """The customer's own setting, and the account's again."""
    account = await add_account(tollbridge)
    await insert("subscription", account=account, id="sub_1", customer="cus_1", status="active", created_at=NOW)
    hosted = await tollbridge("customers", "collection", "cus_1", "--to", "hosted", "--reason", "asked for it")
    assert "by its payer, on Stripe's page" in hosted.out
    again = (await tollbridge("customers", "collection", "cus_1", "--to", "account", "--json")).json
    assert (again["collection"], again["collected_by"]) == (None, "gateway")
    told = await sql.rows("select reason from tollbridge.audit_log where action = 'customer.updated' order by id")
    assert [row["reason"] for row in told] == ["asked for it", ""]
    wrong = await tollbridge("customers", "collection", "cus_none", "--to", "hosted")
    assert wrong.code == 1
