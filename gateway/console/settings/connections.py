"""Connections: the configured processors. Which credentials and options there are, each adapter declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.accounts import connections
from gateway.accounts.connections import Connection, ConnectionChange, RecordOn
from gateway.accounts.errors import FieldError
from gateway.accounts.validation import converted
from gateway.connections import UnknownAdapterError, adapter_class, adapter_classes
from gateway.console.desk import Desk, change, page
from gateway.console.forms import NOTHING_TYPED, Posted, Reasoned, Said
from gateway.console.render import led
from gateway.console.settings.adapter_fields import Declared, declared
from gateway.console.settings.frame import RIGHT, Chosen, Posts, Wrong, listed, posts, setting, wrong_of
from gateway.domain.roles import Action
from gateway.domain.routing import Display, Routing
from gateway.runtime import Runtime
from processors.values import Secret

PATH: Final = "/settings/connections"
RECORD_ON: Final[list[tuple[RecordOn, str]]] = [
    ("confirmed", "the processor confirms the charge"),
    ("settled", "its money is settled"),
]


class Enabling(Reasoned, frozen=True, kw_only=True):
    enabled: bool


@page(PATH, Action.CONFIGURE)
async def show_connections(desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], said: Said = "") -> Template:
    """In the order in which they are preferred."""
    context = {
        "connections": await connections.listed(desk.account),
        "adapters": sorted(adapter_classes()),
        "said": said,
    }
    return setting(desk, "connections", "connections.html", context)


@page(f"{PATH}/new", Action.CONFIGURE)
async def new_connection(desk: NamedDependency[Desk], adapter: Chosen = "") -> Template:
    """What the chosen adapter wants to know."""
    return _new(desk, adapter, Posts({}))


@change(PATH, Action.CONFIGURE, with_secret=True)
async def add_connection(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Another processor to collect with."""
    asked = await posts(request)
    adapter, author = asked.text("adapter"), desk.author(asked.text("reason"))
    try:
        wanted = _wanted(asked, Routing(), Display(), {})
        made = await connections.add(runtime, author, desk.account, asked.text("name"), adapter, wanted)
    except Exception as error:
        return _new(desk, adapter, asked, wrong=wrong_of(error))
    return _led(desk, made.id, "connection_added")


@page(f"{PATH}/{{connection:str}}", Action.CONFIGURE)
async def show_connection(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], connection: FromPath[str], said: Said = ""
) -> Template:
    """One, by id or name."""
    return await one_connection(desk, runtime, connection, said=said)


@change(f"{PATH}/{{connection:str}}", Action.CONFIGURE, with_secret=True)
async def change_connection(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    connection: FromPath[str],
    request: Request[Any, Any, Any],
) -> Template | Redirect:
    """What the form gives; a credential that is left empty stays as it is."""
    asked = await posts(request)
    known, author = await connections.show(desk.account, connection), desk.author(asked.text("reason"))
    try:
        wanted = _wanted(asked, known.routing, known.display, known.options)
        await connections.update(runtime, author, desk.account, known.id, wanted)
    except Exception as error:
        return await one_connection(desk, runtime, connection, asked, wrong=wrong_of(error))
    return _led(desk, known.id, "settings_saved" if author.changes else "settings_same")


@change(f"{PATH}/{{connection:str}}/enabled", Action.CONFIGURE)
async def enable_connection(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    connection: FromPath[str],
    data: Posted[Enabling],
) -> Template | Redirect:
    """Nothing new is charged at a disabled one."""
    try:
        wanted = ConnectionChange(enabled=data.enabled)
        changed = await connections.update(runtime, desk.author(data.reason), desk.account, connection, wanted)
    except Exception as error:
        return await one_connection(desk, runtime, connection, wrong=wrong_of(error), typed=data)
    return _led(desk, changed.id, "settings_saved")


async def one_connection(
    desk: Desk,
    runtime: Runtime,
    connection: str,
    asked: Posts | None = None,
    *,
    said: str = "",
    wrong: Wrong = RIGHT,
    typed: Reasoned = NOTHING_TYPED,
    more: Mapping[str, Any] | None = None,
) -> Template:
    """The page of a connection; raises NotThereError."""
    known = await connections.show(desk.account, connection)
    context = {
        "connection": known,
        "url": connections.webhook_url(runtime.settings.base_url, desk.seat.name, known.name),
        "said": said,
        "why": typed.reason,
        **_fields(known.adapter, asked or Posts({}), known),
        **(more or {"checked": None, "found": [], "refused": ""}),
    }
    return setting(desk, "connections", "connection.html", context, wrong)


def _new(desk: Desk, adapter: str, asked: Posts, wrong: Wrong = RIGHT) -> Template:
    try:
        fields = _fields(adapter, asked)
    except UnknownAdapterError as error:
        return setting(
            desk,
            "connections",
            "connection_adapters.html",
            {"adapters": sorted(adapter_classes())},
            Wrong(str(error), 400) if adapter else RIGHT,
        )
    return setting(desk, "connections", "connection_new.html", {"adapter": adapter, **fields}, wrong)


def _fields(adapter: str, asked: Posts, known: Connection | None = None) -> dict[str, Any]:
    """The form's fields with what was typed, else what is set. Raises UnknownAdapterError for a new one's adapter."""
    try:
        fields = declared(adapter_class(adapter), known)
    except UnknownAdapterError:
        if known is None:
            raise
        # Its package is gone: what is set can still be seen, and the connection be disabled.
        fields = Declared((), ())
    set_ = _set(known) if known is not None else {}
    names = ("name", "priority", "currencies", "countries", "weight", "record_on", "label", "description", "reason")
    typed = {name: asked.text(name) if name in asked.values else set_.get(name, "") for name in names}
    options = {**(known.options if known else {}), **asked.under("options")}
    return {"fields": fields, "typed": typed, "options": options, "record_on": RECORD_ON}


def _set(known: Connection) -> dict[str, str]:
    return {
        "priority": str(known.priority),
        "currencies": ", ".join(one.upper() for one in known.currencies),
        "countries": ", ".join(known.routing.countries),
        "weight": str(known.routing.weight),
        "record_on": known.record_on,
        "label": known.display.label,
        "description": known.display.description,
    }


def _wanted(asked: Posts, routing: Routing, display: Display, options: Mapping[str, str]) -> ConnectionChange:
    """What a form asks for; amounts, attributes and pictures, which it does not have, stay. Raises FieldError."""
    countries = [one.upper() for one in listed(asked.text("countries"))]
    rules = msgspec.structs.replace(routing, countries=countries, weight=_whole(asked, "weight", 100))
    shown = msgspec.structs.replace(display, label=asked.text("label"), description=asked.text("description"))
    record_on = asked.text("record_on") or "confirmed"
    if record_on not in dict(RECORD_ON):
        raise FieldError("record_on", f"must be one of {', '.join(dict(RECORD_ON))}")
    return ConnectionChange(
        credentials={name: Secret(value) for name, value in asked.under("credentials").items() if value},
        options={name: value for name, value in asked.under("options").items() if value or name in options},
        currencies=[one.lower() for one in listed(asked.text("currencies"))],
        priority=_whole(asked, "priority", 0),
        routing=_checked(rules, Routing),
        display=_checked(shown, Display),
        record_on=record_on,
    )


def _checked(value: msgspec.Struct, to: Any) -> Any:
    """The value, if it keeps its type's own bounds; raises FieldError."""
    return converted(msgspec.to_builtins(value), to)


def _whole(asked: Posts, name: str, default: int) -> int:
    text = asked.text(name)
    if not text:
        return default
    if not text.removeprefix("-").isdecimal() or len(text) > 8:
        raise FieldError(name, "must be a whole number")
    return int(text)


def _led(desk: Desk, connection: str, said: str) -> Redirect:
    # By its id: a connection may have the name of another address of ours.
    return led(f"{desk.path}{PATH}/{connection}", said)


connection_routes: Final[list[Any]] = [
    show_connections,
    new_connection,
    add_connection,
    show_connection,
    change_connection,
    enable_connection,
]
