"""API keys: made, shown once, revoked."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.accounts import keys
from gateway.accounts.keys import Scope
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import Posted, Reasoned, Said
from gateway.console.render import led
from gateway.console.settings.frame import LABELS, Posts, posts, setting
from gateway.domain.roles import Action

PATH: Final = "/settings/keys"
OPENS: Final = {
    Scope.CHECKOUT: "checkout sessions, for a frontend's server",
    Scope.SERVER: "checkout, invoices, payment methods and access, for your backend",
    Scope.FINANCE: "invoices, cases and refunds, for finance's own programs",
    Scope.ADMIN: "settings, keys and deliveries",
}


@page(PATH, Action.CONFIGURE)
async def show_keys(desk: NamedDependency[Desk], said: Said = "") -> Template:
    """Those of the account, revoked ones last."""
    return await _shown(desk, Posts({}), said=said)


@change(PATH, Action.CONFIGURE)
async def make_key(desk: NamedDependency[Desk], request: Request[Any, Any, Any]) -> Template:
    """Its text is in this answer and nowhere else."""
    asked = await posts(request)
    try:
        author = desk.author(asked.text("reason"))
        made, secret = await keys.create(author, desk.account, asked.text("name"), asked.all("scopes"))
    except Exception as error:
        return await _shown(desk, asked, wrong=wrong_of(error, LABELS))
    return setting(desk, "keys", "key.html", {"key": made, "secret": secret.reveal()})


@change(f"{PATH}/{{key_id:str}}/revoke", Action.CONFIGURE)
async def revoke_key(desk: NamedDependency[Desk], key_id: FromPath[str], data: Posted[Reasoned]) -> Redirect:
    """It opens nothing any more."""
    await keys.revoke(desk.author(data.reason), desk.account, key_id)
    return led(desk.path + PATH, "key_revoked")


async def _shown(desk: Desk, asked: Posts, *, said: str = "", wrong: Wrong = RIGHT) -> Template:
    found = await keys.listed(desk.account)
    context = {
        "keys": sorted(found, key=lambda key: key.revoked_at is not None),
        "opens": OPENS,
        "name": asked.text("name"),
        "scopes": asked.all("scopes"),
        "said": said,
    }
    return setting(desk, "keys", "keys.html", context, wrong)


key_routes: Final[list[Any]] = [show_keys, make_key, revoke_key]
