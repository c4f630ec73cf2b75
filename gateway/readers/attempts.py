"""Attempts: every try to take money, whatever came of it."""

from __future__ import annotations

from typing import Final, Literal

import asyncpg
import msgspec

from db.states import AttemptState
from gateway.readers.pages import unix

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
    """One try. `reference` is what the processor knows it by; `surplus`: taken, and owed back to the payer, for
    `surplus_reason`; `settled`: since when the processor calls its money so."""

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
    surplus_reason: str
    decline: DeclineBody | None
    message: str
    next_lookup: int | None
    created: int
    resolved: int | None
    settled: int | None
    object: Literal["attempt"] = "attempt"


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
        surplus_reason=row["surplus_reason"] if row["surplus"] else "",
        decline=decline,
        message=row["message"],
        next_lookup=unix(row["resolve_at"]),
        created=unix(row["created_at"]),
        resolved=unix(row["resolved_at"]),
        settled=unix(row["settled_at"]),
    )
