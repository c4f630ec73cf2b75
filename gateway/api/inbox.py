"""/v1/inbox: the webhooks that were accepted from Stripe and processors, how each ended, and doing one again."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db import sql
from db.engine import DB
from db.states import DeliveryState
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, problems
from gateway.api.paging import DEFAULT, After, Limit, Page, listed, page, unix
from gateway.api.problems import Code
from gateway.clock import business_now
from gateway.inbox import deliveries

Callers: Final = requires(Scope.ADMIN)
SELECT: Final = """
    select t.id, t.source, t.kind, t.object_id, t.state, t.reason, t.tries, t.try_at, t.received_at, t.finished_at,
        coalesce(c.name, t.source) as source_name
    from tollbridge.delivery t left join tollbridge.connection c on c.id = t.source and c.account = t.account
"""


class DeliveryBody(msgspec.Struct, frozen=True):
    """One accepted webhook, without its body: `source` is stripe or a connection's name."""

    id: str
    source: str
    kind: str
    object_id: str | None
    state: DeliveryState
    reason: str
    tries: int
    next_try: int | None
    created: int
    finished: int | None
    object: Literal["delivery"] = "delivery"


DeliveryId = Annotated[str, PathParameter(description="The delivery's id: dlv_…")]
About = Annotated[str, QueryParameter(description="Only about the object of this id.")]
OfKind = Annotated[str, QueryParameter(description="Only of this type, as its sender names it.")]
State = Annotated[DeliveryState | None, QueryParameter(name="state", description="Only deliveries in this state.")]


@get("/inbox", guards=[Callers], responses=problems())
async def list_deliveries(
    principal: NamedDependency[Principal],
    in_state: State = None,
    object_id: About = "",
    kind: OfKind = "",
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[DeliveryBody]:
    """The deliveries that the account has accepted."""
    return await find_deliveries(
        principal.account, in_state, object_id=object_id, kind=kind, limit=limit, starting_after=starting_after
    )


@get("/inbox/{delivery_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_delivery(principal: NamedDependency[Principal], delivery_id: DeliveryId) -> DeliveryBody:
    """One delivery."""
    return await find_delivery(principal.account, delivery_id)


@post("/inbox/{delivery_id:str}/replay", status_code=200, guards=[Callers], **changing(Code.NOT_FOUND))
async def replay_delivery(principal: NamedDependency[Principal], delivery_id: DeliveryId) -> DeliveryBody:
    """Route a delivery again. Harmless at any time: it only makes us look at what is true now."""
    await replay(Author(principal.actor), principal.account, delivery_id)
    return await find_delivery(principal.account, delivery_id)


async def replay(by: Author, account: str, delivery: str) -> None:
    """Route a delivery again, with a row in the audit log; raises NotThereError."""
    async with DB.transaction():
        if not await deliveries.replay(account, delivery, by=by.name, now=await business_now()):
            raise NotThereError("delivery", delivery)
        await by.note(account, "delivery.replayed", delivery)


async def find_deliveries(
    account: str,
    state: DeliveryState | None = None,
    *,
    object_id: str = "",
    kind: str = "",
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[DeliveryBody]:
    """A page of an account's deliveries."""
    where = {"state": state, "object_id": object_id, "kind": kind}
    return listed(*await page(account, SELECT, "received_at", where, limit=limit, starting_after=starting_after), shown)


async def find_delivery(account: str, delivery: str) -> DeliveryBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, delivery)
    if row is None:
        raise NotThereError("delivery", delivery)
    return shown(row)


def shown(row: asyncpg.Record) -> DeliveryBody:
    """A delivery's row as it stands in JSON."""
    return DeliveryBody(
        id=row["id"],
        source=row["source_name"],
        kind=row["kind"],
        object_id=row["object_id"] or None,
        state=DeliveryState(row["state"]),
        reason=row["reason"],
        tries=row["tries"],
        next_try=unix(row["try_at"]),
        created=unix(row["received_at"]),
        finished=unix(row["finished_at"]),
    )


inbox_routes: Final[list[Any]] = [list_deliveries, show_delivery, replay_delivery]
