"""The demo of two marketplaces: what its verdict rests on, and the whole of it on real parts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from gateway.cli.marketplace import MarketReport, Statement, verdict
from gateway.cli.stage import Line
from tests.cli.conftest import environment

RUN_S = 120

LINE = Line(
    invoice="in_1",
    number="N-1",
    payer="A. Payer",
    currency="eur",
    stripe_status="paid",
    stripe_paid=1000,
    attempts=["succeeded"],
    captures=1,
    captured=1000,
    ledger=1000,
    returned=(0, 0, 0),
    state="paid",
    access=False,
)
SEEN = ["pending", "granted", "ended"]
STATEMENT = Statement("one", "A. Payer", [1000], SEEN, token_deleted=True, open_cases=[], lines=[LINE])


@pytest.mark.parametrize(
    "wrong",
    [
        {"billed": [1001]},
        {"access": ["granted", "granted", "ended"]},
        {"token_deleted": False},
        {"open_cases": ["surplus_capture: twice"]},
        {"lines": [replace(LINE, captured=2000, captures=2)]},
        {"lines": [replace(LINE, ledger=900)]},
        {"lines": [replace(LINE, stripe_status="open")]},
        {"lines": []},
    ],
)
def test_whatever_disagrees_is_no_good_end(wrong: dict[str, object]) -> None:
    assert MarketReport([STATEMENT], apart=True, elapsed_s=1).good
    assert not MarketReport([STATEMENT], apart=False, elapsed_s=1).good
    report = MarketReport([STATEMENT, replace(STATEMENT, **wrong)], apart=True, elapsed_s=1)
    assert not report.good
    assert verdict(report).startswith("THEY DO NOT AGREE")


@pytest.mark.slow
async def test_two_marketplaces_on_real_parts(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "demo", "--marketplace", "--json", env=environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), RUN_S)
    report = msgspec.json.decode(out.splitlines()[-1], type=MarketReport)
    assert process.returncode == 0
    assert report.good
    assert [len(one.lines) for one in report.marketplaces] == [3, 3]
