"""The account itself: its key at Stripe, replaced and never shown, its signing secrets, and what it needs there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.accounts import accounts, stripe_key, webhook_secrets
from gateway.accounts.accounts import AccountChange
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import NOTHING_TYPED, Form, Plain, Posted, Reasoned, Said
from gateway.console.parts import by_htmx
from gateway.console.render import led, shown
from gateway.console.settings.frame import LABELS, PATH, setting
from gateway.domain.roles import Action
from gateway.inbox import stripe_endpoint
from gateway.inbox.account_setup import find_setup
from gateway.inbox.stripe_endpoint import SetUp
from gateway.readers.accounts import shown as account_body
from gateway.runtime import Runtime
from processors.values import Secret

HERE: Final = f"{PATH}/account"


class Replacing(Reasoned, frozen=True):
    """Another key of the same Stripe account."""

    api_key: str = ""


class Describing(Reasoned, frozen=True):
    portal_url: str = ""


class Enabling(Reasoned, frozen=True, kw_only=True):
    enabled: bool


class Signing(Reasoned, frozen=True):
    secret: str = ""


class SettingUp(Reasoned, frozen=True):
    """`thin`: empty for as it is now."""

    thin: str = ""
    roll: bool = False


@page(PATH, Action.CONFIGURE)
async def settings(desk: NamedDependency[Desk]) -> Redirect:
    """To the first of them."""
    return led(desk.path + HERE)


@page(HERE, Action.CONFIGURE)
async def show_account(desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], said: Said = "") -> Template:
    """All of the account but its key."""
    return await _shown(desk, runtime, said=said)


@change(f"{HERE}/key", Action.CONFIGURE, with_secret=True)
async def replace_key(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], data: Posted[Replacing]
) -> Template | Redirect:
    """Stripe is asked first whose the new key is."""
    wanted = AccountChange(api_key=Secret(data.api_key.strip()))
    return await _changed(desk, runtime, wanted, "key_replaced", "key", data)


@change(f"{HERE}/portal", Action.CONFIGURE)
async def set_portal(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], data: Posted[Describing]
) -> Template | Redirect:
    """Where customers manage their subscription."""
    wanted = AccountChange(portal_url=data.portal_url.strip())
    return await _changed(desk, runtime, wanted, "settings_saved", "portal", data)


@change(f"{HERE}/enabled", Action.CONFIGURE)
async def enable(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], data: Posted[Enabling]
) -> Template | Redirect:
    """Work for it, or leave it alone."""
    return await _changed(desk, runtime, AccountChange(enabled=data.enabled), "settings_saved", "enabled", data)


@change(f"{HERE}/secrets", Action.CONFIGURE, with_secret=True)
async def add_secret(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], data: Posted[Signing]
) -> Template | Redirect:
    """Another signing secret, beside those that are accepted already."""
    try:
        secret = Secret(data.secret.strip())
        await webhook_secrets.add(runtime.keyring, desk.author(data.reason), desk.account, secret)
    except Exception as error:
        return await _shown(desk, runtime, wrong=wrong_of(error, LABELS), form="secrets", typed=data)
    return led(desk.path + HERE, "signing_secret_added")


@change(f"{HERE}/secrets/{{secret_id:str}}/retire", Action.CONFIGURE)
async def retire_secret(desk: NamedDependency[Desk], secret_id: FromPath[str], data: Posted[Reasoned]) -> Redirect:
    """What is signed with it is refused from now on."""
    await webhook_secrets.retire(desk.author(data.reason), desk.account, secret_id)
    return led(desk.path + HERE, "signing_secret_retired")


@change(f"{HERE}/check", Action.CONFIGURE)
async def check_key(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    request: Request[Any, Any, Any],
    data: Posted[Plain],
) -> Template:
    """Whom the key belongs to, as Stripe says; beside its button, or with the whole page."""
    owner, wrong = "", RIGHT
    try:
        owner = await stripe_key.check(runtime, desk.author(), desk.account)
    except Exception as error:
        wrong = wrong_of(error, LABELS)
    answer = {"owner": owner, "refused": wrong.text}
    if by_htmx(request):
        return shown(desk, "settings/_key_check.html", answer)
    return await _shown(desk, runtime, more=answer)


@change(f"{HERE}/setup", Action.CONFIGURE)
async def set_up(desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], data: Posted[SettingUp]) -> Template:
    """Have Stripe send the account's events here."""
    thin = {"thin": True, "snapshot": False}.get(data.thin)
    try:
        done = await stripe_endpoint.set_up(runtime, desk.author(data.reason), desk.account, thin=thin, roll=data.roll)
    except Exception as error:
        return await _shown(desk, runtime, wrong=wrong_of(error, LABELS), form="setup", typed=data)
    return await _shown(desk, runtime, done=done)


async def _changed(
    desk: Desk, runtime: Runtime, wanted: AccountChange, said: str, form: str, typed: Reasoned
) -> Template | Redirect:
    author = desk.author(typed.reason)
    try:
        await accounts.update(runtime.keyring, author, desk.account, wanted)
    except Exception as error:
        return await _shown(desk, runtime, wrong=wrong_of(error, LABELS), form=form, typed=typed)
    return led(desk.path + HERE, said if author.changes else "settings_same")


async def _shown(
    desk: Desk,
    runtime: Runtime,
    *,
    said: str = "",
    wrong: Wrong = RIGHT,
    form: str = "",
    typed: Form = NOTHING_TYPED,
    done: SetUp | None = None,
    more: Mapping[str, str] | None = None,
) -> Template:
    account = await accounts.show(desk.account)
    body = account_body(account, runtime.settings.base_url, await find_setup(runtime.keyring, account.id))
    context = {
        "account": body,
        "setup": body.setup,
        "done": done,
        "form": form,
        "typed": typed,
        "said": said,
        **(more or {"owner": "", "refused": ""}),
    }
    return setting(desk, "account", "account.html", context, wrong)


account_setting_routes: Final[list[Any]] = [
    settings,
    show_account,
    replace_key,
    set_portal,
    enable,
    add_secret,
    retire_secret,
    check_key,
    set_up,
]
