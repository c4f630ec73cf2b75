"""What must show nowhere: credentials, tokens, the payer's address, and what client code gave the browser."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from itertools import permutations

import msgspec

from processors.conformance.subject import ADDRESS, Impossible, Subject

SHORT = 6
"""Shorter texts stand in any text by chance."""


def credentials_of(subject: Subject) -> Mapping[str, str]:
    """By field; also what Basic authentication makes of two of them."""
    previous = {} if isinstance(subject.webhooks.previous, Impossible) else subject.webhooks.previous
    plain = {**previous, **subject.credentials}
    values = [*plain.items(), *((name, value) for name, value in subject.options.items())]
    pairs = {
        f"{one} and {other} as a Basic header": base64.b64encode(f"{user}:{password}".encode()).decode()
        for (one, user), (other, password) in permutations(values, 2)
        if other in plain
    }
    return {name: value for name, value in {**plain, **pairs}.items() if len(value) >= SHORT}


def secrets_of(subject: Subject) -> Mapping[str, str]:
    """Everything that is secret, by what it is."""
    method = subject.method
    tokens = {
        "the token": method.token,
        "the payer's id there": method.processor_customer,
        "the first payment": method.initial_payment,
    }
    found = dict(credentials_of(subject))
    found |= {name: secret.reveal() for name, secret in tokens.items() if secret is not None}
    found |= {f"the client's {name}": value for name, value in subject.setups.client.items()}
    found |= {f"the payer's {name}": value for name, value in msgspec.to_builtins(ADDRESS).items()}
    found |= {f"a further secret ({index})": value for index, value in enumerate(subject.secrets)}
    return {name: value for name, value in found.items() if len(value) >= SHORT}
