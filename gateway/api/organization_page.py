"""Our page for an organization: its subscriptions and invoices, in plain words. One file, nothing from elsewhere, no
cookie, and it works without JavaScript.

The token comes in the body of a form, which a merchant's page posts here, or which our own entry page posts with what
stands behind the `#` of its address; it is in no address that anybody logs. From page to page it goes on likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body

from gateway.api.auth import organization_of
from gateway.api.inline import hash_source
from gateway.api.organization import PAGE as PLACE
from gateway.api.organization import scope_of
from gateway.api.problems import ProblemError, problem_of
from gateway.billing.errors import StripeError
from gateway.customers import organization_links
from gateway.customers.errors import SessionError
from gateway.customers.update_link import PAGE as METHOD_PAGE
from gateway.domain.plain_words import Pays, Standing, day
from gateway.readers import organization as reader
from gateway.readers.organization import OrganizationInvoice, OrganizationSubscription
from gateway.runtime import Runtime
from processors.money import to_text
from processors.values import Unprinted

PAGE: Final = (Path(__file__).parent / "organization_page.html").read_text(encoding="utf-8")
STYLE: Final = hash_source(PAGE, "style")
SCRIPT: Final = hash_source(PAGE, "script")
HERE: Final = PLACE.removeprefix("/")
"""From the page itself, also below a path of somebody's proxy."""
ON_A_PAGE: Final = 25
TONES: Final = {
    Standing.PAID: "good",
    Standing.OVERDUE: "bad",
    Standing.UNPAID: "bad",
    Standing.ACTION_NEEDED: "bad",
}
EXPIRED: Final = "This link has expired, or is not complete. Please open it again from where you got it."
LATER: Final = "This can’t be opened right now. Please try again later."


class Posted(Unprinted, frozen=True):
    """What a form of ours, or of the merchant's page, posts."""

    token: str = ""
    starting_after: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]*$", max_length=255)] = ""


Form = Annotated[Posted, Body(media_type=RequestEncodingType.URL_ENCODED)]


@get(PLACE, include_in_schema=False, sync_to_thread=False)
def entry(runtime: NamedDependency[Runtime]) -> Response[str]:
    """The same bytes for everybody: it posts what stands behind the `#`."""
    form = f'<form id="enter" method="post" action="{HERE}"><input type="hidden" name="token"></form>'
    words = "<noscript><p>Please open this page from where you got its link, with JavaScript turned on.</p></noscript>"
    return _page(runtime, "Your invoices", f"<p>One moment …</p>{form}{words}")


@post(PLACE, include_in_schema=False, status_code=200)
async def overview(data: Form, runtime: NamedDependency[Runtime]) -> Response[str]:
    """The organization's subscriptions, and a page of its invoices."""
    try:
        scope = scope_of(await organization_of(data.token))
        found = await reader.find_invoices(scope, limit=ON_A_PAGE, starting_after=data.starting_after)
        subscriptions = [] if data.starting_after else (await reader.find_subscriptions(scope, limit=ON_A_PAGE)).data
    except Exception as error:
        return _trouble(runtime, error)
    more = found.data[-1].id if found.has_more else ""
    body = _subscriptions(subscriptions) + _invoices(data.token, found.data)
    if more:
        body += f"<p>{_form('', data.token, 'Older invoices', starting_after=more)}</p>"
    body += f"<p>{_form('/portal', data.token, 'Open the customer portal', elsewhere=True)}</p>"
    return _page(runtime, "Your invoices", body)


@post(PLACE + "/portal", include_in_schema=False, status_code=200)
async def portal(data: Form, runtime: NamedDependency[Runtime]) -> Response[str]:
    """On to the customer portal."""
    return await _lead(runtime, data.token, organization_links.portal)


@post(PLACE + "/payment_method", include_in_schema=False, status_code=200)
async def payment_method(data: Form, runtime: NamedDependency[Runtime]) -> Response[str]:
    """On to our page for another payment method."""
    return await _lead(runtime, data.token, partial(organization_links.method_page, place=METHOD_PAGE))


async def _lead(runtime: Runtime, token: str, link: organization_links.Link) -> Response[str]:
    """By a page of its own: a browser holds what follows a form to the policy that is for forms."""
    try:
        principal = await organization_of(token)
        url = await link(runtime, scope_of(principal), principal.return_url)
    except Exception as error:
        return _trouble(runtime, error)
    on = f'<p>You are led on. <a class="button" href="{escape(url)}" rel="noreferrer">Continue</a></p>'
    return _page(runtime, "One moment", on, head=f'<meta http-equiv="refresh" content="0;url={escape(url)}">')


def _subscriptions(subscriptions: Sequence[OrganizationSubscription]) -> str:
    rows = ""
    for one in subscriptions:
        upcoming = f" Next invoice on {_day(one.next_invoice_at)}." if one.next_invoice_at else ""
        access = (
            '<span class="good">Access is open.</span>' if one.access else '<span class="bad">No access now.</span>'
        )
        rows += f"<p>{escape(one.description)}. {access}{upcoming} <span class='quiet'>{escape(one.id)}</span></p>"
    return f"<h2>Subscriptions</h2>{rows}" if rows else ""


def _invoices(token: str, invoices: Sequence[OrganizationInvoice]) -> str:
    if not invoices:
        return "<h2>Invoices</h2><p>There are none yet.</p>"
    names = "".join(f'<th scope="col">{name}</th>' for name in ("Invoice", "Date", "Amount", "Status", "Pay", "PDF"))
    rows = "".join(_row(token, one) for one in invoices)
    return f"<h2>Invoices</h2><table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>"


def _row(token: str, one: OrganizationInvoice) -> str:
    amount = one.amount_remaining if one.pay else one.total
    cells = [
        f'<td class="amount">{escape(_day(one.created))}</td>',
        f'<td class="amount">{escape(to_text(amount, one.currency))}</td>',
        f'<td class="{TONES.get(one.status, "quiet")}">{escape(one.description)}</td>',
        f"<td>{_pay(token, one)}</td>",
        f"<td>{_link(one.invoice_pdf, 'PDF')}</td>",
    ]
    return f'<tr><th scope="row">{escape(one.number or one.id)}</th>{"".join(cells)}</tr>'


def _pay(token: str, one: OrganizationInvoice) -> str:
    if one.pay is Pays.PAYMENT_METHOD:
        return _form("/payment_method", token, "Give a payment method", elsewhere=True)
    return _link(one.hosted_invoice_url, "Pay", kind="button")


def _link(url: str | None, text: str, kind: str = "") -> str:
    """Out of a frame that this page may stand in."""
    if not url:
        return ""
    return f'<a class="{kind}" href="{escape(url)}" target="_blank" rel="noopener noreferrer">{text}</a>'


def _form(path: str, token: str, text: str, *, starting_after: str = "", elsewhere: bool = False) -> str:
    fields = f'<input type="hidden" name="token" value="{escape(token)}">'
    if starting_after:
        fields += f'<input type="hidden" name="starting_after" value="{escape(starting_after)}">'
    target = ' target="_blank" rel="noopener"' if elsewhere else ""
    return f'<form method="post" action="{HERE}{path}"{target}>{fields}<button>{text}</button></form>'


def _trouble(runtime: Runtime, error: Exception) -> Response[str]:
    """The same answer as the API's, as a page; raises what nobody foresaw, which is logged as such."""
    problem = problem_of(error)
    if problem.status >= 500 and not isinstance(error, StripeError):
        raise error
    foreseen = isinstance(error, ProblemError) and problem.status == 401
    words = EXPIRED if foreseen else str(error) if isinstance(error, SessionError) else LATER
    return _page(runtime, "Your invoices", f'<p class="bad">{escape(words)}</p>', status=problem.status)


def _page(runtime: Runtime, title: str, body: str, *, head: str = "", status: int = 200) -> Response[str]:
    whole = PAGE.replace("<!-- head -->", f"<title>{title}</title>{head}").replace(
        "<!-- body -->", f"<h1>{title}</h1>{body}"
    )
    framed = " ".join(runtime.settings.origins) or "'none'"
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": (
            f"default-src 'none'; img-src data:; style-src {STYLE}; script-src {SCRIPT}; form-action 'self'; "
            f"base-uri 'none'; frame-ancestors {framed}"
        ),
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    return Response(whole, headers=headers, status_code=status)


def _day(at: int) -> str:
    return day(datetime.fromtimestamp(at, UTC))


organization_page_routes: Final[list[Any]] = [entry, overview, portal, payment_method]
