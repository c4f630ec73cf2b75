"""The rows beside an invoice as `decide` sees them: tries, methods, refunds, credit notes, remainders, recordings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec

from db.states import (
    AttemptState,
    CarryState,
    CreditNoteOrigin,
    CreditNoteState,
    HandOverState,
    MethodStatus,
    MovementKind,
    RecordingState,
    RecordingTarget,
    RefundOrigin,
    RefundState,
    RemainderState,
    known,
)
from gateway.connections import capabilities_of
from gateway.domain.view import (
    AttemptView,
    CarryRow,
    HandOverView,
    LentView,
    MethodView,
    NoteRow,
    RecordingView,
    RefundRow,
    RemainderRow,
    ReturnView,
)
from processors.outcome import Advice, DeclineClass
from processors.values import Card


class Connection(msgspec.Struct, frozen=True):
    """What of a connection matters to whoever charges through it."""

    adapter: str
    record_on: str
    usable: bool
    locked: bool
    failing: bool = False
    usable_from: datetime | None = None


class Standing(msgspec.Struct, frozen=True):
    """What the card behind a method has seen, under all of its tokens."""

    tries: tuple[datetime, ...] | None = None
    blocked: str | None = None


class Surplus(msgspec.Struct, frozen=True):
    """Of a capture that no invoice takes: what can be returned, what is here, and what disputes have taken."""

    returnable: int = 0
    kept: int = 0
    disputed: int = 0


def surpluses(row: asyncpg.Record) -> dict[str, Surplus]:
    """The captures of an invoice that it does not take, by their attempts."""
    return msgspec.json.decode(row["surpluses"] or "{}", type=dict[str, Surplus])


def connections(row: asyncpg.Record) -> dict[str, Connection]:
    """The account's connections, by their ids."""
    return msgspec.json.decode(row["connections"] or "{}", type=dict[str, Connection])


def standings(row: asyncpg.Record) -> dict[str, Standing]:
    """What the customer's methods have seen, by their ids."""
    return msgspec.json.decode(row["standings"] or "{}", type=dict[str, Standing])


def attempt(row: asyncpg.Record, connection: Connection, surpluses: Mapping[str, Surplus]) -> AttemptView:
    """One try, with what its processor promises."""
    capabilities, ended = capabilities_of(connection.adapter), row["resolved_at"]
    told_late = connection.record_on == "settled"
    surplus = surpluses.get(row["id"], Surplus())
    return AttemptView(
        id=row["id"],
        number=row["number"],
        connection=row["connection"],
        method=row["payment_method"],
        amount=row["amount"],
        captured=row["amount_captured"],
        state=known(AttemptState, row["state"]),
        sent_at=row["sent_at"],
        capabilities=capabilities,
        surplus=row["surplus"],
        decline_class=DeclineClass(row["decline_class"]) if row["decline_class"] else None,
        advice=Advice(row["advice"]) if row["advice"] else None,
        resolved_at=row["resolved_at"],
        resolve_at=row["resolve_at"],
        retry_after=row["retry_after"],
        lookups=row["lookups"],
        findable=bool(row["processor_id"]),
        withdrawn=row["withdrawn"],
        by_hand=row["reason"] == "operator",
        resent_at=row["resent_at"],
        looked_at=row["looked_at"],
        returnable=surplus.returnable,
        kept=surplus.kept,
        disputed=surplus.disputed,
        settles_at=(row["settled_at"] or ended + capabilities.settlement) if told_late and ended else None,
    )


def returned(row: asyncpg.Record) -> ReturnView:
    """One movement of money that went back."""
    return ReturnView(row["id"], known(MovementKind, row["kind"]), row["amount"], row["created_at"])


def method(
    row: asyncpg.Record, connection: Connection, standing: Standing, currency: str, own: str | None
) -> MethodView:
    """A payment method of the customer's; `own` is that of the invoice's subscription."""
    amounts, card = capabilities_of(connection.adapter).amounts, msgspec.json.decode(row["card"], type=Card)
    agreed = card.charge_limit
    return MethodView(
        id=row["id"],
        connection=row["connection"],
        status=known(MethodStatus, row["status"]),
        position=row["position"],
        created_at=row["created_at"],
        usable=connection.usable and not standing.blocked,
        minimum=amounts.minimum.get(currency),
        maximum=amounts.maximum.get(currency),
        # Who has agreed to amounts of one currency has agreed to none of another.
        agreed_maximum=None if agreed is None else agreed.amount if agreed.currency == currency else 0,
        brand=card.brand.lower(),
        recent_tries=standing.tries or (),
        blocked=standing.blocked or "",
        locked=connection.locked,
        usable_from=connection.usable_from,
        own=row["id"] == own,
        retiring=row["retiring"],
    )


def hand_over(row: asyncpg.Record) -> HandOverView:
    """That Stripe is to pay it."""
    return HandOverView(row["id"], known(HandOverState, row["state"]), row["message"])


def refund(row: asyncpg.Record, attempts: Sequence[asyncpg.Record], fallen: Collection[str] = ()) -> RefundRow:
    """A refund of the invoice's money."""
    surplus = {attempt["id"] for attempt in attempts if attempt["surplus"]}
    return RefundRow(
        id=row["id"],
        origin=known(RefundOrigin, row["origin"]),
        state=known(RefundState, row["state"]),
        amount=row["amount"],
        created_at=row["created_at"],
        attempt=row["attempt"] or "",
        wants_note=row["wants_note"],
        linked=row["credit_note"] is not None,
        of_surplus=row["attempt"] in surplus,
        asked=bool(row["failure"]),
        fallen=row["id"] in fallen,
    )


def note(row: asyncpg.Record, beside: asyncpg.Record) -> NoteRow:
    """A credit note; `beside` is the row of its invoice, with the refunds and disputes that it may belong to."""
    of_it = [refund["id"] for refund in beside["refunds"] if refund["credit_note"] == row["id"]]
    return NoteRow(
        id=row["id"],
        origin=known(CreditNoteOrigin, row["origin"]),
        state=known(CreditNoteState, row["state"]),
        out_of_band=row["out_of_band"],
        post_payment=row["post_payment"],
        created_at=row["issued_at"] or row["created_at"],
        linked=bool(of_it) or row["id"] in beside["disputed_notes"],
        asked=bool(row["error"]),
        deserted=any(refund in beside["fallen_refunds"] for refund in of_it),
        amount=row["amount"],
        tries=row["tries"],
        sent_at=row["sent_at"],
        why=row["error"],
    )


def remainder(row: asyncpg.Record, notes: Sequence[asyncpg.Record]) -> RemainderRow:
    """What was credited of an invoice and another bills; `notes` are those of the first."""
    return RemainderRow(
        id=row["id"],
        invoice=row["invoice"],
        amount=row["amount"],
        state=known(RemainderState, row["state"]),
        credited=any(note["id"] == row["credit_note"] and note["state"] == CreditNoteState.ISSUED for note in notes),
        issued_as=row["issued_as"] or "",
        one_line=row["one_line"],
        tries=row["tries"],
        sent_at=row["sent_at"],
        why=row["error"],
    )


def carry(row: asyncpg.Record, notes: Sequence[asyncpg.Record]) -> CarryRow:
    """What was credited of it and is carried over."""
    return CarryRow(
        id=row["id"],
        amount=row["amount"],
        state=known(CarryState, row["state"]),
        credited=any(note["id"] == row["credit_note"] and note["state"] == CreditNoteState.ISSUED for note in notes),
        tries=row["tries"],
        sent_at=row["sent_at"],
        why=row["error"],
    )


def lent(row: asyncpg.Record) -> LentView | None:
    """Money of the invoice whose place this one took."""
    lent = None if row["lent"] is None else msgspec.json.decode(row["lent"], type=LentView)
    return lent if lent is not None and lent.amount > 0 else None


def recording(row: asyncpg.Record) -> RecordingView:
    """One telling of Stripe."""
    payment = row["attempt"] or row["receipt"]
    state, target = known(RecordingState, row["state"]), known(RecordingTarget, row["target"])
    return RecordingView(row["id"], payment, row["amount"], state, row["resolved_at"], target)
