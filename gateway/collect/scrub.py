"""A processor's words without the payer's token in them: they are stored and shown, and the token never is (law 12)."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from gateway.collect.references import MethodErasedError, method_reference
from gateway.runtime import Runtime
from processors.outcome import ChargeOutcome, Declined, NotSent, Rejected, Unknown
from processors.values import PaymentMethodReference

SHORTEST = 4
"""Anything shorter than this is no secret, and would be found everywhere."""


def scrubbed(outcome: ChargeOutcome, method: PaymentMethodReference) -> ChargeOutcome:
    """The same outcome, its texts without the method's token and without the payer's id at the processor."""
    secrets = [s.reveal() for s in (method.token, method.processor_customer, method.initial_payment) if s is not None]

    def clean(text: str) -> str:
        for secret in secrets:
            if len(secret) >= SHORTEST:
                text = text.replace(secret, "…")
        return text

    replace = msgspec.structs.replace
    match outcome:
        case Declined(decline=decline):
            said, code = clean(decline.processor_message), clean(decline.processor_code)
            network = {"network_code": clean(decline.network_code), "network_advice": clean(decline.network_advice)}
            return replace(outcome, decline=replace(decline, processor_message=said, processor_code=code, **network))
        case Rejected():
            return replace(outcome, code=clean(outcome.code), message=clean(outcome.message))
        case NotSent() | Unknown():
            return replace(outcome, reason=clean(outcome.reason))
        case _:
            return outcome


async def without_token(runtime: Runtime, account: str, method: str, outcome: ChargeOutcome) -> ChargeOutcome:
    """The same by a stored method's id; one that is erased already can't be compared."""
    if isinstance(outcome, Declined | Rejected | NotSent | Unknown):
        with suppress(MethodErasedError):
            return scrubbed(outcome, await method_reference(runtime, account, method))
    return outcome
