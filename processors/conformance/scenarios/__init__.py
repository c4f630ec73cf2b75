"""Every scenario that an adapter is put through: what the processor answers, what is done, what must come of it.

They are played three times: for their outcome, for what was sent, and for what was let slip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from processors.conformance.scenarios import charges, connections, lookups, notices, refunds, settlements, setups
from processors.conformance.scenarios.scenario import Scenario
from processors.conformance.subject import Subject

FAMILIES = {
    "connections": connections.scenarios,
    "charges": charges.scenarios,
    "lookups": lookups.scenarios,
    "refunds": refunds.scenarios,
    "setups": setups.scenarios,
    "notices": notices.scenarios,
    "settlements": settlements.scenarios,
}


@lru_cache(maxsize=8)
def scenarios(subject: Subject) -> Mapping[str, Scenario]:
    """All of them, by their names."""
    return {one.name: replace(one, family=family) for family, written in FAMILIES.items() for one in written(subject)}
