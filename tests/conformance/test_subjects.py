"""The adapters that come with Tollbridge pass the kit, and none of them is without a subject."""

from __future__ import annotations

import pytest

from processors.conformance import discovery
from processors.conformance.subject import Subject
from processors.practice.conformance import MANNERS, SUBJECT
from scripts.capabilities import adapters, entry_points
from tests.conformance.conftest import failures

PRACTICE = (SUBJECT, *MANNERS)


@pytest.mark.parametrize("subject", PRACTICE, ids=lambda subject: subject.name)
async def test_it_passes(subject: Subject) -> None:
    assert await failures(subject) == {}


def test_every_adapter_has_a_subject() -> None:
    named = discovery.named(entry_points("tollbridge.conformance").values())
    assert {subject.adapter for subject in named} == set(adapters().values())


@pytest.mark.parametrize("name", ["nobody.at.home:SUBJECT", "processors.money:SUBJECT", "processors.money:STRIPE"])
def test_what_is_no_subject_is_named(name: str) -> None:
    with pytest.raises(discovery.NoSubjectError, match=name):
        discovery.named([name])
