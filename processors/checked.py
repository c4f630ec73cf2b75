"""What the check of a connection found: what is proved, what can't be seen from here, and what is wrong.

A check never says more than the processor did. That a webhook is set up is proved only where the processor shows it;
where it can't be seen, the reason is said in plain words, and the strongest proof is left to the gateway: that a
notification came whose signature held.
"""

from __future__ import annotations

from collections.abc import Awaitable
from enum import StrEnum
from typing import Final, TypeAlias

import httpx
import msgspec

from processors.errors import CallError, RefusedError

MAY_NOT_LOOK: Final = frozenset({401, 403})
"""The credentials are proved before anything else is looked at, so that these speak of what the key may do."""


class About(StrEnum):
    """What a finding is about: whether the credentials open an account, which one, where its notifications go, and
    whether any came, which the gateway itself knows."""

    CREDENTIALS = "credentials"
    ACCOUNT = "account"
    WEBHOOK = "webhook"
    NOTIFICATIONS = "notifications"


class Proved(msgspec.Struct, frozen=True, tag="proved"):
    """The processor has shown it."""

    about: About
    text: str


class Unseen(msgspec.Struct, frozen=True, tag="unseen"):
    """It can't be seen from here, which is no failure; `text` says why."""

    about: About
    text: str


class Wrong(msgspec.Struct, frozen=True, tag="wrong"):
    """It is not as it must be; `to_do` is what puts it right."""

    about: About
    text: str
    to_do: str


Finding: TypeAlias = Proved | Unseen | Wrong


class Checked(msgspec.Struct, frozen=True):
    """A connection whose credentials are good. `account` is what the processor calls the account that they open;
    `try_it` how somebody has it send a test notification."""

    account: str
    findings: tuple[Finding, ...]
    try_it: str


async def look(about: About, question: Awaitable[Finding], may_not: str) -> Finding:
    """What a further question finds. One that fails leaves what it asked for unseen, and the credentials proved.

    `may_not` is said of a key that is not allowed to ask.
    """
    try:
        return await question
    except RefusedError as error:
        return Unseen(about, may_not if error.status in MAY_NOT_LOOK else f"the processor did not show it: {error}")
    except CallError as error:
        return Unseen(about, f"the processor did not show it: {error}")


def same_address(one: str, other: str) -> bool:
    """Whether two URLs are one, however their hosts and ports are written."""
    try:
        return httpx.URL(one) == httpx.URL(other)
    except httpx.InvalidURL:
        return one == other
