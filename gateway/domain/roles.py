"""What people may do in the console: a role in each account, and the least role for each kind of action. Pure.

Roles are ordered: each may do all that the ones before it may. That is for reading simplicity, and it takes nothing
from the second pair of eyes: whoever asked for a refund never approves it, whatever their role.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """In one account, from the least to the most."""

    VIEWER = "viewer"
    SUPPORT = "support"
    FINANCE = "finance"
    ADMIN = "admin"

    @property
    def means(self) -> str:
        """In a line, for whoever gives it."""
        return MEANS[self]


MEANS: Final[Mapping[Role, str]] = {
    Role.VIEWER: "sees everything but raw webhooks, the audit log and settings; changes nothing",
    Role.SUPPORT: "also works on cases, sends payers a link, cancels and switches subscriptions, grants access",
    Role.FINANCE: "also moves money: collects, records, voids, refunds, approves, repairs; the audit log, exports",
    Role.ADMIN: "also the settings, users, keys, replays, and erasing a customer",
}
ORDER: Final = tuple(Role)


class Action(StrEnum):
    """What a page shows or a form asks for."""

    LOOK = "look"
    KEEP_VIEWS = "keep_views"
    """Searches, for oneself or for everybody of the account."""
    DIAGNOSE = "diagnose"
    """The doctor, and raw webhooks with their secrets and persons taken out."""
    HANDLE_CASES = "handle_cases"
    """Take, give and annotate; closing one is finance's."""
    HELP_PAYERS = "help_payers"
    """A link for another payment method; the order of those that are kept, and the removal of one."""
    MANAGE_SUBSCRIPTIONS = "manage_subscriptions"
    """Cancel, switch who collects, also of a customer, leave a customer alone, grant access."""
    COLLECT = "collect"
    """Collect now, pause, record a payment, void."""
    REFUND = "refund"
    APPROVE = "approve"
    CLOSE_CASES = "close_cases"
    """Close, or carry out the proposed repair."""
    RECONCILE = "reconcile"
    EXPORT = "export"
    """The journal, settlement files and whole lists as files."""
    AUDIT = "audit"
    CONFIGURE = "configure"
    """Accounts, connections, policies, users, keys, webhook endpoints."""
    REPLAY = "replay"
    """Webhooks in and events out, once more."""
    ERASE = "erase"
    """A customer's personal data, for good."""


LEAST: Final[Mapping[Action, Role]] = {
    Action.LOOK: Role.VIEWER,
    Action.KEEP_VIEWS: Role.SUPPORT,
    Action.DIAGNOSE: Role.SUPPORT,
    Action.HANDLE_CASES: Role.SUPPORT,
    Action.HELP_PAYERS: Role.SUPPORT,
    Action.MANAGE_SUBSCRIPTIONS: Role.SUPPORT,
    Action.COLLECT: Role.FINANCE,
    Action.REFUND: Role.FINANCE,
    Action.APPROVE: Role.FINANCE,
    Action.CLOSE_CASES: Role.FINANCE,
    Action.RECONCILE: Role.FINANCE,
    Action.EXPORT: Role.FINANCE,
    Action.AUDIT: Role.FINANCE,
    Action.CONFIGURE: Role.ADMIN,
    Action.REPLAY: Role.ADMIN,
    Action.ERASE: Role.ADMIN,
}


def allows(role: Role, action: Action) -> bool:
    """Whether somebody with this role may do that."""
    return ORDER.index(role) >= ORDER.index(LEAST[action])
