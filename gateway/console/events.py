"""Events: what the merchant was told, how each stands at which endpoint, and telling it again."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from db.states import EventDeliveryState
from gateway.accounts import webhook_endpoints
from gateway.addresses import host_of
from gateway.api.paging import After
from gateway.console.desk import Desk, change, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import ON_A_PAGE, Posted, Reasoned, Said
from gateway.console.render import led, shown
from gateway.domain.news_types import NewsType
from gateway.domain.roles import Action
from gateway.outbound import events as story
from gateway.outbound.body import Event
from gateway.readers.events import find_event, find_events, standing, told
from gateway.readers.object_names import object_names

OfType = Annotated[NewsType | None, QueryParameter(name="type")]
About = Annotated[str, QueryParameter(name="object", max_length=255)]
To = Annotated[str, QueryParameter(name="endpoint", max_length=255)]
Delivery = Annotated[EventDeliveryState | None, QueryParameter(name="delivery")]


class Replaying(Reasoned, frozen=True):
    endpoint: str = ""
    """Empty: all that want it."""


AGAIN: Final = Replaying()


@page("/events")
async def events(
    desk: NamedDependency[Desk],
    of_type: OfType = None,
    of_object: About = "",
    endpoint: To = "",
    delivery: Delivery = None,
    starting_after: After = "",
) -> Template:
    """The account's events, the newest first."""
    found = await find_events(
        desk.account,
        of_type,
        of_object=of_object.strip(),
        endpoint=endpoint,
        state=delivery,
        limit=ON_A_PAGE,
        starting_after=starting_after,
    )
    asked = {"type": of_type or "", "object": of_object.strip(), "endpoint": endpoint, "delivery": delivery or ""}
    context = {
        "rows": [(one, _about(one)) for one in found.data],
        "found": found,
        "called": await object_names(desk.account, [_about(one) for one in found.data]),
        "standing": await standing(desk.account, [one.id for one in found.data]),
        "asked": asked,
        "types": list(NewsType),
        "endpoints": await webhook_endpoints.listed(desk.account),
        "states": list(EventDeliveryState),
        "place": partial(_place, desk),
    }
    return shown(desk, "events.html", context)


@page("/events/{event_id:str}")
async def event(desk: NamedDependency[Desk], event_id: FromPath[str], said: Said = "") -> Template:
    """One event, as endpoints are told it, and what came of it at each."""
    return await _event(desk, event_id, said=said)


@change("/events/{event_id:str}/replay", Action.REPLAY)
async def replay(desk: NamedDependency[Desk], event_id: FromPath[str], data: Posted[Replaying]) -> Redirect | Template:
    """Once more, to one endpoint or to all that want it."""
    try:
        count = await story.replay(desk.author(data.reason), desk.account, event_id, data.endpoint)
    except Exception as error:
        return await _event(desk, event_id, wrong=wrong_of(error), typed=data)
    return led(f"{desk.path}/events/{event_id}", "event_replayed" if count else "event_for_nobody")


async def _event(
    desk: Desk, event_id: str, *, said: str = "", wrong: Wrong = RIGHT, typed: Replaying = AGAIN
) -> Template:
    one = await find_event(desk.account, event_id)
    context = {
        "event": one,
        "about": _about(one),
        "called": await object_names(desk.account, [_about(one)]),
        "body": msgspec.json.format(msgspec.json.encode(one), indent=2).decode(),
        "told": await told(desk.account, event_id),
        "endpoints": [each for each in await webhook_endpoints.listed(desk.account) if each.enabled],
        "typed": typed,
        "place": partial(_place, desk),
        "said": said,
        "wrong": wrong,
    }
    return shown(desk, "event.html", context, status=wrong.status)


def _place(desk: Desk, url: str, description: str = "") -> str:
    """Which endpoint it is. Its whole address is for who may change the settings."""
    return url if desk.may(Action.CONFIGURE) else description or host_of(url)


def _about(one: Event) -> str:
    """The id of the object that an event is about."""
    return str(msgspec.json.decode(one.data, type=dict[str, Any]).get("id") or "")


event_routes: Final[list[Any]] = [events, event, replay]
