"""A short run of `scripts/test kills`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.kills import kill_all

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds PostgreSQL's processes in /proc"),
]


@pytest.mark.timeout(400)
def test_everything_agrees_after_a_dozen_deaths() -> None:
    done = kill_all(processes=12, databases=2, payers=8, seed=2)
    assert (done.processes, done.postgres) == (12, 2)
    assert done.invoices >= 16
