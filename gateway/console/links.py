"""Where the page of an object is, by the beginning of its id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PAGES: Final[Mapping[str, str]] = {
    "in_": "/invoices/",
    "cus_": "/customers/",
    "sub_": "/subscriptions/",
    "rfd_": "/refunds/",
    "dsp_": "/disputes/",
    "cas_": "/cases/",
    "rcn_": "/reconciliations/",
    "brk_": "/breaks/",
    "dlv_": "/webhooks/",
}
"""An id that begins with `evt_` may be Stripe's."""


def page_of(object_id: str | None) -> str:
    """Its address below the account's; empty where it has no page."""
    return next((page + str(object_id) for start, page in PAGES.items() if (object_id or "").startswith(start)), "")
