"""What the calls of most adapters share: ids in paths, what is not there, and what may have been made all the same."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Container
from typing import TypeVar

from processors.errors import OutcomeUnknownError, RefusedError

T = TypeVar("T")


def segment(value: str) -> str:
    """One path segment; an id that would lead to another path is refused before anything is sent."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", value):
        raise RefusedError("an id has letters that no id at a processor has", 400, "id_malformed")
    return value


async def if_there(call: Awaitable[T], also: Container[int] = ()) -> T | None:
    """What a call answers, or None where there is no such thing, or none any more; raises CallError.

    `also`: other statuses by which a processor says so.
    """
    try:
        return await call
    except RefusedError as error:
        if error.is_gone or error.status in also:
            return None
        raise


def unclear(error: RefusedError) -> RefusedError | OutcomeUnknownError:
    """What a refusal of a call that moves money is to be taken for.

    A 409 says that something exists under our reference or key, or is being made: only a look-up can say what.
    """
    return OutcomeUnknownError(f"{error}: look it up by its reference") if error.status == 409 else error
