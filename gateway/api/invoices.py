"""/v1/invoices: where each stands and why, what was tried, what was taken, what Stripe was told."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db.states import InvoiceState
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.readers.invoices import (
    InvoiceBody,
    InvoiceDetail,
    find_invoice,
    find_invoices,
)
from gateway.readers.pages import DEFAULT, Page

Callers: Final = requires(Scope.SERVER, Scope.FINANCE)
InvoiceId = Annotated[str, PathParameter(description="The invoice's id at Stripe: in_…")]
OfCustomer = Annotated[str, QueryParameter(description="Only of this customer.")]
OfSubscription = Annotated[str, QueryParameter(description="Only of this subscription.")]
State = Annotated[InvoiceState | None, QueryParameter(name="state", description="Only invoices in this state.")]


@get("/invoices", guards=[Callers], responses=problems())
async def list_invoices(
    principal: NamedDependency[Principal],
    in_state: State = None,
    customer: OfCustomer = "",
    subscription: OfSubscription = "",
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[InvoiceBody]:
    """The account's invoices."""
    return await find_invoices(
        principal.account,
        in_state,
        customer=customer,
        subscription=subscription,
        limit=limit,
        starting_after=starting_after,
    )


@get("/invoices/{invoice_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_invoice(principal: NamedDependency[Principal], invoice_id: InvoiceId) -> InvoiceDetail:
    """One invoice with its attempts, movements, recordings, refunds, credit notes and cases."""
    return await find_invoice(principal.account, invoice_id)


invoice_routes: Final[list[Any]] = [list_invoices, show_invoice]
