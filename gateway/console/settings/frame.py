"""What the pages of the settings share: their tabs, and what was posted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import Request
from litestar.params import QueryParameter
from litestar.response import Template

from gateway.console.desk import Desk
from gateway.console.errors import RIGHT, Wrong
from gateway.console.navigation import Section
from gateway.console.render import shown
from gateway.domain.roles import Action

PATH: Final = "/settings"
Chosen = Annotated[str, QueryParameter(max_length=200)]
"""What of several the page is about."""
LABELS: Final = {
    "api_key": "New restricted key",
    "countries": "Countries of payers",
    "decline_class": "Treat it as",
    "email": "Mail address",
    "portal_url": "Address of the portal",
    "priority": "Order",
    "reason": "Why",
    "secret": "Another signing secret",
    "types": "Events that it gets",
    "url": "Address",
    "weight": "Share",
}
"""What the pages call fields whose label is not their name in words."""
TABS: Final[tuple[Section, ...]] = (
    Section("/settings/account", "Account", Action.CONFIGURE),
    Section("/settings/connections", "Connections", Action.CONFIGURE),
    Section("/settings/policies", "Policies", Action.CONFIGURE),
    Section("/settings/declines", "Decline codes", Action.CONFIGURE),
    Section("/settings/users", "Users", Action.CONFIGURE),
    Section("/settings/keys", "API keys", Action.CONFIGURE),
    Section("/settings/endpoints", "Webhook endpoints", Action.CONFIGURE),
    Section("/settings/doctor", "Doctor", Action.DIAGNOSE),
)


def setting(desk: Desk, tab: str, name: str, context: Mapping[str, Any], wrong: Wrong = RIGHT) -> Template:
    """A page below one of the tabs."""
    tabs = [one for one in TABS if desk.may(one.action)]
    given = {"tabs": tabs, "tab": f"{PATH}/{tab}", "wrong": wrong, **context}
    return shown(desk, f"settings/{name}", given, status=wrong.status)


class Posts(msgspec.Struct, frozen=True):
    """The fields of a form whose names are not known before, such as those that an adapter declares."""

    values: Mapping[str, Sequence[str]]

    def text(self, name: str) -> str:
        """A field, without the white space around it; empty where it is missing."""
        return self.values.get(name, ("",))[0].strip()

    def all(self, name: str) -> list[str]:
        """Every value of a field that may stand more than once."""
        return [value.strip() for value in self.values.get(name, ()) if value.strip()]

    def under(self, prefix: str) -> dict[str, str]:
        """Fields named `prefix.…`, by the rest of their name."""
        return {
            name.removeprefix(f"{prefix}."): values[0].strip()
            for name, values in self.values.items()
            if name.startswith(f"{prefix}.")
        }


async def posts(request: Request[Any, Any, Any]) -> Posts:
    """What a form posted."""
    form = await request.form()
    return Posts({name: [str(value) for value in form.getall(name)] for name in form})


def listed(text: str) -> list[str]:
    """What somebody typed as a list: with commas, spaces or lines between."""
    return text.replace(",", " ").replace(";", " ").split()
