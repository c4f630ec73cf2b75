"""Usage from the command line: reported once, listed."""

from __future__ import annotations

from tests.api.seed import NOW, insert
from tests.cli.conftest import Tollbridge
from tests.cli.test_commands import add_account


async def _known(tollbridge: Tollbridge) -> None:
    account = await add_account(tollbridge)
    await insert("customer", account=account, id="cus_1", created_at=NOW)
    keys = {"customer_key": "stripe_customer_id", "value_key": "value"}
    await insert("meter", account=account, id="mtr_1", event_name="calls", active=True, formula="sum", **keys)


async def test_reported_once_and_listed(tollbridge: Tollbridge) -> None:
    await _known(tollbridge)
    told = ("usage", "send", "calls-1", "--event-name", "calls", "--customer", "cus_1", "--value")
    first = await tollbridge(*told, "0.50")
    assert (first.code, "accepted" in first.out) == (0, True), first.err
    assert "No worker is running" in first.err
    assert "nothing is counted twice" in (await tollbridge(*told, "0.5")).out
    other = await tollbridge(*told, "1")
    assert (other.code, "stands for other usage" in other.err) == (1, True)
    [one] = (await tollbridge("usage", "list", "--state", "accepted", "--json")).json["data"]
    assert (one["identifier"], one["value"]) == ("calls-1", "0.5")
    assert (await tollbridge("usage", "list", "--customer", "cus_2")).out.strip() == "No usage."


async def test_an_unknown_customer(tollbridge: Tollbridge) -> None:
    await _known(tollbridge)
    told = await tollbridge("usage", "send", "calls-1", "--event-name", "calls", "--customer", "cus_x", "--value", "1")
    assert (told.code, "no customer" in told.err) == (1, True)
