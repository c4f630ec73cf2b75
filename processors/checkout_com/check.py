"""What the check of a connection sees of its webhook: the account's workflows, one of which must send to it. Pure.

A list of workflows has neither conditions nor actions, so that each active one is asked for (checkout-sdk-java:
workflows/GetWorkflowsResponse, GetWorkflowResponse).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from processors.checked import About, Finding, Proved, Unseen, Wrong, same_address
from processors.checkout_com.wire import ApiWorkflow

MOST: Final = 20
"""So many active workflows are looked at."""
NEEDED: Final = frozenset(
    {
        "payment_captured",
        "payment_declined",
        "payment_capture_declined",
        "payment_refunded",
        "payment_refund_declined",
        "dispute_evidence_required",
        "dispute_lost",
        "dispute_won",
    }
)
"""Events that every account can be sent (docs: webhooks/manage-webhooks); without one of them money moves untold."""
PLACE: Final = "Dashboard: Developers, Webhooks"
MAY_NOT_LOOK: Final = "this secret key may not see workflows: it has no flow:workflows scope"
TRY_IT: Final = "POST /workflows/{id}/test at Checkout.com's API, or a card stored in the sandbox"
CHANNEL: Final = Unseen(
    About.ACCOUNT, "no call tells the processing channels of a key; whether this one is the key's shows at a charge"
)


def finding(active: Sequence[ApiWorkflow], ours: str, channel: str, *, more: bool) -> Finding:
    """`active` are the workflows that were looked at, `more` whether there are others."""
    here = [one for one in active if any(same_address(action.url, ours) for action in one.actions)]
    if not here and more:
        return Unseen(About.WEBHOOK, f"none of the first {MOST} active workflows sends to this connection")
    if not here:
        return Wrong(
            About.WEBHOOK, "no active workflow sends to this connection", f"{PLACE}: add a webhook with the URL {ours}"
        )
    fitting = [one for one in here if channel in (one.of("processing_channel") or (channel,))]
    if not fitting:
        return Wrong(
            About.WEBHOOK,
            f"the workflow that sends to this connection is for other processing channels than {channel}",
            f"{PLACE}: let it be for {channel}, and for it alone",
        )
    told: set[str] = set()
    for one in fitting:
        told.update(one.of("event") or NEEDED)
    if missing := sorted(NEEDED - told):
        return Wrong(
            About.WEBHOOK,
            f"the workflow sends to this connection, and leaves out {', '.join(missing)}",
            f"{PLACE}: select all events of payments and disputes",
        )
    return Proved(About.WEBHOOK, "an active workflow sends to this connection, with all events that matter")
