"""A link by which a payer gives another payment method: made here, and shown to be copied.

What makes one leads on to a page that shows it, so that the secret is in no reply that is kept and in no address of
ours. Stripe's portal link can't be shown twice: it stands in the reply itself, which is kept encrypted.
"""

from __future__ import annotations

from typing import Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.console.customers import customer_page
from gateway.console.desk import Desk, change, page
from gateway.console.errors import wrong_of
from gateway.console.forms import Form, Posted
from gateway.console.render import led, shown
from gateway.customers.update_link import Link, link_of, make_link, portal_link
from gateway.domain.roles import Action
from gateway.readers.object_names import object_names
from gateway.runtime import Runtime


class Linking(Form, frozen=True):
    """`kind`: `page`, ours, or `portal`, Stripe's. `subscription`: for which alone the method is given."""

    kind: str = "page"
    subscription: str = ""


@change("/customers/{customer_id:str}/links", Action.HELP_PAYERS)
async def make(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    customer_id: FromPath[str],
    data: Posted[Linking],
) -> Redirect | Template:
    """Make one, or show the one that is open."""
    try:
        if data.kind == "portal":
            link = await portal_link(runtime, desk.author(), desk.account, customer_id)
            return await _shown(desk, customer_id, link, portal=True)
        session = await make_link(runtime, desk.author(), desk.account, customer_id, data.subscription)
    except Exception as error:
        typed = {"form": "link", "subscription": data.subscription}
        return await customer_page(desk, customer_id, wrong=wrong_of(error, form="link"), typed=typed)
    return led(f"{desk.path}/customers/{customer_id}/links/{session}")


@page("/customers/{customer_id:str}/links/{session_id:str}", Action.HELP_PAYERS)
async def link(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    customer_id: FromPath[str],
    session_id: FromPath[str],
) -> Template:
    """The link, with its end."""
    try:
        found = await link_of(runtime, desk.account, customer_id, session_id)
    except Exception as error:
        return await customer_page(desk, customer_id, wrong=wrong_of(error, form="link"), typed={"form": "link"})
    return await _shown(desk, customer_id, found)


async def _shown(desk: Desk, customer_id: str, link: Link, *, portal: bool = False) -> Template:
    called = (await object_names(desk.account, [customer_id])).get(customer_id, customer_id)
    context = {"customer": customer_id, "called": called, "link": link, "portal": portal}
    return shown(desk, "update_link.html", context)


update_link_routes: Final[list[Any]] = [make, link]
