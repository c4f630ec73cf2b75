"""…/pause_collection and …/resume_collection, of a customer and of one invoice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import post
from litestar.di import NamedDependency

from gateway.accounts.audit import LONGEST_REASON, Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.invoices import InvoiceId
from gateway.api.openapi import changing, example
from gateway.api.payment_methods import CustomerId
from gateway.api.problems import Code
from gateway.finance import pause
from gateway.readers.about import about
from gateway.readers.customers import CustomerBody, find_customer
from gateway.readers.invoices import InvoiceDetail, find_invoice
from gateway.readers.pages import LATEST

Callers: Final = requires(Scope.SERVER, Scope.FINANCE)
LENGTH: Final = msgspec.Meta(min_length=1, max_length=LONGEST_REASON)


class Pausing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Charge nothing for a while."""

    reason: Annotated[str, LENGTH, about("Shown on the invoices that it concerns.")]
    until: (
        Annotated[int, msgspec.Meta(gt=0, lt=LATEST), about("It ends by itself then, in Unix seconds; else resume.")]
        | None
    ) = None


class Resuming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Collect again."""

    reason: Annotated[str, LENGTH, about("For the audit log.")]


PAUSE: Final = example("A promised transfer", {"reason": "Pays by transfer, see ticket 4711.", "until": 1803888000})
RESUME: Final = example("Again", {"reason": "The transfer did not come."})


@post(
    "/customers/{customer_id:str}/pause_collection",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND),
    summary="Charge nothing of a customer's for a while",
)
async def pause_customer(
    principal: NamedDependency[Principal], customer_id: CustomerId, data: Annotated[Pausing, PAUSE]
) -> CustomerBody:
    """What was charged already is recorded. Invoices that come meanwhile wait as well; Stripe's due dates stay."""
    by = Author(principal.actor, data.reason)
    await pause.pause_customer(by, principal.account, customer_id, _at(data.until))
    return await find_customer(principal.account, customer_id)


@post(
    "/customers/{customer_id:str}/resume_collection",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND),
    summary="Collect a customer's invoices again",
)
async def resume_customer(
    principal: NamedDependency[Principal], customer_id: CustomerId, data: Annotated[Resuming, RESUME]
) -> CustomerBody:
    """A try that became due in the pause is made at once."""
    await pause.resume_customer(Author(principal.actor, data.reason), principal.account, customer_id)
    return await find_customer(principal.account, customer_id)


@post(
    "/invoices/{invoice_id:str}/pause_collection",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND),
    summary="Charge nothing for an invoice for a while",
)
async def pause_invoice(
    principal: NamedDependency[Principal], invoice_id: InvoiceId, data: Annotated[Pausing, PAUSE]
) -> InvoiceDetail:
    """A charge that is under way goes on to its end."""
    by = Author(principal.actor, data.reason)
    await pause.pause_invoice(by, principal.account, invoice_id, _at(data.until))
    return await find_invoice(principal.account, invoice_id)


@post(
    "/invoices/{invoice_id:str}/resume_collection",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND),
    summary="Collect an invoice again",
)
async def resume_invoice(
    principal: NamedDependency[Principal], invoice_id: InvoiceId, data: Annotated[Resuming, RESUME]
) -> InvoiceDetail:
    """A try that became due in the pause is made at once. A pause of its customer's goes on."""
    await pause.resume_invoice(Author(principal.actor, data.reason), principal.account, invoice_id)
    return await find_invoice(principal.account, invoice_id)


def _at(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


pause_routes: Final[list[Any]] = [pause_customer, resume_customer, pause_invoice, resume_invoice]
