"""No struct of ours that holds a secret shows it when it is printed."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import msgspec
import pytest

from processors.conformance.descriptions import closed
from processors.values import Unprinted

TELLING = {"token", "secret", "client_secret", "client_token", "api_key", "stripe_key", "encryption_keys", "secrets"}
TELLING |= {"webhook_secrets", "credentials", "client", "headers", "body", "raw", "database_url", "plain"}
NAMES_ONLY = {"Account", "AccountBody", "Connection", "ConnectionBody", "AccountChange", "ConnectionChange"}
NAMES_ONLY |= {"Declared", "LoneBreak", "ProcessorEvent", "PaymentMethodReference", "Reply"}
"""Their fields of these names hold ids, names of fields, what an API shows, or a Secret, which hides itself."""
SCHEMAS_ONLY = {closed.Operation, closed.Canary}
"""Parts of a description that is shipped: patterns and schemas, and requests that are made up."""


def structs() -> Iterator[type[msgspec.Struct]]:
    """Every struct of the product but the sandbox's."""
    for package in ("gateway", "processors", "db"):
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            if ".sandbox" in module.name or module.name.endswith("__main__"):
                continue
            for found in vars(importlib.import_module(module.name)).values():
                is_struct = isinstance(found, type) and issubclass(found, msgspec.Struct)
                if is_struct and found.__module__ == module.name:
                    yield found


HOLDERS = [
    one
    for one in structs()
    if TELLING & set(one.__struct_fields__) and one.__name__ not in NAMES_ONLY and one not in SCHEMAS_ONLY
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: holder.__name__)
def test_what_holds_a_secret_does_not_print_it(holder: type[msgspec.Struct]) -> None:
    fields = {name: "canary_made_up" if name in TELLING else "shown" for name in holder.__struct_fields__}
    assert "canary_made_up" not in repr(holder(**fields))


def test_the_holders_are_found() -> None:
    assert {"PreparedCall", "RawDelivery", "StoredMethod", "NewAccount", "Settings"} <= {h.__name__ for h in HOLDERS}
    assert repr(Unprinted()) == "Unprinted(***)"
