"""What the check of a connection can tell of its webhook at GoCardless: no call shows the endpoints, but one what was
sent to each. Pure."""

from __future__ import annotations

from typing import Final

from processors.checked import About, Finding, Proved, Unseen, Wrong, same_address
from processors.gocardless.wire import Webhooks

LATEST: Final = 100
"""How many of the latest webhooks are looked at, of whichever endpoint."""
MAY_NOT_LOOK: Final = "this access token may not see which webhooks were sent"
TRY_IT: Final = "dashboard: Developers, the webhook endpoint, Send test webhook"


def finding(sent: Webhooks, ours: str) -> Finding:
    """By the newest delivery to our address among the latest, newest first."""
    here = [one for one in sent.webhooks if same_address(one.url, ours)]
    if not here:
        return Unseen(
            About.WEBHOOK,
            "GoCardless' API does not show webhook endpoints, and none of the latest webhooks went to this connection",
        )
    last = here[0]
    if last.successful:
        return Proved(
            About.WEBHOOK, f"the webhook of {last.created_at:%Y-%m-%d %H:%M} UTC was taken by this connection"
        )
    answered = f"answered {last.response_code}" if last.response_code else "not answered"
    return Wrong(
        About.WEBHOOK,
        f"the webhook of {last.created_at:%Y-%m-%d %H:%M} UTC to this connection was {answered}",
        "compare webhook_secret with the endpoint's secret in the dashboard, and see that GoCardless can reach us",
    )
