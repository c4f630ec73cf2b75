"""Where people see a charge in its processor's own dashboard. Optional: an adapter says so only where the address is
known for certain, from the processor's documents or its own published software."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable
from urllib.parse import quote


@runtime_checkable
class HasDashboard(Protocol):
    """An adapter that knows its processor's dashboard."""

    @classmethod
    def charge_page(cls, options: Mapping[str, str], processor_id: str) -> str:
        """The page of a charge, by the connection's options; empty where there is none. Pure, and asks nobody."""
        ...


def charge_page(adapter: type[object], options: Mapping[str, str], processor_id: str) -> str:
    """The page of a charge; empty for an adapter that knows none, and where calls go to another host than the
    processor's own: nobody sees such a charge there."""
    if options.get("base_url") or not processor_id or not issubclass(adapter, HasDashboard):
        return ""
    return adapter.charge_page(options, quote(processor_id, safe=""))
