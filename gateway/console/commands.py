"""What is to be done, as a page says it: a command that a page or a button stands for becomes a link to it.

The doctor tells the command line and the console the same; people at a page are led to the page. A command that no page
stands for is shown as one.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from markupsafe import Markup, escape

from gateway.console.desk import Desk
from gateway.domain.roles import LEAST, Action


class Instead(msgspec.Struct, frozen=True):
    """A page that stands for a command, and what it is called there; shown as a link to whoever may do `action`."""

    command: str
    """A pattern, from after `tollbridge `."""
    label: str
    path: str
    action: Action = Action.CONFIGURE


INSTEAD: Final = (
    Instead(r"doctor --fix portal --account \S+", "“Fix the portal”", "/settings/doctor/findings#fix-portal"),
    Instead(
        r"accounts setup-webhook(?: \{account\}| [a-z0-9_-]+)?(?: --thin --roll)?",
        "“Set up the webhook at Stripe”",
        "/settings/account",
    ),
    Instead(r"accounts update \S+ --add-webhook-secret", "“Add the secret”", "/settings/account"),
    Instead(r"accounts update \S+ --stripe-key env:NAME", "“Replace the key”", "/settings/account"),
    Instead(r"accounts update \S+ --enable", "“Enable the account”", "/settings/account"),
    Instead(r"accounts update \S+ --policy stripe_mails_off=true", "the policies", "/settings/policies"),
    Instead(r"accounts update \S+ --policy NAME=VALUE", "change the policies", "/settings/policies"),
    Instead(r"accounts check \S+", "“Check the key at Stripe”", "/settings/account"),
    Instead(r"connections add", "add a connection", "/settings/connections/new"),
    Instead(r"connections update \S+", "change the connection", "/settings/connections"),
    Instead(r"connections check", "“Check the connection”", "/settings/connections"),
    Instead(r"webhooks (?:list|update --enable)", "the webhook endpoints", "/settings/endpoints"),
    Instead(r"inbox list", "the webhooks that wait", "/webhooks?state=stored", Action.LOOK),
    Instead(r"inbox", "the webhooks that are parked", "/webhooks?state=parked", Action.LOOK),
    Instead(r"cases list", "see the cases", "/cases", Action.LOOK),
    Instead(r"subscriptions switch", "switch them on their pages", "/subscriptions", Action.LOOK),
    Instead(r"invoices collect", "“Collect now”", "/invoices", Action.LOOK),
    Instead(r"subscriptions resume-collection", "on the subscription's page", "/subscriptions", Action.LOOK),
    Instead(r"customers resume-collection", "on the customer's page", "/customers", Action.LOOK),
    Instead(r"invoices resume-collection", "on the invoice's page", "/invoices", Action.LOOK),
    Instead(r"doctor", "the doctor", "/settings/doctor", Action.DIAGNOSE),
)
ONLY_COMMANDS: Final = ("catch-up", "work", "usage list", "customers tax-location")
"""What no page stands for."""
COMMAND: Final = re.compile(
    r"`?tollbridge (?:"
    + "|".join(f"(?P<c{n}>{one.command})" for n, one in enumerate(INSTEAD))
    + f"|(?P<only>{'|'.join(ONLY_COMMANDS)}))(?![a-z-])`?"
)


def with_pages(desk: Desk, text: str) -> Markup:
    """The text with links where it names commands."""
    told, at = Markup(), 0
    for found in COMMAND.finditer(text):
        told += escape(text[at : found.start()]) + _named(desk, found)
        at = found.end()
    return told + escape(text[at:])


def _named(desk: Desk, found: re.Match[str]) -> Markup:
    if found["only"] is not None:
        return Markup("<code>tollbridge {}</code>").format(found["only"])
    one = next(one for n, one in enumerate(INSTEAD) if found[f"c{n}"] is not None)
    if not desk.may(one.action):
        return Markup("{} (needs the role {})").format(one.label, LEAST[one.action])
    return Markup('<a href="{}">{}</a>').format(desk.path + one.path, one.label)
