"""One invoice: where it stands and why, what Stripe, the processor and the ledger say of its money, what happened, and
what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from db.states import CaseState
from gateway.accounts.audit import LONGEST_REASON
from gateway.accounts.errors import FieldError
from gateway.console.desk import Desk, change, page
from gateway.console.errors import said_of
from gateway.console.forms import Form, Plain, Posted, Reasoned
from gateway.console.render import led, shown
from gateway.domain.invoice_words import MEANING
from gateway.domain.policy import end_in_words
from gateway.domain.roles import Action
from gateway.domain.switch_words import NAMES
from gateway.finance.collect_now import collect_now
from gateway.finance.offers import Offer, offers_of
from gateway.finance.pause import pause_invoice, resume_invoice
from gateway.finance.record_payment import Receipt, record_payment
from gateway.finance.void import void_invoice
from gateway.readers.invoice_sides import sides_of
from gateway.readers.invoices import find_invoice
from gateway.readers.payment_methods import names_of
from gateway.readers.processor_pages import pages_of
from gateway.readers.timeline import Kind, timeline_of
from processors.errors import MoneyError
from processors.money import STRIPE, from_decimal_string

Asked = Request[Any, Any, Any]


class Pausing(Form, frozen=True):
    reason: str = ""
    until: str = ""
    """A day, in UTC, at whose begin it ends; empty: until somebody resumes."""


class Recording(Form, frozen=True):
    source: str = ""
    reference: str = ""
    received: str = ""
    amount: str = ""
    """In decimals; empty: all that is due."""
    reason: str = ""


SOURCES: Final = {"bank_transfer": "a bank transfer", "credits": "credits", "cash": "cash", "cheque": "a cheque"}
KINDS: Final[Mapping[Kind, str]] = {
    "stripe": "Stripe",
    "attempt": "Attempt",
    "money": "Money",
    "told_stripe": "To Stripe",
    "return": "Return",
    "case": "Case",
    "notice": "Notice",
    "webhook": "Webhook",
    "person": "Person",
}
NOTHING_TYPED: Final = Recording()


@page("/invoices/{invoice_id:str}")
async def invoice(request: Asked, desk: NamedDependency[Desk], invoice_id: FromPath[str]) -> Template:
    """Everything that is known of it."""
    return await _page(desk, invoice_id, said=request.query_params.get("said", ""))


@change("/invoices/{invoice_id:str}/collect", Action.COLLECT)
async def collect(desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Plain]) -> Redirect | Template:
    """A try now."""
    try:
        await collect_now(desk.author(), desk.account, invoice_id)
    except Exception as error:
        return await _again(desk, invoice_id, error)
    return _back(desk, invoice_id, "collecting")


@change("/invoices/{invoice_id:str}/pause", Action.COLLECT)
async def pause(desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Pausing]) -> Redirect | Template:
    """Nothing is charged for a while."""
    try:
        await pause_invoice(desk.author(data.reason), desk.account, invoice_id, _day("until", data.until))
    except Exception as error:
        return await _again(desk, invoice_id, error, form="pause", typed=data)
    return _back(desk, invoice_id, "paused")


@change("/invoices/{invoice_id:str}/resume", Action.COLLECT)
async def resume(desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Reasoned]) -> Redirect | Template:
    """It is collected again."""
    try:
        await resume_invoice(desk.author(data.reason), desk.account, invoice_id)
    except Exception as error:
        return await _again(desk, invoice_id, error, form="resume", typed=data)
    return _back(desk, invoice_id, "resumed")


@change("/invoices/{invoice_id:str}/record-payment", Action.COLLECT)
async def record(
    desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Recording]
) -> Redirect | Template:
    """A payment that came without a processor."""
    try:
        receipt = _receipt(data, (await find_invoice(desk.account, invoice_id)).currency or "")
        await record_payment(desk.author(receipt.reason), desk.account, invoice_id, receipt)
    except Exception as error:
        return await _again(desk, invoice_id, error, form="record", typed=data)
    return _back(desk, invoice_id, "payment_recorded")


@change("/invoices/{invoice_id:str}/void", Action.COLLECT)
async def void(desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Reasoned]) -> Redirect | Template:
    """Nobody owes it any more."""
    try:
        await void_invoice(desk.author(data.reason), desk.account, invoice_id)
    except Exception as error:
        return await _again(desk, invoice_id, error, form="void", typed=data)
    return _back(desk, invoice_id, "voiding")


async def _page(
    desk: Desk,
    invoice_id: str,
    *,
    said: str = "",
    problem: str = "",
    status: int = 200,
    form: str = "",
    typed: Form = NOTHING_TYPED,
    wrong: str = "",
) -> Template:
    found = await find_invoice(desk.account, invoice_id)
    sides = await sides_of(desk.account, found)
    context = {
        "invoice": found,
        "sides": sides,
        "offers": await offers_of(desk.account, invoice_id) if desk.may(Action.COLLECT) else (),
        "Offer": Offer,
        "timeline": await timeline_of(desk.account, found, sides, with_people=desk.may(Action.AUDIT)),
        "methods": await names_of(desk.account, [one.payment_method for one in found.plan.tries] if found.plan else []),
        "pages": await pages_of(desk.account, found.attempts),
        "open_cases": [one for one in found.cases if one.state is CaseState.OPEN],
        "means": _sentence(MEANING[found.state]),
        "kinds": KINDS,
        "collectors": NAMES,
        "at_end": end_in_words(found.plan.at_end) if found.plan else "",
        "sources": SOURCES,
        "form": form,
        "typed": typed,
        "wrong": wrong,
        "said": said,
        "problem": problem,
    }
    return shown(desk, "invoice.html", context, status=status)


async def _again(
    desk: Desk, invoice_id: str, error: Exception, *, form: str = "", typed: Form = NOTHING_TYPED
) -> Template:
    """The page with what stands in the way, and the form as it was filled in."""
    problem, status = said_of(error)
    wrong = error.param if isinstance(error, FieldError) else ""
    return await _page(desk, invoice_id, problem=problem, status=status, form=form, typed=typed, wrong=wrong)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _back(desk: Desk, invoice_id: str, said: str) -> Redirect:
    return led(f"{desk.path}/invoices/{invoice_id}", said)


def _day(field: str, typed: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(typed), time(), UTC) if typed.strip() else None
    except ValueError:
        raise FieldError(field, "must be a day, such as 2027-03-01") from None


def _receipt(data: Recording, currency: str) -> Receipt:
    """Raises FieldError."""
    received, reference, reason = _day("received", data.received), data.reference.strip(), data.reason.strip()
    if received is None:
        raise FieldError("received", "must be the day on which it came")
    if data.source not in SOURCES:
        raise FieldError("source", "must be one of those that are offered")
    if not (0 < len(reference) <= 255 and reference.isprintable()):
        raise FieldError("reference", "must name the payment, in 255 letters at most")
    if not 0 < len(reason) <= LONGEST_REASON:
        raise FieldError("reason", f"must have 1 to {LONGEST_REASON} letters")
    return Receipt(data.source, reference, received, reason, _amount(data.amount, currency))


def _amount(typed: str, currency: str) -> int | None:
    if not typed.strip():
        return None
    try:
        amount = from_decimal_string(typed.strip(), currency, STRIPE).amount
    except MoneyError:
        raise FieldError("amount", f"must be an amount of {currency.upper()} in decimals, such as 12.00") from None
    if amount <= 0:
        raise FieldError("amount", "must be more than nothing")
    return amount


one_invoice_routes: Final[list[Any]] = [invoice, collect, pause, resume, record, void]
