"""A subscription at Stripe with all that decides whether an invoice is made of it: read for people who ask why."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.billing.client import StripeClient
from gateway.billing.shapes import InvoiceShape, id_of

MOST_DRAFTS: Final = 20


class _Recurring(msgspec.Struct, frozen=True):
    usage_type: str = "licensed"


class _Price(msgspec.Struct, frozen=True):
    recurring: _Recurring | None = None


class _Item(msgspec.Struct, frozen=True):
    price: _Price = _Price()
    current_period_end: int | None = None


class _Items(msgspec.Struct, frozen=True):
    data: list[_Item] = []


class _Mode(msgspec.Struct, frozen=True):
    type: str = ""


class _Pause(msgspec.Struct, frozen=True):
    behavior: str = ""
    resumes_at: int | None = None


class ReasonsShape(msgspec.Struct, frozen=True):
    """As our API version gives it, with the latest invoice expanded."""

    id: str
    status: str = ""
    collection_method: str = "charge_automatically"
    trial_end: int | None = None
    pause_collection: _Pause | None = None
    cancel_at: int | None = None
    cancel_at_period_end: bool = False
    ended_at: int | None = None
    schedule: str | dict[str, Any] | None = None
    billing_mode: _Mode | None = None
    items: _Items = _Items()
    latest_invoice: InvoiceShape | str | None = None

    @property
    def metered_only(self) -> bool:
        return bool(self._metered) and all(self._metered)

    @property
    def metered(self) -> bool:
        """Whether any of its prices bills what was used."""
        return any(self._metered)

    @property
    def _metered(self) -> list[bool]:
        prices = [item.price.recurring for item in self.items.data]
        return [one is not None and one.usage_type == "metered" for one in prices]

    @property
    def period_end(self) -> int | None:
        """When the first of its items' periods ends."""
        return min((item.current_period_end for item in self.items.data if item.current_period_end), default=None)

    @property
    def schedule_id(self) -> str:
        return id_of(self.schedule)


class _Invoices(msgspec.Struct, frozen=True):
    data: list[InvoiceShape] = []


async def read(stripe: StripeClient, subscription: str) -> ReasonsShape:
    """Raises StripeError."""
    path = f"/v1/subscriptions/{subscription}"
    return await stripe.get(path, ReasonsShape, {"expand": ["latest_invoice"]})


async def drafts(stripe: StripeClient, subscription: str) -> list[InvoiceShape]:
    """Its invoices that are not final, the newest first. Raises StripeError."""
    params = {"subscription": subscription, "status": "draft", "limit": MOST_DRAFTS}
    return (await stripe.get("/v1/invoices", _Invoices, params)).data
