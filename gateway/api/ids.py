"""Ids in addresses that several pages have."""

from __future__ import annotations

from typing import Annotated

from litestar.params import PathParameter

# It becomes part of an address at Stripe.
SubscriptionId = Annotated[
    str, PathParameter(pattern="^[A-Za-z0-9_-]{1,255}$", description="The subscription's id at Stripe: sub_…")
]
