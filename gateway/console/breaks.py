"""One break: both sides of a difference, what may mend it, and trying that."""

from __future__ import annotations

from typing import Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.books import repair
from gateway.console.desk import Desk, change, page
from gateway.console.errors import said_of
from gateway.console.forms import Plain, Posted, Said
from gateway.console.render import led, shown
from gateway.domain.breaks import BREAKS, REPAIRS
from gateway.domain.roles import Action
from gateway.readers.object_names import object_names
from gateway.readers.reconciliations import find_lone_break


@page("/breaks/{break_id:str}")
async def break_(desk: NamedDependency[Desk], break_id: FromPath[str], said: Said = "") -> Template:
    """One break."""
    return await _break(desk, break_id, "break.html", said=said)


@page("/breaks/{break_id:str}/repair")
async def progress(desk: NamedDependency[Desk], break_id: FromPath[str]) -> Template:
    """How its repair stands: the part of the page that looks again by itself while a worker is at it."""
    return await _break(desk, break_id, "_repair.html")


@change("/breaks/{break_id:str}/repair", Action.RECONCILE)
async def mend(desk: NamedDependency[Desk], break_id: FromPath[str], data: Posted[Plain]) -> Redirect | Template:
    """A worker asks, or pokes what then decides by itself; no money is moved."""
    del data
    try:
        await repair.ask_for(desk.author(), desk.account, break_id)
    except Exception as error:
        problem, status = said_of(error)
        return await _break(desk, break_id, "break.html", problem=problem, status=status)
    return led(f"{desk.path}/breaks/{break_id}", "repair_asked")


async def _break(
    desk: Desk, break_id: str, template: str, *, said: str = "", problem: str = "", status: int = 200
) -> Template:
    found = await find_lone_break(desk.account, break_id)
    context = {
        "one": found.body,
        "called": await object_names(desk.account, [found.body.invoice]),
        "run": found.run,
        "stands": found.stands,
        "means": BREAKS[found.body.kind],
        "does": REPAIRS[found.body.repair],
        "said": said,
        "problem": problem,
    }
    return shown(desk, template, context, status=status)


break_routes: Final[list[Any]] = [break_, progress, mend]
