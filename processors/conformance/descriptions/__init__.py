"""What a processor says that it takes: its official description, or a closed schema that stands in for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import httpx


class DescriptionMissingError(Exception):
    """The description is not on this machine."""


class Description(Protocol):
    """A description of requests."""

    def violations(self, request: httpx.Request) -> list[str] | None:
        """What it has against a request; None for an operation that it does not know.

        Raises DescriptionMissingError.
        """
        ...

    def canaries(self, sent: Sequence[httpx.Request]) -> Iterator[tuple[str, list[str]]]:
        """For each operation a request that must be refused, by a name, with what it has against it.

        Without these a description that can't be read would seem to allow everything. Raises DescriptionMissingError.
        """
        ...
