"""The addresses of this server's own pages. Who has one may use it: its last part can't be guessed."""

from __future__ import annotations

import secrets

from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account


def of_invoice(account: Account, invoice: Obj) -> dict[str, str]:
    """The invoice's page and its PDF, as fields of the invoice."""
    url = f"{account.base_url}/i/{account.id}/{_secret(account, invoice)}"
    return {"hosted_invoice_url": url, "invoice_pdf": f"{url}/pdf"}


def of_credit_note(account: Account, note: Obj) -> str:
    return f"{account.base_url}/credit_notes/{account.id}/{_secret(account, note)}/pdf"


def of_session(account: Account, session: Obj) -> str:
    return f"{account.base_url}/p/session/{account.id}/{_secret(account, session)}"


def of_authentication(account: Account, intent: Obj) -> str:
    """Where a payer authenticates, instead of at a bank. The client secret is the secret here too."""
    account.hosted[intent["client_secret"]] = intent["id"]
    return f"{account.base_url}/authenticate/{account.id}/{intent['client_secret']}"


def next_action(account: Account, intent: Obj, return_url: str | None) -> Obj:
    """What an intent in requires_action asks of the payer."""
    url = of_authentication(account, intent)
    if return_url:
        return {"redirect_to_url": {"return_url": return_url, "url": url}, "type": "redirect_to_url"}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}


def _secret(account: Account, obj: Obj) -> str:
    secret = f"test_{secrets.token_urlsafe(24)}"
    account.hosted[secret] = obj["id"]
    return secret
