"""The plain HTML of this server's own pages: a frame, buttons for test methods. No JavaScript."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from gateway.sandbox.kit.asgi import Reply, html_reply
from gateway.sandbox.stripe import ready_made

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color: #1d2733;
  background: #f6f7f9 }
main { background: #fff; border: 1px solid #dfe4ea; border-radius: .8rem; padding: 1.5rem 2rem }
h1 { font-size: 1.4rem; margin-top: 0 }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .6rem }
table { border-collapse: collapse; width: 100% }
td, th { padding: .35rem 0; text-align: left; font-weight: inherit; vertical-align: top }
td:last-child { text-align: right; white-space: nowrap; padding-left: 1rem }
.sum { border-top: 1px solid #dfe4ea; font-weight: 600 }
form { display: grid; gap: .5rem }
button { font: inherit; text-align: left; padding: .7rem 1rem; border: 1px solid #c9d1da; border-radius: .6rem;
  background: #fff; cursor: pointer; display: flex; justify-content: space-between; gap: 1rem }
button:hover, button:focus-visible { border-color: #2f6fde; outline: 2px solid #2f6fde33 }
small { color: #5b6875 }
[role=alert] { border-left: 4px solid #c0392b; padding: .4rem .8rem; background: #fdf3f2 }
"""
CARDS = {
    "visa": "pays",
    "mastercard": "pays",
    "authenticationRequired": "asks you to authenticate",
    "chargeDeclined": "is declined",
    "chargeDeclinedInsufficientFunds": "is declined: insufficient funds",
    "chargeCustomerFail": "can be saved; every charge is declined",
    "createDispute": "pays, and disputes the charge",
}
DEBITS = {
    "eur": {"sepaDebit": "pays after three days", "sepaDebit_fails": "fails after three days"},
    "usd": {
        "usBankAccount_success": "pays after three days",
        "usBankAccount_insufficientFunds": "fails after three days",
    },
}


def page(title: str, content: str, status: int = 200) -> Reply:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = f"<main><h1>{escape(title)}</h1>{content}</main><p><small>Local Stripe: no real money.</small></p>"
    document = f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>'
    return html_reply(document, status)


def not_found() -> Reply:
    return page("Not found", "<p>This page does not exist, or not any more.</p>", 404)


def redirect(url: str) -> Reply:
    return Reply(303, b"", {"location": url})


def with_query(url: str, **fields: str) -> str:
    """The URL with fields added to its query."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(fields)) if part)
    return urlunsplit(parts._replace(query=query))


def choices(currency: str) -> dict[str, str]:
    """The test methods on offer, and what each does."""
    return CARDS | DEBITS.get(currency, {})


def method_buttons(names: Iterable[tuple[str, str]]) -> str:
    """One button for each test method, sending its name as ``method``."""
    return "".join(
        f'<button name="method" value="{name}">{escape(_title(name))}<small>{escape(does)}</small></button>'
        for name, does in names
    )


def _title(name: str) -> str:
    method = ready_made.ALL[name]
    kind = {"sepa_debit": "SEPA debit", "us_bank_account": "Bank account"}.get(method.kind, method.brand.title())
    return f"{kind} ···· {method.last4}"
