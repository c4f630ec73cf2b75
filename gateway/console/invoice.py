"""One invoice: where it stands and why, what Stripe, the processor and the ledger say of its money, what happened, and
what can be done about it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from db.states import CaseState, Collector, InvoiceState
from gateway.accounts.errors import FieldError
from gateway.console.amounts import AmountError, typed_amount
from gateway.console.dates import day, end_of_day
from gateway.console.desk import Desk, change, look, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import NOTHING_TYPED, Form, Plain, Posted, Reasoned, Said
from gateway.console.render import led, shown
from gateway.domain.invoice_words import HOSTED, MEANING, decline
from gateway.domain.policy import end_in_words
from gateway.domain.receipt_words import Following
from gateway.domain.roles import Action
from gateway.domain.switch_words import NAMES
from gateway.domain.weeks import midnight
from gateway.finance.collect_now import collect_now
from gateway.finance.offers import Offer, Offered, offered
from gateway.finance.pause import pause_invoice, resume_invoice
from gateway.finance.record_payment import Receipt, foresee, record_payment
from gateway.finance.void import void_invoice
from gateway.readers.attempts import AttemptBody
from gateway.readers.invoice_sides import sides_of
from gateway.readers.invoices import InvoiceDetail, find_invoice
from gateway.readers.object_names import object_names, subscription_names
from gateway.readers.payment_methods import names_of
from gateway.readers.processor_pages import pages_of
from gateway.readers.timeline import Kind, timeline_of


class Pausing(Reasoned, frozen=True):
    until: str = ""
    """The last day of it, in UTC; empty: until somebody resumes."""


class Recording(Reasoned, frozen=True):
    source: str = ""
    reference: str = ""
    received_at: str = ""
    """A day, in UTC."""
    amount: str = ""
    """Empty: all that is due."""
    due: int | None = None
    """What was due, in minor units, when what follows was shown."""
    more: bool = False
    """It is meant that more came than is due."""
    change: str = ""
    """Back to the form, as it was filled in."""


LABELS: Final = {"until": "Until the end of this day", "source": "It came as", "received_at": "Received on"}
"""What the page calls the fields."""
SOURCES: Final = {"bank_transfer": "a bank transfer", "credits": "credits", "cash": "cash", "cheque": "a cheque"}
TRIED_AGAIN: Final = frozenset(
    {InvoiceState.RETRYING, InvoiceState.NEEDS_PAYMENT_METHOD, InvoiceState.EXHAUSTED, InvoiceState.UNCOLLECTIBLE}
)
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


@page("/invoices/{invoice_id:str}")
async def invoice(desk: NamedDependency[Desk], invoice_id: FromPath[str], said: Said = "") -> Template:
    """Everything that is known of it."""
    return await _page(desk, invoice_id, said=said)


@change("/invoices/{invoice_id:str}/collect", Action.COLLECT)
async def collect(desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Plain]) -> Redirect | Template:
    """A try now."""
    act = collect_now(desk.author(), desk.account, invoice_id)
    return await _done(desk, invoice_id, act, "collecting", "collect", data)


@change("/invoices/{invoice_id:str}/pause", Action.COLLECT)
async def pause(desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Pausing]) -> Redirect | Template:
    """Nothing is charged for a while."""

    async def act() -> None:
        until = end_of_day(data.until, "until")
        await pause_invoice(desk.author(data.reason), desk.account, invoice_id, until)

    return await _done(desk, invoice_id, act(), "paused", "pause", data)


@change("/invoices/{invoice_id:str}/resume", Action.COLLECT)
async def resume(desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Reasoned]) -> Redirect | Template:
    """It is collected again."""
    act = resume_invoice(desk.author(data.reason), desk.account, invoice_id)
    return await _done(desk, invoice_id, act, "resumed", "resume", data)


@look("/invoices/{invoice_id:str}/record-payment/preview", Action.COLLECT)
async def foresee_record(
    desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Recording]
) -> Redirect | Template:
    """What would follow from a payment that came without a processor; with the button that records it."""
    if data.change:
        return await _page(desk, invoice_id, form="record", typed=data)
    try:
        found = await find_invoice(desk.account, invoice_id)
        follows = await foresee(desk.account, invoice_id, _receipt(data, found.currency or ""))
    except Exception as error:
        return await _page(desk, invoice_id, wrong=wrong_of(error, LABELS, form="record"), form="record", typed=data)
    return _recording(desk, found, data, follows)


@change("/invoices/{invoice_id:str}/record-payment", Action.COLLECT)
async def record(
    desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Recording]
) -> Redirect | Template:
    """A payment that came without a processor. More than is due is recorded only for who says that it is meant."""
    try:
        found = await find_invoice(desk.account, invoice_id)
        receipt = _receipt(data, found.currency or "")
        try:
            await record_payment(desk.author(receipt.reason), desk.account, invoice_id, receipt)
        except FieldError as error:
            if error.param != "more":
                raise
            follows = await foresee(desk.account, invoice_id, receipt)
            return _recording(desk, found, data, follows, Wrong(error.message, 400, error.param))
    except Exception as error:
        return await _page(desk, invoice_id, wrong=wrong_of(error, LABELS, form="record"), form="record", typed=data)
    return led(f"{desk.path}/invoices/{invoice_id}", "payment_recorded")


@change("/invoices/{invoice_id:str}/void", Action.COLLECT)
async def void(desk: NamedDependency[Desk], invoice_id: FromPath[str], data: Posted[Reasoned]) -> Redirect | Template:
    """Nobody owes it any more."""
    act = void_invoice(desk.author(data.reason), desk.account, invoice_id)
    return await _done(desk, invoice_id, act, "voiding", "void", data)


async def _done(
    desk: Desk, invoice_id: str, act: Awaitable[Any], said: str, form: str, typed: Form
) -> Redirect | Template:
    """Back to the invoice's page, or that page with what stands in the way, and the form as it was filled in."""
    try:
        await act
    except Exception as error:
        return await _page(desk, invoice_id, wrong=wrong_of(error, LABELS, form=form), form=form, typed=typed)
    return led(f"{desk.path}/invoices/{invoice_id}", said)


def _recording(desk: Desk, found: InvoiceDetail, data: Recording, follows: Following, wrong: Wrong = RIGHT) -> Template:
    """The question, with what follows from a yes."""
    context = {"invoice": found, "typed": data, "follows": follows, "sources": SOURCES, "wrong": wrong}
    return shown(desk, "record_payment.html", context, status=wrong.status)


async def _page(
    desk: Desk,
    invoice_id: str,
    *,
    said: str = "",
    wrong: Wrong = RIGHT,
    form: str = "",
    typed: Form = NOTHING_TYPED,
) -> Template:
    found = await find_invoice(desk.account, invoice_id)
    sides = await sides_of(desk.account, found)
    may_be_asked = await offered(desk.account, invoice_id) if desk.may(Action.COLLECT) else Offered()
    hosted = found.state is InvoiceState.DUE and found.collected_by is Collector.HOSTED
    context = {
        "invoice": found,
        "sides": sides,
        "offers": may_be_asked.offers,
        "wanted": may_be_asked.wanted,
        "Offer": Offer,
        "timeline": await timeline_of(desk.account, found, sides, with_people=desk.may(Action.AUDIT)),
        "methods": await names_of(desk.account, [one.payment_method for one in found.plan.tries] if found.plan else []),
        "pages": await pages_of(desk.account, found.attempts),
        "open_cases": [one for one in found.cases if one.state is CaseState.OPEN],
        "means": HOSTED if hosted else MEANING[found.state],
        "declined": _declined(found.attempts[-1]) if found.state in TRIED_AGAIN and found.attempts else "",
        "sold": await subscription_names(desk.account, [found.subscription]),
        "called": await object_names(desk.account, [found.remainder_of, *(one.invoice for one in found.remainders)]),
        "kinds": KINDS,
        "collectors": NAMES,
        "at_end": end_in_words(found.plan.at_end) if found.plan else "",
        "sources": SOURCES,
        "form": form,
        "typed": typed,
        "said": said,
        "wrong": wrong,
    }
    return shown(desk, "invoice.html", context, status=wrong.status)


def _declined(last: AttemptBody) -> str:
    """Why the last try failed; empty where it did not, or nobody said."""
    return decline(last.decline.decline_class, last.decline.advice) if last.decline is not None else ""


def _receipt(data: Recording, currency: str) -> Receipt:
    """Raises FieldError."""
    if data.source not in SOURCES:
        raise FieldError("source", "must be one of those that are offered")
    received_at = midnight(day(data.received_at, "received_at"))
    amount = _amount(data.amount, currency)
    return Receipt(data.source, data.reference.strip(), received_at, data.reason.strip(), amount, data.due, data.more)


def _amount(typed: str, currency: str) -> int | None:
    try:
        return typed_amount(typed, currency) if typed.strip() else None
    except AmountError as error:
        raise FieldError("amount", str(error)) from None


one_invoice_routes: Final[list[Any]] = [invoice, collect, pause, resume, foresee_record, record, void]
