"""What payment intents and setup intents have in common: whom they are for, how they begin, change and are over."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record
from gateway.sandbox.stripe.holders import living
from gateway.sandbox.stripe.objects import Obj, merge_metadata
from gateway.sandbox.stripe.payment_methods import automatic, for_payment
from gateway.sandbox.stripe.store import Account

NAMES: Final = {"payment_intent": "PaymentIntent", "setup_intent": "SetupIntent"}


def meant_for(account: Account, params: Obj) -> tuple[str | None, Obj | None]:
    """The customer's id and the payment method that are named; raises Refusal, so before anything is made."""
    customer = living(account, params["customer"], "customer")["id"] if "customer" in params else None
    method = for_payment(account, params["payment_method"], customer) if "payment_method" in params else None
    return customer, method


def begin(account: Account, intent: Obj, method: Obj | None, params: Obj, plain: Sequence[str]) -> None:
    """Fill in a new intent. `plain`: parameters that are kept as they are given."""
    intent["automatic_payment_methods"] = automatic(params)
    fill(intent, method, params, plain)
    record(account, f"{intent['object']}.created", intent)


def change(account: Account, intent: Obj, params: Obj, plain: Sequence[str]) -> None:
    """Change one that is not over, or its metadata."""
    named = "payment_method" in params
    fill(intent, for_payment(account, params["payment_method"], intent["customer"]) if named else None, params, plain)


def fill(intent: Obj, method: Obj | None, params: Obj, plain: Sequence[str]) -> None:
    """With what was given; one that has a payment method waits to be confirmed."""
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    intent |= {name: params[name] for name in plain if name in params}
    merge_metadata(intent, params)


def refuse_over(intent: Obj, verb: str, over: Collection[str]) -> None:
    """Raises Refusal for one whose status is among those."""
    if intent["status"] in over:
        raise invalid(
            f"You cannot {verb} this {NAMES[intent['object']]} because it has a status of {intent['status']}.",
            code=f"{intent['object']}_unexpected_state",
        )
