"""A payment method's reference at its processor: sealed into its column, and opened for the one call that needs it."""

from __future__ import annotations

from typing import Final

import msgspec

from db import sql
from db.encryption import Keyring
from gateway.runtime import Runtime
from processors.values import PaymentMethodReference, Secret, Unprinted

REFERENCE: Final = "select reference from tollbridge.payment_method where account = $1 and id = $2"


class MethodErasedError(Exception):
    """The method was revoked: its reference is gone."""


class StoredMethod(Unprinted, frozen=True):
    """What the encrypted column of a payment method holds."""

    token: str
    processor_customer: str | None = None
    initial_payment: str | None = None

    def reference(self) -> PaymentMethodReference:
        return PaymentMethodReference(
            Secret(self.token), _secret(self.processor_customer), _secret(self.initial_payment)
        )


def sealed_reference(keyring: Keyring, method: str, reference: PaymentMethodReference) -> bytes:
    """A reference as it stands in its method's row."""
    others = (reference.processor_customer, reference.initial_payment)
    plain = StoredMethod(reference.token.reveal(), *(one.reveal() if one else None for one in others))
    return keyring.encrypt(msgspec.json.encode(plain), table="payment_method", column="reference", row=method)


async def method_reference(runtime: Runtime, account: str, method: str) -> PaymentMethodReference:
    """The decrypted reference of a stored method; raises MethodErasedError."""
    sealed = await sql.value(REFERENCE, account, method)
    if sealed is None:
        raise MethodErasedError(method)
    plain = runtime.keyring.decrypt(sealed, table="payment_method", column="reference", row=method)
    return msgspec.json.decode(plain, type=StoredMethod).reference()


def _secret(plain: str | None) -> Secret | None:
    return None if plain is None else Secret(plain)
