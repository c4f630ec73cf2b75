"""Cases taken on, written about and closed by humans, who say why. Opening them is the work of the stories."""

from __future__ import annotations

from typing import Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.ids import named_id, new_id
from db.poke import Kind
from gateway.accounts.audit import Author, can_be_read, required
from gateway.accounts.connections import poke_waiting
from gateway.accounts.errors import FieldError, NotThereError
from gateway.clock import business_now
from gateway.domain.case_kinds import CaseKind
from gateway.domain.case_repairs import CaseRepair
from gateway.turns.locks import lock_invoices

OBJECTS: Final = {"rfd": Kind.REFUND, "dsp": Kind.DISPUTE}
"""Objects of `advance` that cases are about, beside invoices; by the prefix of their ids."""
CASE: Final = "select * from tollbridge.review_case where account = $1 and id = $2 for no key update"
ABOUT: Final = "select invoice, kind, subject from tollbridge.review_case where account = $1 and id = $2"
CLOSE: Final = """
    update tollbridge.review_case set state = 'closed', closed_at = $3, closed_by = $4, closed_reason = $5
    where account = $1 and id = $2
"""
ASSIGN: Final = "update tollbridge.review_case set owner = $3 where account = $1 and id = $2"
LONGEST_OWNER: Final = 200
NOTE: Final = """
    insert into tollbridge.case_note (id, account, review_case, author, text, written_at)
    values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing returning id
"""
LONGEST_NOTE: Final = 4000


class CaseClosedError(Exception):
    """Somebody has closed the case already."""


class CaseTakenError(Exception):
    """Somebody else sees to the case since it was looked at."""


async def assign(by: Author, account: str, case: str, owner: str, *, seen: str | None = None) -> None:
    """Say who sees to an open case, by whatever name the merchant's people go; empty: nobody any more. `seen`: who saw
    to it when that was decided; nothing changes where it is somebody else by now.

    Raises NotThereError, FieldError, CaseClosedError, CaseTakenError.
    """
    owner = owner.strip()
    if len(owner) > LONGEST_OWNER or not owner.isprintable():
        raise FieldError("owner", f"must have at most {LONGEST_OWNER} letters, all printable")
    async with DB.transaction():
        row = await _open(account, case)
        if row["owner"] == owner:
            return
        if seen is not None and row["owner"] != seen:
            raise CaseTakenError(f"{row['owner'] or 'nobody'} sees to it by now")
        await sql.rows(ASSIGN, account, case, owner)
        before, after = {"owner": row["owner"]}, {"owner": owner}
        await by.note(account, "case.assigned", case, name=row["kind"], before=before, after=after)


async def add_note(by: Author, account: str, case: str, text: str, once: str = "") -> str:
    """Write something about a case, open or closed, for whoever looks next; it stays as it is. Returns the note's id.
    The same author, text and `once` again is the same note.

    Raises NotThereError, FieldError.
    """
    text = text.strip()
    if not can_be_read(text) or len(text) > LONGEST_NOTE or "\0" in text:
        raise FieldError("text", f"must have 1 to {LONGEST_NOTE} letters")
    note = named_id("csn", account, case, by.name, once, text) if once else new_id("csn")
    now = await business_now()
    async with DB.transaction():
        row = await sql.row(CASE, account, case)
        if row is None:
            raise NotThereError("case", case)
        if await sql.rows(NOTE, note, account, case, by.name, text, now):
            # What it says stands in the note alone: there it can be erased.
            await by.note(account, "case.note_added", case, name=row["kind"], after={"note": note})
    return note


async def note_repair(by: Author, account: str, case: str, repair: CaseRepair) -> None:
    """Keep in a case's history what somebody has done about it; the story itself says on its object what changed."""
    async with DB.transaction():
        await by.note(account, "case.repair", case, after={"repair": repair})


async def _open(account: str, case: str) -> asyncpg.Record:
    """The case, locked; raises NotThereError, CaseClosedError."""
    row: asyncpg.Record | None = await sql.row(CASE, account, case)
    if row is None:
        raise NotThereError("case", case)
    if row["state"] != "open":
        raise CaseClosedError(f"case {case} was closed by {row['closed_by']}")
    return row


async def close_case(by: Author, account: str, case: str, reason: str) -> None:
    """Close an open case, and poke the invoice it is about: what the case held up goes on, be it a whole connection.

    Raises NotThereError, FieldError for an empty reason, CaseClosedError.
    """
    reason, now = required(reason), await business_now()
    about = await sql.row(ABOUT, account, case)
    async with DB.transaction():
        # What a case is about before the case, as a turn that ends locks them.
        if about is not None and about["invoice"]:
            await lock_invoices(account, [about["invoice"]])
        if about is not None and about["kind"] == CaseKind.CONNECTION_LOCKED:
            await poke_waiting(account, about["subject"], now)
        if about is not None and (kind := OBJECTS.get(about["subject"].partition("_")[0])) is not None:
            await poke.poke(kind, account, [about["subject"]], now)
        row = await _open(account, case)
        await sql.rows(CLOSE, account, case, now, by.name, reason)
        before, after = {"state": "open"}, {"state": "closed", "reason": reason}
        await by.note(account, "case.closed", case, name=row["kind"], before=before, after=after)
        if row["invoice"]:
            await poke.poke(Kind.INVOICE, account, [row["invoice"]], now)
