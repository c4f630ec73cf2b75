"""The trial run, in test mode: a subscription from its first invoice to its end, through everything that is set up.

A customer, a product, a price and a subscription are made at Stripe; the first invoice is finalized, credited in part
and paid (recorded by hand, as a bank transfer would be, so that no processor need be there); its events must come back
by the real webhook endpoint, and a worker must do its part. Then the subscription is cancelled, and all of it taken
away. What the ledger keeps of it stays, as everything in it does. Live accounts are refused before anything is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Literal

import msgspec

from db import sql
from db.ids import new_id
from gateway.accounts.accounts import Account
from gateway.accounts.audit import Author
from gateway.accounts.errors import AccountsError, FieldError, NotThereError
from gateway.billing import credit_notes, invoices, rehearsing, subscriptions
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeError, StripeRefusedError
from gateway.billing.rehearsing import Made
from gateway.cases import CaseClosedError, close_case
from gateway.clock import business_now
from gateway.doctor import rehearsal_rows
from gateway.doctor.patient import Patient, patient
from gateway.finance.errors import AlreadyRunningError, ByHandError
from gateway.finance.record_payment import Receipt, record_payment
from gateway.runtime import Runtime
from processors.money import to_text

WAIT_S: Final = 120.0
"""How long an event or a worker is waited for; Stripe delivers within seconds."""
POLL_S: Final = 0.1
CATCH_UP_S: Final = 60.0
"""What comes later may have been listed by catch-up, and need not have come by webhook."""
REASON: Final = "it is about a rehearsal, which is over"

CAME: Final = """
    select 1 from tollbridge.delivery
    where account = $1 and source = 'stripe' and kind in ($2, 'v1.' || $2) and object_id = $3 and received_at >= $4
"""
READ: Final = "select 1 from tollbridge.invoice where account = $1 and id = $2 and status = $3 and seen = poked"
PAID: Final = "select 1 from tollbridge.invoice where account = $1 and id = $2 and state = 'paid'"
HELD: Final = "select nullif(tollbridge.held_money($1, $2), 0)"
CASES: Final = (
    "select id from tollbridge.review_case where account = $1 and invoice = $2 and state = 'open' order by id"
)


class Step(msgspec.Struct, frozen=True):
    """One step, and what it came to."""

    name: str
    ok: bool
    what: str


class Rehearsal(msgspec.Struct, frozen=True):
    """The whole run; `ok`: every step went as it must."""

    account: str
    name: str
    run: str
    ok: bool
    steps: list[Step]
    object: Literal["rehearsal"] = "rehearsal"


class _FailedError(Exception):
    """A step did not come to its end; the message says what was missing."""


class _Run:
    """One rehearsal under way."""

    def __init__(self, known: Patient, by: Author, stripe: StripeClient, wait_s: float) -> None:
        self.known, self.by, self.stripe, self.wait_s = known, by, stripe, wait_s
        self.id = new_id("rhs")
        self.steps: list[Step] = []
        self.subscription = ""
        self.invoice = ""

    async def step(self, name: str, work: Callable[[], Awaitable[str]]) -> None:
        """Do it, and note what it came to; raises _FailedError, so that no other follows."""
        try:
            self.steps.append(Step(name, True, await work()))
        except (StripeError, AccountsError, ByHandError, _FailedError) as error:
            self.steps.append(Step(name, False, str(error)))
            raise _FailedError from None

    async def came(self, kind: str, object_id: str) -> str:
        """Wait for an event; how long it took."""
        took_s = await self.until(f"no event {kind} has come", CAME, kind, object_id, self.known.now)
        how = "by webhook" if took_s < CATCH_UP_S else "by webhook, or by catch-up"
        return f"{kind} came {how} after {took_s:.1f} s"

    async def until(self, missing: str, statement: str, *what: object) -> float:
        """Wait until a statement finds something; how long it took. Raises _FailedError."""
        began = time.monotonic()
        while await sql.value(statement, self.known.id, *what) is None:
            if time.monotonic() - began > self.wait_s:
                raise _FailedError(f"{missing} within {self.wait_s:g} s")
            await asyncio.sleep(POLL_S)
        return time.monotonic() - began


async def rehearse(runtime: Runtime, by: Author, account: str, *, wait_s: float = WAIT_S) -> Rehearsal:
    """Play it all. Raises NotThereError, FieldError for a live account, UnknownAccountError for a disabled one."""
    known = await patient(runtime, account)
    _refuse_live(known.account)
    run = _Run(known, by, await known.stripe(), wait_s)
    await rehearsal_rows.begin(run.id, known.id)
    try:
        with suppress(_FailedError):
            await run.step("leftovers", lambda: _take_away(run))
            await _play(run)
        with suppress(_FailedError):
            await run.step("cleanup", lambda: _clean(run))
    finally:
        await rehearsal_rows.end(run.id)
    fine = all(step.ok for step in run.steps)
    return Rehearsal(known.id, known.account.name, run.id, fine, run.steps)


def _refuse_live(account: Account) -> None:
    if account.livemode:
        detail = "is live: a rehearsal makes a customer, bills and credits it, which is for test mode alone"
        raise FieldError("account", detail)


async def _play(run: _Run) -> None:
    stripe, policy = run.stripe, run.known.account.policy
    made: list[str] = []

    async def plan() -> str:
        product = await rehearsing.make_product(stripe, run.id)
        await rehearsal_rows.note(run.id, Made(product=product))
        price = await rehearsing.make_price(stripe, run.id, product)
        await rehearsal_rows.note(run.id, Made(price=price))
        customer = await rehearsing.make_customer(stripe, run.id)
        await rehearsal_rows.note(run.id, Made(customer=customer))
        made[:] = [price, customer]
        return f"made the price {price} and the customer {customer}"

    async def subscribe() -> str:
        found = await rehearsing.subscribe(stripe, run.id, made[1], made[0], policy.days_until_due)
        if found.invoice is None:
            raise _FailedError("Stripe made no first invoice")
        run.invoice, run.subscription = found.invoice.shape.id, found.subscription.id
        return f"subscribed: {found.subscription.id}, whose first invoice is {run.invoice}"

    await run.step("plan", plan)
    await run.step("subscription", subscribe)
    await run.step("webhook", lambda: run.came("invoice.created", run.invoice))
    await run.step("finalize", lambda: _finalize(run))
    await run.step("worker", lambda: _worked(run))
    await run.step("credit_note", lambda: _credit(run))
    await run.step("payment", lambda: _pay(run))
    await run.step("paid", lambda: run.came("invoice.paid", run.invoice))
    await run.step("cancel", lambda: _cancel(run))


async def _finalize(run: _Run) -> str:
    """A worker may have been faster, where the policy is to finalize at once."""
    try:
        found = await invoices.finalize(run.stripe, run.invoice)
    except StripeRefusedError:
        found = await invoices.read(run.stripe, run.invoice)
    if found.shape.status != "open":
        raise _FailedError(f"the invoice is {found.shape.status}, and should be open")
    return f"the invoice is open, with {to_text(found.shape.amount_remaining, found.shape.currency)} to pay"


async def _worked(run: _Run) -> str:
    took_s = await run.until("no worker has read the open invoice (is one running?)", READ, run.invoice, "open")
    return f"a worker had read it after {took_s:.1f} s"


async def _pay(run: _Run) -> str:
    """Recorded by hand: Stripe must be told of it by a worker."""
    receipt = Receipt("rehearsal", run.id, await business_now(), "a rehearsal: no money has moved")
    began = time.monotonic()
    while True:
        try:
            await record_payment(run.by, run.known.id, run.invoice, receipt)
            break
        except AlreadyRunningError as error:
            if time.monotonic() - began > run.wait_s:
                raise _FailedError(str(error)) from None
            await asyncio.sleep(POLL_S)
    took_s = await run.until("the payment was not recorded at Stripe", PAID, run.invoice)
    return f"recorded at Stripe as paid out of band after {took_s:.1f} s"


async def _credit(run: _Run) -> str:
    """A part, while it is open: of what is paid a note would say that money went back, and none has moved here."""
    params = {
        "invoice": run.invoice,
        "amount": rehearsing.CREDITED,
        "email_type": "none",
        "metadata": {rehearsing.RUN_KEY: run.id},
    }
    note = await credit_notes.create(run.stripe, params, f"{run.id}-credit-note")
    return await run.came("credit_note.created", note.id)


async def _cancel(run: _Run) -> str:
    await subscriptions.cancel(run.stripe, run.subscription)
    return await run.came("customer.subscription.deleted", run.subscription)


async def _take_away(run: _Run) -> str:
    """Of runs that are over. Each is forgotten when nothing of it is left, by whoever was first."""
    gone = 0
    for one in await rehearsal_rows.over(run.known.id):
        gone += await _remove(run.stripe, one)
    return f"{gone} objects of earlier rehearsals were taken away" if gone else "nothing is left of earlier rehearsals"


async def _remove(stripe: StripeClient, run: str) -> int:
    gone = await rehearsing.take_away(stripe, run, await rehearsal_rows.made(run))
    await rehearsal_rows.forget(run)
    return gone


async def _clean(run: _Run) -> str:
    """What was not paid is voided first: of a customer who is deleted it would be a human's to close.

    What was paid here, and not at Stripe yet, is left until a worker has told it: the next rehearsal takes it away.
    """
    if run.invoice and await sql.value(HELD, run.known.id, run.invoice):
        await subscriptions.cancel(run.stripe, run.subscription)
        return f"the payment of {run.invoice} is not recorded at Stripe yet; the next rehearsal takes it all away"
    if run.invoice and (await invoices.read(run.stripe, run.invoice)).shape.status == "open":
        await invoices.void(run.stripe, run.invoice)
    gone = await _remove(run.stripe, run.id)
    closed = 0
    for row in await sql.rows(CASES, run.known.id, run.invoice) if run.invoice else []:
        try:
            await close_case(run.by, run.known.id, row["id"], REASON)
            closed += 1
        except (CaseClosedError, NotThereError):
            continue
    cases = f", and {closed} cases about it are closed" if closed else ""
    return f"{gone} objects were deleted or archived at Stripe{cases}"
