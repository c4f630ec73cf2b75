"""The list of invoices: one field that finds any of them, filters, searches that people keep, and it all as a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, get_args
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Stream, Template

from gateway.accounts import connections
from gateway.accounts.errors import FieldError
from gateway.api.files import CSV, as_file
from gateway.api.paging import After
from gateway.books.session import taken_away
from gateway.clock import business_now
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import ON_A_PAGE, Form, Plain, Posted, Said
from gateway.console.render import led, shown
from gateway.domain.invoice_words import MEANING
from gateway.domain.roles import Action
from gateway.domain.switch_words import NAMES
from gateway.readers.invoice_figures import FigureFilter
from gateway.readers.invoice_list import EVERY, as_csv, find_invoices
from gateway.readers.invoice_names import invoice_briefs
from gateway.readers.invoice_search import InvoiceFilter, StripeStatus
from gateway.readers.invoices import InvoiceBody
from gateway.readers.pages import Page
from gateway.users import saved_views

PAGE: Final = "invoices"
"""As saved views call it."""
STATUSES: Final = tuple(status for status in get_args(StripeStatus) if status)


class Keeping(Form, frozen=True):
    """A search to keep."""

    name: str = ""
    query: str = ""
    shared: str = ""


NOTHING_KEPT: Final = Keeping()


class Sharing(Form, frozen=True):
    shared: str = ""


@page("/invoices")
async def invoices(
    request: Request[Any, Any, Any], desk: NamedDependency[Desk], starting_after: After = "", said: Said = ""
) -> Template:
    """What is wanted of the account's invoices, the newest first."""
    return await _listed(desk, request.query_params, starting_after=starting_after, said=said)


@page("/invoices.csv", Action.EXPORT)
async def download(request: Request[Any, Any, Any], desk: NamedDependency[Desk]) -> Stream:
    """The same list, whole, as a file."""
    lines = await taken_away(await as_csv(desk.account, wanted_of(request.query_params)))
    name = f"invoices-{desk.seat.name}-{(await business_now()).date()}.csv"
    return Stream(lines, media_type=CSV, headers=as_file(name))


@change("/invoices/views", Action.KEEP_VIEWS)
async def keep(desk: NamedDependency[Desk], data: Posted[Keeping]) -> Redirect | Template:
    """Keep a search, or show the list again with what is wrong."""
    asked = dict(_pairs(data.query))
    try:
        query = query_of(wanted_of(asked))
        await saved_views.save(desk.author(), desk.account, PAGE, data.name, query, shared=bool(data.shared))
    except Exception as error:
        return await _listed(desk, asked, wrong=wrong_of(error), typed=data)
    return led(f"{desk.path}/invoices{'?' if query else ''}{query}", "view_kept")


@change("/invoices/views/{view_id:str}/share", Action.KEEP_VIEWS)
async def share(desk: NamedDependency[Desk], view_id: FromPath[str], data: Posted[Sharing]) -> Redirect:
    """Everybody of the account sees it, or its maker alone."""
    await saved_views.share(desk.author(), desk.account, view_id, shared=bool(data.shared))
    return led(f"{desk.path}/invoices", "view_shared" if data.shared else "view_unshared")


@change("/invoices/views/{view_id:str}/delete", Action.KEEP_VIEWS)
async def forget(desk: NamedDependency[Desk], view_id: FromPath[str], data: Posted[Plain]) -> Redirect:
    """One's own view is gone, or for an admin one that is shared."""
    await saved_views.delete(desk.author(), desk.account, view_id, anybodys=desk.may(Action.CONFIGURE))
    return led(f"{desk.path}/invoices", "view_deleted")


def wanted_of(params: Mapping[str, str]) -> InvoiceFilter:
    """The filter that an address holds: fields that are empty, or are none of ours, are no condition.

    Raises FieldError for a value that there is not.
    """
    given = {name: params[name].strip() for name in InvoiceFilter.__struct_fields__ if params.get(name, "").strip()}
    try:
        wanted = msgspec.convert(given, InvoiceFilter, strict=False)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].strip("`")
        raise FieldError(field, f"{given.get(field, '')!r} is none that there is") from None
    if wanted.due_from and wanted.due_until and wanted.due_until < wanted.due_from:
        raise FieldError("due_until", "must not be before the first day")
    return wanted


def query_of(wanted: InvoiceFilter) -> str:
    """The filter as it stands in an address; nothing for none."""
    names = (name for name in wanted.__struct_fields__ if getattr(wanted, name) != getattr(EVERY, name))
    return urlencode({name: _plain(getattr(wanted, name)) for name in names})


def _narrowed(wanted: InvoiceFilter, names: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What a figure that led here counts alone: its field, its value, and how people call that."""
    given = {name: _plain(getattr(wanted, name)) for name in FigureFilter.__struct_fields__}
    blank = {name: _plain(getattr(EVERY, name)) for name in given}
    return [(name, value, names.get(value, value)) for name, value in given.items() if value != blank[name]]


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else "true" if value is True else str(value)


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query[: saved_views.LONGEST_QUERY])


async def _listed(
    desk: Desk,
    params: Mapping[str, str],
    *,
    starting_after: str = "",
    said: str = "",
    wrong: Wrong = RIGHT,
    typed: Keeping = NOTHING_KEPT,
) -> Template:
    found: Page[InvoiceBody] = Page([], has_more=False)
    wanted = EVERY
    try:
        wanted = wanted_of(params)
        found = await find_invoices(desk.account, wanted, limit=ON_A_PAGE, starting_after=starting_after)
    except FieldError as error:
        wrong = wrong_of(error)
    views = await saved_views.views_of(desk.account, desk.user, PAGE)
    known = await connections.listed(desk.account)
    context = {
        "found": found,
        "briefs": await invoice_briefs(desk.account, [one.id for one in found.data]),
        "wanted": wanted,
        "query": query_of(wanted),
        "states": MEANING,
        "statuses": STATUSES,
        "collectors": NAMES,
        "connections": [one.name for one in known],
        "narrowed": _narrowed(wanted, {one.id: one.name for one in known}),
        "views": views,
        "typed": typed,
        "said": said,
        "wrong": wrong,
    }
    return shown(desk, "invoices.html", context, status=wrong.status)


invoice_routes: Final[list[Any]] = [invoices, download, keep, share, forget]
