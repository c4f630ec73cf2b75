"""`tollbridge import`, as somebody runs it who moves to us."""

from __future__ import annotations

import asyncio
import csv
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import stripe

from db import sql
from gateway.sandbox import practice as practice_sandbox
from gateway.sandbox import stripe as stripe_sandbox
from tests.cli.conftest import KEYS, Tollbridge, environment
from tests.support.serving import open_door

SECRETS = {"STRIPE_KEY": "sk_test_made_up", "PRACTICE_KEY": "practice_made_up", "SIGNING": "signing_made_up"}
WAIT_S = 40


@dataclass
class Shop:
    """An account whose Stripe and whose processor are served here, and a file that somebody has written."""

    file: Path
    client: stripe.StripeClient
    practice: practice_sandbox.PracticeProcessor
    price: str
    hangs: list[str]
    """Customers of whom Stripe says nothing."""

    async def customer(self) -> str:
        customer = await self.client.v1.customers.create_async({"name": "A. Payer", "address": {"country": "DE"}})
        items: Any = [{"price": self.price}]
        await self.client.v1.subscriptions.create_async(
            {"customer": customer.id, "items": items, "collection_method": "send_invoice", "days_until_due": 10}
        )
        return customer.id

    def token(self) -> str:
        return self.practice.create_method(SECRETS["PRACTICE_KEY"], "ok").token

    def write(self, *rows: tuple[str, str]) -> list[str]:
        """Its customers and tokens; the tokens."""
        lines = ["customer,token", *(",".join(row) for row in rows)]
        self.file.write_text("\n".join(lines), encoding="utf-8")
        return [token for _, token in rows]


@pytest.fixture
async def shop(tollbridge: Tollbridge, tmp_path: Path) -> AsyncIterator[Shop]:
    processor, hangs = practice_sandbox.PracticeProcessor(), list[str]()
    answering = stripe_sandbox.create_app(stripe_sandbox.StripeSandbox())

    async def at_stripe(scope: Any, receive: Any, send: Any) -> None:
        if any(customer in scope["path"] for customer in hangs):
            await asyncio.Event().wait()
        await answering(scope, receive, send)

    http = stripe.HTTPXClient(timeout=10)
    async with open_door() as one, open_door() as other:
        one.app, other.app = at_stripe, practice_sandbox.create_app(processor)
        client = stripe.StripeClient(
            SECRETS["STRIPE_KEY"], http_client=http, base_addresses={"api": one.url}, max_network_retries=0
        )
        product: Any = {"name": "Plan"}
        price = await client.v1.prices.create_async(
            {"currency": "eur", "unit_amount": 900, "recurring": {"interval": "month"}, "product_data": product}
        )
        taken = processor.set_webhook(SECRETS["PRACTICE_KEY"], "", "")
        added = await tollbridge(
            "accounts", "add", "shop", "--stripe-key", "env:STRIPE_KEY", "--api-base", one.url, **SECRETS
        )
        assert added.code == 0, added.err
        made = await tollbridge(
            "connections", "add", "practice", "--adapter", "practice", "--credential", "api_key=env:PRACTICE_KEY",
            "--credential", "webhook_secret=env:SIGNING", "--option", f"base_url={other.url}",
            "--option", f"account={taken.id}", **SECRETS,
        )  # fmt: skip
        assert made.code == 0, made.err
        yield Shop(tmp_path / "rows.csv", client, processor, price.id, hangs)
    await http.close_async()


def read(report: Path) -> list[dict[str, str]]:
    with report.open(encoding="utf-8", newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: int(row["line"]))


async def test_a_dry_run_first_and_then_for_real(tollbridge: Tollbridge, shop: Shop, tmp_path: Path) -> None:
    customer, report = await shop.customer(), tmp_path / "report.csv"
    tokens = shop.write((customer, shop.token()), ("cus_none", shop.token()))
    command = ("import", str(shop.file), "--account", "shop", "--connection", "practice", "--report", str(report))
    would = await tollbridge(*command)
    assert would.code == 1, "a row is refused"
    assert "Account shop" in would.out.splitlines()[0]
    assert "test mode; dry run, nothing is changed" in would.out.splitlines()[0]
    assert "1 store, 1 refused" in would.out
    assert "1 invoices would be left alone" in would.out
    assert await sql.value("select count(*) from tollbridge.payment_method") == 0

    does = await tollbridge(*command, "--apply")
    assert (does.code, "1 stored, 1 refused" in does.out) == (1, True), does.out
    assert "No worker is running" in does.err
    stored, refused = read(report)
    assert (stored["line"], stored["status"], stored["customer"]) == ("2", "stored", customer)
    assert stored["payment_method"].startswith("pmt_")
    assert (refused["status"], "no such customer" in refused["reason"]) == ("refused", True)
    [audited] = await sql.rows("select * from tollbridge.audit_log where action = 'payment_method.imported'")
    assert (audited["actor"].startswith("cli:"), audited["reason"]) == (True, "import of rows.csv")
    for said in (would.out, would.err, does.out, does.err, report.read_text("utf-8"), str(dict(audited))):
        assert [token for token in tokens if token in said] == []

    shop.write((customer, tokens[0]))
    again = await tollbridge(*command, "--apply", "--json")
    assert (again.json["totals"]["rows"]["unchanged"], again.json["livemode"]) == (1, False)
    assert [row["payment_method"] for row in again.json["data"]] == [stored["payment_method"]]


async def test_from_stripes_own_metadata(tollbridge: Tollbridge, shop: Shop) -> None:
    customer, token = await shop.customer(), shop.token()
    told = {"third_party_processor": "practice", "third_party_payment_method_id": token}
    await shop.client.v1.customers.update_async(customer, {"metadata": told})
    done = await tollbridge("import", "--from-stripe", "--account", "shop", "--apply", "--json")
    assert [(row["customer"], row["status"]) for row in done.json["data"]] == [(customer, "stored")]
    assert token not in done.out


async def test_a_live_account_is_named_as_such(tollbridge: Tollbridge, shop: Shop) -> None:
    live = {**SECRETS, "STRIPE_KEY": "sk_live_made_up"}
    added = await tollbridge("accounts", "add", "live", "--stripe-key", "env:STRIPE_KEY", **live)
    assert added.code == 0, added.err
    shop.write()
    told = await tollbridge("import", str(shop.file), "--account", "live", "--connection", "practice")
    assert (told.code, "LIVE mode; dry run" in told.out.splitlines()[0]) == (0, True), told.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "name a FILE, or --from-stripe"),
        (("FILE", "--from-stripe"), "name a FILE, or --from-stripe"),
        (("FILE", "--report", "FILE"), "would overwrite"),
        (("FILE", "--collect-from", "2999-01-01"), "must not be in the future"),
        (("FILE",), "unknown: tokn"),
    ],
)
async def test_what_it_can_not_do(tollbridge: Tollbridge, shop: Shop, options: tuple[str, ...], says: str) -> None:
    shop.file.write_text("customer,token,tokn\ncus_1,ptok_1,x\n", encoding="utf-8")
    told = await tollbridge("import", *(str(shop.file) if one == "FILE" else one for one in options))
    assert (told.code, says in told.err) == (2, True), told.err


async def test_what_was_done_when_somebody_breaks_it_off(
    shop: Shop, database_url: str, tmp_path: Path, tollbridge: Tollbridge
) -> None:
    one, other = await shop.customer(), await shop.customer()
    tokens, report = shop.write((one, shop.token()), (other, shop.token())), tmp_path / "report.csv"
    command = ("import", str(shop.file), "--connection", "practice", "--apply", "--report", str(report))
    shop.hangs.append(other)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", *command,
        env=environment(tmp_path, TOLLBRIDGE_DATABASE_URL=database_url, **KEYS), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(WAIT_S):
        while not report.exists() or not read(report):
            await asyncio.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
    assert process.returncode == 1
    assert "Broken off: 1 rows are done (1 stored)" in said.decode()
    assert [(row["customer"], row["status"]) for row in read(report)] == [(one, "stored")]

    shop.hangs.clear()
    again = await tollbridge(*command)
    assert (again.code, "1 stored, 1 unchanged" in again.out) == (0, True), again.out + again.err
    assert tokens
