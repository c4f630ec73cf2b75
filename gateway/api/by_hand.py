"""/v1/invoices/{id}/collect, …/ask_processor, …/record_payment and …/void: what people ask for by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency

from gateway.accounts.audit import LONGEST_REASON, Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.invoices import InvoiceId
from gateway.api.openapi import also, changing, example
from gateway.api.problems import Code
from gateway.api.waiting import WaitS
from gateway.finance.ask_processor import ask_processor
from gateway.finance.collect_now import collect_now, wait_for
from gateway.finance.record_payment import LONGEST_REFERENCE, REFERENCE, SOURCE, Receipt, record_payment
from gateway.finance.void import void_invoice
from gateway.readers.about import about
from gateway.readers.invoices import InvoiceDetail, find_invoice
from gateway.readers.pages import LATEST


class Collecting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Do it now."""

    wait_s: WaitS = 20.0


class PaymentRecording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payment that came without a processor. Of a part, the rest is billed anew or charged; of more than is due, the
    excess is the customer's credit or a case."""

    source: Annotated[
        str,
        msgspec.Meta(pattern=SOURCE),
        about("By what way it came, such as `credits` or `bank_transfer`."),
    ]
    reference: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=LONGEST_REFERENCE, pattern=REFERENCE),
        about("What names the payment there: the evidence. Another payment from there needs another one."),
    ]
    received_at: Annotated[int, msgspec.Meta(gt=0, lt=LATEST), about("When it came, in Unix seconds.")]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_REASON), about("For the audit log.")]
    amount: (
        Annotated[
            int,
            msgspec.Meta(gt=0, lt=1 << 62),
            about("What came, in minor units; without it: all that is due."),
        ]
        | None
    ) = None
    wait_s: WaitS = 20.0


class Voiding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nobody owes it any more. There is no way back."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_REASON), about("For the audit log.")]
    wait_s: WaitS = 20.0


VOID_EXAMPLE: Final = example("A mistake", {"reason": "The order was made twice, see ticket 4711."})
COLLECT_EXAMPLE: Final = example("Now", {"wait_s": 20})
RECORD_EXAMPLE: Final = example(
    "A bank transfer",
    {
        "source": "bank_transfer",
        "reference": "2027-03-01 RF18 5390 0754 7034",
        "received_at": 1803888000,
        "reason": "Paid by transfer, see the statement of March 1.",
    },
)
CODES: Final = (Code.NOT_FOUND, Code.STATE_CONFLICT)
LATER: Final = also(202, InvoiceDetail, "the invoice as it is: what was asked for takes longer")


@post(
    "/invoices/{invoice_id:str}/collect",
    status_code=200,
    guards=[requires(Scope.SERVER, Scope.FINANCE)],
    **changing(*CODES, Code.PAYMENT_METHOD_NEEDS_REPAIR, moves_money=True, also=LATER),
    summary="Collect an open invoice now, before its next try is due",
)
async def collect(
    principal: NamedDependency[Principal], invoice_id: InvoiceId, data: Annotated[Collecting, COLLECT_EXAMPLE]
) -> Response[InvoiceDetail]:
    """It uses a step of the ladder. 409 `in_progress` where a charge is under way; 202 where it takes longer."""
    await collect_now(Author(principal.actor), principal.account, invoice_id)
    return await _answer(principal.account, invoice_id, data.wait_s)


@post(
    "/invoices/{invoice_id:str}/ask_processor",
    status_code=200,
    guards=[requires(Scope.SERVER, Scope.FINANCE)],
    **changing(*CODES, also=LATER),
    summary="Ask the processor now how a charge ended whose end is not known",
)
async def ask(
    principal: NamedDependency[Principal], invoice_id: InvoiceId, data: Annotated[Collecting, COLLECT_EXAMPLE]
) -> Response[InvoiceDetail]:
    """It is asked by itself, too, at longer and longer intervals. 409 `state_conflict` where nothing is unknown."""
    await ask_processor(Author(principal.actor), principal.account, invoice_id)
    return await _answer(principal.account, invoice_id, data.wait_s)


@post(
    "/invoices/{invoice_id:str}/record_payment",
    status_code=200,
    guards=[requires(Scope.FINANCE)],
    **changing(*CODES, moves_money=True, also=LATER),
    summary="Note a payment that came without a processor, and mark the invoice paid out of band",
)
async def record(
    principal: NamedDependency[Principal],
    invoice_id: InvoiceId,
    data: Annotated[PaymentRecording, RECORD_EXAMPLE],
) -> Response[InvoiceDetail]:
    """Never a charge. Refused while a charge's end is not known."""
    received_at = datetime.fromtimestamp(data.received_at, UTC)
    receipt = Receipt(data.source, data.reference, received_at, data.reason, data.amount)
    await record_payment(Author(principal.actor, data.reason), principal.account, invoice_id, receipt)
    return await _answer(principal.account, invoice_id, data.wait_s)


@post(
    "/invoices/{invoice_id:str}/void",
    status_code=200,
    guards=[requires(Scope.FINANCE)],
    **changing(*CODES, also=LATER),
    summary="Void an open or uncollectible invoice in Stripe: nobody owes it any more",
)
async def void(
    principal: NamedDependency[Principal], invoice_id: InvoiceId, data: Annotated[Voiding, VOID_EXAMPLE]
) -> Response[InvoiceDetail]:
    """There is no way back. Refused while a charge's end is not known, and while money for it is held."""
    await void_invoice(Author(principal.actor, data.reason), principal.account, invoice_id)
    return await _answer(principal.account, invoice_id, data.wait_s)


async def _answer(account: str, invoice: str, wait_s: float) -> Response[InvoiceDetail]:
    heeded = await wait_for(account, invoice, wait_s)
    return Response(await find_invoice(account, invoice), status_code=200 if heeded else 202)


by_hand_routes: Final[list[Any]] = [collect, ask, record, void]
