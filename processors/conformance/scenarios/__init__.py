"""Every scenario that an adapter is put through: what the processor answers, what is done, what must come of it.

They are played three times: for their outcome, for what was sent, and for what was let slip.
"""

from __future__ import annotations

from collections.abc import Mapping

from processors.conformance.scenarios import charges, lookups, notices, refunds, setups
from processors.conformance.scenarios.scenario import Scenario
from processors.conformance.subject import Subject

FAMILIES = {
    "charges": charges.scenarios,
    "lookups": lookups.scenarios,
    "refunds": refunds.scenarios,
    "setups": setups.scenarios,
    "notices": notices.scenarios,
}


def scenarios(subject: Subject) -> Mapping[str, Scenario]:
    """All of them, by their names."""
    return {one.name: one for family in FAMILIES.values() for one in family(subject)}
