"""What sessions of either kind say of setting up a payment method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, TypeAlias

import asyncpg
import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter
from litestar.types import Guard

from gateway.api.auth import Principal
from gateway.api.openapi import changing, example
from gateway.api.problems import Code
from gateway.readers.about import about
from gateway.runtime import Runtime
from processors.values import SetupSession, Unprinted


class Failure(msgspec.Struct, frozen=True):
    """Why a session, or the last set-up in an open one, came to nothing."""

    code: Annotated[str, about("Of the closed list of error codes, or a class of decline.")]
    message: Annotated[str, about("For developers; never shown to a payer as it is.")]


class SetupBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the payer enters a payment method."""

    processor: Annotated[
        str, msgspec.Meta(min_length=1, max_length=63, description="One of the session's `processors`.")
    ]
    return_url: Annotated[
        str,
        msgspec.Meta(
            pattern="^https?://[^ ]+$",
            max_length=2000,
            description="Where the payer's browser comes back to from the processor's page.",
        ),
    ]


class Setup(Unprinted, frozen=True):
    """What the frontend needs: a page to open, or data for the processor's own client code."""

    object: str
    redirect_url: Annotated[str | None, about("The processor's page; null where its own client code is used.")]
    client: Annotated[
        dict[str, str], about("What the processor's client code is started with. Its names are the processor's.")
    ]
    expires_at: Annotated[int | None, about("Unix seconds; null: the processor does not say.")]


ClientResult: TypeAlias = Annotated[
    Mapping[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], Annotated[str, msgspec.Meta(max_length=20_000)]],
    msgspec.Meta(
        max_length=10,
        description="What the processor's client code gave in the end, such as a nonce. Its names are the processor's.",
    ),
]
SessionId = Annotated[str, PathParameter(description="The session's id.")]
Begin: TypeAlias = Callable[[Runtime, str, str, str, str], Awaitable[SetupSession]]
SETUP: Final = example("A redirect", {"processor": "practice-eu", "return_url": "https://shop.example/checkout"})


def setup_of(opens: Guard, begin: Begin) -> HTTPRouteHandler:
    """The route that begins a set-up for sessions of one kind. `opens`: who may; `begin`: the story."""

    @post(
        "/{session_id:str}/setup",
        guards=[opens],
        status_code=200,
        **changing(
            Code.NOT_FOUND,
            Code.PROCESSOR_REFUSED,
            Code.PROCESSOR_UNAVAILABLE,
            Code.SESSION_EXPIRED,
            Code.SESSION_NOT_OPEN,
            Code.STATE_CONFLICT,
        ),
        summary="Begin to collect a payment method at a processor",
    )
    async def setup(
        session_id: SessionId,
        data: Annotated[SetupBody, SETUP],
        principal: NamedDependency[Principal],
        runtime: NamedDependency[Runtime],
    ) -> Setup:
        """Moves no money. However many are begun, one method is kept; what comes of the others is deleted there."""
        return shown_setup(await begin(runtime, principal.account, session_id, data.processor, data.return_url))

    return setup


def shown_setup(made: SetupSession) -> Setup:
    """A set-up as it's answered."""
    return Setup(
        object="payment_method_setup",
        redirect_url=made.redirect_url or None,
        client=dict(made.client),
        expires_at=None if made.expires_at is None else int(made.expires_at.timestamp()),
    )


def failure_of(row: asyncpg.Record) -> Failure | None:
    """Why the session, or its last set-up, came to nothing."""
    return Failure(row["failure_code"].partition(":")[0], row["reason"]) if row["failure_code"] else None
