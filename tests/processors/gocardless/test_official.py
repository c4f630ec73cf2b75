"""GoCardless' own fixtures and signature vector: our structs read what its SDKs are tested with.

They are not shipped: looked for in ``TOLLBRIDGE_SPECS`` or ``../shared/specs``, as in tests/sandbox/spec.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from processors.errors import SignatureInvalidError
from processors.gocardless import wire
from processors.gocardless.mapping import CONFLICT, error_code
from tests.processors.gocardless.conftest import delivery, make_adapter

SECRET = "ED7D658C-D8EB-4941-948B-3973214F2D49"
"""Public: all of GoCardless' SDKs are tested with it, and with this signature."""
SIGNED = "2693754819d3e32d7e8fcb13c729631f316c6de8dc1cf634d6527f1c07276e7e"


def fixture(name: str) -> Any:
    """A file of the fixtures; skips or fails the calling test when it is missing."""
    folder = Path(os.environ.get("TOLLBRIDGE_SPECS") or Path(__file__).parents[4] / "shared" / "specs")
    file = folder / "gocardless" / "fixtures" / name
    if not file.exists():
        reason = f"GoCardless' fixtures are not at {file.parent} (set TOLLBRIDGE_SPECS)"
        if os.environ.get("TOLLBRIDGE_SPECS_REQUIRED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return file.read_bytes()


@pytest.mark.parametrize(
    ("name", "call", "kind"),
    [
        ("payments", "create", wire.OnePayment),
        ("payments", "get", wire.OnePayment),
        ("payments", "cancel", wire.OnePayment),
        ("payments", "list", wire.Payments),
        ("refunds", "create", wire.OneRefund),
        ("refunds", "get", wire.OneRefund),
        ("refunds", "list", wire.Refunds),
        ("mandates", "get", wire.OneMandate),
        ("mandates", "cancel", wire.OneMandate),
        ("customer_bank_accounts", "get", wire.OneBankAccount),
        ("billing_requests", "create", wire.OneBillingRequest),
        ("billing_requests", "get", wire.OneBillingRequest),
        ("billing_request_flows", "create", wire.OneFlow),
        ("events", "list", wire.Events),
    ],
)
def test_an_answer_is_read(name: str, call: str, kind: type[Any]) -> None:
    calls = msgspec.json.decode(fixture(f"{name}.json"))
    read = msgspec.json.decode(msgspec.json.encode(calls[call]["body"]), type=kind)
    shown = getattr(read, "one", None) or read.page[0]
    assert shown.id if hasattr(shown, "id") else shown


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("idempotent_creation_conflict_error", f"{CONFLICT}PM00001078ZJJN"),
        ("invalid_state_error", "mandate_not_inactive"),
        ("unauthorized_error", "unauthorized"),
        ("insufficient_permission", "insufficient_permissions"),
        ("rate_limit_exceeded", "rate_limit_exceeded"),
        ("validation_failed_error", "validation_failed"),
        ("invalid_api_usage_error", "invalid_api_usage"),
        ("gocardless_error", "gocardless"),
    ],
)
def test_an_error_is_read(name: str, code: str) -> None:
    assert error_code(fixture(f"{name}.json")) == code


async def test_the_signature_vector() -> None:
    body = fixture("webhook_body.json").rstrip(b"\n")
    async with httpx.AsyncClient() as http:
        adapter = make_adapter(http, webhook_secret=SECRET)
        first, second = await adapter.verify(delivery(body, SIGNED))
        assert (first.key, second.key) == ("EV00BD05S5VM2T", "EV00BD05TB8K63")
        with pytest.raises(SignatureInvalidError):
            await adapter.verify(delivery(body + b" ", SIGNED))
