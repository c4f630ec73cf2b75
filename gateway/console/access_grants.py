"""Access that is granted by hand, and taken back, on a subscription's page."""

from __future__ import annotations

from typing import Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.access import grants
from gateway.accounts.errors import FieldError
from gateway.console.dates import end_of_day
from gateway.console.desk import Desk, change
from gateway.console.errors import said_of
from gateway.console.forms import Posted, Reasoned
from gateway.console.render import led
from gateway.console.subscriptions import subscription_page
from gateway.domain.roles import Action


class Granting(Reasoned, frozen=True):
    until: str = ""
    after_end: bool = False


@change("/subscriptions/{subscription_id:str}/grants", Action.MANAGE_SUBSCRIPTIONS)
async def grant(
    desk: NamedDependency[Desk], subscription_id: FromPath[str], data: Posted[Granting]
) -> Redirect | Template:
    """Open access until the end of a day, whatever the money says."""
    typed = {"form": "grant", "until": data.until, "why": data.reason}
    try:
        until = end_of_day(data.until, "until")
        if until is None:
            raise FieldError("until", "say until which day")
        by = desk.author(data.reason)
        await grants.grant(by, desk.account, subscription_id, until, after_end=data.after_end)
    except Exception as error:
        problem, status = said_of(error)
        return await subscription_page(desk, subscription_id, problem=problem, status=status, typed=typed)
    return led(f"{desk.path}/subscriptions/{subscription_id}", "granted")


@change("/subscriptions/{subscription_id:str}/grants/{grant_id:str}/revoke", Action.MANAGE_SUBSCRIPTIONS)
async def revoke(
    desk: NamedDependency[Desk], subscription_id: FromPath[str], grant_id: FromPath[str], data: Posted[Reasoned]
) -> Redirect | Template:
    """Take a grant back."""
    try:
        await grants.revoke(desk.author(data.reason), desk.account, subscription_id, grant_id)
    except Exception as error:
        problem, status = said_of(error)
        typed = {"form": grant_id, "why": data.reason}
        return await subscription_page(desk, subscription_id, problem=problem, status=status, typed=typed)
    return led(f"{desk.path}/subscriptions/{subscription_id}", "grant_revoked")


access_grant_routes: Final[list[Any]] = [grant, revoke]
