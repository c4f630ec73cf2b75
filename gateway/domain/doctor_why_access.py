"""The access of a subscription in a sentence, with its reason and since when. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.domain.times import moment


class AccessFacts(msgspec.Struct, frozen=True):
    """What the access of a subscription is, why, and since when; `invoice`: the one that decides."""

    state: str
    description: str
    since: datetime
    invoice: str = ""


def access_in_words(access: AccessFacts) -> str:
    state = access.state.replace("_", " ")
    by = f" ({access.invoice})" if access.invoice else ""
    return f"Access to the subscription is {state} since {moment(access.since)}: {access.description}{by}."
