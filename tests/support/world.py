"""A whole world in one process: the local Stripe and the practice processor as HTTP servers, the gateway's own server
in front of a real PostgreSQL, and signed webhooks between them. Only the worker is driven by the test: `settle` lets
everything come to rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest
import stripe

from db import sql
from db.encryption import Keyring, generate_key
from db.engine import DB
from gateway.accounts import accounts, connections, keys
from gateway.accounts.audit import Author
from gateway.app import create_app
from gateway.clock import business_now, move_clock
from gateway.collect import advance
from gateway.customers.methods import store_method
from gateway.domain.actions import Action
from gateway.domain.view import InvoiceView
from gateway.inbox.intake import Listed
from gateway.inbox.route import Router
from gateway.reconcile.catch_up import catch_up
from gateway.runtime import Runtime, running
from gateway.sandbox.practice import PracticeProcessor
from gateway.sandbox.practice import create_app as create_practice
from gateway.sandbox.stripe import StripeSandbox
from gateway.sandbox.stripe import create_app as create_stripe
from gateway.settings import Settings
from processors.values import Card, PaymentMethodReference, Secret
from tests.support import points
from tests.support.canaries import Record
from tests.support.crash import let_claims_run_out
from tests.support.drain import drain
from tests.support.merchant import Merchant
from tests.support.process import DeadProcessError, Process
from tests.support.serving import Door, open_door

T = TypeVar("T")

BY = Author("test")
MONTH_S = 32 * 86400
ROUNDS = 40


@dataclass
class Doors:
    """One server for each role, which outlive the worlds behind them."""

    stripe: Door
    practice: Door
    gateway: Door
    merchant: Door
    http: httpx.AsyncClient


@asynccontextmanager
async def open_doors() -> AsyncIterator[Doors]:
    """Open all three."""
    async with (
        open_door() as stripe_door,
        open_door() as practice_door,
        open_door() as gateway_door,
        open_door() as merchant_door,
        httpx.AsyncClient(timeout=40, trust_env=False) as http,
    ):
        yield Doors(stripe_door, practice_door, gateway_door, merchant_door, http)


@dataclass
class Shop:
    """One account of the gateway: its Stripe, its practice processor, its API key and its plan."""

    name: str
    account: str
    stripe_key: str
    practice_key: str
    api_key: str
    connection: str
    client: stripe.StripeClient
    price: str
    tax_rate: str
    http: stripe.HTTPXClient


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


@dataclass
class World:
    """The servers and the shops. Everything it does goes over HTTP, but for the worker's turns."""

    stripe: StripeSandbox
    stripe_url: str
    practice: PracticeProcessor
    practice_url: str
    runtime: Runtime
    gateway_url: str
    http: httpx.AsyncClient
    record: Record = field(default_factory=Record)
    shops: list[Shop] = field(default_factory=list)
    merchant: Merchant = field(default_factory=Merchant)
    merchant_url: str = ""
    kills: int = 0

    @property
    def shop(self) -> Shop:
        return self.shops[0]

    # --- coming to rest ---

    async def settle(self) -> None:
        """Deliver every webhook, let the worker do everything there is to do, until nothing moves."""
        for _ in range(ROUNDS):
            sent = (await self.stripe.flush()).sent + (await self.practice.flush()).sent
            worked = await self.work()
            if not sent and not worked:
                return
        raise AssertionError("the world does not come to rest")

    async def work(self) -> bool:
        """Everything that a worker finds to do now. One that is killed on the way is replaced by a new one."""
        if not points.watched():
            return bool(await drain(self.runtime, seen=self.record.payloads))
        worker = Process("worker", self.kills)
        try:
            return bool(await worker.run(self._work_in(worker)))
        except DeadProcessError:
            self.kills += 1
            await worker.end_sessions()
            await let_claims_run_out()
            return True

    async def _work_in(self, worker: Process) -> int:
        """A worker that may die has sessions of its own, which die with it."""
        await worker.connect()
        try:
            return await drain(self.runtime, seen=self.record.payloads)
        finally:
            await worker.pool.close()

    async def hear(self) -> None:
        """Deliver and route every webhook, and nothing more: the objects that they poke wait for a worker."""
        await self.stripe.flush()
        await self.practice.flush()
        stored = await sql.rows("select id from tollbridge.delivery where state = 'stored' order by id")
        await Router(self.runtime).route([row["id"] for row in stored])

    async def during(self, request: Awaitable[T]) -> T:
        """Answer a request that waits on the worker, while the worker works."""
        task = asyncio.ensure_future(request)
        while not task.done():
            await self.work()
            await asyncio.wait({task}, timeout=0.005)
        return task.result()

    async def later(self, **by: float) -> None:
        """Move every clock on, then come to rest."""
        await self.move(**by)
        await self.settle()

    async def move(self, **by: float) -> None:
        """Move every clock on, and nothing else."""
        seconds = int(timedelta(**by).total_seconds())
        self.stripe.advance(seconds)
        self.practice.advance(seconds)
        await move_clock(timedelta(seconds=seconds))

    async def catch_up(self) -> int:
        """What the catch-up timer does in a turn: walk Stripe's lists, as far as a walk is due; how much was new."""
        return await catch_up(self.runtime, await business_now(), Listed(self.runtime.keyring))

    # --- what people do ---

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
        signup = await self.signup("ok")
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

    # --- what is true afterwards ---

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

    async def gateway_invoice(self, invoice: str, shop: Shop | None = None) -> dict[str, Any]:
        """G: the invoice as the API shows it."""
        answer = await self.call("GET", f"/v1/invoices/{invoice}", key=(shop or self.shop).api_key)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def access(self, subscription: str) -> dict[str, Any]:
        answer = await self.call("GET", f"/v1/subscriptions/{subscription}/access")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def keys_sent(self) -> set[str]:
        """`keys`: the distinct idempotency keys of our attempts."""
        return {str(r["idempotency_key"]) for r in await sql.rows("select idempotency_key from tollbridge.attempt")}

    async def open_cases(self) -> list[str]:
        """The kinds of the cases that are open: an "alert"."""
        return [r["kind"] for r in await sql.rows("select kind from tollbridge.review_case where state = 'open'")]


@asynccontextmanager
async def world(
    doors: Doors,
    *,
    stripe_wrapper: Callable[[Any], Any] = lambda app: app,
    settings: Settings | None = None,
    shops: int = 1,
    log_format: str = "json",
) -> AsyncIterator[World]:
    """A new world behind the doors, with an empty database, and its end."""
    settings, record = settings or Settings(outbound_private=True), Record()
    keyring = Keyring.parse(f"test:{generate_key()}", generate_key())
    sandbox, practice = StripeSandbox(), PracticeProcessor()
    sandbox.delivery.set(mode="manual")
    practice.delivery.set(mode="manual")
    practice.origin = doors.practice.url
    app = create_app(settings, keyring)
    merchant = Merchant()
    doors.stripe.app, doors.practice.app, doors.gateway.app, doors.merchant.app = (
        record.hearing("stripe", stripe_wrapper(create_stripe(sandbox))),
        record.hearing("practice", create_practice(practice)),
        record.hearing("gateway", app),
        record.hearing("merchant", merchant),
    )
    with record.listening(log_format):
        async with app.lifespan(), running(settings, keyring) as runtime:
            made = World(
                sandbox, doors.stripe.url, practice, doors.practice.url, runtime, doors.gateway.url, doors.http, record
            )
            made.merchant, made.merchant_url = merchant, doors.merchant.url
            for number in range(shops):
                made.shops.append(await open_shop(made, keyring, f"shop{number or ''}"))
            sandbox.calls.clear()
            try:
                yield made
            finally:
                for shop in made.shops:
                    await shop.http.close_async()


async def open_shop(world: World, keyring: Keyring, name: str) -> Shop:
    """One account in the gateway, with its connection, its key, and a plan at its Stripe."""
    stripe_key, practice_key = f"sk_test_{name}_made_up", f"practice_{name}_made_up"
    http = stripe.HTTPXClient(timeout=10)
    client = stripe.StripeClient(
        stripe_key,
        http_client=http,
        base_addresses={"api": world.stripe_url},
        stripe_version="2026-08-26.dahlia",
        max_network_retries=0,
    )
    endpoint = await client.v1.webhook_endpoints.create_async(
        {"url": f"{world.gateway_url}/webhooks/stripe/{name}", "enabled_events": ["*"]}
    )
    account = await accounts.add(
        keyring,
        BY,
        name,
        Secret(stripe_key),
        secrets=[Secret(str(endpoint.secret))],
        change=accounts.AccountChange(api_base=world.stripe_url),
    )
    webhook_secret = f"practice_webhook_{name}_made_up"
    taken = world.practice.set_webhook(practice_key, f"{world.gateway_url}/webhooks/{name}/practice-eu", webhook_secret)
    connection = await connections.add(
        world.runtime,
        BY,
        account.id,
        "practice-eu",
        "practice",
        connections.ConnectionChange(
            credentials={"api_key": Secret(practice_key), "webhook_secret": Secret(webhook_secret)},
            options={"base_url": world.practice_url, "account": taken.id},
        ),
    )
    _, key = await keys.create(BY, account.id, "tests", ["server", "finance", "checkout", "admin"])
    product = await client.v1.products.create_async({"name": "Plan"})
    price = await client.v1.prices.create_async(
        {"product": product.id, "unit_amount": 1000, "currency": "eur", "recurring": {"interval": "month"}}
    )
    tax = await client.v1.tax_rates.create_async({"display_name": "VAT", "percentage": 20.0, "inclusive": False})
    return Shop(name, account.id, stripe_key, practice_key, key.reveal(), connection.id, client, price.id, tax.id, http)
