"""Where a customer is taxed, told to Stripe: an address, the payer's IP address, or what the processor keeps of the
payer. It moves no money; drafts that waited for it are finalized in their own turns.

Stripe looks at once whether it knows the place, and refuses it otherwise (docs: tax/customer-locations). Nothing of it
is kept here: the audit log says who told it, and not what.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError
from gateway.accounts.known import refuse_unknown
from gateway.billing import subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.clock import business_now
from gateway.collect.references import MethodErasedError, method_reference
from gateway.collect.unsettled import unsettled
from gateway.customers.errors import SessionError
from gateway.customers.locations import Address, location_params
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from processors.address import PayerAddress

FIRST: Final = """
    select p.id, p.connection, c.name from tollbridge.payment_method p
    join tollbridge.connection c on c.id = p.connection
    where p.account = $1 and p.customer = $2 and p.status = 'active' order by p.position, p.created_at limit 1
"""
FROM: Final = "from"


class Location(msgspec.Struct, frozen=True):
    """What is told: an address, an IP address or both; else the customer's processor is asked."""

    address: Address | None = None
    ip_address: str = ""
    from_processor: bool = False

    @property
    def param(self) -> str:
        """The name under which it was given."""
        return FROM if self.from_processor else "address" if self.address is not None else "ip_address"


class Told(msgspec.Struct, frozen=True):
    """What came of it. `connection` is the one whose processor was asked; `automatic_tax` is Stripe's word."""

    source: str
    connection: str
    automatic_tax: str


async def tell_location(runtime: Runtime, by: Author, account: str, customer: str, wanted: Location) -> Told:
    """Tell Stripe where a customer is taxed. Once more changes nothing.

    Raises NotThereError, FieldError, SessionError with Stripe's refusal, CallError, StripeError.
    """
    await refuse_unknown(account, customer)
    _check(wanted)
    connection, address = "", wanted.address
    if wanted.from_processor:
        connection, address = await _ask_processor(runtime, account, customer)
    params = location_params(address, wanted.ip_address, taxed=True)
    try:
        shape = await subscriptions.update_tax_location(await runtime.stripe(account), customer, params)
    except StripeRefusedError as error:
        raise SessionError("stripe_refused", str(error), wanted.param) from error
    now = await business_now()
    async with DB.transaction():
        source = "processor" if wanted.from_processor else wanted.param
        after = {"source": source} | ({"connection": connection} if connection else {})
        await by.note(account, "customer.tax_location", customer, name=customer, after=after)
        # Stripe tells of it too, perhaps later: what waited for it looks now.
        await poke.poke(Kind.INVOICE, account, await unsettled(account, "customer", [customer]), now)
    return Told(source, connection, shape.tax.automatic_tax if shape.tax else "")


def _check(wanted: Location) -> None:
    if wanted.from_processor:
        if wanted.address is not None or wanted.ip_address:
            raise FieldError(FROM, "goes without an address")
        return
    if wanted.address is None and not wanted.ip_address:
        raise FieldError("address", "is required, or `ip_address`, or `from`")
    if wanted.address is not None and not wanted.address.country:
        raise FieldError("address.country", "is required")


async def _ask_processor(runtime: Runtime, account: str, customer: str) -> tuple[str, Address]:
    """The connection of the method that is charged first, and what its processor keeps of the payer."""
    row = await sql.row(FIRST, account, customer)
    if row is None:
        raise FieldError(FROM, "the customer has no payment method that could be asked about")
    found = await _kept(runtime, account, row)
    if found is None:
        raise FieldError(FROM, f"{row['name']} has no address of the payer's with the first payment method")
    return row["name"], msgspec.convert(msgspec.to_builtins(found), Address)


async def _kept(runtime: Runtime, account: str, row: asyncpg.Record) -> PayerAddress | None:
    adapter = await runtime.connections.adapter(account, row["connection"])
    if not adapter.capabilities.payer_address:
        return None
    try:
        reference: Any = await method_reference(runtime, account, row["id"])
    except MethodErasedError:
        return None
    return await within(adapter.payer_address(reference), total_timeout_s(runtime, adapter))
