"""What a request must pass before anything is read of it: key, version, account, permission, rate.

The order is Stripe's as far as it is known: a restricted key learns that it lacks a permission before it learns
whether the object exists.
"""

from __future__ import annotations

import base64
import contextlib
from dataclasses import dataclass

from gateway.sandbox.kit.asgi import Request
from gateway.sandbox.stripe.closed_lists import check_version
from gateway.sandbox.stripe.errors import no_access, no_api_key, no_permission
from gateway.sandbox.stripe.keys import ApiKey, masked
from gateway.sandbox.stripe.permissions import missing_permission

OTHER_ACCOUNT = ("stripe-account", "stripe-context")


@dataclass(slots=True)
class Headers:
    """What the headers of a request say; nothing is checked yet."""

    key: str
    version: str | None
    other_account: str | None

    @classmethod
    def of(cls, request: Request) -> Headers:
        """Raises Refusal without an API key."""
        other = next((request.headers[name] for name in OTHER_ACCOUNT if request.headers.get(name)), None)
        return cls(_api_key(request), request.headers.get("stripe-version"), other)


def admit(headers: Headers, key: ApiKey, request: Request) -> None:
    """Raises Refusal: 400 for a version that does not exist, 403 for another account or a missing permission."""
    if headers.version is not None:
        check_version(headers.version)
    if headers.other_account not in (None, key.account):
        raise no_access(masked(key.key), str(headers.other_account))
    if key.permissions is not None:
        lacking = missing_permission(key.permissions, request.method, request.path)
        if lacking is not None:
            raise no_permission(masked(key.key), key.account, lacking)


def _api_key(request: Request) -> str:
    if key := request.bearer():
        return key
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            return base64.b64decode(value, validate=True).decode("latin-1").partition(":")[0]
    raise no_api_key()
