"""Users: who has which role in this account. What an admin may do to them stands in `users/administering.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import Posted, Reasoned, Said
from gateway.console.render import led
from gateway.console.settings.frame import LABELS, setting
from gateway.domain.roles import Action, Role
from gateway.runtime import Runtime
from gateway.users import administering, users
from gateway.users.administering import Acting, Reach
from gateway.users.users import Invitation, User

PATH: Final = "/settings/users"


class Inviting(Reasoned, frozen=True):
    email: str = ""
    name: str = ""
    role: Role = Role.VIEWER


class Giving(Reasoned, frozen=True, kw_only=True):
    role: Role


class Concerning(Reasoned, frozen=True):
    """Another button of the same form, which sends the role along as it stands there."""

    role: str = ""


@page(PATH, Action.CONFIGURE)
async def show_users(desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], said: Said = "") -> Template:
    """Everybody with a role here."""
    return await _shown(desk, runtime, said=said)


@change(f"{PATH}/invite", Action.CONFIGURE)
async def invite(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], data: Posted[Inviting]
) -> Template | Redirect:
    """A role for somebody new here; the link that they need is shown this once."""
    by, acting, by_link = desk.author(data.reason), _acting(desk), not runtime.settings.oidc_only
    try:
        given = await administering.enlist(by, acting, data.email, data.name, data.role, by_link=by_link)
    except Exception as error:
        return await _shown(desk, runtime, wrong=wrong_of(error, LABELS), asked=data)
    user, link = given
    if link is not None:
        return _link(desk, runtime, user, link)
    return led(desk.path + PATH, "role_given_to_new" if user.waits else "role_given")


@change(f"{PATH}/{{user_id:str}}/role", Action.CONFIGURE)
async def change_role(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], user_id: FromPath[str], data: Posted[Giving]
) -> Template | Redirect:
    """Another role."""
    try:
        await administering.change_role(desk.author(data.reason), _acting(desk), user_id, data.role)
    except Exception as error:
        return await _shown(desk, runtime, wrong=wrong_of(error, LABELS), given={user_id: data})
    return led(desk.path + PATH, "role_changed")


@change(f"{PATH}/{{user_id:str}}/remove", Action.CONFIGURE)
async def remove(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], user_id: FromPath[str], data: Posted[Concerning]
) -> Template | Redirect:
    """No role here any more."""
    try:
        await administering.remove(desk.author(data.reason), _acting(desk), user_id)
    except Exception as error:
        return await _shown(desk, runtime, wrong=wrong_of(error, LABELS), given={user_id: data})
    return led(desk.path + PATH, "role_taken")


@change(f"{PATH}/{{user_id:str}}/link", Action.CONFIGURE)
async def new_link(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], user_id: FromPath[str], data: Posted[Concerning]
) -> Template:
    """A link by which they choose another password, shown this once."""
    try:
        by_link = not runtime.settings.oidc_only
        link = await administering.new_link(desk.author(data.reason), _acting(desk), user_id, by_link=by_link)
    except Exception as error:
        return await _shown(desk, runtime, wrong=wrong_of(error, LABELS), given={user_id: data})
    return _link(desk, runtime, await users.by_id(user_id), link)


@change(f"{PATH}/{{user_id:str}}/do/{{what:str}}", Action.CONFIGURE)
async def act(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    user_id: FromPath[str],
    what: FromPath[str],
    data: Posted[Concerning],
) -> Template | Redirect:
    """Disable, enable, or take the second factor away."""
    try:
        await administering.act(desk.author(data.reason), _acting(desk), user_id, what)
    except Exception as error:
        return await _shown(desk, runtime, wrong=wrong_of(error, LABELS), given={user_id: data})
    return led(desk.path + PATH, f"user_{what}")


def _acting(desk: Desk) -> Acting:
    return Acting(desk.user, desk.account)


async def _shown(
    desk: Desk,
    runtime: Runtime,
    *,
    said: str = "",
    wrong: Wrong = RIGHT,
    asked: Inviting | None = None,
    given: Mapping[str, Giving | Concerning] | None = None,
) -> Template:
    """`asked`, `given`: what was typed, for whom."""
    reach = Reach({seat.account: seat.name for seat in desk.session.seats if seat.role is Role.ADMIN})
    found = await users.listed(desk.account)
    context = {
        "people": [(user, user.roles[desk.seat.name], reach.owns(user), reach.enables(user)) for user in found],
        "roles": list(Role),
        "asked": asked or Inviting(),
        "given": given or {},
        "provider": runtime.settings.oidc_name if runtime.settings.oidc_only else "",
        "said": said,
    }
    return setting(desk, "users", "users.html", context, wrong)


def _link(desk: Desk, runtime: Runtime, user: User, link: Invitation) -> Template:
    context = {"user": user, "link": link.link(runtime.settings.base_url)}
    return setting(desk, "users", "user_link.html", context)


user_routes: Final[list[Any]] = [show_users, invite, change_role, remove, new_link, act]
