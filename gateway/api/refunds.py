"""/v1/refunds: money back, asked for here or found elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter

from db.states import Approval, RefundState
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import also, changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.api.waiting import WaitS
from gateway.readers.about import about
from gateway.readers.pages import DEFAULT, Page
from gateway.readers.refunds import RefundBody, find_refund, find_refunds
from gateway.returns.decisions import approve
from gateway.returns.drawing import LineCredit
from gateway.returns.preview import Preview, preview_refund, with_amount
from gateway.returns.refund_rows import RefundAsked
from gateway.returns.request import CreditReason, ask_refund
from gateway.returns.retrying import retry
from gateway.runtime import Runtime
from gateway.waiting import until

Text = Annotated[str, msgspec.Meta(max_length=2000)]
Callers: Final = requires(Scope.SERVER, Scope.FINANCE)
RESTING: Final = frozenset({RefundState.RECORDED, RefundState.FAILED, RefundState.REFUSED, RefundState.DEFERRED})


class NewLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part of one invoice line: an amount of it before exclusive tax, or a quantity."""

    invoice_line_item: Annotated[
        str, msgspec.Meta(pattern="^il_[A-Za-z0-9_]{1,250}$"), about("The line's id on the Stripe invoice.")
    ]
    amount: Annotated[int, msgspec.Meta(gt=0, lt=1 << 62), about("In minor units, without exclusive tax.")] | None = (
        None
    )
    quantity: Annotated[int, msgspec.Meta(gt=0, lt=1 << 31), about("So many of the line's units.")] | None = None


class NewRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refund of an invoice that was paid through a processor."""

    invoice: Annotated[str, msgspec.Meta(pattern="^in_[A-Za-z0-9_]{1,250}$"), about("The invoice's id at Stripe: in_…")]
    amount: (
        Annotated[int, msgspec.Meta(gt=0, lt=1 << 62), about("In minor units; all that can be returned, if left out.")]
        | None
    ) = None
    lines: Annotated[
        tuple[NewLine, ...],
        msgspec.Meta(max_length=100),
        about("What of which line is credited; if left out, the amount is spread over all lines, and tax follows."),
    ] = ()
    reason: Annotated[CreditReason, about("On the credit note.")] = ""
    memo: Annotated[Text, about("On the credit note, for the customer to read.")] = ""
    note: Annotated[Text, about("For your own people; it goes nowhere else.")] = ""
    attempt: (
        Annotated[
            str,
            msgspec.Meta(pattern="^att_[a-z0-9]{1,60}$"),
            about("From this capture alone; of what the invoice did not take of it, no credit note is made."),
        ]
        | None
    ) = None
    wait_s: WaitS = 20.0


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Said about a refund or a dispute."""

    reason: Annotated[str, msgspec.Meta(max_length=2000), about("For the audit log.")] = ""
    wait_s: WaitS = 20.0


EXAMPLE: Final = example(
    "Part of an invoice",
    {
        "invoice": "in_1QxA2b",
        "amount": 400,
        "reason": "order_change",
        "memo": "We are sorry for the delay.",
        "note": "Ticket 4711",
    },
)
DECISION_EXAMPLE: Final = example("With a reason", {"reason": "Checked against ticket 4711."})
RefundId = Annotated[str, PathParameter(description="The refund's id: rfd_…")]
OfInvoice = Annotated[str, QueryParameter(description="Only of this invoice.")]
State = Annotated[RefundState | None, QueryParameter(name="state", description="Only refunds in this state.")]
Approved = Annotated[
    Approval,
    QueryParameter(name="approval", description="Only refunds that wait for approval, have it, or were denied it."),
]
LATER: Final = also(202, RefundBody, "the refund as it is: it takes longer, or waits for approval")
Act: TypeAlias = Callable[[Author, str, str], Awaitable[None]]
CODES: Final = (Code.NOT_FOUND, Code.STATE_CONFLICT, Code.NOT_REFUNDABLE)


@post(
    "/refunds",
    status_code=200,
    guards=[requires(Scope.FINANCE)],
    **changing(*CODES, Code.STRIPE_REFUSED, moves_money=True, also=LATER),
    summary="Return money to the payer, and make the credit note",
)
async def create(
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
    data: Annotated[NewRefund, EXAMPLE],
    request: Request[Any, Any, Any],
) -> Response[RefundBody]:
    """Stripe's preview of the credit note is a gate; then the processor is asked, and when it has confirmed, the credit
    note is made. 202 while that lasts, or while somebody else must approve it."""
    asked = await with_amount(runtime, principal.account, _of(data))
    key = request.headers.get("idempotency-key", "")
    refund = await ask_refund(Author(principal.actor, data.note), principal.account, asked, key)
    return await _answer(principal.account, refund, data.wait_s)


@post(
    "/refunds/preview",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT, Code.STRIPE_REFUSED),
    summary="What a refund would be: what can be returned, and the credit note as Stripe would make it",
)
async def preview(
    principal: NamedDependency[Principal], runtime: NamedDependency[Runtime], data: Annotated[NewRefund, EXAMPLE]
) -> Preview:
    """Nothing is stored and nothing moves."""
    return await preview_refund(runtime, principal.account, _of(data))


@get("/refunds", guards=[Callers], responses=problems())
async def list_refunds(
    principal: NamedDependency[Principal],
    invoice: OfInvoice = "",
    in_state: State = None,
    approval: Approved = Approval.NONE,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[RefundBody]:
    """The refunds of the account, of one invoice, or in one state; wherever they began."""
    return await find_refunds(
        principal.account, in_state, invoice=invoice, approval=approval, limit=limit, starting_after=starting_after
    )


@get("/refunds/{refund_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_refund(principal: NamedDependency[Principal], refund_id: RefundId) -> RefundBody:
    """One refund."""
    return await find_refund(principal.account, refund_id)


def _said(verb: str, act: Act, summary: str, about_it: str, *codes: Code, moves_money: bool = True) -> HTTPRouteHandler:
    """What somebody says about a refund: it is stored, and the refund shown as it stands then."""
    rules = changing(
        Code.NOT_FOUND, Code.STATE_CONFLICT, *codes, moves_money=moves_money, also=LATER if moves_money else None
    )

    @post(
        f"/refunds/{{refund_id:str}}/{verb}",
        status_code=200,
        guards=[requires(Scope.FINANCE)],
        **rules,
        summary=summary,
        description=about_it,
    )
    async def say(
        principal: NamedDependency[Principal], refund_id: RefundId, data: Annotated[Decision, DECISION_EXAMPLE]
    ) -> Response[RefundBody]:
        await act(Author(principal.actor, data.reason), principal.account, refund_id)
        return await _answer(principal.account, refund_id, data.wait_s)

    return say


approve_refund: Final = _said(
    "approve",
    partial(approve, give=True),
    "Approve a refund that somebody else asked for",
    "By another person than whoever asked for it; a key is whoever made it.",
)
deny_refund: Final = _said(
    "deny",
    partial(approve, give=False),
    "Deny a refund that waits for approval",
    "What it held back can be returned by another one. Where its credit note stands in Stripe already, a case says so.",
    moves_money=False,
)
retry_refund: Final = _said(
    "retry",
    retry,
    "Try again what failed or was refused of a refund, or its credit note alone",
    "Under a new key: what failed has moved nothing. Money that is back already is not sent again.",
    Code.NOT_REFUNDABLE,
)


def _of(data: NewRefund) -> RefundAsked:
    lines = tuple(LineCredit(one.invoice_line_item, one.amount, one.quantity) for one in data.lines)
    return RefundAsked(data.invoice, data.amount, lines, data.reason, data.memo, data.note, data.attempt)


async def _answer(account: str, refund: str, wait_s: float) -> Response[RefundBody]:
    async def rests(body: RefundBody) -> bool:
        done = body.state in RESTING or (body.state is RefundState.SUCCEEDED and body.credit_note is None)
        return done or body.approval == Approval.WAITING

    body = await until(rests, lambda: find_refund(account, refund), wait_s)
    ended = body.state in RESTING and body.state is not RefundState.DEFERRED
    return Response(body, status_code=200 if ended else 202)


refund_routes: Final[list[Any]] = [
    create,
    preview,
    list_refunds,
    show_refund,
    approve_refund,
    deny_refund,
    retry_refund,
]
