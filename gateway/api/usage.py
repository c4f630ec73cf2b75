"""/v1/usage: what customers have used, reported and looked at."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db.states import UsageState
from gateway.accounts.errors import FieldError
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import counting_usage, example, problems
from gateway.api.paging import After, Limit
from gateway.api.payment_methods import CustomerId
from gateway.api.problems import CODES, Code
from gateway.domain.usage import Reported
from gateway.readers.about import about
from gateway.readers.pages import DEFAULT, Page
from gateway.readers.usage import BacklogBody, UsageBody, find_backlog, find_usage, list_usage
from gateway.usage.accept import Result
from gateway.usage.intake import MOST, UsageIntake

Callers: Final = requires(Scope.SERVER)
Readers: Final = requires(Scope.SERVER, Scope.FINANCE)
UsageId = Annotated[str, PathParameter(description="Our id of the event: use_…")]
OfCustomer = Annotated[str, QueryParameter(name="customer", description="Only of this customer.")]
State = Annotated[UsageState | None, QueryParameter(name="state", description="Only events in this state.")]
OfMeter = Annotated[str, QueryParameter(name="event_name", description="Only of the meter of this event name.")]
Since = Annotated[int | None, QueryParameter(name="since", description="Accepted then or later, in Unix seconds.")]

IDENTIFIER: Final = about("Yours, 1 to 100 letters: what it stands for is counted once, however often it is reported.")
VALUE: Final = (
    'A whole number, or a number as text (`"0.25"`, where your Stripe account takes decimals), of 15 digits at most. '
    "Negative where the meter adds values up; not needed where it counts events."
)
TIMESTAMP: Final = "When it was used, in Unix seconds: 35 days old at most, 5 minutes ahead at most. Else now."
EVENT_NAME: Final = about("The meter's, in Stripe.")
Value = Annotated[int | str | None, about(VALUE)]
Customer = Annotated[str, about("Who used it: cus_…. Not needed with `subscription`.")]
Subscription = Annotated[str, about("Whose customer used it: sub_….")]
Timestamp = Annotated[int | None, about(TIMESTAMP)]


class UsageEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a customer has used."""

    identifier: Annotated[str, IDENTIFIER]
    event_name: Annotated[str, EVENT_NAME]
    value: Value = None
    customer: Customer = ""
    subscription: Subscription = ""
    timestamp: Timestamp = None


class NewUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, by its own fields; or `events`, each answered for itself."""

    events: Annotated[
        Annotated[list[UsageEvent], msgspec.Meta(min_length=1, max_length=MOST)] | None,
        about(f"Up to {MOST} events; what is wrong with one refuses no other."),
    ] = None
    identifier: Annotated[str | None, IDENTIFIER] = None
    event_name: Annotated[str | None, EVENT_NAME] = None
    value: Value = None
    customer: Customer = ""
    subscription: Subscription = ""
    timestamp: Timestamp = None


class RefusedUsage(msgspec.Struct, frozen=True):
    """Why an event was refused; `code` is one of the errors' codes, `param` the field at fault."""

    code: str
    param: str
    detail: str


class ReportedUsage(msgspec.Struct, frozen=True):
    """What became of one event."""

    identifier: str
    status: Annotated[
        Literal["accepted", "duplicate", "refused"],
        about(
            "`accepted`: stored, and sent to Stripe. `duplicate`: it was stored before, and `state` is how it stands."
        ),
    ]
    id: str | None
    state: UsageState | None
    error: RefusedUsage | None
    object: Literal["usage_result"] = "usage_result"


class UsageResults(msgspec.Struct, frozen=True):
    """One result for each event, in their order, and how many of each kind."""

    accepted: int
    duplicates: int
    refused: int
    data: list[ReportedUsage]
    has_more: Literal[False] = False
    object: Literal["list"] = "list"


REPORT: Final = example(
    "250 calls",
    {"identifier": "calls-2027-03-01T10", "event_name": "calls", "subscription": "sub_1Nv0FG", "value": 250},
)


@post(
    "/usage",
    guards=[Callers],
    status_code=200,
    **counting_usage(Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.STATE_CONFLICT, Code.STRIPE_UNAVAILABLE),
    summary="Report usage",
)
async def report_usage(
    data: Annotated[NewUsage, REPORT], principal: NamedDependency[Principal], usage: NamedDependency[UsageIntake]
) -> UsageResults:
    """What is accepted is committed, and sent to Stripe's meter without delay, each identifier once. Stripe checks it
    later: what it does not count after all is a case `usage_refused` and an event `tollbridge.usage.refused`.

    An event that comes alone is refused with a problem; in a batch each has its own `error`, and the answer is 200.
    Only where Stripe can't be asked for an unknown meter the answer is 503: what is right is stored, and the same may
    be sent again.
    """
    if data.events is not None:
        _refuse_both(data)
        return _results(await usage.accept(principal.account, [_reported(one) for one in data.events]))
    for name in ("identifier", "event_name"):
        if getattr(data, name) is None:
            raise FieldError(name, "is required, or `events`")
    alone = UsageEvent(
        data.identifier or "", data.event_name or "", data.value, data.customer, data.subscription, data.timestamp
    )
    return _results([await usage.accept_one(principal.account, _reported(alone))])


@get("/usage", guards=[Readers], responses=problems())
async def list_events(
    principal: NamedDependency[Principal],
    customer: OfCustomer = "",
    in_state: State = None,
    event_name: OfMeter = "",
    since: Since = None,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[UsageBody]:
    """What was reported, the newest first."""
    return await list_usage(
        principal.account,
        customer=customer,
        state=in_state,
        event_name=event_name,
        since=since,
        limit=limit,
        starting_after=starting_after,
    )


@get("/usage/{usage_id:str}", guards=[Readers], responses=problems(Code.NOT_FOUND))
async def show_event(principal: NamedDependency[Principal], usage_id: UsageId) -> UsageBody:
    """One event, and how it stands."""
    return await find_usage(principal.account, usage_id)


@get("/customers/{customer_id:str}/usage_backlog", guards=[Readers], responses=problems(Code.NOT_FOUND))
async def show_backlog(principal: NamedDependency[Principal], customer_id: CustomerId) -> BacklogBody:
    """What the customer has used that is still on its way to Stripe."""
    return await find_backlog(principal.account, customer_id)


def _refuse_both(data: NewUsage) -> None:
    given = [name for name in UsageEvent.__struct_fields__ if getattr(data, name) not in (None, "")]
    if given:
        raise FieldError(given[0], "stands in each of `events`, or alone without them")


def _reported(event: UsageEvent) -> Reported:
    return Reported(
        event.identifier, event.event_name, event.customer, event.subscription, event.value, event.timestamp
    )


def _results(results: list[Result]) -> UsageResults:
    found = [result.status for result in results]
    return UsageResults(
        found.count("accepted"), found.count("duplicate"), found.count("refused"), [_result(one) for one in results]
    )


def _result(result: Result) -> ReportedUsage:
    error = None
    if (refused := result.refused) is not None:
        assert Code(refused.code) in CODES
        error = RefusedUsage(refused.code, refused.param, refused.detail)
    return ReportedUsage(result.identifier, result.status, result.id or None, result.state, error)


usage_routes: Final[list[Any]] = [report_usage, list_events, show_event, show_backlog]
