"""/v1/invoices: where each stands and why, what was tried, what was taken, what Stripe was told."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db.states import Collector, InvoiceState
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.domain.searching import LONGEST
from gateway.readers.invoice_list import find_invoices
from gateway.readers.invoice_search import InvoiceFilter, StripeStatus
from gateway.readers.invoices import (
    InvoiceBody,
    InvoiceDetail,
    find_invoice,
)
from gateway.readers.pages import DEFAULT, Page

Callers: Final = requires(Scope.SERVER, Scope.FINANCE)
InvoiceId = Annotated[str, PathParameter(description="The invoice's id at Stripe: in_…")]
OfCustomer = Annotated[str, QueryParameter(description="Only of this customer.")]
OfSubscription = Annotated[str, QueryParameter(description="Only of this subscription.")]
Searched = Annotated[
    str,
    QueryParameter(
        max_length=LONGEST,
        description="An id or number of it, its customer's id or mail address, the beginnings of the words of its "
        "customer's name, a processor's reference of a payment, or an amount such as `119.00 EUR`.",
    ),
]
Status = Annotated[StripeStatus, QueryParameter(description="Only with this status in Stripe.")]
CollectedBy = Annotated[Collector | None, QueryParameter(description="Only what this one collects.")]
Currency = Annotated[str, QueryParameter(max_length=3, description="Only in this currency.")]
Tried = Annotated[str, QueryParameter(max_length=255, description="Only what was tried over this connection.")]
DueFrom = Annotated[date | None, QueryParameter(description="Only due on this day (UTC) or later.")]
DueUntil = Annotated[date | None, QueryParameter(description="Only due on this day (UTC) or before.")]
WithOpenCase = Annotated[bool, QueryParameter(description="Only with an open case.")]
State = Annotated[InvoiceState | None, QueryParameter(name="state", description="Only invoices in this state.")]


@get("/invoices", guards=[Callers], responses=problems())
async def list_invoices(
    principal: NamedDependency[Principal],
    in_state: State = None,
    customer: OfCustomer = "",
    subscription: OfSubscription = "",
    search: Searched = "",
    status: Status = "",
    collected_by: CollectedBy = None,
    currency: Currency = "",
    connection: Tried = "",
    due_from: DueFrom = None,
    due_until: DueUntil = None,
    with_open_case: WithOpenCase = False,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[InvoiceBody]:
    """The account's invoices."""
    wanted = InvoiceFilter(
        search=search,
        state=in_state,
        status=status,
        collected_by=collected_by,
        currency=currency,
        connection=connection,
        customer=customer,
        subscription=subscription,
        due_from=due_from,
        due_until=due_until,
        with_open_case=with_open_case,
    )
    return await find_invoices(principal.account, wanted, limit=limit, starting_after=starting_after)


@get("/invoices/{invoice_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_invoice(principal: NamedDependency[Principal], invoice_id: InvoiceId) -> InvoiceDetail:
    """One invoice with its attempts, movements, recordings, refunds, credit notes and cases."""
    return await find_invoice(principal.account, invoice_id)


invoice_routes: Final[list[Any]] = [list_invoices, show_invoice]
