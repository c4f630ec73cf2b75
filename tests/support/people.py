"""What people do: a merchant's server and its payers, finance staff, and whoever misleads the processor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from db.engine import DB
from gateway.accounts import accounts, connections
from gateway.clock import business_now
from gateway.collect import advance
from gateway.customers.methods import store_method
from gateway.domain.actions import Action
from gateway.domain.view import InvoiceView
from gateway.sandbox.stripe.collection import attempt
from gateway.sandbox.stripe.payment_methods import make
from processors.values import Card, PaymentMethodReference, Secret
from tests.support.merchant import Merchant
from tests.support.rest import Resting
from tests.support.shop import BY, Shop


@dataclass
class Signup:
    """What a signup came to."""

    session: dict[str, Any]
    confirmed: httpx.Response | None = None

    @property
    def id(self) -> str:
        return str(self.session["id"])

    @property
    def customer(self) -> str:
        return str(self.session["customer"])

    @property
    def subscription(self) -> str:
        return str(self.session["subscription"])

    @property
    def invoice(self) -> str:
        return str(self.session["invoice"]["id"])


class People(Resting):
    """Everything goes over HTTP, but for what a processor's own cards do."""

    practice_url: str
    gateway_url: str
    http: httpx.AsyncClient
    merchant: Merchant
    merchant_url: str
    shop: Shop

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Call the gateway's API with the shop's key, or another."""
        return await self.during(
            self.http.request(
                method,
                self.gateway_url + path,
                json=body,
                headers={"authorization": f"Bearer {key or self.shop.api_key}", **(headers or {})},
            )
        )

    async def open_session(
        self, reference: str = "order-1", *, shop: Shop | None = None, **body: Any
    ) -> httpx.Response:
        """Open a checkout session for the shop's plan; a new customer in Germany unless the body says otherwise."""
        shop = shop or self.shop
        wanted = {"client_reference": reference, "items": [{"price": shop.price}], **body}
        if "customer" not in wanted and "customer_details" not in wanted:
            wanted["customer_details"] = {"name": "A. Payer", "address": {"country": "DE"}}
        return await self.call("POST", "/v1/checkout_sessions", wanted, key=shop.api_key)

    async def give_card(self, session: dict[str, Any], kind: str = "ok", *, shop: Shop | None = None) -> str:
        """The payer enters a payment method at the processor; the set-up's id there."""
        shop = shop or self.shop
        begun = await self.call(
            "POST",
            f"/v1/checkout_sessions/{session['id']}/setup",
            {"processor": "practice-eu", "return_url": "http://127.0.0.1/return"},
            key=session.get("client_secret") or shop.api_key,
        )
        assert begun.status_code == 200, begun.text
        client = begun.json()["client"]
        done = await self.http.post(
            f"{self.practice_url}/v1/setups/{client['setup']}/complete",
            json={"token_kind": kind},
            headers={"authorization": f"Bearer {client['client_token']}"},
        )
        assert done.status_code == 200, done.text
        return str(client["setup"])

    async def confirm(self, session: dict[str, Any], *, key: str = "", **body: Any) -> httpx.Response:
        """Confirm with the session's own client secret, as a browser does."""
        return await self.call(
            "POST",
            f"/v1/checkout_sessions/{session['id']}/confirm",
            body,
            key=key or session.get("client_secret", ""),
            headers={"idempotency-key": uuid4().hex},
        )

    async def record_payment(self, invoice: str, *, key: str = "", **body: Any) -> httpx.Response:
        """Finance staff note a payment that came without a processor."""
        told = {"source": "bank_transfer", "reference": "wire-1", "received_at": 1, "reason": "seen on the statement"}
        headers = {"idempotency-key": uuid4().hex}
        return await self.call("POST", f"/v1/invoices/{invoice}/record_payment", told | body, key=key, headers=headers)

    async def collect_now(self, invoice: str, *, wait_s: float = 20) -> httpx.Response:
        """Somebody presses "collect now"."""
        headers = {"idempotency-key": uuid4().hex}
        return await self.call("POST", f"/v1/invoices/{invoice}/collect", {"wait_s": wait_s}, headers=headers)

    async def void(self, invoice: str, *, reason: str = "a mistake of ours") -> httpx.Response:
        """Finance staff void an invoice; everything comes to rest."""
        answer = await self.call("POST", f"/v1/invoices/{invoice}/void", {"reason": reason, "wait_s": 0})
        await self.settle()
        return answer

    async def cancel(self, subscription: str, ends: str = "now", **body: Any) -> httpx.Response:
        """A server has a subscription end, or live on; it answers at once, and everything comes to rest."""
        path = f"/v1/subscriptions/{subscription}/cancel"
        answer = await self.call("POST", path, {"ends": ends, "wait_s": 0, **body})
        await self.settle()
        return answer

    async def switch(self, subscription: str, to: str, **body: Any) -> httpx.Response:
        """A server has a subscription collected by another, or with another method; everything comes to rest."""
        path = f"/v1/subscriptions/{subscription}/switch"
        answer = await self.call("POST", path, {"to": to, "wait_s": 0, **body})
        await self.settle()
        return answer

    async def pay_at_stripe(self, invoice: str, method: str = "visa", *, shop: Shop | None = None) -> int:
        """The payer pays on Stripe's own page of an invoice; what that page answers. Nothing comes to rest yet."""
        page = self.stripe.account((shop or self.shop).stripe_key).invoices[invoice]["hosted_invoice_url"]
        answer = await self.http.post(page, data={"method": method}, follow_redirects=False)
        return answer.status_code

    def pays_there(self, invoice: str, method: str = "visa") -> None:
        """The payer's card is taken on that page, or a debit begun, at this very moment."""
        account = self.stripe.account(self.shop.stripe_key)
        attempt(account, account.invoices[invoice], make(account, method), off_session=False)

    async def stripe_card(self, customer: str, kind: str = "pm_card_visa") -> str:
        """The customer's card at Stripe itself; its id there."""
        made = await self.shop.client.v1.payment_methods.attach_async(kind, {"customer": customer})
        return str(made.id)

    async def signup(self, kind: str = "ok", reference: str = "order-1", *, wait_s: float = 20, **body: Any) -> Signup:
        """Open, enter a payment method, confirm, and come to rest. `wait_s` is what confirm waits at most."""
        opened = await self.open_session(reference, **body)
        assert opened.status_code in (200, 201), opened.text
        session = opened.json()
        await self.give_card(session, kind)
        confirmed = await self.confirm(session, wait_s=wait_s)
        await self.settle()
        return Signup(session, confirmed)

    async def renew(self, kind: str = "ok") -> tuple[Signup, str]:
        """A subscription paid with a card that has become one of `kind` when the first renewal comes; its invoice."""
        signup = await self.signup("ok")
        self.break_card(signup.customer, kind)
        await self.later(days=31)
        return signup, str(self.invoices_of(signup.subscription)[-1]["id"])

    async def renew_unseen(self) -> tuple[Signup, str]:
        """A subscription whose first renewal is a draft at Stripe, of which the gateway has not heard yet."""
        signup = await self.signup("ok", wait_s=0)
        await self.move(days=31, minutes=1)
        return signup, str(self.invoices_of(signup.subscription)[-1]["id"])

    async def listen(self, *types: str) -> str:
        """The shop's own server is told what happens from now on; the endpoint's id."""
        body = {"url": f"{self.merchant_url}/tollbridge", "types": list(types)}
        made = (await self.call("POST", "/v1/webhook_endpoints", body)).json()
        self.merchant.secret = made["secret"]
        return str(made["id"])

    async def connect_twice(self) -> None:
        """A second connection of the first shop's, `practice-two`, to the same account at the processor."""
        taken = self.practice.account(self.shop.practice_key)
        change = connections.ConnectionChange(
            credentials={"api_key": Secret(self.shop.practice_key), "webhook_secret": Secret("practice_two_made_up")},
            options={"base_url": self.practice_url, "account": taken.id},
        )
        await connections.add(self.runtime, BY, self.shop.account, "practice-two", "practice", change)

    async def take_over(self, customer: str, token: str, *, shop: Shop | None = None, **body: Any) -> httpx.Response:
        """A server stores a token that it holds already."""
        wanted = {"connection": "practice-eu", "token": token, "card": {"brand": "visa", "last4": "4242"}} | body
        path, key = f"/v1/customers/{customer}/payment_methods", (shop or self.shop).api_key
        return await self.call("POST", path, wanted, key=key, headers={"idempotency-key": uuid4().hex})

    async def share_the_processor(self) -> None:
        """The second shop charges through the first's account at the processor; each has its own endpoint there."""
        first, second = self.shops
        secret = "practice_webhook_shared_made_up"
        url = f"{self.gateway_url}/webhooks/{second.name}/practice-eu"
        taken = self.practice.set_webhook(first.practice_key, url, secret, add=True)
        change = connections.ConnectionChange(
            credentials={"api_key": Secret(first.practice_key), "webhook_secret": Secret(secret)},
            options={"account": taken.id},
        )
        await connections.update(self.runtime, BY, second.account, second.connection, change)
        second.practice_key = first.practice_key

    async def set_policy(self, **policy: Any) -> None:
        """Change a policy of the first shop."""
        change = accounts.AccountChange(policies=policy)
        await accounts.update(self.runtime.keyring, BY, self.shop.account, change)

    def methods_at_processor(self) -> list[Any]:
        return list(self.practice.account(self.shop.practice_key).methods.values())

    def break_card(self, customer: str, kind: str) -> None:
        """From now on the processor treats the shop's stored methods as cards of another kind."""
        for method in self.methods_at_processor():
            method.kind = type(method.kind)(kind)

    async def method_session(self, customer: str, **body: Any) -> dict[str, Any]:
        """The merchant's server lets a customer's payer give another payment method."""
        answer = await self.call("POST", "/v1/payment_method_sessions", {"customer": customer, **body})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def begin_method(self, session: dict[str, Any]) -> dict[str, str]:
        """The payer is sent to the processor; what its client code is told."""
        path, key = f"/v1/payment_method_sessions/{session['id']}/setup", session["client_secret"]
        body = {"processor": "practice-eu", "return_url": "http://127.0.0.1/return"}
        begun = await self.call("POST", path, body, key=key)
        assert begun.status_code == 200, begun.text
        return dict(begun.json()["client"])

    async def method_setup(self, session: dict[str, Any], kind: str | None = "ok") -> str:
        """The payer begins a set-up and does it at the processor (`kind` None: leaves); the set-up's id there."""
        client = await self.begin_method(session)
        await self.complete_at_processor(client, kind)
        return client["setup"]

    async def complete_at_processor(self, client: dict[str, str], kind: str | None) -> None:
        """The payer does a set-up there."""
        done = await self.http.post(
            f"{self.practice_url}/v1/setups/{client['setup']}/complete",
            json={"token_kind": kind},
            headers={"authorization": f"Bearer {client['client_token']}"},
        )
        assert done.status_code == 200, done.text

    async def method_done(self, session: dict[str, Any], **body: Any) -> httpx.Response:
        """The payer's browser is back from the processor."""
        path = f"/v1/payment_method_sessions/{session['id']}/complete"
        return await self.call("POST", path, {"wait_s": 0, **body}, key=session["client_secret"])

    async def new_card(self, customer: str, kind: str = "ok") -> dict[str, Any]:
        """The payer gives another card, from the server's request to the stored method; the session then."""
        session = await self.method_session(customer)
        await self.method_setup(session, kind)
        await self.method_done(session)
        await self.settle()
        return dict((await self.call("GET", f"/v1/payment_method_sessions/{session['id']}")).json())

    async def methods_of(self, customer: str) -> list[dict[str, Any]]:
        """The customer's payment methods as the API shows them, the newest first."""
        answer = await self.call("GET", f"/v1/customers/{customer}/payment_methods")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])

    async def repair_card(self, signup: Signup, kind: str = "ok", *, fingerprint: str = "") -> str:
        """A new card, or one with this fingerprint, is stored at once, without the session and its set-up."""
        made = self.practice.create_method(self.shop.practice_key, kind, fingerprint=fingerprint)
        async with DB.transaction():
            return await store_method(
                self.runtime,
                self.shop.account,
                signup.customer,
                self.shop.connection,
                PaymentMethodReference(Secret(made.token)),
                Card(brand="visa", last4="4242", fingerprint=made.fingerprint),
                await business_now(),
            )

    def poison(self, monkeypatch: pytest.MonkeyPatch, invoice: str) -> None:
        """Make every step for one invoice raise something that nobody expected."""
        decide = advance.decide

        def raising(view: InvoiceView, now: datetime) -> Action:
            if view.id == invoice:
                raise ZeroDivisionError("unexpected")
            return decide(view, now)

        monkeypatch.setattr(advance, "decide", raising)
