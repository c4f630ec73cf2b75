"""The adapters' README says what the code says."""

from __future__ import annotations

import re

from processors.conformance.checks import CHECKS
from scripts.capabilities import README, adapters, matrices, written


def test_the_tables_are_current() -> None:
    now = README.read_text()
    assert now == written(now), "python -m scripts.capabilities"


def test_the_tables_have_a_column_for_each_adapter() -> None:
    heads = [line for line in matrices().splitlines() if line.startswith("| | ")]
    assert [name for head in heads for name in re.findall(r"`(\w+)`", head)] == list(adapters())


def test_the_checks_that_it_names_exist() -> None:
    table = README.read_text().partition("| checks |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named
    assert named <= set(CHECKS)
