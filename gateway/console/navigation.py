"""The sections of an account's pages, in the order of their use."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.domain.roles import Action


class Section(msgspec.Struct, frozen=True):
    """`path` below the account's; shown to whoever may do `action`."""

    path: str
    title: str
    action: Action = Action.LOOK


SECTIONS: Final[tuple[Section, ...]] = (
    Section("", "Overview"),
    Section("/invoices", "Invoices"),
    Section("/cases", "Cases"),
    Section("/refunds", "Refunds"),
    Section("/disputes", "Disputes"),
    Section("/customers", "Customers"),
    Section("/subscriptions", "Subscriptions"),
    Section("/reconciliations", "Reconciliation"),
    Section("/exports", "Exports", Action.EXPORT),
    Section("/events", "Events"),
    Section("/webhooks", "Webhooks"),
    Section("/audit", "Audit log", Action.AUDIT),
    Section("/settings/doctor", "Doctor", Action.DIAGNOSE),
    Section("/settings", "Settings", Action.CONFIGURE),
)
