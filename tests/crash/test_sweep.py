"""Some histories of the crash sweep and some orders of events; `scripts/test crash` and `orders` play them all."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(1200)


def _run(module: str, *arguments: str) -> dict[str, Any]:
    """Run it as its command does, in processes of its own: what dies there must not meet this test's loop."""
    command = [sys.executable, "-m", f"tests.crash.{module}", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, "\n".join([*report["replay"], done.stderr[-3000:]])
    return report


SOME_PATHS = (
    "signup,renewal,async_renewal,unknown_outcome,declined_then_paid,refund_asked,dispute_lost,split,switch_to_stripe,"
    "hosted_paid,usage_reported,period_usage,merchant_told"
)


def test_sampled_stops_change_nothing() -> None:
    report = _run("sweep", "--paths", SOME_PATHS, "--limit", "16", "--players", "1")
    assert report["histories"] == 16
    assert report["deaths"] > report["lost_answers"] > 0
    assert all(points > 10 for points in report["points"].values()), "a path without points shows nothing"


def test_sampled_orders_change_nothing() -> None:
    report = _run("orders", "--limit", "12", "--players", "1")
    assert report["orders"] == 12
    assert all(len(events) > 3 for events in report["events"].values())


@pytest.mark.slow
def test_more_stops_change_nothing() -> None:
    assert _run("sweep", "--limit", "100", "--seed", "2")["histories"] == 100


@pytest.mark.slow
def test_more_orders_change_nothing() -> None:
    assert _run("orders", "--limit", "60", "--seed", "2")["orders"] == 60
