"""/v1/attempts: every try to take money, whatever came of it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db import sql
from db.states import AttemptState
from gateway.accounts.errors import NotThereError
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import problems
from gateway.api.paging import DEFAULT, After, Limit, Page, listed, page, unix
from gateway.api.problems import Code

Callers: Final = requires(Scope.SERVER, Scope.FINANCE)

SELECT: Final = """
    select t.*, c.name as connection_name, c.adapter
    from tollbridge.attempt t join tollbridge.connection c on c.id = t.connection
"""


class DeclineBody(msgspec.Struct, frozen=True):
    """Why the payer's side refused: in our words, the processor's and the network's."""

    decline_class: str
    advice: str
    processor_code: str
    network_code: str
    network_advice: str


class AttemptBody(msgspec.Struct, frozen=True):
    """One try. `reference` is what the processor knows it by; `surplus`: taken, and owed back to the payer."""

    id: str
    invoice: str
    number: int
    connection: str
    processor: str
    payment_method: str
    amount: int
    currency: str
    state: AttemptState
    reason: str
    reference: str
    processor_id: str | None
    amount_captured: int
    surplus: bool
    decline: DeclineBody | None
    message: str
    next_lookup: int | None
    created: int
    resolved: int | None
    object: Literal["attempt"] = "attempt"


AttemptId = Annotated[str, PathParameter(description="The attempt's id: att_…")]
OfInvoice = Annotated[str, QueryParameter(description="Only of this invoice.")]
State = Annotated[AttemptState | None, QueryParameter(name="state", description="Only attempts in this state.")]


@get("/attempts", guards=[Callers], responses=problems())
async def list_attempts(
    principal: NamedDependency[Principal],
    invoice: OfInvoice = "",
    in_state: State = None,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[AttemptBody]:
    """The attempts of the account, of one invoice, or in one state."""
    where = {"invoice": invoice, "state": in_state}
    return listed(
        *await page(principal.account, SELECT, "created_at", where, limit=limit, starting_after=starting_after), shown
    )


@get("/attempts/{attempt_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_attempt(principal: NamedDependency[Principal], attempt_id: AttemptId) -> AttemptBody:
    """One attempt."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", principal.account, attempt_id)
    if row is None:
        raise NotThereError("attempt", attempt_id)
    return shown(row)


def shown(row: asyncpg.Record) -> AttemptBody:
    """An attempt's row as it stands in JSON; `request` and `action_url` stay here."""
    decline = None
    if row["decline_class"]:
        names = ("decline_class", "advice", "processor_code", "network_code", "network_advice")
        decline = DeclineBody(*(row[name] for name in names))
    return AttemptBody(
        id=row["id"],
        invoice=row["invoice"],
        number=row["number"],
        connection=row["connection_name"],
        processor=row["adapter"],
        payment_method=row["payment_method"],
        amount=row["amount"],
        currency=row["currency"],
        state=AttemptState(row["state"]),
        reason=row["reason"],
        reference=row["reference"],
        processor_id=row["processor_id"],
        amount_captured=row["amount_captured"],
        surplus=row["surplus"],
        decline=decline,
        message=row["message"],
        next_lookup=unix(row["resolve_at"]),
        created=unix(row["created_at"]),
        resolved=unix(row["resolved_at"]),
    )


attempt_routes: Final[list[Any]] = [list_attempts, show_attempt]
