"""Webhook endpoints: where events go out to, with which secret, and what came of the last deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.accounts import webhook_endpoints
from gateway.accounts.errors import FieldError
from gateway.accounts.webhook_endpoints import Endpoint, EndpointChange
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import Plain, Posted, Reasoned, Said
from gateway.console.render import led
from gateway.console.settings.frame import LABELS, Posts, posts, setting
from gateway.domain.news_types import NewsType
from gateway.domain.roles import Action
from gateway.outbound import events
from gateway.readers.webhook_endpoints import find_deliveries
from gateway.runtime import Runtime
from processors.values import Secret

PATH: Final = "/settings/endpoints"
LAST: Final = 20
"""Deliveries that are shown of an endpoint."""
KEEPS: Final = {0: "not at all: it leaked", 3_600: "an hour", 86_400: "a day", 604_800: "a week"}
TYPES: Final = [one for one in NewsType if one is not NewsType.PING]


class Rolling(Reasoned, frozen=True):
    """For so many seconds the old secret signs beside the new one."""

    keep_s: Annotated[int, msgspec.Meta(ge=0, le=max(KEEPS))] = 86_400


class Enabling(Reasoned, frozen=True, kw_only=True):
    enabled: bool


@page(PATH, Action.CONFIGURE)
async def show_endpoints(desk: NamedDependency[Desk], said: Said = "") -> Template:
    """All of them."""
    return await _list(desk, Posts({}), said=said)


@change(PATH, Action.CONFIGURE)
async def add_endpoint(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], request: Request[Any, Any, Any]
) -> Template:
    """The answer shows its secret, once."""
    asked = await posts(request)
    author = desk.author(asked.text("reason"))
    try:
        made, secret = await webhook_endpoints.add(runtime, author, desk.account, _wanted(asked))
    except Exception as error:
        return await _list(desk, asked, wrong=wrong_of(error, LABELS))
    return _secret(desk, made, secret)


@page(f"{PATH}/{{endpoint_id:str}}", Action.CONFIGURE)
async def show_endpoint(desk: NamedDependency[Desk], endpoint_id: FromPath[str], said: Said = "") -> Template:
    """One, with its last deliveries."""
    return await _one(desk, endpoint_id, Posts({}), said=said)


@change(f"{PATH}/{{endpoint_id:str}}", Action.CONFIGURE)
async def change_endpoint(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    endpoint_id: FromPath[str],
    request: Request[Any, Any, Any],
) -> Template | Redirect:
    """Its address, its types, what people call it."""
    asked = await posts(request)
    author = desk.author(asked.text("reason"))
    try:
        await webhook_endpoints.update(runtime, author, desk.account, endpoint_id, _wanted(asked))
    except Exception as error:
        return await _one(desk, endpoint_id, asked, wrong=wrong_of(error, LABELS))
    return _led(desk, endpoint_id, "settings_saved" if author.changes else "settings_same")


@change(f"{PATH}/{{endpoint_id:str}}/enabled", Action.CONFIGURE)
async def enable_endpoint(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    endpoint_id: FromPath[str],
    data: Posted[Enabling],
) -> Redirect:
    """Nothing is sent to a disabled one, nor kept for it."""
    wanted = EndpointChange(enabled=data.enabled)
    await webhook_endpoints.update(runtime, desk.author(data.reason), desk.account, endpoint_id, wanted)
    return _led(desk, endpoint_id, "settings_saved")


@change(f"{PATH}/{{endpoint_id:str}}/roll", Action.CONFIGURE)
async def roll_secret(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], endpoint_id: FromPath[str], data: Posted[Rolling]
) -> Template:
    """Another secret, shown once."""
    keep = timedelta(seconds=data.keep_s)
    try:
        author = desk.author(data.reason)
        rolled = await webhook_endpoints.roll_secret(runtime, author, desk.account, endpoint_id, keep)
    except FieldError as error:
        return await _one(desk, endpoint_id, Posts({}), wrong=wrong_of(error, LABELS))
    return _secret(desk, *rolled)


@change(f"{PATH}/{{endpoint_id:str}}/ping", Action.CONFIGURE)
async def ping_endpoint(
    desk: NamedDependency[Desk], endpoint_id: FromPath[str], data: Posted[Plain]
) -> Template | Redirect:
    """An event of its own, to try it."""
    try:
        await events.ping(desk.author(), desk.account, endpoint_id)
    except events.EndpointDisabledError as error:
        return await _one(desk, endpoint_id, Posts({}), wrong=wrong_of(error, LABELS))
    return _led(desk, endpoint_id, "pinged")


@change(f"{PATH}/{{endpoint_id:str}}/remove", Action.CONFIGURE)
async def remove_endpoint(desk: NamedDependency[Desk], endpoint_id: FromPath[str], data: Posted[Reasoned]) -> Redirect:
    """Gone, with what was on its way to it."""
    await webhook_endpoints.remove(desk.author(data.reason), desk.account, endpoint_id)
    return led(desk.path + PATH, "endpoint_removed")


def _wanted(asked: Posts) -> EndpointChange:
    return EndpointChange(url=asked.text("url"), types=asked.all("types"), description=asked.text("description"))


def _led(desk: Desk, endpoint: str, said: str) -> Redirect:
    return led(f"{desk.path}{PATH}/{endpoint}", said)


def _secret(desk: Desk, endpoint: Endpoint, secret: Secret) -> Template:
    context = {"endpoint": endpoint, "secret": secret.reveal()}
    return setting(desk, "endpoints", "endpoint_secret.html", context)


async def _list(desk: Desk, asked: Posts, *, said: str = "", wrong: Wrong = RIGHT) -> Template:
    context = {"endpoints": await webhook_endpoints.listed(desk.account), "said": said, **_typed(asked)}
    return setting(desk, "endpoints", "endpoints.html", context, wrong)


async def _one(desk: Desk, endpoint_id: str, asked: Posts, *, said: str = "", wrong: Wrong = RIGHT) -> Template:
    endpoint = await webhook_endpoints.show(desk.account, endpoint_id)
    deliveries = await find_deliveries(desk.account, endpoint_id, limit=LAST)
    context = {
        "endpoint": endpoint,
        "deliveries": deliveries.data,
        "keeps": list(KEEPS.items()),
        "said": said,
        **_typed(asked, endpoint),
    }
    return setting(desk, "endpoints", "endpoint.html", context, wrong)


def _typed(asked: Posts, endpoint: Endpoint | None = None) -> dict[str, Any]:
    """The form's values: what was typed, else what is set."""
    if asked.values or endpoint is None:
        typed = {"url": asked.text("url"), "description": asked.text("description"), "chosen": asked.all("types")}
    else:
        typed = {"url": endpoint.url, "description": endpoint.description, "chosen": list(endpoint.types)}
    return {**typed, "types": TYPES, "typed_reason": asked.text("reason")}


endpoint_routes: Final[list[Any]] = [
    show_endpoints,
    add_endpoint,
    show_endpoint,
    change_endpoint,
    enable_endpoint,
    roll_secret,
    ping_endpoint,
    remove_endpoint,
]
