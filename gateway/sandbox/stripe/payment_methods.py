"""Payment methods: made from test data (`ready_made.py`), attached to a customer, named as a default.

A ready-made name (``pm_card_visa``) may stand wherever an id may: each use makes a method of its own, as Stripe does.
Rules: docs payments/payment-methods, api/payment_methods.
"""

from __future__ import annotations

from bisect import insort

from gateway.sandbox.stripe import ready_made
from gateway.sandbox.stripe.errors import Refusal, card_error, invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.ready_made import ReadyMade
from gateway.sandbox.stripe.store import Account

USED_UP = (
    "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and "
    "may not be used again."
)
AUTOMATIC = "automatic_payment_methods:{*enabled:bool allow_redirects:always|never}"  # of payment and setup intents


def automatic(params: Obj) -> Obj | None:
    """What an intent shows of it. The types on offer stay those of the account here."""
    given: Obj | None = params.get("automatic_payment_methods")
    return given and {"allow_redirects": "always", **given}


def behaviour(method: Obj) -> ReadyMade:
    """How a method behaves."""
    return ready_made.ALL[method["_ready_made"]]


def make(account: Account, name: str, billing_details: Obj | None = None) -> Obj:
    """A new method of the ready-made kind `name`, nobody's yet."""
    kind = ready_made.ALL[name]
    method: Obj = {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        "created": account.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": kind.kind,
        kind.kind: LOOKS[kind.kind](account, kind),
        "_ready_made": name,
        "_set_up": False,  # the payer authenticated a set-up: off-session payments need not ask again
        "_spent": False,
    }
    method["billing_details"] |= billing_details or {}
    return account.payment_methods.add(method["id"], method)


def _card(account: Account, kind: ReadyMade) -> Obj:
    return {
        "brand": kind.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": kind.country,
        "display_brand": kind.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"test{kind.number[-12:]}",
        "funding": kind.funding,
        "generated_from": None,
        "last4": kind.last4,
        "networks": {"available": [kind.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _sepa_debit(account: Account, kind: ReadyMade) -> Obj:
    return {
        "bank_code": kind.number[4:12],
        "branch_code": "",
        "country": kind.country,
        "fingerprint": f"test{kind.number[-12:]}",
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": kind.last4,
    }


def _us_bank_account(account: Account, kind: ReadyMade) -> Obj:
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": f"test{kind.number}",
        "last4": kind.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": None,
    }


LOOKS = {"card": _card, "sepa_debit": _sepa_debit, "us_bank_account": _us_bank_account}


def find(account: Account, id: str, param: str | None = None) -> Obj:
    """The method of an id, or a new one for a ready-made name."""
    name = ready_made.by_name(id)
    if id in account.payment_methods or name is None:
        return account.payment_methods.need(id, param)
    return make(account, name)


def check_storable(account: Account, method: Obj) -> None:
    """Refuse what cannot be saved: a card that its issuer declines, a method that was used up."""
    if method["_spent"]:
        raise invalid(USED_UP)
    kind = behaviour(method)
    if kind.decline is not None and not kind.stores:
        raise declined(method)


def declined(method: Obj) -> Refusal:
    """The 402 of a card that will not be charged."""
    why = behaviour(method).decline
    assert why is not None
    return card_error(why.message, why.code, why.reason)


def attach(account: Account, method: Obj, customer: Obj) -> Obj:
    """Save a method for a customer; again for the same one is nothing new."""
    if method["customer"] == customer["id"]:
        return method
    if method["customer"] is not None:
        raise invalid("The payment method you provided has already been attached to a customer.")
    check_storable(account, method)
    method["customer"] = customer["id"]
    insort(account.methods_of_customer[customer["id"]], method["id"], key=account.payment_methods.place.__getitem__)
    record(account, "payment_method.attached", method)
    return method


def owned(account: Account, id: str, customer: Obj, param: str) -> str:
    """The id of a method that is to be a default of this customer; a ready-made one is attached first."""
    method = find(account, id, param)
    if method["customer"] is None and method["id"] != id:
        attach(account, method, customer)
    if method["customer"] != customer["id"]:
        raise missing_at_customer(id, param)
    return str(method["id"])


def defaults(account: Account, params: Obj, customer: Obj) -> Obj:
    """The default_payment_method that the parameters give to an invoice or a subscription of this customer."""
    name = "default_payment_method"
    if name not in params or customer.get("deleted"):
        return {}
    return {name: owned(account, params[name], customer, name)}


def missing_at_customer(id: str, param: str) -> Refusal:
    return invalid(
        f"The customer does not have a payment method with the ID {id}. The payment method must be attached to the "
        "customer.",
        code="resource_missing",
        param=param,
    )


def for_payment(account: Account, id: str, customer_id: str | None, param: str = "payment_method") -> Obj:
    """A method to pay with now: the customer's own, nobody's, or a ready-made one."""
    method = find(account, id, param)
    if method["customer"] not in (None, customer_id):
        raise missing_at_customer(id, param)
    if method["_spent"]:
        raise invalid(USED_UP)
    return method


def detach(account: Account, method: Obj) -> None:
    """Nobody's again, for ever; where it was a default, there is none."""
    owner = method["customer"]
    if owner is None:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    customer = account.customers[owner]
    if not customer.get("deleted") and customer["invoice_settings"]["default_payment_method"] == method["id"]:
        with updating(account, customer, "customer.updated"):
            customer["invoice_settings"]["default_payment_method"] = None
    for id in account.subscriptions_of_customer.get(owner, []):
        subscription = account.subscriptions[id]
        if subscription["default_payment_method"] == method["id"]:
            with updating(account, subscription, "customer.subscription.updated"):
                subscription["default_payment_method"] = None
    method |= {"customer": None, "_spent": True}
    account.methods_of_customer[owner].remove(method["id"])
    record(account, "payment_method.detached", method, previous={"customer": owner})


def forget(account: Account, customer_id: str) -> None:
    """The customer is gone, and their methods can't be used again."""
    for id in account.methods_of_customer.pop(customer_id, []):
        account.payment_methods[id] |= {"customer": None, "_spent": True}
