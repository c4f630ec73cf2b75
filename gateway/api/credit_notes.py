"""/v1/credit_notes: what Stripe shows of money that went back, and which refund each is of."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.api.refunds import Callers, OfInvoice
from gateway.readers.about import about
from gateway.readers.credit_notes import CreditNoteBody, find_notes
from gateway.readers.pages import DEFAULT, Page
from gateway.readers.refunds import RefundBody, find_refunds
from gateway.returns.decisions import resolve_note


class Resolution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which refund a credit note made in Stripe belongs to."""

    refund: (
        Annotated[
            str,
            msgspec.Meta(pattern="^rfd_[a-z0-9]{1,60}$"),
            about("One that was made at the processor; if null, the money is returned now."),
        ]
        | None
    ) = None
    reason: Annotated[str, msgspec.Meta(max_length=2000), about("For the audit log.")] = ""


RESOLUTION_EXAMPLE: Final = example("Make the refund", {"refund": None, "reason": "Nobody refunded it there."})
NoteId = Annotated[str, PathParameter(description="The credit note's id: crn_…")]


@get("/credit_notes", guards=[Callers], responses=problems())
async def list_credit_notes(
    principal: NamedDependency[Principal], invoice: OfInvoice = "", limit: Limit = DEFAULT, starting_after: After = ""
) -> Page[CreditNoteBody]:
    """Credit notes on invoices that are collected here: ours, and those made in Stripe."""
    return await find_notes(principal.account, invoice=invoice, limit=limit, starting_after=starting_after)


@post(
    "/credit_notes/{note_id:str}/resolve",
    status_code=200,
    guards=[requires(Scope.FINANCE)],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT, moves_money=True),
    summary="Say which refund a credit note made in Stripe belongs to, or have it made",
)
async def resolve(
    principal: NamedDependency[Principal], note_id: NoteId, data: Annotated[Resolution, RESOLUTION_EXAMPLE]
) -> Response[Page[RefundBody]]:
    """For a note that fits several refunds, or whose processor can't be asked for those made in its dashboard."""
    await resolve_note(Author(principal.actor, data.reason), principal.account, note_id, data.refund)
    return Response(await find_refunds(principal.account, credit_note=note_id, limit=1), status_code=200)


credit_note_routes: Final[list[Any]] = [list_credit_notes, resolve]
