"""One customer is adopted: asked about at Stripe, its tokens at their processors, then stored, in two transactions.

The first makes its subscriptions known and leaves its invoices alone that are not ours to collect; the second stores a
token and has everything else looked at. So nothing can be charged before what is left alone is known, and a crash
between them is mended by the same row again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

import msgspec

from db import poke, sql
from db.engine import DB
from db.errors import DATABASE_AWAY, DatabaseError
from db.poke import Kind
from gateway.accounts.errors import FieldError
from gateway.billing.errors import StripeForbiddenError
from gateway.billing.pace import Lane, in_lane
from gateway.billing.shapes import InvoiceShape, SubscriptionShape
from gateway.clock import business_now
from gateway.collect.mirror import store_subscription
from gateway.connections import UnknownAdapterError
from gateway.customers import taking_over
from gateway.customers.taking_over import Examined
from gateway.finance.pause import leave_alone
from gateway.imports import at_stripe, judging, switching
from gateway.imports.asked import Import
from gateway.imports.at_stripe import Standing
from gateway.imports.patience import patiently
from gateway.imports.rows import Result, Row, Status, result
from gateway.moment import moment
from gateway.runtime import UnknownAccountError
from processors.errors import ConfigurationError, RefusedError
from processors.values import MethodState

IMPORTED: Final = "imported"
"""The reason of a pause that an import makes."""
FATAL: Final = (StripeForbiddenError, UnknownAccountError, DatabaseError, *DATABASE_AWAY)
"""What is wrong with every row alike."""
STORED: Final = """
    select id, customer, status, stopped_reason from tollbridge.payment_method
    where connection = $1 and token_hash = $2 and status <> 'revoked'
"""
# Whose invoices are ours to collect already.
HAS_METHOD: Final = """
    select exists (select 1 from tollbridge.payment_method where account = $1 and customer = $2 and status <> 'revoked')
"""
UNHEARD_OF: Final = """
    select i as id from unnest($2::text[]) as i
    where not exists (select 1 from tollbridge.subscription s where s.account = $1 and s.id = i)
"""
WAITING: Final = """
    select i.id from tollbridge.invoice i
    join tollbridge.collection_pause p on p.account = i.account and p.object = i.id
    where i.account = $1 and i.customer = $2 and p.reason = $3 and (p.until_at is null or p.until_at > $4)
        and i.status in ('draft', 'open')
    order by i.id
"""
INVOICES: Final = """
    select i as id, p.object is not null and (p.until_at is null or p.until_at > $3) as held,
        p.object is not null
        or exists (select 1 from tollbridge.attempt a where a.account = $1 and a.invoice = i) as ours
    from unnest($2::text[]) as i left join tollbridge.collection_pause p on p.account = $1 and p.object = i
"""


class Invoices(msgspec.Struct, frozen=True):
    """What becomes of a customer's unpaid invoices."""

    left_alone: list[str]
    collect: list[InvoiceShape]


async def adopt(asked: Import, rows: Sequence[Row]) -> list[Result]:
    """What becomes of the rows of one customer. Raises only what is wrong with every row alike."""
    found: dict[int, Result] = {}
    try:
        with moment(), in_lane(Lane.MIRROR):
            await _adopt(asked, sorted(rows, key=lambda row: (row.place or len(rows), row.line)), found)
    except FATAL:
        raise
    except Exception as error:
        for row in rows:
            found.setdefault(row.line, result(row, Status.FAILED, _told(error)))
    return [found[row.line] for row in rows]


async def _adopt(asked: Import, rows: Sequence[Row], found: dict[int, Result]) -> None:
    """`rows` in the order in which they are to be charged. Raises what can't be asked now."""
    for row in rows:
        if (known := await _known(asked, row)) is not None:
            found[row.line] = known
    wanted = [row for row in rows if row.line not in found]
    if not wanted:
        await _show_what_waits(asked, rows, found)
        await switching.have_switched(asked, rows, found)
        return
    stripe, customer, asked_at = await asked.runtime.stripe(asked.account), wanted[0].customer, await business_now()
    standing = await at_stripe.look(stripe, customer, switch=asked.switch)
    good: list[tuple[Row, Examined]] = []
    for row in wanted:
        examined = await _examined(asked, row, standing)
        if isinstance(examined, Result):
            found[row.line] = examined
        else:
            good.append((row, examined))
    if standing is None or not good:
        return
    invoices = await _invoices(asked, customer, standing)
    if asked.apply:
        await _make_known(asked, standing, invoices, asked_at)
    first = good[0][0]
    for row, examined in good:
        place = row.place or rows.index(row) + 1
        one = await _store(asked, row, examined, place, standing) if asked.apply else result(row, Status.STORE)
        found[row.line] = _with_customer(asked, one, standing, invoices, rows) if row is first else one
    await switching.have_switched(asked, rows, found)


async def _show_what_waits(asked: Import, rows: Sequence[Row], found: dict[int, Result]) -> None:
    """Of a customer who is stored: the invoices that an import has left alone, and that nobody has resumed yet."""
    if stored := [row for row in rows if found[row.line].status is Status.UNCHANGED]:
        first = stored[0]
        waiting = await sql.rows(WAITING, asked.account, first.customer, IMPORTED, await business_now())
        left_alone = [row["id"] for row in waiting]
        found[first.line] = msgspec.structs.replace(found[first.line], left_alone=left_alone)


async def _known(asked: Import, row: Row) -> Result | None:
    """What our own rows say: nothing is asked about what is stored."""
    if reason := judging.against_connection(row, asked.connections):
        # Its name is none of a connection's, and may be anything.
        return Result(row.line, Status.REFUSED, reason, row.customer)
    connection = asked.connections[row.connection].id
    token_hash = asked.runtime.keyring.token_hash(connection, row.reference.token.reveal())
    stored = await sql.row(STORED, connection, token_hash)
    if stored is None:
        return None
    if stored["customer"] != row.customer:
        return result(row, Status.REFUSED, "token: this token belongs to another customer")
    return result(row, Status.UNCHANGED, stored["stopped_reason"], stored["id"])


async def _examined(asked: Import, row: Row, standing: Standing | None) -> Examined | Result:
    """Its token as the processor sees it, or why it is not stored. Raises what can't be asked now at Stripe."""
    if standing is None:
        reason = "Stripe knows no such customer with this account's key, or it was deleted"
        return result(row, Status.REFUSED, reason)
    living = standing.subscriptions
    if row.subscription:
        living = [one for one in living if one.id == row.subscription]
        if not living:
            stripe = await asked.runtime.stripe(asked.account)
            reason = await at_stripe.why_not_there(stripe, row.customer, row.subscription)
            return result(row, Status.REFUSED, reason)
    if reason := judging.against_subscriptions(living, asked.connections[row.connection], switch=asked.switch):
        return result(row, Status.REFUSED, reason)
    return await _at_processor(asked, row)


async def _at_processor(asked: Import, row: Row) -> Examined | Result:
    question = partial(taking_over.examine, asked.runtime, asked.account, row.connection, row.reference)
    try:
        examined = await patiently(question)
    except FATAL:
        raise
    except FieldError as error:
        return result(row, Status.REFUSED, str(error))
    except RefusedError as error:
        # Its words are the processor's, and may hold what it was asked for.
        return result(row, Status.REFUSED, f"the processor refused the question: {error.status} {error.code}".strip())
    except (ConfigurationError, UnknownAdapterError):
        return result(row, Status.REFUSED, "the connection does not work as it is set up")
    except Exception as error:
        return result(row, Status.FAILED, _told(error))
    if examined.state is MethodState.UNKNOWN and not asked.accept_unverified:
        hint = "" if row.reference.processor_customer else "; some need processor_customer for that"
        reason = f"the processor can't say whether this token is good{hint}. --accept-unverified stores it all the same"
        return result(row, Status.REFUSED, reason)
    return examined


async def _invoices(asked: Import, customer: str, standing: Standing) -> Invoices:
    """What becomes of the unpaid ones. Who has a payment method here is collected here already, and so is what was
    tried here, or resumed."""
    now, unpaid = await business_now(), standing.unpaid
    ids = [one.id for one in unpaid]
    rows = await sql.rows(INVOICES, asked.account, ids, now)
    held = {row["id"] for row in rows if row["held"]}
    ours = {row["id"] for row in rows if row["ours"]}
    if await sql.value(HAS_METHOD, asked.account, customer):
        ours = set(ids)
    alone = judging.left_alone(unpaid, asked.collect_from, held=held, ours=ours)
    return Invoices(alone, [one for one in unpaid if one.status == "open" and one.id not in alone])


async def _make_known(asked: Import, standing: Standing, invoices: Invoices, asked_at: datetime) -> None:
    """Its subscriptions have rows, and what is left alone is, before anything can be charged."""
    account, now = asked.account, await business_now()
    ours = {one.id: one for one in _adopted(asked, standing)}
    async with DB.transaction():
        unheard_of = [row["id"] for row in await sql.rows(UNHEARD_OF, account, sorted(ours))]
        await poke.poke(Kind.SUBSCRIPTION, account, unheard_of, now, stale=True)
        await leave_alone(asked.by, account, invoices.left_alone, IMPORTED, now)
    for id in unheard_of:
        # The poke that made it is its first; with another one it stays stale, and is read again.
        await store_subscription(account, ours[id], 1, asked_at)


async def _store(asked: Import, row: Row, examined: Examined, place: int, standing: Standing) -> Result:
    shown = {one.id for one in standing.unpaid} | set(standing.landmarks)
    owner = (asked.runtime, asked.by, asked.account, row.customer)
    try:
        method = await patiently(
            partial(taking_over.store, *owner, examined, row.card, place=place, invoices=sorted(shown))
        )
    except FATAL:
        raise
    except FieldError as error:
        return result(row, Status.REFUSED, str(error))
    except Exception as error:
        return result(row, Status.FAILED, _told(error))
    return result(row, Status.STORED, payment_method=method)


def _adopted(asked: Import, standing: Standing) -> list[SubscriptionShape]:
    return [one for one in standing.subscriptions if asked.switch or one.collection_method == "send_invoice"]


def _with_customer(asked: Import, one: Result, standing: Standing, invoices: Invoices, rows: Sequence[Row]) -> Result:
    """With what it means for the customer."""
    amounts: dict[str, int] = {}
    for invoice in invoices.collect:
        amounts[invoice.currency] = amounts.get(invoice.currency, 0) + invoice.amount_remaining
    return msgspec.structs.replace(
        one,
        subscriptions=[subscription.id for subscription in _adopted(asked, standing)],
        switched=[
            subscription.id
            for subscription in _adopted(asked, standing)
            if subscription.collection_method != "send_invoice" and switching.is_meant(rows, subscription.id)
        ],
        collect=[invoice.id for invoice in invoices.collect],
        left_alone=invoices.left_alone,
        amounts=amounts,
    )


def _told(error: Exception) -> str:
    """Its kind alone: its words may be anybody's."""
    return f"could not be asked about now ({type(error).__name__}); run the same again"
