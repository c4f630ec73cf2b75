"""One break: both sides of a difference, what may mend it, and trying that."""

from __future__ import annotations

from typing import Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.books import repair
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import Posted, Reasoned, Said
from gateway.console.parts import Looks, again
from gateway.console.render import led, shown
from gateway.domain.breaks import BREAKS, REPAIRS
from gateway.domain.roles import Action
from gateway.readers.cases import open_about
from gateway.readers.object_names import object_names
from gateway.readers.reconciliations import find_lone_break
from gateway.readers.settlements import file_of_row


@page("/breaks/{break_id:str}")
async def break_(desk: NamedDependency[Desk], break_id: FromPath[str], said: Said = "") -> Template:
    """One break."""
    return await _break(desk, break_id, "break.html", said=said)


@page("/breaks/{break_id:str}/repair")
async def progress(desk: NamedDependency[Desk], break_id: FromPath[str], looks: Looks = 0) -> Template:
    """How its repair stands: the part of the page that looks again by itself while a worker is at it."""
    return await _break(desk, break_id, "_repair.html", looks)


@change("/breaks/{break_id:str}/repair", Action.RECONCILE)
async def mend(desk: NamedDependency[Desk], break_id: FromPath[str], data: Posted[Reasoned]) -> Redirect | Template:
    """A worker asks, or pokes what then decides by itself; no money is moved."""
    try:
        await repair.ask_for(desk.author(data.reason), desk.account, break_id)
    except Exception as error:
        return await _break(desk, break_id, "break.html", wrong=wrong_of(error))
    return led(f"{desk.path}/breaks/{break_id}", "repair_asked")


async def _break(
    desk: Desk, break_id: str, template: str, looks: int = 0, *, said: str = "", wrong: Wrong = RIGHT
) -> Template:
    found = await find_lone_break(desk.account, break_id)
    row = found.body.settlement_row
    context = {
        "file": await file_of_row(desk.account, found.body.connection or "", row) if row else None,
        "one": found.body,
        "called": await object_names(desk.account, [found.body.invoice]),
        "run": found.run,
        "stands": found.stands,
        "means": BREAKS[found.body.kind],
        "does": REPAIRS[found.body.repair],
        "cases": await open_about(desk.account, break_id),
        "said": said,
        "wrong": wrong,
        **again(looks),
    }
    return shown(desk, template, context, status=wrong.status)


break_routes: Final[list[Any]] = [break_, progress, mend]
