"""The demo of two marketplaces: what its verdict rests on, and the whole of it on real parts."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from gateway.cli.market_report import MarketReport, Statement, verdict
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
    at_stripe=0,
    attempts=["succeeded"],
    captures=1,
    captured=1000,
    ledger=1000,
    returned=(0, 0, 0),
    state="paid",
    access=False,
)
HOSTED_LINE = replace(LINE, at_stripe=1000, attempts=[], captures=0, captured=0, ledger=0)
SEEN = ["pending_first_payment", "granted", "ended"]
CHARGED = Statement("one", "A. Payer", "processor", [1000], SEEN, ["in_1"], methods=["revoked"], lines=[LINE])
HOSTED = replace(CHARGED, pays_at="Stripe's page", methods=[], lines=[HOSTED_LINE])
REPORT = MarketReport([CHARGED, HOSTED], strangers=[], open_cases=[], elapsed_s=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"billed": [1001]},
        {"access": ["granted", "granted", "ended"]},
        {"methods": ["active"]},
        {"own_invoices": ["in_1", "in_2"]},
        {"own_invoices": []},
        {"lines": [replace(LINE, captured=2000, captures=2)]},
        {"lines": [replace(LINE, ledger=900)]},
        {"lines": [replace(LINE, stripe_status="open")]},
        {"lines": [HOSTED_LINE]},
        {"lines": []},
    ],
)
def test_whatever_disagrees_of_a_subscription_is_no_good_end(wrong: dict[str, object]) -> None:
    assert_no_good_end(replace(REPORT, statements=[replace(CHARGED, **wrong), HOSTED]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": [replace(HOSTED_LINE, captured=1000, captures=1, ledger=1000)]},
        {"lines": [replace(HOSTED_LINE, at_stripe=900)]},
        {"lines": [LINE]},
    ],
)
def test_what_is_paid_on_stripes_page_is_in_no_ledger(wrong: dict[str, object]) -> None:
    assert_no_good_end(replace(REPORT, statements=[CHARGED, replace(HOSTED, **wrong)]))


@pytest.mark.parametrize("wrong", [{"strangers": ["sub_1"]}, {"open_cases": ["surplus_capture: twice"]}])
def test_nothing_is_left_open_and_nobody_sees_what_is_anothers(wrong: dict[str, object]) -> None:
    assert_no_good_end(replace(REPORT, **wrong))


def assert_no_good_end(report: MarketReport) -> None:
    assert REPORT.good
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
    assert [(one.pays_at, len(one.lines)) for one in report.statements] == [("processor", 3), ("Stripe's page", 3)] * 2
