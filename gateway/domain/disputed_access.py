"""What disputes do to access, by the account's policy. Money that a payer takes back opens nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.domain.access import Access
from gateway.domain.policy import Policy


class DisputedInvoice(msgspec.Struct, frozen=True):
    """An invoice of the subscription over which a dispute is open, or was lost. An inquiry is none.

    `paid_since`: a later invoice of the subscription was paid, and not taken back.
    """

    id: str
    lost: bool
    paid_since: bool = False


def with_disputes(access: Access, disputed: Sequence[DisputedInvoice], policy: Policy) -> Access:
    """Access as it is with these: closed while one is open, or after one is lost, where the policy says so."""
    if not access.granted:
        return access
    for invoice in disputed:
        if not invoice.lost and policy.access_in_dispute == "suspend":
            return Access(False, "invoice_disputed", invoice.id)
        if invoice.lost and not invoice.paid_since and policy.access_after_lost_dispute == "suspend":
            return Access(False, "dispute_lost", invoice.id)
    return access
