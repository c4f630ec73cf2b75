"""The pages that a payer sees: choosing a payment method for a set-up, and confirming a charge."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from gateway.sandbox.kit.asgi import Handler, HttpError, Reply, Request, Router, html_reply
from gateway.sandbox.practice.account import Account
from gateway.sandbox.practice.kinds import LOOKS, TokenKind
from gateway.sandbox.practice.processor import PracticeProcessor

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; color: #1d2733;
  background: #f6f7f9 }
h1 { font-size: 1.4rem }
form { display: grid; gap: .6rem }
button { font: inherit; text-align: left; padding: .8rem 1rem; border: 1px solid #c9d1da; border-radius: .6rem;
  background: #fff; cursor: pointer; display: flex; justify-content: space-between }
button:hover, button:focus-visible { border-color: #2f6fde; outline: 2px solid #2f6fde33 }
small { color: #5b6875 }
.plain { background: none; border-style: dashed }
"""


class Pages:
    """Served to a browser without an API key: whoever has the address is the payer."""

    def __init__(self, processor: PracticeProcessor) -> None:
        self.processor = processor

    def add_routes(self, router: Router[Handler]) -> None:
        router.add("GET", "/setup/{id}", self.show_setup)
        router.add("POST", "/setup/{id}", self.choose)
        router.add("GET", "/action/{id}", self.show_action)
        router.add("POST", "/action/{id}", self.act)
        router.add("GET", "/agreement/{id}", self.show_agreement)
        router.add("POST", "/agreement/{id}", self.end_agreement)

    async def show_setup(self, request: Request) -> Reply:
        found = self.processor.find_setup(request.params["id"])
        if found is None:
            return page("Not found", "<p>There is no such set-up.</p>", 404)
        if found[1].status != "open":
            return page("Done", f"<p>This set-up is {escape(found[1].status)}. You may close this page.</p>")
        cards = "".join(
            f'<button name="token_kind" value="{kind}">{escape(look.title)}'
            f"<small>{escape(look.brand)} ···· {look.last4}</small></button>"
            for kind, look in LOOKS.items()
        )
        leave = '<button name="token_kind" value="" class="plain">Leave without a payment method</button>'
        return page("Choose a payment method", f'<form method="post">{cards}{leave}</form>')

    async def choose(self, request: Request) -> Reply:
        chosen = request.form().get("token_kind", "")
        try:
            setup = self.processor.complete_setup(request.params["id"], TokenKind(chosen) if chosen else None)
        except LookupError:
            return page("Not found", "<p>There is no such set-up.</p>", 404)
        except ValueError as error:
            return page("Not possible", f"<p>{escape(str(error))}</p>", 409)
        if not setup.return_url:
            return page("Done", f"<p>The set-up is {setup.status}. You may close this page.</p>")
        return Reply(303, b"", {"location": with_query(setup.return_url, setup=setup.id)})

    async def show_action(self, request: Request) -> Reply:
        charge = next((one.charges[request.params["id"]] for one in self._holders(request.params["id"])), None)
        if charge is None:
            return page("Not found", "<p>There is no such payment.</p>", 404)
        if charge.status != "requires_action":
            return page("Done", f"<p>This payment is {charge.status.replace('_', ' ')}.</p>")
        choices = ("confirm", "fail")
        buttons = "".join(f'<button name="result" value="{one}">{one.capitalize()}</button>' for one in choices)
        what = f"{charge.amount} {charge.currency} (minor units), {charge.description or charge.reference}"
        return page("Confirm the payment", f'<p>{escape(what)}</p><form method="post">{buttons}</form>')

    async def act(self, request: Request) -> Reply:
        try:
            charge = self.processor.act(request.params["id"], request.form().get("result", ""))
        except LookupError:
            raise HttpError(404, "charge_not_found", "there is no such payment") from None
        except ValueError as error:
            return page("Not possible", f"<p>{escape(str(error))}</p>", 409)
        return page("Done", f"<p>The payment is {charge.status}. You may close this page.</p>")

    async def show_agreement(self, request: Request) -> Reply:
        """What a payer sees in the wallet, or at the bank, of the merchant that may charge."""
        method = self.processor.find_agreement(request.params["id"])
        if method is None:
            return page("Not found", "<p>There is no such agreement.</p>", 404)
        if method.revoked:
            return page("Ended", f"<p>This agreement is {method.status}.</p>")
        what = f"<p>{escape(LOOKS[method.kind].title)}: {method.status}. A merchant may charge it.</p>"
        return page("Your agreement", f'{what}<form method="post"><button>End this agreement</button></form>')

    async def end_agreement(self, request: Request) -> Reply:
        method = self.processor.find_agreement(request.params["id"])
        if method is None:
            return page("Not found", "<p>There is no such agreement.</p>", 404)
        try:
            self.processor.revoke_method(method.token)
        except ValueError as error:
            return page("Not possible", f"<p>{escape(str(error))}</p>", 409)
        return page("Ended", "<p>The agreement has ended. Nothing will be charged to it.</p>")

    def _holders(self, charge_id: str) -> list[Account]:
        return [account for account in self.processor.accounts.values() if charge_id in account.charges]


def page(title: str, content: str, status: int = 200) -> Reply:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = f"<h1>{escape(title)}</h1>{content}<p><small>Practice processor: no real money.</small></p>"
    document = f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>'
    return html_reply(document, status)


def with_query(url: str, **fields: str) -> str:
    """The URL with fields added to its query."""
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(fields)) if part)
    return urlunsplit(parts._replace(query=query))
