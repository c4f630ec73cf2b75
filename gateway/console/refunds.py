"""Refunds: the list, one with its progress, and what people decide about it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from db.states import Approval, RefundState
from gateway.accounts.keys import person_behind
from gateway.api.paging import After
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import NOTHING_TYPED, ON_A_PAGE, Posted, Reasoned, Said, chosen
from gateway.console.render import led, shown
from gateway.domain.refund_words import BEGAN, MEANING, Pace, Stood, can_be_retried, pace, steps, told, why
from gateway.domain.roles import Action
from gateway.readers.actors import names_of
from gateway.readers.cases import CaseBody, open_about
from gateway.readers.dashboard import dashboard_of
from gateway.readers.invoice_names import id_of, invoice_briefs
from gateway.readers.refunds import RefundBody, decided_because, find_refund, find_refunds, refunded_invoice
from gateway.returns.decisions import approve
from gateway.returns.preview import preview_refund
from gateway.returns.refund_rows import asked_for
from gateway.returns.retrying import retry
from gateway.runtime import Runtime

AFTER_S: Final = {Pace.SOON: (2, 60), Pace.LATER: (15, 40)}
"""Seconds between two looks, and how many: a page that is left open keeps no session alive for ever."""

InState = Annotated[str, QueryParameter(name="state", max_length=40)]
Waits = Annotated[str, QueryParameter(name="approval", max_length=40)]
OfInvoice = Annotated[str, QueryParameter(name="invoice", max_length=255)]
Seen = Annotated[str, QueryParameter(max_length=40)]
Looks = Annotated[int, QueryParameter(ge=0, le=1000)]


@page("/refunds")
async def refunds(
    desk: NamedDependency[Desk],
    in_state: InState = "",
    approval: Waits = "",
    invoice: OfInvoice = "",
    starting_after: After = "",
) -> Template:
    """The account's refunds, the newest first, wherever they began."""
    # One that there is not has no refunds, which is what the page says then.
    of = await id_of(desk.account, invoice) or invoice.strip()
    decided = chosen(Approval, approval, "approval") or Approval.NONE
    state = chosen(RefundState, in_state, "state")
    found = await find_refunds(
        desk.account, state, invoice=of, approval=decided, limit=ON_A_PAGE, starting_after=starting_after
    )
    context = {
        "found": found,
        "briefs": await invoice_briefs(desk.account, [one.invoice for one in found.data]),
        "names": await names_of(desk.account, [one.requested_by for one in found.data]),
        "state": state,
        "states": MEANING,
        "approval": decided,
        "invoice": invoice,
        "began": BEGAN,
    }
    return shown(desk, "refunds.html", context)


@page("/refunds/{refund_id:str}")
async def refund(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], refund_id: FromPath[str], said: Said = ""
) -> Template:
    """One refund: how far it is, its parts at processors, its credit note, who asked and who agreed."""
    return await _shown(desk, runtime, refund_id, said=said)


@page("/refunds/{refund_id:str}/progress")
async def progress(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    refund_id: FromPath[str],
    seen: Seen = "",
    looks: Looks = 0,
) -> Template:
    """How far it is now, for a page that shows it as `seen`."""
    context = await _context(desk, refund_id, looks + 1)
    context |= {"changed": context["mark"] != seen, "oob": True, "form": "", "typed": NOTHING_TYPED}
    if context["changed"]:
        context |= await _previewed(desk, runtime, context["refund"])
    return shown(desk, "_refund_poll.html", context)


@change("/refunds/{refund_id:str}/approve", Action.APPROVE)
async def approve_refund(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    refund_id: FromPath[str],
    data: Posted[Reasoned],
) -> Redirect | Template:
    """It goes back."""
    act = approve(desk.author(data.reason.strip()), desk.account, refund_id, give=True)
    return await _done(desk, runtime, refund_id, act, "refund_approved", "approve", data)


@change("/refunds/{refund_id:str}/deny", Action.APPROVE)
async def deny_refund(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    refund_id: FromPath[str],
    data: Posted[Reasoned],
) -> Redirect | Template:
    """Nothing goes back."""
    act = approve(desk.author(data.reason.strip()), desk.account, refund_id, give=False)
    return await _done(desk, runtime, refund_id, act, "refund_denied", "deny", data)


@change("/refunds/{refund_id:str}/retry", Action.REFUND)
async def retry_refund(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    refund_id: FromPath[str],
    data: Posted[Reasoned],
) -> Redirect | Template:
    """Send again what has not gone back."""
    act = retry(desk.author(data.reason.strip()), desk.account, refund_id)
    return await _done(desk, runtime, refund_id, act, "refund_retried", "retry", data)


async def _done(
    desk: Desk, runtime: Runtime, refund_id: str, act: Awaitable[Any], said: str, form: str, typed: Reasoned
) -> Redirect | Template:
    """Back to the refund's page, or that page with what stands in the way, and the form as it was filled in."""
    try:
        await act
    except Exception as error:
        return await _shown(desk, runtime, refund_id, wrong=wrong_of(error, form=form), form=form, typed=typed)
    return led(f"{desk.path}/refunds/{refund_id}", said)


async def _shown(
    desk: Desk,
    runtime: Runtime,
    refund_id: str,
    *,
    said: str = "",
    wrong: Wrong = RIGHT,
    form: str = "",
    typed: Reasoned = NOTHING_TYPED,
) -> Template:
    context = await _context(desk, refund_id, 0)
    told = {"said": said, "wrong": wrong, "form": form, "typed": typed}
    told |= await _previewed(desk, runtime, context["refund"])
    return shown(desk, "refund.html", context | told | {"oob": False}, status=wrong.status)


async def _previewed(desk: Desk, runtime: Runtime, body: RefundBody) -> dict[str, Any]:
    """What whoever approves it would agree to: the credit note as Stripe would make it now."""
    decides = body.approval == Approval.WAITING and desk.may(Action.APPROVE)
    if not decides or not body.wants_note or body.credit_note is not None:
        return {}
    try:
        return {"preview": await preview_refund(runtime, desk.account, await asked_for(desk.account, body.id))}
    except Exception as error:
        return {"no_preview": wrong_of(error).top}


async def _context(desk: Desk, refund_id: str, looks: int) -> dict[str, Any]:
    """Raises NotThereError."""
    body = await find_refund(desk.account, refund_id)
    stood, open_cases = stood_of(body), await open_about(desk.account, refund_id)
    after_s, most = AFTER_S.get(pace(stood), (0, 0))
    return {
        "refund": body,
        "told": told(stood),
        "steps": steps(stood),
        "why": why,
        "began": BEGAN,
        "waits": body.approval == Approval.WAITING,
        "own": await person_behind(desk.account, body.requested_by) == desk.user,
        "retries": can_be_retried(stood),
        "names": await names_of(desk.account, [body.requested_by, body.approved_by]),
        "invoice": await refunded_invoice(desk.account, body.invoice),
        "decided": await decided_because(desk.account, refund_id) if body.approved_by else "",
        "dashboard": await dashboard_of(desk.account),
        "cases": open_cases,
        "mark": mark_of(body, open_cases),
        "looks": looks,
        "after_s": after_s,
        "goes_on": looks < most,
    }


def stood_of(body: RefundBody) -> Stood:
    """A refund as `refund_words` looks at it."""
    return Stood(
        state=body.state,
        approval=body.approval,
        wants_note=body.wants_note,
        note=body.credit_note.state if body.credit_note else "",
        failure=body.failure,
    )


def mark_of(body: RefundBody, open_cases: Sequence[CaseBody]) -> str:
    """Another one whenever the page would show something else."""
    return hashlib.sha256(msgspec.json.encode((body, open_cases))).hexdigest()[:16]


refund_routes: Final[list[Any]] = [refunds, refund, progress, approve_refund, deny_refund, retry_refund]
