"""Access that is granted by hand, and taken back, on a subscription's page."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.access import grants
from gateway.accounts.errors import FieldError
from gateway.console.dates import end_of_day
from gateway.console.desk import Desk, change
from gateway.console.errors import wrong_of
from gateway.console.forms import Posted, Reasoned
from gateway.console.render import led
from gateway.console.subscriptions import subscription_page
from gateway.domain.roles import Action

LABELS: Final = {"until": "Until the end of this day", "reason": "Why"}
"""What the page calls the fields."""


class Granting(Reasoned, frozen=True):
    until: str = ""
    after_end: bool = False


@change("/subscriptions/{subscription_id:str}/grants", Action.MANAGE_SUBSCRIPTIONS)
async def grant(
    desk: NamedDependency[Desk], subscription_id: FromPath[str], data: Posted[Granting]
) -> Redirect | Template:
    """Open access until the end of a day, whatever the money says."""

    async def act() -> None:
        until = end_of_day(data.until, "until")
        if until is None:
            raise FieldError("until", "say until which day")
        await grants.grant(desk.author(data.reason), desk.account, subscription_id, until, after_end=data.after_end)

    typed = {"form": "grant", "until": data.until, "why": data.reason, "after_end": "yes" if data.after_end else ""}
    return await _done(desk, subscription_id, act(), "granted", typed)


@change("/subscriptions/{subscription_id:str}/grants/{grant_id:str}/revoke", Action.MANAGE_SUBSCRIPTIONS)
async def revoke(
    desk: NamedDependency[Desk], subscription_id: FromPath[str], grant_id: FromPath[str], data: Posted[Reasoned]
) -> Redirect | Template:
    """Take a grant back."""
    act = grants.revoke(desk.author(data.reason), desk.account, subscription_id, grant_id)
    return await _done(desk, subscription_id, act, "grant_revoked", {"form": grant_id, "why": data.reason})


async def _done(
    desk: Desk, subscription_id: str, act: Awaitable[Any], said: str, typed: dict[str, str]
) -> Redirect | Template:
    """Back to the subscription's page, or that page with what is wrong in the form."""
    try:
        await act
    except Exception as error:
        return await subscription_page(
            desk, subscription_id, wrong=wrong_of(error, LABELS, form=typed["form"]), typed=typed
        )
    return led(f"{desk.path}/subscriptions/{subscription_id}", said)


access_grant_routes: Final[list[Any]] = [grant, revoke]
