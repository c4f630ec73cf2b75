"""What the check of a connection can tell of its notifications at Mollie. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from processors.checked import About, Finding, Proved, Unseen, Wrong, same_address

SUBSCRIPTION: Final = Unseen(
    About.WEBHOOK,
    "where the signed webhook of webhook_secret goes: Mollie shows that to access tokens of the organisation with "
    "webhooks.read, and not to API keys",
)
TRY_IT: Final = (
    "begin a set-up of a payment method and finish its first payment: Mollie notifies of each payment. A signed "
    "webhook is tried in the dashboard, under Webhooks"
)


def findings(named: str, ours: str, *, signed: bool) -> Iterator[Finding]:
    """`named` is the address that stands in each payment; `signed` whether a webhook's secret is configured too."""
    if same_address(named, ours):
        yield Proved(About.WEBHOOK, "each payment names this connection for its notifications")
    else:
        yield Wrong(About.WEBHOOK, f"each payment names {named}", f"set the option webhook_url to {ours}")
    if signed:
        yield SUBSCRIPTION
