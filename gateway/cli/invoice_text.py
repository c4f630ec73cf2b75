"""One invoice as `tollbridge invoices show` prints it: where it stands, what comes next, what was tried and moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from db.states import Collector, MovementKind
from gateway.cli.output import OUT, fields, money, table, when
from gateway.cli.pauses import paused
from gateway.cli.payment_methods import card
from gateway.cli.refund_text import stands
from gateway.domain.invoice_words import AT_END
from gateway.domain.moves import SIGN
from gateway.readers.attempts import AttemptBody
from gateway.readers.invoices import InvoiceDetail
from gateway.readers.payment_methods import PaymentMethodBody
from gateway.readers.plans import PlanBody

PAID_IN: Final = frozenset({MovementKind.CAPTURE, MovementKind.RECEIPT})
Methods = Mapping[str, PaymentMethodBody]
"""The customer's payment methods by their ids."""


def print_invoice(invoice: InvoiceDetail, methods: Methods) -> None:
    """Everything that is known of it. Times are in UTC."""
    fields(
        {
            "invoice": invoice.id,
            "number": invoice.number,
            "state": invoice.state,
            "why": invoice.reason,
            "collected by": f"{invoice.collected_by or 'nobody'}: {invoice.collected_because}",
            "paid at": invoice.links.hosted_invoice_url if invoice.collected_by is Collector.HOSTED else "",
            "paused": paused(invoice.pause),
            "next": when(invoice.next_attempt),
            "stripe status": invoice.status,
            "due": money(invoice.amount_due, invoice.currency),
            "remaining": money(invoice.amount_remaining, invoice.currency),
            "went back": _went_back(invoice),
            "due date": when(invoice.due_date),
            "customer": invoice.customer,
            "subscription": invoice.subscription,
            "as of": when(invoice.read),
            "rest of": invoice.remainder_of,
            "rest billed by": ", ".join(one.invoice or f"(not yet: {one.state})" for one in invoice.remainders),
            "carried over by": ", ".join(
                one.balance_transaction or f"(not yet: {one.state})" for one in invoice.carried
            ),
            "dashboard": invoice.links.dashboard,
        }
    )
    if invoice.plan is not None:
        _print_plan(invoice.plan, methods)
    tried = [_attempt(one, methods) for one in invoice.attempts]
    moved = [
        (when(m.occurred), m.kind, money(SIGN[m.kind] * m.amount, m.currency), m.connection, m.processor_id)
        for m in invoice.movements
    ]
    told = [(when(r.created), r.state, r.target, money(r.amount, r.currency), r.how) for r in invoice.recordings]
    disputed = [
        (d.id, d.state, money(d.amount, d.currency), money(d.withdrawn, d.currency), d.reason, when(d.evidence_due_by))
        for d in invoice.disputes
    ]
    cases = [(c.id, c.kind, c.state, c.reason, c.action) for c in invoice.cases]
    OUT.print("\n[bold]Attempts[/bold]")
    columns = ("#", "at", "state", "amount", "payment method", "connection", "why it ended so", "reference")
    table(columns, tried, "None.")
    OUT.print("\n[bold]Movements[/bold]")
    table(("at", "kind", "amount", "connection", "processor id"), moved, "None.")
    OUT.print("\n[bold]Recordings[/bold]")
    table(("at", "state", "to", "amount", "how"), told, "None.")
    back = [
        (r.id, when(r.created), stands(r), money(r.amount, r.currency), r.origin, r.requested_by)
        for r in invoice.refunds
    ]
    credited = [
        (n.number, n.origin, n.state, money(n.amount, n.currency), money(n.out_of_band, n.currency), n.memo)
        for n in invoice.credit_notes
    ]
    OUT.print("\n[bold]Refunds[/bold]")
    table(("refund", "at", "state", "amount", "began", "asked by"), back, "None.")
    OUT.print("\n[bold]Credit notes[/bold]")
    table(("number", "for", "state", "amount", "returned outside Stripe", "memo"), credited, "None.")
    if disputed:
        OUT.print("\n[bold]Disputes[/bold]")
        table(("dispute", "state", "amount", "gone now", "reason", "answer by"), disputed, "None.")
    OUT.print("\n[bold]Cases[/bold]")
    table(("case", "kind", "state", "reason", "what to do"), cases, "None.")


def _went_back(invoice: InvoiceDetail) -> str:
    """What of the money is gone again by the ledger: `paid` is what Stripe shows all the same."""
    came = sum(m.amount for m in invoice.movements if m.kind in PAID_IN)
    here = sum(SIGN[m.kind] * m.amount for m in invoice.movements)
    if here == came:
        return ""
    gone, in_, left = (money(amount, invoice.currency) for amount in (came - here, came, here))
    return f"{gone} of the {in_} that came in; {left} are left"


def _print_plan(plan: PlanBody, methods: Methods) -> None:
    OUT.print("\n[bold]Plan[/bold]")
    planned = [(when(t.at), t.reason, t.shifted, t.connection, _method(t.payment_method, methods)) for t in plan.tries]
    table(("at", "why", "shifted by", "connection", "payment method"), planned, plan.reason)
    at_end = ", and ".join(AT_END[step] for step in plan.at_end) or "it stays open"
    OUT.print(f"If none succeeds, {when(plan.ends_at) or 'some day'}: {at_end}.")


def _attempt(one: AttemptBody, methods: Methods) -> tuple[Any, ...]:
    method, amount = _method(one.payment_method, methods), money(one.amount, one.currency)
    return (one.number, when(one.created), one.state, amount, method, one.connection, _why(one), one.reference)


def _why(one: AttemptBody) -> str:
    """In our words, with the processor's code, by which its own support knows it."""
    if one.decline is None:
        return one.message
    code = one.decline.processor_code
    return one.decline.decline_class + (f" ({code})" if code not in ("", one.decline.decline_class) else "")


def _method(method: str, methods: Methods) -> str:
    known = card(methods[method]) if method in methods else ""
    return f"{known}, {method}" if known else method
