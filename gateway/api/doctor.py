"""/v1/doctor: what is set up wrong or stands still in the account, and why one invoice or subscription is where it is.

There is no page here: whoever typed an admin key into one would trust every script of their browser with it.
`tollbridge doctor --html FILE` writes one instead.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import problems
from gateway.api.problems import Code
from gateway.doctor.examine import Report
from gateway.doctor.examine import examine as examined
from gateway.doctor.why import why as asked
from gateway.domain.doctor_why import Answer
from gateway.runtime import Runtime

Callers: Final = requires(Scope.ADMIN)
ObjectId = Annotated[str, PathParameter(description="An invoice (in_…) or a subscription (sub_…).")]


@get("/doctor", guards=[Callers], responses=problems())
async def examine(runtime: NamedDependency[Runtime], principal: NamedDependency[Principal]) -> Report:
    """Look at everything of the account, at Stripe and here; changes nothing. It asks Stripe some thirty questions."""
    return await examined(runtime, principal.account)


@get("/doctor/why/{object_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND, Code.STRIPE_UNAVAILABLE))
async def why(runtime: NamedDependency[Runtime], principal: NamedDependency[Principal], object_id: ObjectId) -> Answer:
    """Why a subscription has no invoice, or why an invoice's status in Stripe is another than here."""
    return await asked(runtime, principal.account, object_id)


doctor_routes: Final[list[Any]] = [examine, why]
