"""The first examples of the README do what it says, as they stand there."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import gateway.sandbox
from tests.sandbox.tools import Tool, opened

README = (Path(gateway.sandbox.__file__).parent / "README.md").read_text()
USUAL = {"stripe": "http://127.0.0.1:8251", "practice": "http://127.0.0.1:8252"}


@pytest.fixture
async def stripe() -> AsyncIterator[Tool]:
    async with opened("stripe") as tool:
        yield tool


@pytest.fixture
async def practice() -> AsyncIterator[Tool]:
    async with opened("practice") as tool:
        yield tool


def block(language: str, holding: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return next(one for one in blocks if holding in one)


async def played(text: str, *command: str, **tools: Tool) -> str:
    """What an example prints, pointed at these servers instead of the usual addresses."""
    for name, tool in tools.items():
        text = text.replace(USUAL[name], tool.url)
    process = await asyncio.create_subprocess_exec(
        *command, text, env=os.environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_examples_in_their_order(stripe: Tool) -> None:
    printed = await played(block("python", "finalize_invoice"), sys.executable, "-c", stripe=stripe)
    assert printed.split()[1:] == ["paid", "1900"]
    if not shutil.which("curl"):
        pytest.skip("no curl on this machine")
    answered = await played(block("sh", "S=http"), "sh", "-euc", stripe=stripe)
    assert '"name":"Ben"' in answered
    assert '"billing_reason":"subscription_cycle"' in answered
    assert [call.status for call in stripe.sandbox.calls] == [200] * len(stripe.sandbox.calls)


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
async def test_the_faults(stripe: Tool, practice: Tool) -> None:
    await played(block("sh", "lost_after"), "sh", "-euc", stripe=stripe, practice=practice)
    assert [fault.effect for fault in stripe.sandbox.faults.pending] == ["lost_after"]
    latency, errors = practice.sandbox.faults.pending
    assert (str(latency.latency), latency.times) == ("p50 120 ms, p99 380 ms", None)
    assert (errors.status, errors.probability, errors.seed, errors.times) == (503, 0.007, 1, None)
