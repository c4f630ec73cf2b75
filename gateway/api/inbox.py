"""/v1/inbox: the webhooks that were accepted from Stripe and processors, how each ended, and doing one again."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db.states import DeliveryState
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.inbox.by_hand import replay
from gateway.readers.deliveries import DeliveryBody, find_deliveries, find_delivery
from gateway.readers.pages import DEFAULT, Page

Callers: Final = requires(Scope.ADMIN)
DeliveryId = Annotated[str, PathParameter(description="The delivery's id: dlv_…")]
About = Annotated[str, QueryParameter(description="Only about the object of this id.")]
OfKind = Annotated[str, QueryParameter(description="Only of this type, as its sender names it.")]
Source = Annotated[str, QueryParameter(description="Only from there: stripe, or a connection's name.")]
State = Annotated[DeliveryState | None, QueryParameter(name="state", description="Only deliveries in this state.")]


@get("/inbox", guards=[Callers], responses=problems())
async def list_deliveries(
    principal: NamedDependency[Principal],
    in_state: State = None,
    object_id: About = "",
    kind: OfKind = "",
    source: Source = "",
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[DeliveryBody]:
    """The deliveries that the account has accepted."""
    return await find_deliveries(
        principal.account,
        in_state,
        object_id=object_id,
        kind=kind,
        source=source,
        limit=limit,
        starting_after=starting_after,
    )


@get("/inbox/{delivery_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_delivery(principal: NamedDependency[Principal], delivery_id: DeliveryId) -> DeliveryBody:
    """One delivery."""
    return await find_delivery(principal.account, delivery_id)


@post("/inbox/{delivery_id:str}/replay", status_code=200, guards=[Callers], **changing(Code.NOT_FOUND))
async def replay_delivery(principal: NamedDependency[Principal], delivery_id: DeliveryId) -> DeliveryBody:
    """Route a delivery again. Harmless at any time: it only makes us look at what is true now."""
    await replay(Author(principal.actor), principal.account, delivery_id)
    return await find_delivery(principal.account, delivery_id)


inbox_routes: Final[list[Any]] = [list_deliveries, show_delivery, replay_delivery]
