"""The table of the pages that a browser is shown, outside of the API: no key, the address is the permission."""

from __future__ import annotations

from collections.abc import Callable

from gateway.sandbox.kit.asgi import HttpError, Reply, Request, Router
from gateway.sandbox.stripe import authentication_page, invoice_page, page, portal_page
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.sandbox import StripeSandbox
from gateway.sandbox.stripe.store import Account, Collection
from gateway.sandbox.stripe.times import clock_of, in_time

Page = Callable[[Account, Obj, Request], Reply]
Held = Callable[[Account], tuple[Collection[Obj], ...]]
ROOTS = ("/i/", "/credit_notes/", "/p/session/", "/authenticate/")


def _invoices(account: Account) -> tuple[Collection[Obj], ...]:
    return (account.invoices,)


def _credit_notes(account: Account) -> tuple[Collection[Obj], ...]:
    return (account.credit_notes,)


def _sessions(account: Account) -> tuple[Collection[Obj], ...]:
    return (account.portal_sessions,)


def _intents(account: Account) -> tuple[Collection[Obj], ...]:
    return (account.payment_intents, account.setup_intents)


PAGES: Router[tuple[Page, Held]] = Router()
PAGES.add("GET", "/i/{account}/{secret}", (invoice_page.show, _invoices))
PAGES.add("POST", "/i/{account}/{secret}", (invoice_page.pay, _invoices))
PAGES.add("GET", "/i/{account}/{secret}/pdf", (invoice_page.download, _invoices))
PAGES.add("GET", "/credit_notes/{account}/{secret}/pdf", (invoice_page.download_note, _credit_notes))
PAGES.add("GET", "/p/session/{account}/{secret}", (portal_page.show, _sessions))
PAGES.add("POST", "/p/session/{account}/{secret}", (portal_page.act, _sessions))
PAGES.add("GET", "/authenticate/{account}/{secret}", (authentication_page.show, _intents))
PAGES.add("POST", "/authenticate/{account}/{secret}", (authentication_page.answer, _intents))


def respond(sandbox: StripeSandbox, request: Request) -> Reply:
    try:
        (handler, held), names = PAGES.find(request.method, request.path)
    except HttpError as error:
        return page.not_found() if error.status == 404 else page.page("Not possible", "<p>Not here.</p>", error.status)
    account = sandbox.accounts.get(names["account"])
    id = account.hosted.get(names["secret"], "") if account is not None else ""
    for collection in held(account) if account is not None else ():
        if account is not None and id in collection:
            obj = collection[id]
            with in_time(account, clock_of(account, obj)):
                return handler(account, obj, request)
    return page.not_found()
