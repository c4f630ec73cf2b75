"""The play that `tollbridge demo` puts on: a shop's first weeks, over HTTP alone, with accidents on the way.

Two customers sign up with tax: one pays by card, one by a debit that settles a day later. A month passes and both renew
untouched; one of them is returned a part of it, and the other cancels. On the way one answer of the processor's is
lost, and one batch of Stripe's webhooks comes doubled and shuffled. In the end Stripe, the processor and the ledger are
asked, each for itself, what they know.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import click
import httpx
import msgspec

from gateway.cli.output import money
from processors.values import Unprinted

PATIENCE_S: Final = 25.0
PROMISED: Final = 500
CARD, DEBIT = "ok", "pending_then_ok"
ADA, BEN = "Ada (card)", "Ben (debit)"


class Stage(Unprinted, frozen=True):
    """Where everything is. `move_time` moves every clock."""

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
    """One invoice as three witnesses know it, in minor units."""

    invoice: str
    number: str
    payer: str
    currency: str
    stripe_status: str
    stripe_paid: int
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
        taken, back = {self.stripe_paid, self.captured, self.ledger}, set(self.returned)
        return len(taken) == len(back) == 1 and (self.stripe_status == "paid") == (self.state == "paid")


class Report(msgspec.Struct, frozen=True):
    """What came of it. `unreconciled` counts invoices on which the three do not agree."""

    invoices: int
    paid: int
    captures: int
    refunds: int
    double_charges: int
    unreconciled: int
    open_cases: list[str]
    lost_answers: int
    webhooks: int
    doubled_webhooks: int
    elapsed_s: float
    lines: list[Line]

    @property
    def good(self) -> bool:
        return not self.double_charges and not self.unreconciled and not self.open_cases and self.paid == self.invoices


async def play(stage: Stage) -> Report:
    """Put it on; raises click.ClickException for a scene that does not go as it must."""
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        actors = _Actors(stage, http)
        payers: dict[str, str] = {}
        for name, kind, country in ((ADA, CARD, "DE"), (BEN, DEBIT, "FR")):
            session = await actors.sign_up(name, kind, country)
            payers[session["subscription"]] = name
        stage.tell("A day passes; the debit settles.")
        await stage.move_time(timedelta(hours=25))
        await actors.until_paid(2)
        await actors.prepare_accidents()
        stage.tell("A month passes; both renew. One answer of the processor's is lost, Stripe's webhooks come doubled.")
        await stage.move_time(timedelta(days=31))
        await actors.until_known(4)
        # What was lost is looked up after a while, and the second debit settles after a day.
        for _ in range(3):
            await stage.move_time(timedelta(hours=13))
            if await actors.paid() == 4:
                break
            await asyncio.sleep(0.5)
        await actors.until_paid(4)
        await actors.return_part()
        await actors.cancel(BEN, next(one for one, name in payers.items() if name == BEN))
        return await actors.report(payers, began)


class _Actors:
    """The payers, the shop's server, and the auditor."""

    def __init__(self, stage: Stage, http: httpx.AsyncClient) -> None:
        self._stage = stage
        self._http = http

    async def sign_up(self, name: str, kind: str, country: str) -> dict[str, Any]:
        """Open a session, see the amount, enter a payment method, confirm."""
        session = await self._gateway(
            "POST",
            "/v1/checkout_sessions",
            {
                "client_reference": f"demo-{uuid4().hex[:8]}",
                "customer_details": {"name": name, "address": {"country": country}},
                "items": [{"price": self._stage.price}],
                "default_tax_rates": [self._stage.tax_rate],
            },
        )
        invoice, secret = session["invoice"], session["client_secret"]
        due, tax = (money(invoice[amount], invoice["currency"]) for amount in ("amount_due", "tax"))
        self._stage.tell(f"{name}: the initial invoice is {due}, {tax} of it tax.")
        address = f"/v1/checkout_sessions/{session['id']}"
        setup = await self._gateway(
            "POST", f"{address}/setup", {"processor": "practice", "return_url": "http://127.0.0.1/"}, secret
        )
        await self._ask(
            "POST",
            f"{self._stage.practice_url}/v1/setups/{setup['client']['setup']}/complete",
            {"token_kind": kind},
            setup["client"]["client_token"],
        )
        confirmed = await self._gateway("POST", f"{address}/confirm", {}, secret)
        access = await self._gateway("GET", f"/v1/subscriptions/{session['subscription']}/access")
        opened = "open" if access["granted"] else f"not open yet ({access['reason']})"
        self._stage.tell(f"{name}: {confirmed['status']}; access is {opened}.")
        return confirmed

    async def return_part(self) -> None:
        """Ada was promised something: staff return it, and its credit note follows."""
        rows = (await self._gateway("GET", "/v1/invoices"))["data"]
        body = {"invoice": rows[-1]["id"], "amount": PROMISED, "memo": "With our thanks for your patience."}
        made = await self._gateway("POST", "/v1/refunds", body)
        self._stage.tell(f"{money(made['amount'], made['currency'])} of an invoice are returned: {made['state']}.")

    async def cancel(self, name: str, subscription: str) -> None:
        """The subscription ends, and the payer's token is deleted once nothing needs it."""
        ended = await self._gateway("POST", f"/v1/subscriptions/{subscription}/cancel", {"ends": "now"})

        async def deleted() -> int:
            methods = await self._gateway("GET", f"/v1/customers/{ended['customer']}/payment_methods")
            return sum(method["status"] == "revoked" for method in methods["data"])

        await self._until(deleted, 1, "payment methods deleted at the processor")
        self._stage.tell(f"{name}: the subscription is {ended['status']}, and the payment method deleted.")

    async def prepare_accidents(self) -> None:
        lost = {"match": {"method": "POST", "path": "/v1/charges"}, "effect": "lost_after", "times": 1}
        await self._ask("POST", f"{self._stage.practice_url}/_sandbox/faults", lost)
        await self._ask("POST", f"{self._stage.stripe_url}/_sandbox/delivery", {"double": True, "shuffle": True})

    async def until_known(self, count: int) -> None:
        await self._until(lambda: self._count(""), count, "invoices known")

    async def until_paid(self, count: int) -> None:
        await self._until(self.paid, count, "invoices paid")

    async def paid(self) -> int:
        return await self._count("?state=paid")

    async def report(self, payers: dict[str, str], began: float) -> Report:
        """Ask Stripe, the processor and the ledger, each for itself."""
        charges = (await self._ask("GET", f"{self._stage.practice_url}/_sandbox/charges"))["data"]
        taken = [charge for charge in charges if charge["status"] == "succeeded"]
        back = (await self._ask("GET", f"{self._stage.practice_url}/v1/refunds", key=self._stage.practice_key))["data"]
        lines = [
            await self._line(row, taken, back, payers) for row in (await self._gateway("GET", "/v1/invoices"))["data"]
        ]
        cases = await self._gateway("GET", "/v1/cases?state=open")
        calls = (await self._ask("GET", f"{self._stage.practice_url}/_sandbox/calls"))["data"]
        letters = (await self._ask("GET", f"{self._stage.stripe_url}/_sandbox/deliveries"))["data"]
        sent = Counter(letter["event"] for letter in letters)
        return Report(
            invoices=len(lines),
            paid=sum(line.stripe_status == "paid" for line in lines),
            captures=len(taken),
            refunds=len(back),
            double_charges=sum(max(0, line.captures - 1) for line in lines),
            unreconciled=sum(not line.agrees for line in lines)
            + abs(len(taken) - sum(line.captures for line in lines)),
            open_cases=[f"{case['kind']}: {case['reason']}" for case in cases["data"]],
            lost_answers=sum((call["fault"] or "").startswith("lost") for call in calls),
            webhooks=sum(sent.values()),
            doubled_webhooks=sum(count - 1 for count in sent.values()),
            elapsed_s=round(time.monotonic() - began, 1),
            lines=sorted(lines, key=lambda line: (line.payer, line.number)),
        )

    async def _line(
        self, row: dict[str, Any], taken: list[dict[str, Any]], back: list[dict[str, Any]], payers: dict[str, str]
    ) -> Line:
        known = await self._gateway("GET", f"/v1/invoices/{row['id']}")
        live = await self._ask("GET", f"{self._stage.stripe_url}/v1/invoices/{row['id']}", key=self._stage.stripe_key)
        access = await self._gateway("GET", f"/v1/subscriptions/{row['subscription']}/access")
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
            attempts=[attempt["state"] for attempt in known["attempts"]],
            captures=len(ours),
            captured=sum(charge["amount_captured"] for charge in ours),
            ledger=sum(m["amount"] for m in known["movements"] if m["kind"] == "capture"),
            returned=returned,
            state=known["state"],
            access=access["granted"],
        )

    async def _count(self, query: str) -> int:
        return len((await self._gateway("GET", f"/v1/invoices{query}"))["data"])

    async def _until(self, count: Callable[[], Awaitable[int]], wanted: int, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while (found := await count()) < wanted:
            if time.monotonic() > deadline:
                raise click.ClickException(f"after {PATIENCE_S:g} s there are {found} of {wanted} {what}")
            await asyncio.sleep(0.2)

    async def _gateway(self, method: str, path: str, body: Any = None, key: str = "") -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask(
            method, self._stage.gateway_url + path, body, key or self._stage.api_key
        )
        return answer

    async def _ask(self, method: str, url: str, body: Any = None, key: str = "") -> Any:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if method == "POST":
            headers["idempotency-key"] = uuid4().hex
        answer = await self._http.request(method, url, json=body, headers=headers)
        if answer.status_code >= 300:
            raise click.ClickException(f"{method} {url}: HTTP {answer.status_code} {answer.text[:300]}")
        return msgspec.json.decode(answer.content)
