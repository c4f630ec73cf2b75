"""What `tollbridge demo --keep` leaves in the shop once its play was checked: work for the people of the console.

A renewal that was declined twice and is tried again; one that its payer paid past us, on Stripe's own page, which is a
case; a payment that its payer disputes; and a refund that waits for a second person, as all above a limit do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import httpx

from gateway.cli.output import money
from gateway.cli.stage import Actors, Stage

APPROVAL_ABOVE, ASKED_BACK = 1000, 1500
WEEKLY: Final = {
    "currency": "eur",
    "unit_amount": "4900",
    "recurring[interval]": "week",
    "product_data[name]": "Weekly plan",
}
CLEO, DAN = "Cleo (card without funds)", "Dan (pays past us)"
FIRST_DECLINE, SECOND_DECLINE = "decline_insufficient_funds", "decline_do_not_honor"


async def leave_behind(stage: Stage) -> None:
    """Raises click.ClickException for what does not go as it must."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        shop = _Shop(stage, http)
        await shop.limit_refunds()
        price = (await shop.stripe("POST", "/v1/prices", WEEKLY))["id"]
        cleo, dan = [await shop.sign_up(name, price) for name in (CLEO, DAN)]
        stage.tell("A week passes; the renewals of two more payers are declined.")
        await shop.decline(FIRST_DECLINE, 2)
        await stage.move_time(timedelta(days=7, hours=1))
        await shop.until_declines(1, cleo, dan)
        await shop.ask_back(cleo)
        await shop.pay_past_us(dan)
        await shop.dispute(dan)
        stage.tell("Another day passes, and with it the next try.")
        await shop.decline(SECOND_DECLINE, 1)
        await stage.move_time(timedelta(hours=25))
        await shop.until_declines(2, cleo)
        await shop.until(shop.count_of("/v1/disputes"), 1, "disputes")
        await shop.until(shop.count_of("/v1/cases?state=open"), 1, "open cases")


class _Shop(Actors):
    """Its payers, and what befalls them."""

    async def limit_refunds(self) -> None:
        """From now on a refund above the limit needs two people."""
        [account] = (await self.gateway("GET", "/v1/accounts"))["data"]
        policies = {"approval_above": {"eur": APPROVAL_ABOVE}}
        await self.gateway("POST", f"/v1/accounts/{account['id']}", {"policies": policies})
        self.stage.tell(f"From now on a refund of more than {money(APPROVAL_ABOVE, 'eur')} needs a second person.")

    async def sign_up(self, name: str, price: str) -> dict[str, Any]:
        session = await self.begin(name, "DE", [{"price": price}], default_tax_rates=[self.stage.tax_rate])
        return await self.pay(session, "ok")

    async def decline(self, kind: str, times: int) -> None:
        """So the next charges end, whatever the card."""
        wanted = {"api_key": self.stage.practice_key, "charges": [{"kind": kind}] * times}
        await self.ask("POST", f"{self.stage.practice_url}/_sandbox/outcomes", wanted)

    async def until_declines(self, times: int, *sessions: dict[str, Any]) -> None:
        """Wait until the renewal of each was declined so many times."""

        async def declined() -> int:
            attempts = [(await self._renewal(one)).get("attempts", []) for one in sessions]
            return sum(sum(one["state"] == "declined" for one in some) >= times for some in attempts)

        await self.until(declined, len(sessions), f"renewals declined {times} times")

    async def ask_back(self, session: dict[str, Any]) -> None:
        """The shop's server asks for a part of the first payment to go back; nobody has agreed yet."""
        body = {"invoice": session["invoice"]["id"], "amount": ASKED_BACK, "memo": "Sorry for the trouble."}
        made = await self.gateway("POST", "/v1/refunds", body)
        self.stage.tell(f"{CLEO}: {money(made['amount'], made['currency'])} shall go back, once somebody approves it.")

    async def pay_past_us(self, session: dict[str, Any]) -> None:
        """The payer has found Stripe's own page of the invoice."""
        invoice = await self.stripe("GET", f"/v1/invoices/{(await self._renewal(session))['id']}")
        await self.pay_on_page(invoice["hosted_invoice_url"])
        self.stage.tell(f"{DAN}: the renewal is paid on Stripe's own page.")

    async def dispute(self, session: dict[str, Any]) -> None:
        """The payer objects to the first payment."""
        first = session["invoice"]["id"]
        charge = next(one for one in await self.taken() if one["reference"].rpartition(".")[0] == first)
        wanted = {"stage": "opened", "reason": "product_not_received"}
        await self.ask("POST", f"{self.stage.practice_url}/_sandbox/charges/{charge['id']}/dispute", wanted)
        self.stage.tell(f"{DAN}: the first payment is disputed.")

    def count_of(self, path: str) -> Callable[[], Any]:
        """How long one of the gateway's lists is."""

        async def count() -> int:
            return len((await self.gateway("GET", path))["data"])

        return count

    async def _renewal(self, session: dict[str, Any]) -> dict[str, Any]:
        """Empty where there is none yet."""
        listed = (await self.gateway("GET", "/v1/invoices"))["data"]
        of_them = (one for one in listed if one["subscription"] == session["subscription"])
        found = next((one for one in of_them if one["id"] != session["invoice"]["id"]), None)
        return await self.gateway("GET", f"/v1/invoices/{found['id']}") if found else {}
