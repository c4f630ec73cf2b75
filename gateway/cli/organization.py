"""An organization of the demo: it subscribes at a marketplace, is metered, pays each invoice, and leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import click
import httpx

from gateway.cli.market_report import ENDED, GRANTED, PENDING, Statement
from gateway.cli.offer import EVENT_NAME, STRIPES_PAGE, USED, Buyer, Offer
from gateway.cli.output import money
from gateway.cli.stage import Actors, Stage

CARD: Final = "ok"
MINUTE_S: Final = 60
"""Usage is of a minute ago, or of a minute before the period's end."""


class Organization(Actors):
    """What it does itself, and what the marketplace's server does for it."""

    def __init__(self, stage: Stage, http: httpx.AsyncClient, marketplace: str, offer: Offer, buyer: Buyer) -> None:
        super().__init__(stage, http)
        self.marketplace = marketplace
        self.offer = offer
        self.name = buyer.organization
        self.country = buyer.country
        self.pays_at = buyer.pays_at
        self.subscription = ""
        self.customer = ""
        self.access_seen: list[str] = []
        self._reports = 0

    @property
    def on_stripes_page(self) -> bool:
        return self.pays_at == STRIPES_PAGE

    async def sign_up(self, items: list[dict[str, Any]]) -> None:
        """Until its first invoice is paid, access may be asked for, and is not granted."""
        more = {"collection": "hosted"} if self.on_stripes_page else {}
        session = await self.begin(self.name, self.country, items, **more)
        self.subscription, self.customer = session["subscription"], session["customer"]
        await self._until_access(PENDING)
        if self.on_stripes_page:
            await self.gateway("POST", f"/v1/checkout_sessions/{session['id']}/confirm", {"wait_s": 0})
        else:
            await self.pay(session, CARD)
        await self.pays(1)
        await self._until_access(GRANTED)
        due, unit = self.amount(session["invoice"], "amount_due"), money(self.offer.unit, self.offer.currency)
        self._tell(f"signs up for {due} a month and {unit} a call; access was pending until it had paid")

    async def use(self, units: int, *, late: bool = False, wait: bool = True) -> None:
        """The marketplace's server reports it, and repeats itself. `late`: it was used in the period that is over."""
        at = (await self._period())["current_period_start"] if late else await self.now()
        self._reports += 1
        event = {
            "identifier": f"{self.subscription}-{self._reports}",
            "event_name": EVENT_NAME,
            "subscription": self.subscription,
            "value": units,
            "timestamp": at - MINUTE_S,
        }
        answers = [await self.gateway("POST", "/v1/usage", event) for _ in range(2)]
        if [answer["data"][0]["status"] for answer in answers] != ["accepted", "duplicate"]:
            raise click.ClickException(f"usage that was reported twice was not taken once: {answers}")
        if wait:
            await self.until(self._come_through, 1, "reports of usage come through to Stripe")

    async def pays(self, count: int) -> None:
        """Until so many invoices are paid: what a processor does not collect, it pays on the page it is led to."""
        if self.on_stripes_page:
            await self.until(self._payable, 1, "invoices to pay on Stripe's page")
            for page in await self._pages():
                await self.pay_on_page(page)
        await self.until(self._paid, count, f"invoices of {self.name} paid")

    async def drafts(self) -> int:
        return await self._count("draft")

    async def until_period_end(self) -> timedelta:
        """How long it is until the period has just ended."""
        left = (await self._period())["current_period_end"] - await self.now()
        return timedelta(seconds=left + 2 * MINUTE_S)

    async def leave(self) -> None:
        """It cancels at once: what was used since is billed by a final invoice, also what is on its way to Stripe."""
        await self.use(USED.last, wait=False)
        await self.cancel(self.subscription, invoice_now=True)
        await self.pays(3)
        if not self.on_stripes_page:
            await self.until_let_go(self.customer)
        await self._until_access(ENDED)
        self._tell("has cancelled, and paid the final invoice")

    async def own_invoices(self) -> list[dict[str, Any]]:
        """As the marketplace's pages show them to it, by a token of its own."""
        found = await self.gateway("GET", "/v1/organization/invoices", key=await self.token())
        return list(found["data"])

    async def token(self) -> str:
        made = await self.gateway("POST", "/v1/organization_tokens", {"customer": self.customer})
        return str(made["token"])

    async def statement(self) -> Statement:
        lines = await self.lines({self.subscription: self.name}, f"?subscription={self.subscription}")
        return Statement(
            marketplace=self.marketplace,
            organization=self.name,
            pays_at=self.pays_at,
            billed=self.offer.billed(USED),
            access=self.access_seen,
            own_invoices=sorted(one["id"] for one in await self.own_invoices()),
            methods=await self._methods({line.invoice for line in lines}),
            lines=lines,
        )

    async def _methods(self, invoices: set[str]) -> list[str]:
        """How the processor says that the payment methods stand with which it took those invoices' money."""
        charges = [one for one in await self.taken() if one["reference"].rpartition(".")[0] in invoices]
        shown = [
            await self.ask("GET", f"{self.stage.practice_url}/v1/methods/{token}", key=self.stage.practice_key)
            for token in {charge["method"] for charge in charges}
        ]
        return [str(method["status"]) for method in shown]

    async def _come_through(self) -> int:
        backlog = await self.gateway("GET", f"/v1/customers/{self.customer}/usage_backlog")
        return int(backlog["events"] == 0)

    async def _pages(self) -> list[str]:
        """Where its own view of its invoices sends it to pay."""
        return [one["hosted_invoice_url"] for one in await self.own_invoices() if one["pay"] == "hosted_page"]

    async def _payable(self) -> int:
        return len(await self._pages())

    async def _paid(self) -> int:
        return await self._count("paid")

    async def _count(self, state: str) -> int:
        return await self.count(f"?subscription={self.subscription}&state={state}")

    async def _until_access(self, state: str) -> None:
        """It follows a payment within a second: the subscription's turn is queued with the payment's own commit."""

        async def seen() -> int:
            return int((await self.access(self.subscription))["state"] == state)

        await self.until(seen, 1, f"answers that access is {state}")
        self.access_seen.append(state)

    async def _period(self) -> dict[str, int]:
        shown = await self.stripe("GET", f"/v1/subscriptions/{self.subscription}")
        return dict(shown["items"]["data"][0])

    def _tell(self, what: str) -> None:
        self.stage.tell(f"{self.marketplace}: {self.name} {what}.")
