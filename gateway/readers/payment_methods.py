"""Payment methods: what is stored, masked, in the order in which it is charged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import MethodStatus
from gateway.accounts.errors import NotThereError
from gateway.accounts.known import refuse_unknown
from gateway.domain.method_words import named
from gateway.readers.about import about
from gateway.readers.pages import Page, listed, page, unix
from processors.values import Card

METHODS: Final = f"""
    select t.id, t.customer, t.card, t.status, t.stopped_reason, t.created_at, t.revoke_asked_at,
        c.name as connection_name, c.adapter,
        case when t.status <> 'revoked' then (
            select count(*) from tollbridge.payment_method p
            where p.account = t.account and p.customer = t.customer and p.status <> 'revoked'
              and (p.position, p.created_at, p.id) <= (t.position, t.created_at, t.id)) end as place,
        t.id = (select p.id from tollbridge.payment_method p join tollbridge.connection n on n.id = p.connection
                where p.account = t.account and p.customer = t.customer and p.status = 'active' and n.enabled
                order by p.position, p.created_at limit 1) as first,
        exists (select 1 from tollbridge.attempt a where a.account = t.account and a.payment_method = t.id
                and a.state in {sql.UNRESOLVED_STATES}) as in_use,
        array(select s.id from tollbridge.subscription s where s.account = t.account and s.payment_method = t.id
              order by s.id) as subscriptions
    from tollbridge.payment_method t join tollbridge.connection c on c.id = t.connection
"""  # noqa: S608 (a constant of ours)
CARDS: Final = "select id, card from tollbridge.payment_method where account = $1 and id = any($2)"


class PaymentMethodBody(msgspec.Struct, frozen=True):
    """A stored method: enough to recognise it, never enough to use it. The first is charged first."""

    id: str
    customer: str
    connection: str
    processor: str
    card: Card
    status: Annotated[
        MethodStatus,
        about(
            "active; stopped: kept and not charged until the payer gives it again; revoked: erased here, and deleted "
            "at the processor as soon as nobody who collects through the same account there needs it."
        ),
    ]
    first: Annotated[bool, about("Whether it is what is charged next.")]
    position: Annotated[int | None, about("Its place in the order, 1 being the first; null where it is revoked.")]
    stopped_reason: Annotated[
        str | None,
        about(
            "The class of the decline that stopped it; `suspended` or `expired` where its processor said so, until it "
            "says otherwise; `revocation` where it is about to be revoked."
        ),
    ]
    revocation: Annotated[
        Literal["requested", "deferred"] | None,
        about("Its deletion at the processor was asked for; deferred: the end of a charge to it is awaited first."),
    ]
    subscriptions: Annotated[
        list[str], about("What it is for alone; none: for all of the customer's that have no other.")
    ]
    created: int
    object: Literal["payment_method"] = "payment_method"


async def find_methods(account: str, customer: str, *, limit: int, starting_after: str) -> Page[PaymentMethodBody]:
    """A page of a customer's payment methods; raises NotThereError, FieldError."""
    await refuse_unknown(account, customer)
    where = {"customer": customer}
    return listed(
        *await page(account, METHODS, "created_at", where, limit=limit, starting_after=starting_after), _method
    )


async def find_method(account: str, customer: str, method: str) -> PaymentMethodBody:
    """One of them; raises NotThereError."""
    row = await sql.row(f"{METHODS} where t.account = $1 and t.customer = $2 and t.id = $3", account, customer, method)
    if row is None:
        raise NotThereError("payment method", method)
    return _method(row)


async def names_of(account: str, methods: Iterable[str]) -> Mapping[str, str]:
    """What payers know these by, masked, by their ids."""
    wanted = sorted(set(methods))
    rows = await sql.rows(CARDS, account, wanted) if wanted else []
    return {row["id"]: named(msgspec.json.decode(row["card"], type=Card)) for row in rows}


def _method(row: asyncpg.Record) -> PaymentMethodBody:
    leaving = row["revoke_asked_at"] is not None and row["status"] != MethodStatus.REVOKED
    return PaymentMethodBody(
        id=row["id"],
        customer=row["customer"],
        connection=row["connection_name"],
        processor=row["adapter"],
        card=msgspec.json.decode(row["card"], type=Card),
        status=MethodStatus(row["status"]),
        first=bool(row["first"]),
        position=row["place"],
        stopped_reason=row["stopped_reason"] or None,
        revocation=("deferred" if row["in_use"] else "requested") if leaving else None,
        subscriptions=row["subscriptions"],
        created=unix(row["created_at"]),
    )
