"""What the demos' plays share: where everything is, who acts over HTTP, and the witnesses of an invoice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import click
import httpx
import msgspec

from gateway.cli.output import money
from processors.values import Unprinted

PATIENCE_S: Final = 25.0


class Stage(Unprinted, frozen=True):
    """Where everything is, and one account's keys. `move_time` moves every clock."""

    gateway_url: str
    stripe_url: str
    practice_url: str
    api_key: str
    stripe_key: str
    practice_key: str
    price: str
    tax_rate: str
    move_time: Callable[[timedelta], Awaitable[None]]
    tell: Callable[[str], None]


class Line(msgspec.Struct, frozen=True):
    """One invoice as its witnesses know it, in minor units."""

    invoice: str
    number: str
    payer: str
    currency: str
    stripe_status: str
    stripe_paid: int
    at_stripe: int
    """Of that, what the payer paid at Stripe itself, by its own payments."""
    attempts: list[str]
    captures: int
    captured: int
    ledger: int
    returned: tuple[int, int, int]
    """As credited in Stripe, as refunded at the processor, and by the ledger."""
    state: str
    access: bool

    @property
    def agrees(self) -> bool:
        """The ledger holds what a processor took; what was paid at Stripe is Stripe's to hold."""
        taken = self.stripe_paid == self.captured + self.at_stripe and self.captured == self.ledger
        return taken and len(set(self.returned)) == 1 and (self.stripe_status == "paid") == (self.state == "paid")


class Actors:
    """The payers, the shop's server, and the auditor; raise click.ClickException for what is refused."""

    def __init__(self, stage: Stage, http: httpx.AsyncClient) -> None:
        self.stage = stage
        self._http = http

    async def begin(self, name: str, country: str, items: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """Open a checkout session, whose initial invoice the payer sees."""
        return await self.gateway(
            "POST",
            "/v1/checkout_sessions",
            {
                "client_reference": f"demo-{uuid4().hex[:8]}",
                "customer_details": {"name": name, "address": {"country": country}},
                "items": items,
                **more,
            },
        )

    async def pay(self, session: dict[str, Any], kind: str, processor: str = "practice") -> dict[str, Any]:
        """The payer enters a payment method at the processor, and confirms."""
        secret, address = session["client_secret"], f"/v1/checkout_sessions/{session['id']}"
        wanted = {"processor": processor, "return_url": "http://127.0.0.1/"}
        setup = await self.gateway("POST", f"{address}/setup", wanted, secret)
        await self.ask(
            "POST",
            f"{self.stage.practice_url}/v1/setups/{setup['client']['setup']}/complete",
            {"token_kind": kind},
            setup["client"]["client_token"],
        )
        return await self.gateway("POST", f"{address}/confirm", {}, secret)

    async def pay_on_page(self, url: str) -> None:
        """The payer pays by card on Stripe's own page of an invoice."""
        answer = await self._http.post(url, data={"method": "visa"})
        if answer.status_code != 303:
            raise click.ClickException(f"Stripe's page of an invoice answers HTTP {answer.status_code}")

    async def access(self, subscription: str) -> dict[str, Any]:
        return await self.gateway("GET", f"/v1/subscriptions/{subscription}/access")

    async def cancel(self, subscription: str, **how: Any) -> dict[str, Any]:
        """The subscription ends at once."""
        return await self.gateway("POST", f"/v1/subscriptions/{subscription}/cancel", {"ends": "now", **how})

    async def until_let_go(self, customer: str) -> None:
        """Wait until the payer's token is deleted, once nothing needs it."""

        async def deleted() -> int:
            methods = await self.gateway("GET", f"/v1/customers/{customer}/payment_methods")
            return sum(method["status"] == "revoked" for method in methods["data"])

        await self.until(deleted, 1, "payment methods deleted at the processor")

    async def taken(self) -> list[dict[str, Any]]:
        """The processor's own list of the charges that took money."""
        charges = await self.ask("GET", f"{self.stage.practice_url}/_sandbox/charges")
        return [charge for charge in charges["data"] if charge["status"] == "succeeded"]

    async def returned(self) -> list[dict[str, Any]]:
        """The processor's own list of refunds."""
        listed = await self.ask("GET", f"{self.stage.practice_url}/v1/refunds", key=self.stage.practice_key)
        return list(listed["data"])

    async def lines(self, payers: Mapping[str, str], query: str = "") -> list[Line]:
        """Every invoice of the account, or those of `query`, as Stripe, the processor and the ledger know it."""
        taken, back = await self.taken(), await self.returned()
        rows = (await self.gateway("GET", f"/v1/invoices{query}"))["data"]
        lines = [await self._line(row, taken, back, payers) for row in rows]
        return sorted(lines, key=lambda line: (line.payer, line.number))

    async def open_cases(self) -> list[str]:
        cases = await self.gateway("GET", "/v1/cases?state=open")
        return [f"{case['kind']}: {case['reason']}" for case in cases["data"]]

    async def _line(
        self,
        row: dict[str, Any],
        taken: list[dict[str, Any]],
        back: list[dict[str, Any]],
        payers: Mapping[str, str],
    ) -> Line:
        known = await self.gateway("GET", f"/v1/invoices/{row['id']}")
        live = await self.stripe("GET", f"/v1/invoices/{row['id']}")
        payments = (await self.stripe("GET", f"/v1/invoice_payments?invoice={row['id']}&status=paid"))["data"]
        # The processor knows the invoice by our reference alone: {invoice}.{number of the attempt}.
        ours = [charge for charge in taken if charge["reference"].rpartition(".")[0] == row["id"]]
        charges = {charge["id"] for charge in ours}
        returned = (
            int(live["post_payment_credit_notes_amount"]),
            sum(one["amount"] for one in back if one["charge"] in charges and one["status"] == "succeeded"),
            sum(m["amount"] for m in known["movements"] if m["kind"] == "refund"),
        )
        return Line(
            invoice=row["id"],
            number=live["number"] or "",
            payer=payers.get(row["subscription"], ""),
            currency=live["currency"],
            stripe_status=live["status"],
            stripe_paid=live["amount_paid"],
            at_stripe=sum(one["amount_paid"] for one in payments if one["payment"]["type"] == "payment_intent"),
            attempts=[attempt["state"] for attempt in known["attempts"]],
            captures=len(ours),
            captured=sum(charge["amount_captured"] for charge in ours),
            ledger=sum(m["amount"] for m in known["movements"] if m["kind"] == "capture"),
            returned=returned,
            state=known["state"],
            access=(await self.access(row["subscription"]))["granted"],
        )

    async def paid(self) -> int:
        return await self.count("?state=paid")

    async def until_paid(self, count: int) -> None:
        await self.until(self.paid, count, "invoices paid")

    async def count(self, query: str) -> int:
        return len((await self.gateway("GET", f"/v1/invoices{query}"))["data"])

    async def until(self, count: Callable[[], Awaitable[int]], wanted: int, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while (found := await count()) < wanted:
            if time.monotonic() > deadline:
                raise click.ClickException(f"after {PATIENCE_S:g} s there are {found} of {wanted} {what}")
            await asyncio.sleep(0.2)

    async def now(self) -> int:
        """By the local Stripe's clock."""
        return int((await self.ask("GET", f"{self.stage.stripe_url}/_sandbox/clock"))["now"])

    def amount(self, invoice: Mapping[str, Any], name: str) -> str:
        return money(invoice[name], invoice["currency"])

    async def gateway(self, method: str, path: str, body: Any = None, key: str = "") -> dict[str, Any]:
        answer: dict[str, Any] = await self.ask(method, self.stage.gateway_url + path, body, key or self.stage.api_key)
        return answer

    async def stripe(self, method: str, path: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The account's own Stripe, which takes forms."""
        answer: dict[str, Any] = await self._sent(
            method, self.stage.stripe_url + path, self.stage.stripe_key, {"data": form}
        )
        return answer

    async def status_of(self, path: str, key: str = "") -> int:
        """What the gateway answers to a look at an address."""
        headers = {"authorization": f"Bearer {key or self.stage.api_key}"}
        return (await self._http.get(self.stage.gateway_url + path, headers=headers)).status_code

    async def ask(self, method: str, url: str, body: Any = None, key: str = "") -> Any:
        return await self._sent(method, url, key, {"json": body})

    async def _sent(self, method: str, url: str, key: str, content: dict[str, Any]) -> Any:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if method == "POST":
            headers["idempotency-key"] = uuid4().hex
        answer = await self._http.request(method, url, headers=headers, **content)
        if answer.status_code >= 300:
            raise click.ClickException(f"{method} {url}: HTTP {answer.status_code} {answer.text[:300]}")
        return msgspec.json.decode(answer.content)
