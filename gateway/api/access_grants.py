"""/v1/subscriptions/{id}/access_grants: access by hand, whatever the money says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from gateway.access import grants
from gateway.accounts.audit import LONGEST_REASON, Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.ids import SubscriptionId
from gateway.api.openapi import changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.readers.about import about
from gateway.readers.access_grants import AccessGrantBody, find_grant, find_grants
from gateway.readers.pages import DEFAULT, LATEST, Page

Readers: Final = requires(Scope.SERVER, Scope.FINANCE)
# What is given without money is decided by those who decide about money.
Callers: Final = requires(Scope.FINANCE)
GrantId = Annotated[str, PathParameter(description="The grant's id: agr_…")]
LENGTH: Final = msgspec.Meta(min_length=1, max_length=LONGEST_REASON)


class Granting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Grant access until a time."""

    reason: Annotated[str, LENGTH, about("Shown with the grant, and kept in the audit log.")]
    until: Annotated[int, msgspec.Meta(gt=0, lt=LATEST), about("It ends by itself then, in Unix seconds.")]
    after_end: Annotated[
        bool, about("It holds also once the subscription has ended; else it ends with the subscription.")
    ] = False


class Revoking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take a grant back."""

    reason: Annotated[str, LENGTH, about("For the audit log.")]


GRANT: Final = example("A promised transfer", {"reason": "Pays by transfer, see ticket 4711.", "until": 1803888000})
REVOKE: Final = example("It did not come", {"reason": "The transfer did not come."})


@get("/subscriptions/{subscription_id:str}/access_grants", guards=[Readers], responses=problems(Code.NOT_FOUND))
async def access_grants(
    principal: NamedDependency[Principal],
    subscription_id: SubscriptionId,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[AccessGrantBody]:
    """What was granted for the subscription by hand, also what is over."""
    return await find_grants(principal.account, subscription_id, limit=limit, starting_after=starting_after)


@post(
    "/subscriptions/{subscription_id:str}/access_grants",
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT),
    summary="Grant access by hand, until a time",
)
async def grant_access(
    principal: NamedDependency[Principal], subscription_id: SubscriptionId, data: Annotated[Granting, GRANT]
) -> AccessGrantBody:
    """It opens at once, whatever the money says, and moves none: what is owed is owed. Of several the longest counts.

    The reason of the access is `granted_by_hand` while money alone would not open it.
    """
    by, until = Author(principal.actor, data.reason), datetime.fromtimestamp(data.until, UTC)
    made = await grants.grant(by, principal.account, subscription_id, until, after_end=data.after_end)
    return await find_grant(principal.account, made)


@post(
    "/subscriptions/{subscription_id:str}/access_grants/{grant_id:str}/revoke",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT),
    summary="Take a grant of access back",
)
async def revoke_access(
    principal: NamedDependency[Principal],
    subscription_id: SubscriptionId,
    grant_id: GrantId,
    data: Annotated[Revoking, REVOKE],
) -> AccessGrantBody:
    """Access is at once what its money makes of it."""
    await grants.revoke(Author(principal.actor, data.reason), principal.account, subscription_id, grant_id)
    return await find_grant(principal.account, grant_id)


access_grant_routes: Final[list[Any]] = [access_grants, grant_access, revoke_access]
