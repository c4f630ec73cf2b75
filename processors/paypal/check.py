"""What the check of a connection sees of its webhook, which PayPal shows whole to the app that it belongs to. Pure."""

from __future__ import annotations

from typing import Final

from processors.checked import About, Finding, Proved, Unseen, Wrong, same_address
from processors.paypal.notices import NEEDED
from processors.paypal.wire import ApiWebhook

EVERY: Final = "*"
PLACE: Final = "in the app's page of PayPal's developer dashboard"
TRY_IT: Final = (
    "begin a set-up of a payment method and let a sandbox buyer approve it: PayPal's webhook simulator signs with no "
    "key of this webhook, so that its events are refused"
)
WHOSE: Final = Unseen(
    About.ACCOUNT, "no call that every app may make names the merchant; whose credentials these are shows at a charge"
)


def none(webhook_id: str) -> Finding:
    """The app is good, and the webhook is not one of its own."""
    return Wrong(
        About.WEBHOOK,
        f"the app of this client_id has no webhook {webhook_id}, so that every notification would be refused",
        f"add a webhook {PLACE}, and set the option webhook_id to its id",
    )


def finding(webhook: ApiWebhook, ours: str) -> Finding:
    """Where the webhook goes, and whether it tells all that must be known."""
    if not same_address(webhook.url, ours):
        return Wrong(About.WEBHOOK, f"the webhook goes to {webhook.url}", f"change its address to {ours}, {PLACE}")
    told = {one.name for one in webhook.event_types}
    missing = sorted(NEEDED - told)
    if missing and EVERY not in told:
        return Wrong(
            About.WEBHOOK,
            f"the webhook goes to this connection, and leaves out {', '.join(missing)}",
            f"select these events, or all, {PLACE}",
        )
    return Proved(About.WEBHOOK, "the webhook goes to this connection, with all events that matter")
