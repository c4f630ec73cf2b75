"""The audit log in words: who, what, and what differs between before and after. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from gateway.domain.case_repairs import OFFERS, CaseRepair
from gateway.domain.times import moment
from processors.errors import MoneyError
from processors.money import to_text

ACTIONS: Final[Mapping[str, str]] = {
    "account.added": "added the account",
    "account.checked": "checked the account's Stripe key",
    "account.updated": "changed the account",
    "attempt.asked_about": "had the processor asked how a charge ended",
    "break.repair_asked": "asked for the repair of a break",
    "case.assigned": "gave a case to somebody",
    "case.closed": "closed a case",
    "case.note_added": "wrote a note on a case",
    "case.repair": "carried out the proposed repair of a case",
    "connection.added": "added a connection",
    "connection.settlement_format": "said how a connection's settlement files are read",
    "connection.updated": "changed a connection",
    "console_role.set": "gave a role",
    "console_role.take": "took a role away",
    "console_session.end": "ended a session",
    "console_session.open": "signed in",
    "console_user.codes_spent": "typed too many wrong codes in a row",
    "console_user.create": "made a user",
    "console_user.disable": "disabled a user",
    "console_user.enable": "enabled a user",
    "console_user.identified": "was known by an identity provider for the first time",
    "console_user.invitation_void": "voided an invitation",
    "console_user.invite": "invited a user",
    "console_user.password": "set a password",
    "console_user.second_factor": "set a second factor up",
    "console_user.second_factor_reset": "took a second factor away",
    "console_view.deleted": "deleted a kept search",
    "console_view.saved": "kept a search",
    "console_view.shared": "shared a kept search, or ceased to",
    "credit_note.resolved": "settled a credit note",
    "credit_note.retried": "had a credit note tried again",
    "customer.collection_paused": "paused the collection of a customer's invoices",
    "customer.collection_resumed": "resumed the collection of a customer's invoices",
    "customer.erased": "had a customer's personal data erased",
    "customer.portal_link_made": "made a link to Stripe's portal for a payer",
    "customer.tax_location": "told where a customer is taxed",
    "customer.updated": "changed a customer",
    "delivery.replayed": "had a webhook routed again",
    "delivery.seen": "looked at what a webhook said",
    "dispute.retried": "had the credit note of a dispute tried again",
    "event.replayed": "had an event delivered again",
    "invoice.collect": "had an invoice collected now",
    "invoice.collection_paused": "paused the collection of an invoice",
    "invoice.collection_resumed": "resumed the collection of an invoice",
    "invoice.payment_recorded": "recorded a payment",
    "invoice.void": "had an invoice voided",
    "invoice.void_refused": "could not void an invoice",
    "key.created": "made an API key",
    "key.revoked": "revoked an API key",
    "payment_method.imported": "imported a payment method",
    "payment_method.moved": "changed the order of payment methods",
    "payment_method.revoked": "revoked a payment method",
    "payment_method_session.link_made": "made a link for another payment method",
    "portal.fix_asked": "asked Stripe to keep its portal from leading payers past us",
    "portal.fixed": "had Stripe's portal kept from leading payers past us",
    "reconciliation.asked": "asked for a reconciliation",
    "refund.approved": "approved a refund",
    "refund.denied": "denied a refund",
    "refund.requested": "asked for a refund",
    "refund.retried": "had a refund tried again",
    "settlement_file.forgotten": "had a settlement file forgotten",
    "settlement_file.taken": "took a settlement file in",
    "stripe_endpoint.added": "made a webhook endpoint at Stripe",
    "stripe_endpoint.adopted": "took over a webhook endpoint that somebody had made at Stripe",
    "stripe_endpoint.removed": "removed a webhook endpoint at Stripe",
    "stripe_endpoint.updated": "set a webhook endpoint at Stripe right",
    "subscription.access_grant_revoked": "took granted access back",
    "subscription.access_granted": "granted access",
    "subscription.cancel": "cancelled a subscription",
    "subscription.switch": "switched who collects a subscription",
    "webhook_endpoint.added": "added a webhook endpoint",
    "webhook_endpoint.pinged": "tried a webhook endpoint",
    "webhook_endpoint.removed": "removed a webhook endpoint",
    "webhook_endpoint.secret_rolled": "rolled a webhook endpoint's secret",
    "webhook_endpoint.updated": "changed a webhook endpoint",
    "webhook_secret.added": "added a signing secret of Stripe's",
    "webhook_secret.retired": "retired a signing secret of Stripe's",
}
CLI: Final = "cli:"
TIMER: Final = "timer"
PAYERS: Final[Mapping[str, str]] = {
    "cs_": "a payer, in a checkout",
    "pms_": "a payer, in a payment-method session",
    "org_": "somebody of the customer's organization",
}
AMOUNTS: Final = ("amount", "limit", "withdrawn")
"""Begin the names of what is money, where a currency stands beside it."""
BY_CURRENCY: Final = ("approval_above", "returns_up_to", "small_differences")
"""Hold an amount for each currency."""
FIELDS: Final[Mapping[str, str]] = {
    "after_end": "also after the subscription has ended",
    "api_base": "Stripe's address",
    "api_key": "Stripe key",
    "api_version": "version of the events",
    "for_all": "open to all who have the link",
    "invoice_now": "what was used is invoiced at once",
    "live": "Stripe read anew",
    "manner": "by",
    "owner": "who sees to it",
    "portal_url": "address of the portal",
    "prorate": "what is not used is credited",
    "rows": "rows of the file",
    "thin": "thin events",
    "to": "collected by",
    "totp": "second factor",
    "types": "events",
    "url": "address",
    "whole": "everything compared",
}
"""What a field is called, where its name does not say it."""
VERBATIM: Final = frozenset(
    {"connection", "description", "email", "movement", "name", "note", "query", "reason", "reference", "url"}
)
"""What people or others have named; it stands as they wrote it."""
CODE: Final = re.compile("[a-z]+(?:_[a-z]+)+")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)")


class Difference(msgspec.Struct, frozen=True):
    """One field, by what it is called, as it was and as it is; empty where there was or is nothing."""

    field: str
    was: str
    now: str


def what(action: str) -> str:
    """What somebody did; one that has no words of its own is told by its name."""
    return ACTIONS.get(action, action.replace("_", " ").replace(".", ": "))


def on_case(action: str, after: Mapping[str, Any], by: str) -> str:
    """The same on the page of a case, which need not say that it is one; `after` is what the log keeps of it, `by` the
    mail address of who did it."""
    match action:
        case "case.assigned" if after.get("owner") and after["owner"] == by:
            return "took it"
        case "case.assigned":
            return f"gave it to {after['owner']}" if after.get("owner") else "gave it back: nobody sees to it"
        case "case.note_added":
            return "wrote a note"
        case "case.repair" if after.get("repair") in OFFERS:
            return f"chose “{OFFERS[CaseRepair(after['repair'])].label}”"
        case "case.closed":
            return f"closed it: {after.get('reason', '')}"
        case other:
            return what(other)


def who(actor: str, name: str, kind: str) -> str:
    """Who did it. `name`: of the user or key whose id the actor is, and `kind` which of them; empty where unknown."""
    if kind == "user":
        return name or "somebody of another account"
    if kind:
        return f"{'the platform key' if kind == 'platform' else 'the key'} “{name}”"
    if actor.startswith(CLI):
        return f"{actor.removeprefix(CLI)}, at the command line"
    if actor == TIMER:
        return "Tollbridge itself, on time"
    return next((words for prefix, words in PAYERS.items() if actor.startswith(prefix)), actor)


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Difference]:
    """What differs, a line for each field, however deep; an amount with its currency where that stands beside it.

    A field that the log keeps of before alone is left out: what was asked for then is something else.
    """
    spoken_of = before or {}
    if after:
        spoken_of = {name: value for name, value in spoken_of.items() if name in after}
    was, now = _flat(spoken_of), _flat(after or {})
    lines = [Difference(_called(field), _text(field, was), _text(field, now)) for field in dict.fromkeys([*was, *now])]
    return [line for line in lines if line.was != line.now]


def _called(field: str) -> str:
    return FIELDS.get(field, field.replace(".", ": ").replace("_", " "))


def _flat(side: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in side.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{within}{name}.")
        else:
            found[f"{within}{name}"] = value
    return found


def _text(field: str, side: Mapping[str, Any]) -> str:
    value = side.get(field)
    room, _, name = field.rpartition(".")
    currency = side.get(f"{room}.currency" if room else "currency")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and room.rpartition(".")[2] in BY_CURRENCY:
        return _money(value, name)
    if isinstance(value, int) and isinstance(currency, str) and name.startswith(AMOUNTS):
        return _money(value, currency)
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, list):
        return ", ".join(_plain(name, one) for one in value)
    return _plain(name, value)


def _money(amount: int, currency: str) -> str:
    try:
        return to_text(amount, currency)
    except MoneyError:
        return f"{amount} {currency.upper()}"


def _plain(name: str, value: object) -> str:
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if name not in VERBATIM and CODE.fullmatch(value):
        return value.replace("_", " ")
    return _time(value) if TIME.fullmatch(value) else value


def _time(text: str) -> str:
    try:
        return moment(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return text
