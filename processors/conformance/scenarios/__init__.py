"""Every scenario that an adapter is put through: what the processor answers, what is done, what must come of it.

They are played three times: for their outcome, for what was sent, and for what was let slip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from processors.conformance.scenarios import charges, connections, lookups, notices, refunds, settlements, setups
from processors.conformance.scenarios.scenario import Scenario
from processors.conformance.subject import Impossible, Shape, Subject

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
    """All of them, by their names; those that the processor's answers leave open have its reason for an answer."""
    return {
        one.name: replace(one, family=family, said=_said(one, subject))
        for family, written in FAMILIES.items()
        for one in written(subject)
    }


def _said(one: Scenario, subject: Subject) -> Shape:
    if one.name not in subject.unsaid:
        return one.said
    assert one.asks_for_another, f"{one.name!r} can be told apart by any processor: it can't be left open"
    return Impossible(subject.unsaid[one.name])
