"""The retry plan of an invoice, as people read it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from db import sql
from db.states import UnknownStateError
from gateway.clock import business_now
from gateway.collect.view import view_of
from gateway.domain.decide import not_ours
from gateway.domain.policy import EndStep
from gateway.domain.recovery import plan_to_show
from gateway.readers.pages import unix

NAMES: Final = "select id, name from tollbridge.connection where account = $1"


class TryBody(msgspec.Struct, frozen=True):
    """A try to come, if those before it are declined. `last`: no other follows. `shifted`: why it is not made when
    the ladder has it (a day or an hour that the policy avoids, its distance from the try before, the card scheme's
    limit); empty where it is."""

    at: int
    payment_method: str
    connection: str
    reason: str
    last: bool
    shifted: str


class PlanBody(msgspec.Struct, frozen=True):
    """What recovery has in mind: its tries, and what the account's policy does at `ends_at` if none succeeds.

    `reason` says why there is no try, where there is none.
    """

    tries: list[TryBody]
    reason: str
    ends_at: int | None
    at_end: list[EndStep]
    object: Literal["plan"] = "plan"


async def plan_of(account: str, invoice: str) -> PlanBody | None:
    """The plan of an invoice, which must exist; None while nothing is to be collected of it.

    None also where a newer version of us has written a state that this one does not know: that one plans it.
    """
    try:
        view, now = await view_of(account, invoice), await business_now()
    except UnknownStateError:
        return None
    found = plan_to_show(view, now)
    if found is None or view.invoice is None or not_ours(view):
        return None
    names = {row["id"]: row["name"] for row in await sql.rows(NAMES, account)}
    tries = [
        TryBody(unix(t.at), t.method.id, names[t.method.connection], t.reason, t.last, t.shifted) for t in found.tries
    ]
    at_end = list(view.policy.end_of(view.invoice.billing_reason))
    return PlanBody(tries, found.why_none, unix(found.ends_at), at_end)
