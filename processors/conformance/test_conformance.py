"""Every check, on every case of every subject. A scenario that does not apply is skipped with the subject's reason."""

from __future__ import annotations

import os

import pytest

from processors.conformance.checks import Check, run
from processors.conformance.descriptions import DescriptionMissingError
from processors.conformance.scenarios.scenario import InapplicableError
from processors.conformance.subject import Subject


@pytest.mark.asyncio(loop_scope="module")
async def test_conformance(subject: Subject, check: Check, case: str) -> None:
    try:
        await run(check, subject, case)
    except InapplicableError as reason:
        pytest.skip(str(reason))
    except DescriptionMissingError as reason:
        if os.environ.get("TOLLBRIDGE_SPECS_REQUIRED") == "1":
            pytest.fail(str(reason))
        pytest.skip(str(reason))
