"""Subscriptions from the command line: shown, ended, switched; a worker does what is asked for. Access by hand."""

from __future__ import annotations

from tests.api.seed import NOW, insert
from tests.cli.conftest import Tollbridge
from tests.cli.test_commands import add_account


async def _known(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    about = {"customer": "cus_1", "status": "active", "collection_method": "send_invoice", "created_at": NOW}
    await insert("subscription", account=account, id="sub_1", **about)


async def test_listed_and_shown(tollbridge: Tollbridge) -> None:
    await _known(tollbridge)
    listed = await tollbridge("subscriptions", "list", "--customer", "cus_1")
    assert "sub_1" in listed.out
    assert (await tollbridge("subscriptions", "list", "--status", "canceled")).out.strip() == "No subscriptions."
    assert (await tollbridge("subscriptions", "show", "sub_1", "--json")).json["collected_by"] == "gateway"
    assert (await tollbridge("subscriptions", "show", "sub_none")).code == 1


async def test_switched_to_stripe(tollbridge: Tollbridge) -> None:
    await _known(tollbridge)
    asked = await tollbridge("subscriptions", "switch", "sub_1", "--to", "stripe", "--stripe-payment-method", "pm_1")
    assert (asked.code, "to stripe: wanted" in asked.out) == (0, True), asked.err
    assert "No worker is running" in asked.err
    refused = await tollbridge("subscriptions", "switch", "sub_1", "--to", "gateway")
    assert (refused.code, "have one given first" in refused.err) == (2, True)


async def test_cancelled(tollbridge: Tollbridge) -> None:
    await _known(tollbridge)
    asked = await tollbridge("subscriptions", "cancel", "sub_1", "--ends", "period_end", "--reason", "moves")
    assert (asked.code, "period_end: wanted" in asked.out) == (0, True), asked.err
    refused = await tollbridge("subscriptions", "cancel", "sub_1", "--ends", "never", "--prorate")
    assert refused.code == 2


async def test_access_is_granted_and_taken_back(tollbridge: Tollbridge) -> None:
    await _known(tollbridge)
    wanted = ("subscriptions", "grant-access", "sub_1", "--until", "2099-01-31", "--reason", "ticket 4711")
    granted = await tollbridge(*wanted, "--json")
    shown = await tollbridge("subscriptions", "access", "sub_1")
    assert "granted it by hand until 31 Jan 2099, 00:00 UTC" in " ".join(shown.out.split())
    assert "ticket 4711" in shown.out
    both = (await tollbridge("subscriptions", "access", "sub_1", "--json")).json
    assert (both["access"]["state"], both["grants"][0]["stands"]) == ("granted", True)

    revoked = await tollbridge("subscriptions", "revoke-access", "sub_1", granted.json["id"], "--reason", "not paid")
    assert "pending_first_payment" in revoked.out
    again = await tollbridge("subscriptions", "revoke-access", "sub_1", granted.json["id"], "--reason", "not paid")
    assert (again.code, "over already" in again.err) == (1, True)
    past = await tollbridge("subscriptions", "grant-access", "sub_1", "--until", "2001-01-31", "--reason", "x")
    assert past.code == 2
