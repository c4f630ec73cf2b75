"""What an import is asked to do."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.accounts.audit import Author
from gateway.accounts.connections import Connection
from gateway.runtime import Runtime


class Import(msgspec.Struct, frozen=True):
    """What is asked for. `collect_from`: older invoices are left alone; None: whatever is open or a draft now.

    `switch`: subscriptions that Stripe collects itself are to be collected here.
    """

    runtime: Runtime
    by: Author
    account: str
    connections: dict[str, Connection]
    apply: bool = False
    collect_from: datetime | None = None
    accept_unverified: bool = False
    switch: bool = False
