"""The play of `tollbridge demo --marketplace`: two marketplaces, each with its own Stripe account, sell metered plans.

An organization signs up at each, and is given access once its first invoice is paid. It uses what it bought; a month
passes, and usage that comes late, in the hour in which Stripe keeps the period's invoice a draft, is billed with the
rest. Then it cancels: a final invoice bills what remains, and when that is paid its token is deleted. In the end
Stripe, the processor and the ledger say, each for itself, what they know of the three invoices, and are held against
what the plan's prices make of the usage.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import httpx
import msgspec

from gateway.cli.output import money
from gateway.cli.stage import Actors, Line, Stage

DRAFT_HOUR: Final = timedelta(minutes=70)
SETTLED: Final = timedelta(hours=25)
"""After so long a debit of the practice processor has settled."""


class Plan(msgspec.Struct, frozen=True):
    """A base price for a month ahead, and a price for each unit used; minor units. How the buyer pays is the
    processor's kind of token."""

    organization: str
    country: str
    currency: str
    base: int
    unit: int
    pays: str


class Usage(msgspec.Struct, frozen=True):
    """Units of the first period, in time and late, and of the second until the end."""

    in_time: int
    late: int
    last: int


PLANS: Final = {
    "northside": Plan("Lantern Cooperative", "DE", "eur", base=4900, unit=4, pays="ok"),
    "harbour": Plan("Orchard Clinics", "FR", "usd", base=9900, unit=7, pays="pending_then_ok"),
}
"""By the marketplace's name. One that Stripe's own page collects has its place beside these, with its own way to pay
in `_Market.sign_up`, and no captures in its `Statement`."""
USED: Final = Usage(in_time=150, late=100, last=60)


class Statement(msgspec.Struct, frozen=True):
    """What one marketplace has sold: three invoices, and what each must come to."""

    marketplace: str
    organization: str
    billed: list[int]
    access: list[str]
    """As it was seen: before the first payment, after it, and in the end."""
    token_deleted: bool
    open_cases: list[str]
    lines: list[Line]

    @property
    def good(self) -> bool:
        return (
            [line.stripe_paid for line in self.lines] == self.billed
            and all(line.agrees and line.state == "paid" and line.captures == 1 for line in self.lines)
            and self.access == ["pending", "granted", "ended"]
            and self.token_deleted
            and not self.open_cases
        )


class MarketReport(msgspec.Struct, frozen=True):
    """What came of it."""

    marketplaces: list[Statement]
    apart: bool
    """Neither marketplace's key opens what is the other's."""
    elapsed_s: float

    @property
    def good(self) -> bool:
        return self.apart and all(one.good for one in self.marketplaces)


async def play_marketplace(stages: dict[str, Stage]) -> MarketReport:
    """Put it on, with a stage for each of PLANS; raises click.ClickException for a scene that does not go as it must.

    The clocks are everybody's: time passes for both marketplaces at once.
    """
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        markets = [_Market(stage, http, name, PLANS[name]) for name, stage in stages.items()]
        any_stage = markets[0].stage
        await _all(market.sign_up() for market in markets)
        await any_stage.move_time(SETTLED)
        await _all(market.is_let_in() for market in markets)

        await _all(market.use(USED.in_time) for market in markets)
        any_stage.tell("A month passes. Usage of it comes late, while the period's invoice is a draft.")
        await any_stage.move_time(await markets[0].until_period_end())
        await _all(market.until(market.drafts, 1, "drafts") for market in markets)
        await _all(market.use(USED.late, late=True) for market in markets)
        await any_stage.move_time(DRAFT_HOUR)
        await _all(market.until(market.charged, 2, "invoices charged") for market in markets)
        await any_stage.move_time(SETTLED)
        await _all(market.until_paid(2) for market in markets)

        await _all(market.use(USED.last) for market in markets)
        await any_stage.move_time(timedelta(hours=1))
        await _all(market.leave() for market in markets)
        await any_stage.move_time(SETTLED)
        await _all(market.until_paid(3) for market in markets)
        found = [await market.statement() for market in markets]
        return MarketReport(found, await _apart(markets), round(time.monotonic() - began, 1))


async def _all(doing: Any) -> None:
    await asyncio.gather(*doing)


async def _apart(markets: Sequence[_Market]) -> bool:
    """Each asks for the other's subscription, by its id."""
    answers = [
        await one.status_of(f"/v1/subscriptions/{other.subscription}/access")
        for one in markets
        for other in markets
        if other is not one
    ]
    return set(answers) == {404}


class _Market(Actors):
    """One marketplace: its server, and the organization that buys."""

    def __init__(self, stage: Stage, http: httpx.AsyncClient, name: str, plan: Plan) -> None:
        super().__init__(stage, http)
        self.name = name
        self.plan = plan
        self.subscription = ""
        self.customer = ""
        self.access_seen: list[str] = []
        self.event_name = f"{name}_calls"

    async def sign_up(self) -> None:
        """Until its first invoice is paid, access may be asked for, and is not granted."""
        session = await self.begin(self.plan.organization, self.plan.country, await self._items())
        self.subscription, self.customer = session["subscription"], session["customer"]
        due = self.amount(session["invoice"], "amount_due")
        await self._see_access()
        await self.pay(session, self.plan.pays)
        self.stage.tell(f"{self.name}: {self.plan.organization} signs up for {due} a month and its usage.")

    async def is_let_in(self) -> None:
        await self.until_paid(1)
        await self._see_access()
        self.stage.tell(f"{self.name}: the first invoice is paid, access was {' and is '.join(self.access_seen)}.")

    async def use(self, units: int, *, late: bool = False) -> None:
        """`late`: it was used in the period that is over."""
        at = await self._now() if not late else (await self._period())["current_period_start"] - 60
        await self._report_usage(units, at)

    async def _report_usage(self, units: int, at: int) -> None:
        """What the marketplace's server reports; here alone it goes straight to the meter at its Stripe."""
        event = {
            "event_name": self.event_name,
            "payload[stripe_customer_id]": self.customer,
            "payload[value]": str(units),
            "timestamp": str(at),
        }
        await self.stripe("POST", "/v1/billing/meter_events", event)

    async def until_period_end(self) -> timedelta:
        """How long it is until the period has just ended, for both marketplaces."""
        left = (await self._period())["current_period_end"] - await self._now()
        return timedelta(seconds=left + 120)

    async def drafts(self) -> int:
        return await self.count("?state=draft")

    async def charged(self) -> int:
        """The invoices for which a charge was made, whether or not its money has come yet."""
        return await self.count("?state=paid") + await self.count("?state=pending")

    async def leave(self) -> None:
        """It cancels at once: what was used since is billed by a final invoice."""
        await self.cancel(self.subscription, invoice_now=True)
        await self.until(self.charged, 3, "invoices charged")
        self.stage.tell(f"{self.name}: {self.plan.organization} has cancelled, and the final invoice is charged.")

    async def statement(self) -> Statement:
        await self.until_let_go(self.customer)
        await self._see_access()
        plan, first = self.plan, USED.in_time + USED.late
        return Statement(
            marketplace=self.name,
            organization=plan.organization,
            billed=[plan.base, plan.base + first * plan.unit, USED.last * plan.unit],
            access=self.access_seen,
            token_deleted=True,
            open_cases=await self.open_cases(),
            lines=await self.lines({self.subscription: plan.organization}),
        )

    async def _see_access(self) -> None:
        access = await self.access(self.subscription)
        ended = access["reason"] == "subscription_ended"
        self.access_seen.append("granted" if access["granted"] else "ended" if ended else "pending")

    async def _items(self) -> list[dict[str, Any]]:
        meter = await self.stripe(
            "POST",
            "/v1/billing/meters",
            {
                "display_name": "Calls",
                "event_name": self.event_name,
                "default_aggregation[formula]": "sum",
            },
        )
        monthly = {"currency": self.plan.currency, "recurring[interval]": "month"}
        base = {**monthly, "unit_amount": str(self.plan.base), "product_data[name]": "Membership"}
        metered = {"recurring[usage_type]": "metered", "recurring[meter]": meter["id"]}
        used = {**monthly, **metered, "unit_amount": str(self.plan.unit), "product_data[name]": "Calls"}
        made = [await self.stripe("POST", "/v1/prices", price) for price in (base, used)]
        return [{"price": price["id"]} for price in made]

    async def _period(self) -> dict[str, int]:
        shown = await self.stripe("GET", f"/v1/subscriptions/{self.subscription}")
        return dict(shown["items"]["data"][0])

    async def _now(self) -> int:
        return int((await self.ask("GET", f"{self.stage.stripe_url}/_sandbox/clock"))["now"])


def verdict(report: MarketReport) -> str:
    """In a sentence."""
    lines = [line for one in report.marketplaces for line in one.lines]
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, 0) + line.ledger
    taken = " and ".join(money(amount, currency) for currency, amount in sums.items())
    said = "Stripe = processor = ledger" if report.good else "THEY DO NOT AGREE"
    kept = "apart" if report.apart else "NOT APART"
    return f"{said}: {len(lines)} invoices, {taken}, the marketplaces kept {kept}; {report.elapsed_s} s."
