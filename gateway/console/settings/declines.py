"""Decline codes: what a processor's codes mean here, over its adapter's own table."""

from __future__ import annotations

from typing import Any, Final

from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from gateway.accounts import connections, declines
from gateway.accounts.connections import Connection, ConnectionChange
from gateway.console.desk import Desk, change, page
from gateway.console.forms import Posted, Reasoned, Said
from gateway.console.render import led
from gateway.console.settings.frame import RIGHT, Chosen, Wrong, setting, wrong_of
from gateway.domain.news import THEN
from gateway.domain.roles import Action
from gateway.readers.said_declines import find_said
from gateway.runtime import Runtime
from processors.outcome import ADVICE, DeclineClass

PATH: Final = "/settings/declines"


class Classing(Reasoned, frozen=True):
    """`decline_class`: empty for as the adapter has it."""

    connection: str = ""
    code: str = ""
    decline_class: str = ""


@page(PATH, Action.CONFIGURE)
async def show_declines(desk: NamedDependency[Desk], connection: Chosen = "", said: Said = "") -> Template:
    """Of one connection: the first, unless another is chosen."""
    return await _shown(desk, connection, said=said)


@change(PATH, Action.CONFIGURE)
async def set_decline(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], data: Posted[Classing]
) -> Template | Redirect:
    """It counts from the next answer on."""
    known = await connections.show(desk.account, data.connection)
    wanted = ConnectionChange(declines={data.code.strip(): data.decline_class or None})
    author = desk.author(data.reason)
    try:
        await connections.update(runtime, author, desk.account, known.id, wanted)
    except Exception as error:
        found = wrong_of(error)
        field = "decline_class" if found.param.startswith("declines.") else "code"
        return await _shown(desk, known.id, wrong=Wrong(found.text, found.status, field), asked=data)
    done = "decline_set" if data.decline_class else "decline_unset"
    said = done if author.changes else "settings_same"
    return led(f"{desk.path}{PATH}?connection={known.id}", said)


async def _shown(
    desk: Desk, wanted: str, *, said: str = "", wrong: Wrong = RIGHT, asked: Classing | None = None
) -> Template:
    all_ = await connections.listed(desk.account)
    if wanted:
        one: Connection | None = await connections.show(desk.account, wanted)
    else:
        one = all_[0] if all_ else None
    context: dict[str, Any] = {
        "connections": all_,
        "connection": one,
        "classes": [(str(kind), f"{kind.replace('_', ' ')}: {THEN[ADVICE[kind]]}") for kind in DeclineClass],
        "then": {str(advice): words for advice, words in THEN.items()},
        "asked": asked or Classing(),
        "said": said,
    }
    if one is not None:
        codes = await declines.listed(one.account, one.id, one.adapter, one.declines)
        context["overrides"] = [code for code in codes if code.overridden]
        context["others"] = [code for code in codes if not code.overridden]
        context["known"] = {code.code: code for code in codes}
        context["lately"] = [code for code in await find_said(one.account, one.id) if code.code not in one.declines]
    return setting(desk, "declines", "declines.html", context, wrong)


decline_routes: Final[list[Any]] = [show_declines, set_decline]
