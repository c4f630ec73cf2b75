"""What is true afterwards: at Stripe, at the processor, and as the gateway shows it."""

from __future__ import annotations

from typing import Any

from db import sql
from tests.support.people import People
from tests.support.shop import Shop


class Truth(People):
    """What a test asks a world."""

    shops: list[Shop]

    def stripe_calls(self, method: str, path: str) -> list[Any]:
        return list(self.stripe.calls.to(method, path))

    def stripe_account(self, shop: Shop | None = None) -> Any:
        return self.stripe.account((shop or self.shop).stripe_key)

    def stripe_invoice(self, invoice: str, shop: Shop | None = None) -> dict[str, Any]:
        return dict(self.stripe_account(shop).invoices[invoice])

    def stripe_subscription(self, subscription: str, shop: Shop | None = None) -> dict[str, Any]:
        return dict(self.stripe_account(shop).subscriptions[subscription])

    def invoices_of(self, subscription: str, shop: Shop | None = None) -> list[dict[str, Any]]:
        """The subscription's invoices at Stripe, oldest first."""
        found = [
            dict(i)
            for i in self.stripe_account(shop).invoices.values()
            if ((i.get("parent") or {}).get("subscription_details") or {}).get("subscription") == subscription
        ]
        return sorted(found, key=lambda i: i["created"])

    def captures(self, shop: Shop | None = None) -> list[Any]:
        """`c`: the charges that took money at the processor; of an account that shops share, the shop's own."""
        shop = shop or self.shop
        found = list(self.practice.account(shop.practice_key).captures())
        if sum(other.practice_key == shop.practice_key for other in self.shops) > 1:
            found = [c for c in found if c.reference.split(".")[0] in self.stripe_account(shop).invoices]
        return found

    def taken_at_stripe(self, invoice: str) -> int:
        """What Stripe itself has taken for an invoice."""
        rows = [row for row in self.stripe_account().invoice_payments.values() if row["invoice"] == invoice]
        return sum(row["amount_paid"] or 0 for row in rows if row["payment"]["type"] == "payment_intent")

    def last_charge(self) -> Any:
        """The charge that the processor was asked for last."""
        return list(self.practice.account(self.shop.practice_key).charges.values())[-1]

    def succeed_after_all(self, charge: Any) -> None:
        """The processor says that a charge which had failed has taken its money."""
        account = self.practice.account(self.shop.practice_key)
        charge.status, charge.captured, charge.decline = "succeeded", charge.amount, None
        charge.course, charge.closed_at = [], int(self.practice.now())
        self.practice.announce(account, "charge.succeeded", charge.shown(account.id))

    async def attempts(self, invoice: str) -> list[str]:
        """The states of the invoice's attempts, oldest first."""
        return [a["state"] for a in (await self.gateway_invoice(invoice))["attempts"]]

    def charge_calls(self) -> list[Any]:
        """`calls`: the charge requests that reached the processor."""
        return list(self.practice.calls.to("POST", "/v1/charges"))

    def deletions(self) -> list[Any]:
        """The requests to delete a payment method that reached the processor."""
        return [call for call in self.practice.calls if call.method == "DELETE"]

    async def gateway_invoice(self, invoice: str, shop: Shop | None = None) -> dict[str, Any]:
        """G: the invoice as the API shows it."""
        answer = await self.call("GET", f"/v1/invoices/{invoice}", key=(shop or self.shop).api_key)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def access(self, subscription: str) -> dict[str, Any]:
        answer = await self.call("GET", f"/v1/subscriptions/{subscription}/access")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def access_unworked(self, subscription: str) -> dict[str, Any]:
        """The same, where no worker works meanwhile."""
        headers = {"authorization": f"Bearer {self.shop.api_key}"}
        answer = await self.http.get(f"{self.gateway_url}/v1/subscriptions/{subscription}/access", headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def keys_sent(self) -> set[str]:
        """`keys`: the distinct idempotency keys of our attempts."""
        return {str(r["idempotency_key"]) for r in await sql.rows("select idempotency_key from tollbridge.attempt")}

    async def open_cases(self) -> list[str]:
        """The kinds of the cases that are open: an "alert"."""
        return [r["kind"] for r in await sql.rows("select kind from tollbridge.review_case where state = 'open'")]
