"""Taking over a token from another system: its processor is asked whether it is good, and then it is stored.

Nothing of it is shown, logged or stored anywhere but in its column (law 12).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from db.engine import DB
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NameTakenError
from gateway.accounts.named import connection_named
from gateway.clock import business_now
from gateway.customers import vault
from gateway.customers.methods import TokenOfAnotherCustomerError, store_method
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from processors.money import Money
from processors.values import Card, MethodState, PaymentMethodReference, Unprinted

CARD_DIGITS: Final = range(13, 20)
"""How many digits a card's number has (ISO/IEC 7812)."""


class Examined(Unprinted, frozen=True):
    """A token of which its processor was asked. `deletions`: how many of it had begun by then."""

    connection: str
    connection_name: str
    reference: PaymentMethodReference
    vault_hash: str
    deletions: int
    state: MethodState


async def examine(runtime: Runtime, account: str, connection: str, reference: PaymentMethodReference) -> Examined:
    """Ask the processor of a token, which is to be neither a card's number nor over; nothing is stored.

    Raises FieldError, CallError.
    """
    if is_card_number(reference.token.reveal()):
        raise FieldError("token", "is a card's number; only the processor's token for it may come here")
    found = await connection_named(account, connection)
    if found is None:
        raise FieldError("connection", "there is no such connection")
    adapter = await runtime.connections.adapter(account, found)
    token = await vault.vault_hash(runtime, found, reference)
    deletions = await vault.deletions(token)
    state = await within(adapter.method_state(reference), total_timeout_s(runtime, adapter))
    if state in (MethodState.REVOKED, MethodState.EXPIRED):
        raise FieldError("token", f"the processor says that this payment method is {state}")
    return Examined(found, connection, reference, token, deletions, state)


async def store(
    runtime: Runtime,
    by: Author,
    account: str,
    customer: str,
    token: Examined,
    card: Card,
    *,
    place: int = 1,
    invoices: Collection[str] = (),
) -> str:
    """Store a token that was found good, in this place among the customer's methods; its id.

    `invoices`: those of the customer at Stripe, of which we may not have heard. Raises NameTakenError, and NotYetError
    where it is being deleted, or was since.
    """
    now = await business_now()
    try:
        async with DB.transaction():
            await vault.take_unless_deleted_since(token.vault_hash, token.deletions)
            placed = (account, customer, token.connection, token.reference, card, now)
            stored = await store_method(runtime, *placed, tell=True, place=place, invoices=invoices)
            # The log is for ever, and a card's number is somebody's.
            after = {"connection": token.connection_name}
            await by.note(account, "payment_method.imported", stored, name=customer, after=after)
    except TokenOfAnotherCustomerError as error:
        raise NameTakenError("token", str(error)) from error
    return stored


async def take_over(
    runtime: Runtime,
    by: Author,
    account: str,
    customer: str,
    connection: str,
    reference: PaymentMethodReference,
    card: Card,
) -> str:
    """Store a token that a server holds already, as the customer's first method, if its processor says that it is good.

    Returns its id. Raises FieldError, CallError, and NotYetError while it is being deleted.
    """
    found = await examine(runtime, account, connection, reference)
    return await store(runtime, by, account, customer, found, card)


def shown_card(
    brand: str, last4: str, exp_month: int | None, exp_year: int | None, charge_limit: Money | None = None
) -> Card:
    """What a payer recognises it by and has agreed to, as somebody else tells it."""
    label = f"{brand} •••• {last4}" if last4 else brand
    return Card(brand, last4, exp_month, exp_year, label.strip(), charge_limit=charge_limit)


def is_card_number(token: str) -> bool:
    """Whether it has a card number's length and check digit (ISO/IEC 7812, Luhn)."""
    digits = token.replace(" ", "").replace("-", "")
    if not digits.isascii() or not digits.isdigit() or len(digits) not in CARD_DIGITS:
        return False
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0
