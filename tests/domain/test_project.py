"""The state of an invoice, as its row, the API and the console show it."""

from __future__ import annotations

import pytest

from db.states import AttemptState, InvoiceState
from gateway.domain.case_kinds import CaseKind
from gateway.domain.project import project
from gateway.domain.view import InvoiceView
from tests.domain.views import attempt, declined_at, holding, invoice, view

TRIED = (attempt("declined"),)


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (InvoiceView(id="in_1", policy=view().policy), InvoiceState.DUE),
        (view(), InvoiceState.DUE),
        (view(invoice("draft")), InvoiceState.DRAFT),
        (view(invoice("paid")), InvoiceState.PAID),
        (view(invoice("uncollectible")), InvoiceState.UNCOLLECTIBLE),
        (view(invoice("void")), InvoiceState.CLOSED),
        (view(invoice("deleted")), InvoiceState.CLOSED),
        (view(invoice(collection_method="charge_automatically")), InvoiceState.NOT_OURS),
        (view(opted_out=True), InvoiceState.NOT_OURS),
        (view(opted_out=True, attempts=TRIED), InvoiceState.RETRYING),
        (view(methods=()), InvoiceState.NEEDS_PAYMENT_METHOD),
        (view(attempts=TRIED), InvoiceState.RETRYING),
        (view(attempts=declined_at(4, 3, 2, 1)), InvoiceState.EXHAUSTED),
        (view(open_cases=frozenset({CaseKind.COLLECTION_EXHAUSTED})), InvoiceState.EXHAUSTED),
        (holding(), InvoiceState.CAPTURED),
        (holding(600), InvoiceState.CAPTURED),
        (holding(billed=invoice("uncollectible")), InvoiceState.CAPTURED),
        (holding(billed=invoice("paid")), InvoiceState.PAID),
        (holding(billed=invoice("void")), InvoiceState.CLOSED),
    ],
)
def test_where_an_invoice_stands(one: InvoiceView, state: InvoiceState) -> None:
    assert project(one) is state


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("sending", InvoiceState.CHARGING),
        ("pending", InvoiceState.PENDING),
        ("requires_action", InvoiceState.PENDING),
        ("unknown", InvoiceState.UNKNOWN),
    ],
)
@pytest.mark.parametrize("status", ["open", "void", "paid"])
def test_what_is_unresolved_comes_first(status: str, state: str, shown: InvoiceState) -> None:
    assert project(view(invoice(status), attempts=(attempt(state),))) is shown


@pytest.mark.parametrize("state", [AttemptState.NOT_SENT, AttemptState.REJECTED, AttemptState.CANCELED])
def test_it_is_retrying_only_after_a_decline(state: AttemptState) -> None:
    """Scenario 53: nobody is told of a declined card where none was declined."""
    assert project(view(attempts=(attempt(state),))) is InvoiceState.DUE
