"""The form by which a refund is asked for: what was typed, kept as it was, and what that means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, get_args

import msgspec

from gateway.accounts.audit import LONGEST_REASON
from gateway.billing.errors import StripeRefusedError
from gateway.console.amounts import AmountError, plain_amount, typed_amount
from gateway.console.errors import said_of
from gateway.console.render import sentence
from gateway.domain.credit_lines import MOST_LINES, BilledLine
from gateway.returns.drawing import LineCredit
from gateway.returns.errors import NotRefundableError, RefundStateError
from gateway.returns.refund_rows import RefundAsked
from gateway.returns.refundable import Refundable
from gateway.returns.request import CreditReason

REASONS: Final[Mapping[str, str]] = {
    "": "none",
    "duplicate": "duplicate",
    "fraudulent": "fraudulent",
    "order_change": "order change",
    "product_unsatisfactory": "product unsatisfactory",
}
assert set(REASONS) == set(get_args(CreditReason))
LONGEST_MEMO: Final = 2000
LINE: Final = "line_amount:"
UNITS: Final = "line_quantity:"


class TypedLine(msgspec.Struct, frozen=True):
    amount: str = ""
    quantity: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.amount or self.quantity)


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """As it was typed."""

    invoice: str
    attempt: str = ""
    """Of this capture alone, which may be money that the invoice did not take; empty: of what pays it."""
    amount: str = ""
    by_lines: bool = False
    lines: Mapping[str, TypedLine] = {}
    reason: str = ""
    memo: str = ""
    note: str = ""
    once: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing says yet how much."""
        return all(line.is_empty for line in self.lines.values()) if self.by_lines else not self.amount


class ProblemsError(Exception):
    """What is wrong, field by field: what stands beside each; "" for what is about no field."""

    def __init__(self, said: Mapping[str, str], status: int = 400) -> None:
        super().__init__("; ".join(said.values()))
        self.said = dict(said)
        self.status = status


def typed(fields: Sequence[tuple[str, str]], left: Refundable) -> Typed:
    """The form that was posted. The button "all" stands for what can be returned."""
    given = dict(fields)
    lines: dict[str, TypedLine] = {}
    for name, value in fields:
        for prefix, field in ((LINE, "amount"), (UNITS, "quantity")):
            if name.startswith(prefix):
                line = name.removeprefix(prefix)
                lines[line] = msgspec.structs.replace(lines.get(line, TypedLine()), **{field: value.strip()[:40]})
    amount = given.get("amount", "").strip()[:40]
    if "all" in given:
        # Of an invoice that was not read yet nothing is left, and its currency is not known.
        amount = plain_amount(left.amount, left.currency) if left.amount > 0 else ""
    return Typed(
        invoice=given.get("invoice", ""),
        attempt=given.get("attempt", ""),
        amount=amount,
        by_lines=given.get("by") == "lines",
        lines=lines,
        reason=given.get("reason", ""),
        memo=given.get("memo", ""),
        note=given.get("note", ""),
        once=given.get("once", ""),
    )


def meant(form: Typed, left: Refundable) -> RefundAsked:
    """The refund that it asks for; raises ProblemsError."""
    wrong: dict[str, str] = {}
    status = 409 if left.refused else 400
    amount: int | None = None
    lines: tuple[LineCredit, ...] = ()
    if form.by_lines:
        lines = _lines(form, left.currency, wrong)
    elif not form.amount:
        wrong["amount"] = "Type how much goes back, or choose all of it."
    else:
        amount = _amount(form.amount, left.currency, "amount", wrong)
    if amount is not None and not left.allows(amount) and not left.refused:
        wrong["amount"], status = too_much(left), 409
    if form.reason not in REASONS:
        wrong["reason"] = "Choose one of these."
    for field, text, most in (("memo", form.memo, LONGEST_MEMO), ("note", form.note, LONGEST_REASON)):
        if len(text) > most:
            wrong[field] = f"At most {most} letters."
    if left.refused:
        wrong[""] = sentence(left.refused)
    if wrong:
        raise ProblemsError(wrong, status)
    texts = (form.reason, form.memo.strip(), form.note.strip())
    return RefundAsked(form.invoice, amount, lines, *texts, form.attempt or None)


def problems_of(error: Exception, form: Typed, left: Refundable) -> ProblemsError:
    """An error of the story, beside what it is about; raises what the form can't mend."""
    if isinstance(error, ProblemsError):
        return error
    if isinstance(error, NotRefundableError):
        return ProblemsError({"lines" if form.by_lines else "amount": sentence(str(error))}, 409)
    if isinstance(error, RefundStateError):
        return ProblemsError({"": sentence(str(error))}, 409)
    if isinstance(error, StripeRefusedError):
        said = f"Stripe would not make this credit note: {error}"
        return ProblemsError({"lines" if form.by_lines else "": sentence(said)}, 400)
    said, status = said_of(error)
    return ProblemsError({"": sentence(said)}, status)


def too_much(left: Refundable) -> str:
    """Why not so much."""
    most = f"{plain_amount(left.amount, left.currency)} {left.currency.upper()}"
    least = "Nothing can be returned now" if left.amount <= 0 else f"At most {most} can be returned now"
    return sentence(": ".join([least, "; ".join(left.obstacles)]) if left.obstacles else least)


def whole_lines(lines: Sequence[BilledLine]) -> list[BilledLine]:
    """Those of which something is left to credit."""
    return [line for line in lines if line.left > 0][:MOST_LINES]


def _lines(form: Typed, currency: str, wrong: dict[str, str]) -> tuple[LineCredit, ...]:
    credited: list[LineCredit] = []
    for line, one in form.lines.items():
        if one.is_empty:
            continue
        if one.amount and one.quantity:
            wrong[line] = "Either a quantity or an amount, not both."
        elif one.quantity:
            if one.quantity.isascii() and one.quantity.isdigit() and 0 < int(one.quantity) < 1 << 31:
                credited.append(LineCredit(line, quantity=int(one.quantity)))
            else:
                wrong[line] = "Type a whole number of units."
        elif (amount := _amount(one.amount, currency, line, wrong)) is not None:
            credited.append(LineCredit(line, amount=amount))
    if form.is_empty:
        wrong["lines"] = "Type what of which line goes back."
    elif len(credited) > MOST_LINES:
        wrong["lines"] = f"At most {MOST_LINES} lines in one refund."
    return tuple(credited)


def _amount(text: str, currency: str, field: str, wrong: dict[str, str]) -> int | None:
    try:
        return typed_amount(text, currency)
    except AmountError as error:
        wrong[field] = str(error)
        return None
