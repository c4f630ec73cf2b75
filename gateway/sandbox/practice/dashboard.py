"""The processor's own dashboard, where a merchant's staff refund and answer disputes past every API.

No key opens it, as with every control of the sandbox: whoever reaches the machine is the staff, the payer and the bank.
"""

from __future__ import annotations

from html import escape

from gateway.sandbox.kit.asgi import Handler, Reply, Request, Router
from gateway.sandbox.practice.account import Account, Charge, Dispute
from gateway.sandbox.practice.disputing import FIRST, NEXT
from gateway.sandbox.practice.pages import page
from gateway.sandbox.practice.processor import PracticeProcessor

MAX_SHOWN = 50


class Dashboard:
    """An account's last charges, with what can be done to each."""

    def __init__(self, processor: PracticeProcessor) -> None:
        self.processor = processor

    def add_routes(self, router: Router[Handler]) -> None:
        router.add("GET", "/dashboard", self.list_accounts)
        router.add("GET", "/dashboard/{account}", self.show_account)
        router.add("POST", "/dashboard/{account}", self.act)
        router.add("GET", "/dispute/{id}", self.show_dispute)
        router.add("POST", "/dispute/{id}", self.submit_evidence)

    async def list_accounts(self, _: Request) -> Reply:
        lines = [f'<li><a href="/dashboard/{one.id}">{one.id}</a></li>' for one in self.processor.accounts.values()]
        return page("Accounts", f"<ul>{''.join(lines)}</ul>")

    async def show_account(self, request: Request) -> Reply:
        account = self._account(request)
        if account is None:
            return page("Not found", "<p>There is no such account.</p>", 404)
        newest = list(account.charges.values())[::-1][:MAX_SHOWN]
        return page(f"Payments of {account.id}", "".join(_charge(account, one) for one in newest) or "<p>None yet.</p>")

    async def act(self, request: Request) -> Reply:
        account, form = self._account(request), request.form()
        if account is None:
            return page("Not found", "<p>There is no such account.</p>", 404)
        try:
            self._do(account, form)
        except (LookupError, ValueError) as error:
            return page("Not possible", f"<p>{escape(str(error))}</p>", 409)
        return Reply(303, b"", {"location": f"/dashboard/{account.id}"})

    def _do(self, account: Account, form: dict[str, str]) -> None:
        """Raises LookupError, ValueError."""
        amount, what = form.get("amount", "").strip(), form.get("do", "")
        minor = int(amount) if amount else None
        if form.get("dispute", "") in account.disputes:
            self.processor.move_dispute(form["dispute"], what, minor)
        elif form.get("charge", "") not in account.charges:
            raise LookupError("there is no such payment")
        elif what == "refund":
            self.processor.refund_from_dashboard(form["charge"], minor)
        else:
            self.processor.open_dispute(form["charge"], minor, stage=what)

    async def show_dispute(self, request: Request) -> Reply:
        dispute = self._dispute(request)
        if dispute is None:
            return page("Not found", "<p>There is no such dispute.</p>", 404)
        what = f"<p>{_money(dispute)}, {escape(dispute.reason)}: {dispute.status.replace('_', ' ')}.</p>"
        if not dispute.is_open:
            return page("Dispute", what)
        box = f'<textarea name="text" rows="6" aria-label="Evidence">{escape(dispute.evidence)}</textarea>'
        return page("Dispute", f'{what}<form method="post">{box}<button>Submit evidence</button></form>')

    async def submit_evidence(self, request: Request) -> Reply:
        dispute = self._dispute(request)
        if dispute is None:
            return page("Not found", "<p>There is no such dispute.</p>", 404)
        try:
            self.processor.submit_evidence(dispute.id, request.form().get("text", ""))
        except ValueError as error:
            return page("Not possible", f"<p>{escape(str(error))}</p>", 409)
        return page("Submitted", "<p>The evidence is with the payer's bank.</p>")

    def _account(self, request: Request) -> Account | None:
        accounts = self.processor.accounts.values()
        return next((one for one in accounts if one.id == request.params["account"]), None)

    def _dispute(self, request: Request) -> Dispute | None:
        held = (one.disputes for one in self.processor.accounts.values())
        return next((disputes[request.params["id"]] for disputes in held if request.params["id"] in disputes), None)


def _charge(account: Account, charge: Charge) -> str:
    head = f"<h2>{_money(charge)}</h2><p>{escape(charge.reference)}: {charge.status.replace('_', ' ')}</p>"
    refunds = "".join(
        f"<p>Refund of {one.amount}: {one.status}, from the {one.origin}</p>" for one in account.refunds_of(charge)
    )
    disputes = "".join(_dispute(one) for one in account.disputes_of(charge))
    forms = _form("charge", charge.id, ["refund", *sorted(FIRST)]) if charge.status == "succeeded" else ""
    return head + refunds + disputes + forms


def _dispute(dispute: Dispute) -> str:
    head = f"<p>Dispute of {_money(dispute)}: {dispute.status.replace('_', ' ')}</p>"
    moves = sorted(NEXT[dispute.status])
    return head + (_form("dispute", dispute.id, moves) if moves else "")


def _form(noun: str, id: str, verbs: list[str]) -> str:
    """One form with a button for each verb; the amount is in minor units, and empty for all of it."""
    amount = '<input name="amount" inputmode="numeric" placeholder="minor units, or all" aria-label="Amount">'
    buttons = "".join(f'<button name="do" value="{one}">{one.replace("_", " ").capitalize()}</button>' for one in verbs)
    return f'<form method="post"><input type="hidden" name="{noun}" value="{id}">{amount}{buttons}</form>'


def _money(of: Charge | Dispute) -> str:
    return f"{of.amount} {escape(of.currency)} (minor units)"
