"""The check of a connection as a button, whose answer appears beside it."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from gateway.accounts import connections
from gateway.console.check_findings import lines_of
from gateway.console.desk import Desk, change
from gateway.console.forms import Plain, Posted
from gateway.console.parts import by_htmx
from gateway.console.render import shown
from gateway.console.settings.connections import PATH, one_connection
from gateway.console.settings.frame import wrong_of
from gateway.domain.roles import Action
from gateway.inbox.connection_check import ConnectionCheck, check
from gateway.runtime import Runtime


@change(f"{PATH}/{{connection:str}}/check", Action.CONFIGURE)
async def check_connection(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    connection: FromPath[str],
    request: Request[Any, Any, Any],
    data: Posted[Plain],
) -> Template:
    """What the processor says of the credentials and of where its notifications go."""
    known = await connections.show(desk.account, connection)
    checked: ConnectionCheck | None = None
    refused = ""
    try:
        checked = await check(runtime, desk.account, known.id)
    except Exception as error:
        refused = wrong_of(error).text
    answer = {
        "checked": checked,
        "found": lines_of(checked),
        "refused": refused,
    }
    if by_htmx(request):
        return shown(desk, "settings/_connection_check.html", {"connection": known, **answer})
    return await one_connection(desk, runtime, known.id, more=answer)


connection_check_routes: Final[list[Any]] = [check_connection]
