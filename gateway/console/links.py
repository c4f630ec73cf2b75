"""Addresses: of an object's page, by the beginning of its id; of an account's lists, with filters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from gateway.readers.collected import AT_STRIPE, BY_HAND

PAGES: Final[Mapping[str, str]] = {
    "in_": "/invoices/",
    "cus_": "/customers/",
    "sub_": "/subscriptions/",
    "rfd_": "/refunds/",
    "dsp_": "/disputes/",
    "cas_": "/cases/",
    "rcn_": "/reconciliations/",
    "brk_": "/breaks/",
    "sfl_": "/settlements/",
    "dlv_": "/webhooks/",
}
"""An id that begins with `evt_` may be Stripe's."""
SOURCES: Final[Mapping[str, str]] = {BY_HAND: "recorded by hand", AT_STRIPE: "paid at Stripe"}


def page_of(object_id: str | None) -> str:
    """Its address below the account's; empty where it has no page."""
    return next((page + str(object_id) for start, page in PAGES.items() if (object_id or "").startswith(start)), "")


class Lists(msgspec.Struct, frozen=True):
    """Addresses of an account's lists, with filters. Days are UTC, and both ends belong to them."""

    path: str
    names: Mapping[str, str]

    def invoices(self, **filters: Any) -> str:
        wanted = [(name, value) for name, value in filters.items() if value not in ("", None)]
        return f"{self.path}/invoices?{urlencode(wanted, doseq=True)}"

    def collected(self, by: str, currency: str, first: date, last: date) -> str:
        return self.invoices(collected_from=first, collected_until=last, source=by, currency=currency)

    def declined(self, connection: str, first: date, last: date, **which: str) -> str:
        return self.invoices(declined_from=first, declined_until=last, declined_at=connection, **which)

    def cases(self, **filters: str) -> str:
        return f"{self.path}/cases?{urlencode({'state': 'open', **filters})}"

    def name(self, by: str) -> str:
        return SOURCES.get(by) or self.names.get(by, by)
