"""The check of a connection: what its adapter finds at the processor, and what only the gateway knows.

That a notification came and its signature held is the strongest proof of all that is set up for it: the address, the
secret, and the way to us. Where none has come, it's said where to enter the address and how one is tried.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from db import sql
from gateway.accounts import accounts, connections
from gateway.accounts.errors import CheckFailedError
from gateway.connections import adapter_class
from gateway.domain.times import moment
from gateway.inbox.envelope import POLLED
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from processors.capabilities import Webhook
from processors.checked import About, Finding, Proved, Unseen, Wrong
from processors.errors import ConfigurationError, RefusedError

# What was asked for came by no webhook. Anybody can send a ping: one counts if the processor showed what it told of.
LAST: Final = """
    select received_at from tollbridge.delivery
    where account = $1 and source = $2 and not starts_with(kind, $3) and (state = 'done' or not $4)
    order by received_at desc limit 1
"""


class ConnectionCheck(msgspec.Struct, frozen=True):
    """One connection, checked: `ok` unless something is wrong, as what can't be seen is no fault.

    `reference` is what the processor calls the account that the credentials open, `last_notification` the latest that
    is kept here, and `test_notification` how one is sent.
    """

    id: str
    name: str
    reference: str
    ok: bool
    findings: tuple[Finding, ...]
    webhook_url: str
    last_notification: datetime | None
    test_notification: str


async def check(runtime: Runtime, account: str, connection: str) -> ConnectionCheck:
    """Within the total time of a call; raises NotThereError, CheckFailedError where the credentials are refused or
    another's, and another CallError where nobody answered."""
    known = await connections.show(account, connection)
    adapter = await runtime.connections.adapter(account, known.id)
    url = connections.webhook_url(runtime.settings.base_url, (await accounts.show(account)).name, known.name)
    try:
        checked = await within(adapter.check(url), total_timeout_s(runtime, adapter))
    except (RefusedError, ConfigurationError) as error:
        raise CheckFailedError(f"connection {known.name}: {error}") from error
    pinged = adapter_class(known.adapter).capabilities.webhook is Webhook.UNSIGNED_PING
    last: datetime | None = await sql.value(LAST, account, known.id, POLLED, pinged)
    findings = (*checked.findings, _notifications(last, pinged=pinged))
    ok = not any(isinstance(one, Wrong) for one in findings)
    return ConnectionCheck(known.id, known.name, checked.account, ok, findings, url, last, checked.try_it)


def _notifications(last: datetime | None, *, pinged: bool) -> Finding:
    if last is None:
        return Unseen(About.NOTIFICATIONS, "none has come that is kept here")
    held = "what it told of was there" if pinged else "its signature held"
    return Proved(About.NOTIFICATIONS, f"the last came on {moment(last)}, and {held}")
