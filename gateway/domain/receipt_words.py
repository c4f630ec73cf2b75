"""What follows from a payment that somebody records by hand, told before it is recorded. Pure."""

from __future__ import annotations

import msgspec

from gateway.domain.partial import tops_up
from gateway.domain.view import InvoiceView
from processors.money import to_text


class Following(msgspec.Struct, frozen=True):
    """`due`: what the invoice still wants; `over`: so much more than that came; `told`: what is done about all of it,
    a sentence each."""

    amount: int
    due: int
    over: int
    told: tuple[str, ...]


def following(view: InvoiceView, amount: int) -> Following:
    """What `settling` makes of such a payment, of an invoice that it may be recorded for."""
    assert view.invoice is not None, "it was read: else it is refused"
    due = view.wanted
    told = _less(view, amount, due - amount) if amount < due else [_paid(view, due)]
    if amount > due:
        told.append(_more(view, amount - due))
    return Following(amount, due, max(amount - due, 0), tuple(told))


def _paid(view: InvoiceView, due: int) -> str:
    return f"Stripe is told that the invoice is paid outside of it, with the {_text(view, due)} that are due."


def _less(view: InvoiceView, amount: int, short: int) -> list[str]:
    after = msgspec.structs.replace(view, held_money=max(view.held_money, 0) + amount)
    assert after.invoice is not None
    missing = f"{_text(view, short)} are missing"
    paid = f"Stripe is told that the invoice is paid outside of it, with {_text(view, amount)}."
    if view.customer_deleted:
        return [f"{missing}, and the customer was deleted in Stripe: a case asks a human what becomes of it."]
    if view.policy.is_small(short, after.invoice.currency):
        return [f"{missing}: so little is let go, by a credit note. Nobody owes it any more.", paid]
    further = f"a credit note takes the missing {_text(view, short)} off this invoice"
    billed = f"a further invoice bills the {_text(view, short)}, under its own number"
    if tops_up(after, after.invoice) and view.may_charge:
        first = f"{missing}: they are charged first, as long as tries are made."
        return [first, f"If none succeeds, {further}, and {billed}."]
    return [f"{missing}: {further}.", paid, f"Then {billed}."]


def _more(view: InvoiceView, over: int) -> str:
    much = f"{_text(view, over)} more came than is due"
    if view.policy.overpayment == "customer_balance" and not view.customer_deleted:
        return f"{much}: it becomes the customer's credit at Stripe, which the next invoice takes."
    return f"{much}: no processor can return it, so a case asks a human to return it by hand."


def _text(view: InvoiceView, amount: int) -> str:
    assert view.invoice is not None
    return to_text(amount, view.invoice.currency)
