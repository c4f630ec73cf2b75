"""The customer balance: what the customer is owed (negative) or owes (positive), and every change's transaction.

Types and signs: docs billing/customer/balance. The next finalized invoice takes it in; what is too small to be charged
goes out to it.
"""

from __future__ import annotations

from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account


def move(account: Account, customer: Obj, amount: int, type: str, **links: str) -> Obj:
    """Change the balance by `amount`, with customer.updated. `links`: invoice, credit_note."""
    with updating(account, customer, "customer.updated"):
        return book(account, customer, amount, type, **links)


def book(account: Account, customer: Obj, amount: int, type: str, **links: str) -> Obj:
    """As `move`, inside a change of the customer that is announced by the caller."""
    customer["balance"] += amount
    row: Obj = {
        "id": new_id("cbtxn"),
        "object": "customer_balance_transaction",
        "amount": amount,
        "checkout_session": None,
        "created": account.now(),
        "credit_note": links.get("credit_note"),
        "currency": customer["currency"] or account.default_currency,
        "customer": customer["id"],
        "description": None,
        "ending_balance": customer["balance"],
        "invoice": links.get("invoice"),
        "livemode": False,
        "metadata": {},
        "type": type,
    }
    account.balance_transactions.add(row["id"], row)
    account.balance_transactions_of_customer[customer["id"]].append(row["id"])
    return row
