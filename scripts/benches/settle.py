"""`settle`: thousands of renewals fall due in one second, and are collected and recorded.

Every part runs for real: the sandbox as one process, the gateway's server, its workers, PostgreSQL. Customers with
stored cards have subscriptions whose first month was free; the clock moves, the sandbox bills, and everything that
follows is the gateway's. What it cost is CPU time by process for each invoice, and calls to Stripe by operation.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import httpx
import msgspec

from db.engine import DB, PoolOptions
from gateway.billing.pace import operation
from gateway.cli.home import read_notes
from gateway.cli.sandbox import advance
from gateway.cli.wiring import CONNECTION, PRACTICE_KEY, STRIPE_KEY
from gateway.clock import business_now
from gateway.customers.methods import store_method
from gateway.runtime import running
from processors.values import Card, PaymentMethodReference, Secret
from scripts.benches.ground import Ground, ground
from scripts.benches.processes import cpu_s, memory_mib

INVOICES_EACH: Final = 10
AT_ONCE: Final = 16
MONTH: Final = timedelta(days=31)
POLL_S: Final = 0.25
LATER: Final = timedelta(minutes=10)
LATER_S: Final = 12.0
"""Between two such steps: a sweep finds what is due then."""
MOST_S: Final = 1_800
GATEWAY: Final = ("serve", "work", "work2")
CHARGES: Final = {"method": "POST", "path": "/v1/charges"}
FAULTS: Final = ("lost_after", "error_after", "error_before")
PAID: Final = "select count(*) from tollbridge.invoice where id = any($1) and state = 'paid'"
AT_REST: Final = "select count(*) from tollbridge.invoice where id = any($1) and state in ('paid', 'unknown')"
ENDED: Final = "select count(*) from tollbridge.delivery where state = 'stored'"
LEDGER: Final = "select invoice, count(*) from tollbridge.movement where invoice = any($1) group by invoice"
STATES: Final = "select state, count(*) from tollbridge.attempt where invoice = any($1) group by state"
CASES: Final = "select kind, count(*) from tollbridge.review_case where invoice = any($1) group by kind"


class Conditions(msgspec.Struct, frozen=True):
    """What the sandbox is like: latencies in milliseconds, the share of charges that go wrong, a limit on Stripe."""

    name: str
    processor_ms: tuple[int, int] | None = None
    """p50 and p99."""
    faults: float = 0.0
    stripe_ms: int = 0
    calls_per_operation: int | None = None
    calls_per_second: int | None = None


ZERO: Final = Conditions("zero_latency")
REAL: Final = Conditions("real_latency", processor_ms=(120, 380), faults=0.007, stripe_ms=100)
LIMITED: Final = Conditions("stripe_limits", calls_per_operation=25, calls_per_second=100)
"""Stripe's documented limits, in force at the sandbox and known to the gateway."""

ALL: Final = (ZERO, REAL, LIMITED)


def run(conditions: Conditions, invoices: int) -> dict[str, Any]:
    """Settle so many renewals under these conditions."""
    with settling(conditions) as house:
        return asyncio.run(settled(house, conditions, invoices))


@contextmanager
def settling(conditions: Conditions) -> Iterator[Ground]:
    """A house with two workers."""
    with ground(workers=60 if conditions.stripe_ms else 20) as house:
        house.tree.child("shop").terminate()
        house.tree.child("shop").wait()
        house.tree.start("work2", "work")
        yield house


async def settled(house: Ground, conditions: Conditions, invoices: int) -> dict[str, Any]:
    """Prepare so many renewals and measure what they come to."""
    async with httpx.AsyncClient(timeout=120, trust_env=False) as http:
        scene = Scene(house, http)
        await scene.prepare(invoices)
        await scene.impose(conditions)
        try:
            return await scene.measure(conditions)
        finally:
            await scene.relieve()
            await scene.leave()


class Scene:
    """The customers, their cards and subscriptions, and the moment when all of them are billed."""

    def __init__(self, house: Ground, http: httpx.AsyncClient) -> None:
        self._house, self._http = house, http
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._coupon = ""
        self._known: set[str] = set()
        self._count = 0
        self._subscriptions: list[str] = []

    async def prepare(self, invoices: int) -> None:
        """Subscriptions whose first invoice is zero by a coupon, of customers with a card; the gateway knows them."""
        coupon = await self._stripe("/v1/coupons", {"percent_off": "100", "duration": "once"})
        self._coupon = str(coupon["id"])
        customers = -(-invoices // INVOICES_EACH)
        ids = await asyncio.gather(*(self._customer(n) for n in range(customers)))
        await self._give_cards(list(ids))
        before = await self._invoices()
        wanted = [ids[n % customers] for n in range(invoices)]
        await asyncio.gather(*(self._subscribe(customer) for customer in wanted))
        self._known, self._count = await self._invoices(), invoices
        await self._until(PAID, lambda count: count == invoices, sorted(self._known - before))
        await self._until(ENDED, lambda count: count == 0)
        for sandbox in ("stripe", "practice"):
            await self._control(sandbox, "DELETE", "calls")

    async def impose(self, conditions: Conditions) -> None:
        """Make the sandbox, and what the gateway knows of it, what the conditions say."""
        if conditions.processor_ms:
            p50, p99 = conditions.processor_ms
            latency = {"kind": "lognormal", "p50_ms": p50, "p99_ms": p99}
            await self._control(
                "practice", "POST", "faults", {"match": CHARGES, "effect": "latency", "latency": latency}
            )
        for effect in FAULTS if conditions.faults else ():
            share = conditions.faults / len(FAULTS)
            await self._control(
                "practice", "POST", "faults", {"match": CHARGES, "effect": effect, "probability": share}
            )
        if conditions.stripe_ms:
            latency = {"kind": "constant", "ms": conditions.stripe_ms}
            await self._fault("stripe", {"effect": "latency", "latency": latency})
        if conditions.calls_per_operation:
            each, together = conditions.calls_per_operation, conditions.calls_per_second
            await self._control("stripe", "POST", "rates", {"each": each, "all": together})
            # A little less is asked than is allowed, as by itself at the real Stripe.
            policies = {"stripe_calls_per_operation": each - 1, "stripe_calls_per_second": (together or 100) - 4}
            await self._policies(policies)

    async def relieve(self) -> None:
        """What was imposed goes."""
        for sandbox in ("stripe", "practice"):
            await self._control(sandbox, "DELETE", "faults")
        await self._control("stripe", "POST", "rates", {"preset": "off"})

    async def leave(self) -> None:
        """End the subscriptions, so that a further scene in this house bills its own alone."""
        await asyncio.gather(
            *(self._stripe(f"/v1/subscriptions/{one}", method="DELETE") for one in self._subscriptions)
        )
        await self._until(ENDED, lambda count: count == 0)

    async def _fault(self, sandbox: str, fault: dict[str, Any]) -> None:
        await self._control(sandbox, "POST", "faults", fault)

    async def _policies(self, policies: dict[str, int]) -> None:
        key = read_notes(self._house.home)["platform_key"]
        url = f"{self._house.urls['gateway']}/v1/accounts/{self._house.wired.account}"
        answer = await self._http.post(url, json={"policies": policies}, headers={"authorization": f"Bearer {key}"})
        answer.raise_for_status()

    async def measure(self, conditions: Conditions) -> dict[str, Any]:
        """Let the month end, and wait until everything is collected and every event handled."""
        invoices, before, began = self._count, self._cpu(), time.perf_counter()
        await advance([self._house.urls["stripe"], self._house.urls["practice"]], MONTH)
        billed = sorted(await self._invoices() - self._known)
        assert len(billed) == invoices, f"{len(billed)} invoices were billed"
        await self._until(AT_REST, lambda count: count >= invoices, billed)
        settled_s = time.perf_counter() - began
        unknown = invoices - await self._count_of(PAID, billed)
        while await self._count_of(PAID, billed) < invoices:
            # Whose outcome nobody knows is looked up after minutes, then after hours: they are made shorter here.
            assert time.perf_counter() - began < MOST_S, "something is never resolved"
            await advance([self._house.urls["stripe"], self._house.urls["practice"]], LATER)
            await asyncio.sleep(LATER_S)
        await self._until(ENDED, lambda count: count == 0)
        cpu = {name: after - before[name] for name, after in self._cpu().items()}
        return {
            "bench": "settle",
            "conditions": conditions.name,
            "invoices": invoices,
            "settled_s": round(settled_s, 2),
            "unknown_at_first": unknown,
            "settled_per_s": round(invoices / settled_s, 1),
            "cpu_ms_per_invoice": {name: round(spent / invoices * 1000, 2) for name, spent in cpu.items()},
            "gateway_cpu_ms_per_invoice": round(sum(cpu[name] for name in GATEWAY) / invoices * 1000, 2),
            "memory_mib": {name: round(memory_mib(self._house.pid(name))) for name in GATEWAY},
            **await self._calls(invoices),
            **await self._verdict(billed),
        }

    def _cpu(self) -> dict[str, float]:
        found = {name: cpu_s(self._house.pid(name)) for name in (*GATEWAY, "sandbox")}
        return found | {"database": cpu_s(self._house.postgres_pid())}

    async def _calls(self, invoices: int) -> dict[str, Any]:
        calls = (await self._control("stripe", "GET", "calls"))["data"]
        calls = [call for call in calls if call["path"] != "/v1/invoices"]  # the list is our own look
        by_operation = Counter(operation(call["method"], call["path"]) for call in calls)
        finalize = "POST /v1/invoices/{id}/finalize"
        return {
            "stripe_calls": dict(by_operation.most_common()),
            "stripe_calls_per_invoice": round(len(calls) / invoices, 2),
            "besides_finalize": round((len(calls) - by_operation[finalize]) / invoices, 2),
            "turned_away_by_stripe": sum(call["status"] == 429 for call in calls),
        }

    async def _verdict(self, billed: list[str]) -> dict[str, Any]:
        """Stripe, the processor and the ledger, each asked for itself."""
        charges = (await self._control("practice", "GET", "charges"))["data"]
        taken = Counter(c["reference"].rpartition(".")[0] for c in charges if c["status"] == "succeeded")
        ledger = await self._house.rows(LEDGER, billed)
        states = await self._house.rows(STATES, billed)
        cases = await self._house.rows(CASES, billed)
        return {
            "captured": sum(invoice in taken for invoice in billed),
            "lost": sum(invoice not in taken for invoice in billed),
            "doubled": sum(taken[invoice] > 1 for invoice in billed),
            "in_ledger_once": sum(row[1] == 1 for row in ledger),
            "attempts": {row[0]: row[1] for row in states},
            "cases": {row[0]: row[1] for row in cases},
        }

    async def _invoices(self) -> set[str]:
        """Every invoice at the local Stripe."""
        found: list[str] = []
        headers = {"authorization": f"Bearer {STRIPE_KEY}"}
        while True:
            query = {"limit": 100} | ({"starting_after": found[-1]} if found else {})
            answer = await self._http.get(f"{self._house.urls['stripe']}/v1/invoices", params=query, headers=headers)
            answer.raise_for_status()
            page = answer.json()
            found += [invoice["id"] for invoice in page["data"]]
            if not page["has_more"]:
                return set(found)

    async def _customer(self, number: int) -> str:
        made = await self._stripe("/v1/customers", {"name": f"Payer {number}", "address[country]": "DE"})
        return str(made["id"])

    async def _subscribe(self, customer: str) -> None:
        wanted = {
            "customer": customer,
            "items[0][price]": self._house.wired.price,
            "collection_method": "send_invoice",
            "days_until_due": "10",
            "discounts[0][coupon]": self._coupon,
        }
        self._subscriptions.append(str((await self._stripe("/v1/subscriptions", wanted))["id"]))

    async def _give_cards(self, customers: list[str]) -> None:
        DB.configure(self._house.dsn, PoolOptions(max_size=4))
        await DB.open_pool()
        try:
            account = self._house.wired.account
            row = await self._house.rows("select id from tollbridge.connection where name = $1", CONNECTION)
            async with running(self._house.settings, self._house.keyring) as runtime:
                for customer in customers:
                    wanted = {"api_key": PRACTICE_KEY, "token_kind": "ok"}
                    token = (await self._control("practice", "POST", "methods", wanted))["token"]
                    reference = PaymentMethodReference(Secret(token))
                    card, now = Card(brand="visa", last4="4242"), await business_now()
                    async with DB.transaction():
                        await store_method(runtime, account, customer, row[0][0], reference, card, now)
        finally:
            await DB.close_pool()

    async def _until(self, query: str, holds: Callable[[int], bool], *values: Any) -> None:
        end = time.monotonic() + MOST_S
        while not holds(await self._count_of(query, *values)):
            if time.monotonic() > end:
                raise RuntimeError(f"not within {MOST_S} s: {query}")
            await asyncio.sleep(POLL_S)

    async def _count_of(self, query: str, *values: Any) -> int:
        return int((await self._house.rows(query, *values))[0][0])

    async def _stripe(self, path: str, data: dict[str, str] | None = None, method: str = "POST") -> dict[str, Any]:
        headers = {"authorization": f"Bearer {STRIPE_KEY}"}
        async with self._slots:
            answer = await self._http.request(method, self._house.urls["stripe"] + path, data=data, headers=headers)
        answer.raise_for_status()
        return dict(answer.json())

    async def _control(self, sandbox: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self._http.request(method, f"{self._house.urls[sandbox]}/_sandbox/{path}", json=body)
        answer.raise_for_status()
        return dict(answer.json())
