"""`why`: the access of a subscription, as everybody else is answered."""

from __future__ import annotations

from gateway.billing.client import from_unix
from gateway.domain.doctor_why_access import AccessFacts
from gateway.readers.access import find_subscription_access


async def access_of(account: str, subscription: str) -> AccessFacts:
    """Raises NotThereError."""
    found = await find_subscription_access(account, subscription)
    since = from_unix(found.since)
    assert since is not None, "an answer has stood since some time"
    return AccessFacts(found.state.value, found.description, since, found.invoice or "")
