"""What the check of a connection can't see at Braintree, and how somebody tries it."""

from __future__ import annotations

from typing import Final

from processors.checked import About, Unseen

WEBHOOK: Final = Unseen(
    About.WEBHOOK, "Braintree's API lists no webhooks: they stand in the Control Panel alone, under API, Webhooks"
)
TRY_IT: Final = "Control Panel: API, Webhooks, Check URL beside the address (docs: webhooks/testing-go-live)"
