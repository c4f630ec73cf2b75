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
from datetime import timedelta
from typing import Any, Final

import httpx
import msgspec

from gateway.cli.output import money
from gateway.cli.stage import Actors, Line, Stage

PROMISED: Final = 500
CARD, DEBIT = "ok", "pending_then_ok"
ADA, BEN = "Ada (card)", "Ben (debit)"


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
        actors = _Shop(stage, http)
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
        await actors.until(lambda: actors.count(""), 4, "invoices known")
        # What was lost is looked up after a while, and the second debit settles after a day.
        for _ in range(3):
            await stage.move_time(timedelta(hours=13))
            if await actors.paid() == 4:
                break
            await asyncio.sleep(0.5)
        await actors.until_paid(4)
        await actors.return_part()
        await actors.leave(BEN, next(one for one, name in payers.items() if name == BEN))
        return await actors.report(payers, began)


class _Shop(Actors):
    """And what befalls this shop."""

    async def sign_up(self, name: str, kind: str, country: str) -> dict[str, Any]:
        """Open a session, see the amount, enter a payment method, confirm."""
        items = [{"price": self.stage.price}]
        session = await self.begin(name, country, items, default_tax_rates=[self.stage.tax_rate])
        due, tax = (self.amount(session["invoice"], which) for which in ("amount_due", "tax"))
        self.stage.tell(f"{name}: the initial invoice is {due}, {tax} of it tax.")
        confirmed = await self.pay(session, kind)
        access = await self.access(session["subscription"])
        opened = "open" if access["granted"] else f"not open yet ({access['reason']})"
        self.stage.tell(f"{name}: {confirmed['status']}; access is {opened}.")
        return confirmed

    async def return_part(self) -> None:
        """Ada was promised something: staff return it, and its credit note follows."""
        rows = (await self.gateway("GET", "/v1/invoices"))["data"]
        body = {"invoice": rows[-1]["id"], "amount": PROMISED, "memo": "With our thanks for your patience."}
        made = await self.gateway("POST", "/v1/refunds", body)
        self.stage.tell(f"{money(made['amount'], made['currency'])} of an invoice are returned: {made['state']}.")

    async def leave(self, name: str, subscription: str) -> None:
        """The subscription ends, and the payer's token is deleted once nothing needs it."""
        ended = await self.cancel(subscription)
        await self.until_let_go(ended["customer"])
        self.stage.tell(f"{name}: the subscription is {ended['status']}, and the payment method deleted.")

    async def prepare_accidents(self) -> None:
        lost = {"match": {"method": "POST", "path": "/v1/charges"}, "effect": "lost_after", "times": 1}
        await self.ask("POST", f"{self.stage.practice_url}/_sandbox/faults", lost)
        await self.ask("POST", f"{self.stage.stripe_url}/_sandbox/delivery", {"double": True, "shuffle": True})

    async def report(self, payers: dict[str, str], began: float) -> Report:
        """Ask Stripe, the processor and the ledger, each for itself."""
        lines, taken = await self.lines(payers), await self.taken()
        calls = (await self.ask("GET", f"{self.stage.practice_url}/_sandbox/calls"))["data"]
        letters = (await self.ask("GET", f"{self.stage.stripe_url}/_sandbox/deliveries"))["data"]
        sent = Counter(letter["event"] for letter in letters)
        return Report(
            invoices=len(lines),
            paid=sum(line.stripe_status == "paid" for line in lines),
            captures=len(taken),
            refunds=len(await self.returned()),
            double_charges=sum(max(0, line.captures - 1) for line in lines),
            unreconciled=sum(not line.agrees for line in lines)
            + abs(len(taken) - sum(line.captures for line in lines)),
            open_cases=await self.open_cases(),
            lost_answers=sum((call["fault"] or "").startswith("lost") for call in calls),
            webhooks=sum(sent.values()),
            doubled_webhooks=sum(count - 1 for count in sent.values()),
            elapsed_s=round(time.monotonic() - began, 1),
            lines=lines,
        )
