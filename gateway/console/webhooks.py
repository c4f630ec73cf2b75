"""Webhooks: what Stripe and processors told us, what came of it, what it said, and doing one again."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from db.states import DeliveryState
from gateway.accounts import connections
from gateway.api.paging import After
from gateway.console.desk import Desk, change, look, page
from gateway.console.forms import ON_A_PAGE, Posted, Reasoned, Said
from gateway.console.render import led, shown
from gateway.domain.roles import Action
from gateway.inbox import by_hand
from gateway.inbox.envelope import STRIPE
from gateway.readers.cases import find_cases
from gateway.readers.deliveries import find_deliveries, find_delivery, refused_lately
from gateway.readers.object_names import object_names
from gateway.runtime import Runtime

Source = Annotated[str, QueryParameter(max_length=255)]
State = Annotated[DeliveryState | None, QueryParameter(name="state")]
Kind = Annotated[str, QueryParameter(name="type", max_length=255)]
About = Annotated[str, QueryParameter(name="object", max_length=255)]

MEANS: Final = {
    DeliveryState.STORED: "It is stored, and is about to be looked at.",
    DeliveryState.DONE: "What it is about was looked at.",
    DeliveryState.IGNORED: "There was nothing to do.",
    DeliveryState.PARKED: "Nobody but a human can say what it means: it has a case.",
}
REFUSED: Final = {
    "signature_wrong": "the signature did not hold: most often the signing secret is another one's",
    "no_secret": "no signing secret is known yet",
    "signature_old": "it was signed too long ago: it was held up, or a clock is wrong",
    "signature_in_the_future": "it was signed in the future: a clock is wrong",
    "notice_refused": "it could not be proven to be the processor's",
    "livemode": "a test event for a live account, or the reverse",
}
"""Why a door turned deliveries away, in words (`gateway/inbox/verify.py`)."""


@page("/webhooks")
async def webhooks(
    desk: NamedDependency[Desk],
    source: Source = "",
    in_state: State = None,
    kind: Kind = "",
    of_object: About = "",
    starting_after: After = "",
) -> Template:
    """The accepted deliveries, the newest first, and how many were refused lately."""
    kind, of_object = kind.strip(), of_object.strip()
    found = await find_deliveries(
        desk.account,
        in_state,
        object_id=of_object,
        kind=kind,
        source=source,
        limit=ON_A_PAGE,
        starting_after=starting_after,
    )
    context = {
        "found": found,
        "called": await object_names(desk.account, [one.object_id for one in found.data]),
        "asked": {"source": source, "state": in_state or "", "type": kind, "object": of_object},
        "sources": [STRIPE, *(one.name for one in await connections.listed(desk.account))],
        "states": list(DeliveryState),
        "refused": await refused_lately(desk.account),
        "why": REFUSED,
    }
    return shown(desk, "webhooks.html", context)


@page("/webhooks/{delivery_id:str}")
async def webhook(desk: NamedDependency[Desk], delivery_id: FromPath[str], said: Said = "") -> Template:
    """One delivery: what it is, when it came, what came of it and why."""
    return await _webhook(desk, delivery_id, said=said)


@look("/webhooks/{delivery_id:str}/body", Action.DIAGNOSE)
async def body(
    desk: NamedDependency[Desk], runtime: NamedDependency[Runtime], delivery_id: FromPath[str], data: Posted[Reasoned]
) -> Template:
    """What it said, redacted. That somebody looked stands in the audit log: a link from elsewhere must not write it."""
    text = await by_hand.see(runtime.keyring, desk.author(data.reason), desk.account, delivery_id)
    return await _webhook(desk, delivery_id, body=text)


@change("/webhooks/{delivery_id:str}/replay", Action.REPLAY)
async def replay(desk: NamedDependency[Desk], delivery_id: FromPath[str], data: Posted[Reasoned]) -> Redirect:
    """Once more."""
    await by_hand.replay(desk.author(data.reason), desk.account, delivery_id)
    return led(f"{desk.path}/webhooks/{delivery_id}", "webhook_replayed")


async def _webhook(desk: Desk, delivery_id: str, *, said: str = "", body: str | None = None) -> Template:
    one = await find_delivery(desk.account, delivery_id)
    context = {
        "delivery": one,
        "called": await object_names(desk.account, [one.object_id]),
        "means": MEANS[one.state],
        "cases": (await find_cases(desk.account, subject=delivery_id)).data,
        "body": body,
        "said": said,
    }
    return shown(desk, "webhook.html", context)


webhook_routes: Final[list[Any]] = [webhooks, webhook, body, replay]
