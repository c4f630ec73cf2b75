"""Tries, and invoices for a rest, that a database restored from a backup may have forgotten."""

from __future__ import annotations

import re

from gateway.domain.actions import FindLost, OpenCase
from gateway.domain.billed import ATTEMPT_KEY, REMAINDER_KEY, REST_OF_KEY, BilledInvoice
from gateway.domain.case_kinds import CaseKind
from gateway.domain.rest_actions import TakeUpRest
from gateway.domain.view import InvoiceView, MethodView


def forgotten(view: InvoiceView, invoice: BilledInvoice) -> FindLost | OpenCase | None:
    """How to find the try of ours that Stripe says has paid it, where the ledger has none: it is older than that.

    A human, where no payment method is left to ask its processor with: the capture can't be taken up by itself.
    """
    methods = askable(view)
    if not view.look_first or view.recording is not None or ATTEMPT_KEY not in invoice.metadata:
        return None
    if not methods:
        return _ask_human(view, invoice)
    method = min(methods, key=lambda m: (m.position, m.created_at, m.id))
    return FindLost(method.id, method.connection, next_number(view))


def _ask_human(view: InvoiceView, invoice: BilledInvoice) -> OpenCase | None:
    if view.attempts or CaseKind.CAPTURE_FORGOTTEN in view.told_cases:
        return None
    tried = invoice.metadata[ATTEMPT_KEY][:100]
    return OpenCase(CaseKind.CAPTURE_FORGOTTEN, f"Stripe was told that {tried} has paid it, which is not known here")


def forgotten_rest(view: InvoiceView, invoice: BilledInvoice) -> TakeUpRest | None:
    """What its metadata say of a rest, billed by it or of it, and no row of ours does; looked for once (law 11)."""
    if view.rest_looked_for:
        return None
    of, issued_as = named(invoice, REST_OF_KEY), named(invoice, REMAINDER_KEY)
    if of and view.rest_of is None:
        return TakeUpRest(of, invoice.id)
    if issued_as and all(rest.issued_as != issued_as for rest in view.remainders):
        return TakeUpRest(invoice.id, issued_as)
    return None


def named(invoice: BilledInvoice, key: str) -> str:
    """Another invoice that its metadata name: anybody can write there, and it becomes a part of a URL."""
    told = invoice.metadata.get(key, "")
    return told if re.fullmatch(r"in_\w{1,200}", told, re.ASCII) and told != invoice.id else ""


def askable(view: InvoiceView) -> list[MethodView]:
    """The methods whose processors can be asked: one that was switched off may never answer again."""
    return [method for method in view.methods if method.usable or method.blocked]


def next_number(view: InvoiceView) -> int:
    """The number of the next attempt."""
    return max((attempt.number for attempt in view.attempts), default=0) + 1
