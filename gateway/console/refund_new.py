"""Asking for a refund: how much, or which lines; what it would be; then it is asked for, once for each form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from gateway.accounts.errors import NotThereError
from gateway.console.amounts import plain_amount
from gateway.console.desk import Desk, change, look, page
from gateway.console.parts import by_htmx
from gateway.console.refund_form import REASONS, ProblemsError, Typed, meant, problems_of, typed, whole_lines
from gateway.console.render import led, sentence, shown
from gateway.domain.credit_lines import BilledLine
from gateway.domain.roles import Action
from gateway.readers.invoice_names import id_of, numbers_of
from gateway.returns.drawing import billed_lines
from gateway.returns.preview import Preview, preview_refund, with_amount
from gateway.returns.refundable import Refundable, refundable
from gateway.returns.request import ask_refund
from gateway.returns.sources import Source, sources
from gateway.runtime import Runtime

OfInvoice = Annotated[str, QueryParameter(name="invoice", max_length=255)]
By = Annotated[str, QueryParameter(max_length=10)]
OfAttempt = Annotated[str, QueryParameter(name="attempt", max_length=255)]
Amount = Annotated[str, QueryParameter(max_length=40)]


class Previewed(msgspec.Struct, frozen=True):
    """What the form comes to: a preview, or what is wrong. `captures` are shown in any case."""

    captures: Sequence[Source]
    preview: Preview | None = None
    problems: Mapping[str, str] = {}
    status: int = 200


@page("/refunds/new", Action.REFUND)
async def new(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    invoice: OfInvoice = "",
    by: By = "",
    amount: Amount = "",
    attempt: OfAttempt = "",
) -> Template:
    """An empty form, for an invoice that is named by its id or its number; `attempt`: of this capture alone."""
    found = await id_of(desk.account, invoice)
    if found is None:
        problems = {"invoice": f"There is no invoice “{invoice}” in this account."} if invoice else {}
        context = {"problems": problems, "invoice": invoice}
        return shown(desk, "refund_which.html", context, status=404 if invoice else 200)
    form = Typed(invoice=found, attempt=attempt, amount=amount.strip(), by_lines=by == "lines")
    left = await refundable(desk.account, found, attempt or None)
    # Nothing was asked for yet, so nothing is refused: what stands in the way is a part of the page.
    found_so_far = msgspec.structs.replace(await _previewed(desk, runtime, form, left), status=200)
    return await _page(desk, runtime, form, left, found_so_far)


@look("/refunds/preview", Action.REFUND)
async def preview(
    request: Request[Any, Any, Any], desk: NamedDependency[Desk], runtime: NamedDependency[Runtime]
) -> Template:
    """What the form as it stands would do: a part of the page for HTMX, else the page again."""
    form, left = await _posted(request, desk)
    found = await _previewed(desk, runtime, form, left)
    if by_htmx(request):
        context = _context(form, left, found) | {"oob": True}
        return shown(desk, "_refund_preview.html", context)
    return await _page(desk, runtime, form, left, found)


@change("/refunds", Action.REFUND)
async def ask(
    request: Request[Any, Any, Any], desk: NamedDependency[Desk], runtime: NamedDependency[Runtime]
) -> Redirect | Template:
    """Ask for it; on to its page, or the form again with what is wrong beside each field."""
    form, left = await _posted(request, desk)
    try:
        asked = await with_amount(runtime, desk.account, meant(form, left))
        refund = await ask_refund(desk.author(asked.note), desk.account, asked, form.once)
    except Exception as error:
        wrong = problems_of(error, form, left)
        captures = await sources(desk.account, form.invoice, form.attempt or None, 0)
        found = Previewed(captures, problems=wrong.said, status=wrong.status)
        left = await refundable(desk.account, form.invoice, form.attempt or None)
        return await _page(desk, runtime, form, left, found)
    return led(f"{desk.path}/refunds/{refund}", "refund_asked")


async def _posted(request: Request[Any, Any, Any], desk: Desk) -> tuple[Typed, Refundable]:
    """Raises NotThereError for an invoice that the account does not have."""
    fields = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
    given = dict(fields)
    left = await refundable(desk.account, given.get("invoice", ""), given.get("attempt") or None)
    return typed(fields, left), left


async def _previewed(desk: Desk, runtime: Runtime, form: Typed, left: Refundable) -> Previewed:
    try:
        if form.is_empty:
            problems = {"": sentence(left.refused)} if left.refused else {}
            return Previewed(await sources(desk.account, form.invoice, form.attempt or None, 0), problems=problems)
        found = await preview_refund(runtime, desk.account, meant(form, left))
        if not left.allows(found.amount):
            raise ProblemsError({"lines": f"These lines come to more than can be returned: {_left(left)}."}, 409)
    except NotThereError:
        raise
    except Exception as error:
        wrong = problems_of(error, form, left)
        captures = await sources(desk.account, form.invoice, form.attempt or None, 0)
        return Previewed(captures, problems=wrong.said, status=wrong.status)
    return Previewed(found.captures, found)


async def _page(desk: Desk, runtime: Runtime, form: Typed, left: Refundable, found: Previewed) -> Template:
    lines: list[BilledLine] = []
    if form.by_lines:
        try:
            lines = whole_lines(await billed_lines(await runtime.stripe(desk.account), form.invoice))
        except Exception as error:
            wrong = problems_of(error, form, left)
            said, status = {"": wrong.said.get("lines") or wrong.said[""]}, wrong.status
            found = msgspec.structs.replace(found, problems={**found.problems, **said}, status=status)
    numbers = await numbers_of(desk.account, [form.invoice])
    context = _context(form, left, found) | {"lines": lines, "number": numbers.get(form.invoice, form.invoice)}
    return shown(desk, "refund_new.html", context | {"oob": False}, status=found.status)


def _context(form: Typed, left: Refundable, found: Previewed) -> dict[str, Any]:
    return {
        "form": form,
        "left": left,
        "found": found,
        "problems": found.problems,
        "preview": found.preview,
        "captures": found.captures,
        "reasons": REASONS,
        "all": plain_amount(left.amount, left.currency) if left.amount > 0 else "",
        "limit": left.policy.approval_above.get(left.currency),
        "plain": plain_amount,
    }


def _left(left: Refundable) -> str:
    return f"{plain_amount(left.amount, left.currency)} {left.currency.upper()}"


refund_new_routes: Final[list[Any]] = [new, preview, ask]
