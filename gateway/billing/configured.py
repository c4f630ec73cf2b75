"""How an account is set up at Stripe, as far as its API shows: portal, the newest events, what a key may do.

For the doctor alone; nothing that collects money reads any of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeForbiddenError, StripeRefusedError
from gateway.billing.shapes import AccountShape, id_of
from gateway.domain.doctor_stripe import Portal, Portals

MOST_PORTALS: Final = 2000
"""An account may have any number of configurations: some make one for each session. One check has thirty seconds."""
PAGE: Final = 100
"""One page of each list: the newest tell enough."""


class _Switch(msgspec.Struct, frozen=True):
    enabled: bool = False


class _Features(msgspec.Struct, frozen=True):
    payment_method_update: _Switch = _Switch()
    subscription_update: _Switch = _Switch()


class _Portal(msgspec.Struct, frozen=True):
    id: str
    active: bool = True
    is_default: bool = False
    features: _Features = _Features()
    login_page: _Switch = _Switch()


class _Portals(msgspec.Struct, frozen=True):
    data: list[_Portal] = []
    has_more: bool = False


class _Named(msgspec.Struct, frozen=True):
    id: str | None = None


class _Data(msgspec.Struct, frozen=True):
    object: _Named = _Named()


class EventShape(msgspec.Struct, frozen=True):
    """An event in a list, without what it says."""

    id: str
    type: str = ""
    created: int = 0
    api_version: str | None = None
    data: _Data = _Data()

    @property
    def object_id(self) -> str:
        return self.data.object.id or ""


class _Events(msgspec.Struct, frozen=True):
    data: list[EventShape] = []


class _BillingMode(msgspec.Struct, frozen=True):
    type: str = ""


class _CustomerSettings(msgspec.Struct, frozen=True):
    default_payment_method: str | dict[str, Any] | None = None


class _Customer(msgspec.Struct, frozen=True):
    id: str = ""
    default_source: str | dict[str, Any] | None = None
    invoice_settings: _CustomerSettings = _CustomerSettings()


class LivingShape(msgspec.Struct, frozen=True):
    """A living subscription, as far as it may be paid past us."""

    id: str
    default_payment_method: str | dict[str, Any] | None = None
    billing_mode: _BillingMode | None = None
    customer: _Customer | str | None = None

    @property
    def pays_itself(self) -> bool:
        """Stripe has a method that it would charge, if it were let: the subscription's, or the customer's default."""
        if self.default_payment_method:
            return True
        customer = self.customer
        if not isinstance(customer, _Customer):
            return False
        return bool(id_of(customer.invoice_settings.default_payment_method) or customer.default_source)


class _Living(msgspec.Struct, frozen=True):
    data: list[LivingShape] = []


class Whose(msgspec.Struct, frozen=True):
    """The account that a key opens, and what Stripe's clock showed then."""

    account: AccountShape
    clock: datetime | None


async def whose(stripe: StripeClient) -> Whose:
    """Raises StripeError."""
    answer = await stripe.ask("get", "/v1/account", AccountShape)
    try:
        clock = parsedate_to_datetime(answer.date) if answer.date else None
    except ValueError:
        clock = None
    return Whose(answer.said, clock)


async def portals(stripe: StripeClient) -> Portals:
    """The active configurations of the customer portal. Raises StripeError."""
    found: list[Portal] = []
    params: dict[str, Any] = {"active": True, "limit": PAGE}
    while True:
        page = await stripe.get("/v1/billing_portal/configurations", _Portals, params)
        found += [_portal(one) for one in page.data]
        if not page.has_more or not page.data:
            return Portals(found)
        if len(found) >= MOST_PORTALS:
            return Portals(found, broken_off=True)
        params["starting_after"] = found[-1].id


def _portal(one: _Portal) -> Portal:
    return Portal(
        one.id,
        one.is_default,
        one.features.payment_method_update.enabled,
        one.features.subscription_update.enabled,
        one.login_page.enabled,
    )


async def make_portal_safe(stripe: StripeClient, configuration: str) -> None:
    """Payers change neither payment methods nor plans there any more; the rest stays. Raises StripeError."""
    off = {"payment_method_update": {"enabled": False}, "subscription_update": {"enabled": False}}
    await stripe.post(f"/v1/billing_portal/configurations/{configuration}", _Named, {"features": off})


async def newest_events(
    stripe: StripeClient, *, since: datetime | None = None, undelivered: bool = False, kind: str = ""
) -> list[EventShape]:
    """The newest hundred at most, the newest first. Raises StripeError."""
    params: dict[str, Any] = {"limit": PAGE}
    if since is not None:
        params["created"] = {"gte": int(since.timestamp())}
    if undelivered:
        params["delivery_success"] = False
    if kind:
        params["type"] = kind
    return (await stripe.get("/v1/events", _Events, params)).data


async def living(stripe: StripeClient) -> list[LivingShape]:
    """The newest hundred subscriptions that we collect for, with their customers. Raises StripeError."""
    params = {"collection_method": "send_invoice", "limit": PAGE, "expand": ["data.customer"]}
    return (await stripe.get("/v1/subscriptions", _Living, params)).data


async def lacks(stripe: StripeClient, method: str, path: str, params: Mapping[str, Any] | None = None) -> str | None:
    """The permission that the key lacks for a call, `?` where Stripe doesn't name it; None where it may make it.

    For a write the object must be one that can't exist: what the call itself is refused for, after the permission was
    looked at, proves that. Raises StripeError where neither is known.
    """
    try:
        await stripe.ask(method, path, msgspec.Raw, params)
    except StripeForbiddenError as error:
        return error.permission or "?"
    except StripeRefusedError:
        return None
    return None
