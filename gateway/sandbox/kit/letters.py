"""What is delivered, where to, and what is known of each try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import msgspec

from gateway.sandbox.kit.latency import Latency


class Event(Protocol):
    """What delivery must know of an event. Events of one `lane` reach an endpoint in their order."""

    @property
    def id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def object_id(self) -> str: ...
    @property
    def lane(self) -> str: ...
    def body(self, version: str | None = None) -> bytes: ...


class Endpoint(Protocol):
    """Where events go. `is_open` and `url` are read when a letter leaves, not when it was written."""

    @property
    def id(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def is_open(self) -> bool: ...
    def seal(self, events: list[Event], at: int) -> tuple[bytes, dict[str, str]]:
        """The body that carries these events, and its signature (made `at`, Unix seconds) and other headers."""
        ...


Answered = Callable[[bool | None], None]
"""Told after each try of a letter: accepted, not accepted, or None where the endpoint is gone."""


def nobody(accepted: bool | None) -> None:
    """For a letter whose fate nobody waits for."""


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """How events leave.

    `drop`: true loses every event that would go out, a number that many, a list the types it names; for good.
    `delay_s`: sandbox seconds; `latency`: real time that each request takes longer.
    `batch`: events in one request at most, which gives up the lanes.
    A failed try waits `retry_base_s` of real time, then twice as long each time, up to a minute.
    """

    mode: Literal["auto", "manual"] = "auto"
    double: bool = False
    shuffle: bool = False
    drop: bool | Annotated[int, msgspec.Meta(ge=0)] | frozenset[str] = False
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 0
    latency: Latency | None = None
    batch: Annotated[int, msgspec.Meta(ge=1, le=250)] = 1
    retry_base_s: Annotated[float, msgspec.Meta(gt=0)] = 0.25
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20


@dataclass(slots=True)
class Letter:
    """One event on its way to one endpoint. `due_at` is sandbox time, `not_before` machine time for a retry."""

    event: Event
    endpoint: Endpoint
    answered: Answered
    due_at: float
    not_before: float = 0.0
    attempt: int = 1


class Attempt(msgspec.Struct, kw_only=True):
    """One try of one letter, on record. `status` is None without an answer; `at` is machine time."""

    event: str
    type: str
    object: str
    endpoint: str
    url: str
    attempt: int
    status: int | None
    ok: bool
    error: str | None
    at: int
    forged: str | None = None


class Flushed(msgspec.Struct):
    """What one flush did: tries accepted, tries not accepted, and each of them."""

    sent: int
    failed: int
    attempts: list[Attempt]
