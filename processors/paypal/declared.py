"""What the gateway may rely on of PayPal, and what a connection to it is made of. Data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from processors.capabilities import (
    Capabilities,
    Idempotency,
    Lookup,
    ReferenceRules,
    RefundMode,
    Refunds,
    Replay,
    Webhook,
)
from processors.events import EventKind
from processors.paypal import mapping, money

HOSTS: Final[Mapping[str, str]] = {
    "test": "https://api-m.sandbox.paypal.com",
    "live": "https://api-m.paypal.com",
}
CERTIFICATE_HOSTS: Final[Mapping[str, frozenset[str]]] = {
    "test": frozenset({"https://api.sandbox.paypal.com", "https://api-m.sandbox.paypal.com"}),
    "live": frozenset({"https://api.paypal.com", "https://api-m.paypal.com"}),
}
"""The hosts of one environment vouch for nothing in the other: a test event can't pass for a live one."""

CALL_TIMEOUT: Final = timedelta(seconds=45)

OPTION_PATTERNS: Final[Mapping[str, str]] = {
    "environment": "test|live",
    "account": "[2-9A-HJ-NP-Z]{13}",
    "client_id": "[!-~]{1,256}",
    "webhook_id": "[A-Za-z0-9]{1,50}",
}
"""`account` is the merchant id, as in `payee.merchant_id`. The simulator signs for `WEBHOOK_ID`: no id of a webhook."""

SCHEDULE: Final = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)

EVENTS: Final = frozenset(
    {
        EventKind.CHARGE_SUCCEEDED,
        EventKind.CHARGE_FAILED,
        EventKind.CHARGE_PENDING,
        EventKind.CHARGE_REVERSED,
        EventKind.REFUND_CREATED,
        EventKind.REFUND_SUCCEEDED,
        EventKind.REFUND_FAILED,
        EventKind.DISPUTE_INQUIRY,
        EventKind.DISPUTE_OPENED,
        EventKind.DISPUTE_FUNDS_WITHDRAWN,
        EventKind.DISPUTE_WON,
        EventKind.DISPUTE_LOST,
        EventKind.DISPUTE_PARTLY_LOST,
        EventKind.DISPUTE_CLOSED,
        EventKind.METHOD_ACTIVATED,
        EventKind.METHOD_REVOKED,
        EventKind.IGNORED,
    }
)
"""The others are impossible: a capture's money is in the account's balance at once, so nothing tells of settling; one
that was reversed is not given again, a refund not taken back; a token is replaced, expired or suspended inside the
wallet, unseen; and a locked account is told of by refusals (`PAYEE_ACCOUNT_RESTRICTED`) alone."""

CAPABILITIES: Final = Capabilities(
    asynchronous=False,
    # Of an order; refunds keep theirs for 45 days, the vault for 3 hours.
    idempotency=Idempotency(window=timedelta(hours=6), replay=Replay.CURRENT_STATE, max_key_length=108),
    lookup=Lookup.BY_ID,
    reference=ReferenceRules(max_length=mapping.LONGEST_TEXT),
    call_timeout=CALL_TIMEOUT,
    unknown_schedule=SCHEDULE,
    pending_schedule=(timedelta(hours=1), timedelta(hours=6), timedelta(days=1)),
    # An eCheck clears in about a week; what the merchant must accept by hand is given back after thirty days.
    max_pending=timedelta(days=30),
    currencies=money.CURRENCIES,
    # A payer may open a dispute for so long.
    reversal_window=timedelta(days=180),
    refunds=Refunds(RefundMode.SYNC, window=timedelta(days=180)),
    lists_refunds=True,
    webhook=Webhook.CERTIFICATE,
    takes_lines=True,
    payer_address=True,
    events=EVENTS,
    # Its events are kept for thirty days, and sent for three.
    tells_again=True,
)
