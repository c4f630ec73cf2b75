"""`tollbridge sandbox` as a stranger runs it: in a folder of his own, without a gateway, a database or settings."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.cli.test_processes import first_line, started

END_S = 20


@pytest.fixture
def run(tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Starts it with options; gives the process, what it printed, and a client of its Stripe."""
    monkeypatch.chdir(tmp_path)
    env = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBRIDGE_")}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    ports = ("--stripe-port", str(free_port()), "--practice-port", str(free_port()))

    @asynccontextmanager
    async def running(*options: str) -> AsyncIterator[tuple[Any, dict[str, str], stripe.StripeClient]]:
        async with started("sandbox", *ports, *options, "--json", env=env) as process:
            told = await first_line(process)
            http = stripe.HTTPXClient(timeout=10)
            yield (
                process,
                told,
                stripe.StripeClient(
                    "sk_test_mine", base_addresses={"api": told["stripe"]}, http_client=http, max_network_retries=0
                ),
            )

    return running


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
async def test_it_goes_on_where_it_was(run: Callable[..., Any], tmp_path: Path, number: signal.Signals) -> None:
    """A subscription is sold, the sandbox is stopped, and renews it after its next start."""
    kept = ("--state", "world")
    async with run(*kept) as (process, told, client):
        assert told["state"] == "world"
        price = await client.v1.prices.create_async(
            {
                "currency": "eur",
                "unit_amount": 900,
                "recurring": {"interval": "month"},
                "product_data": {"name": "Plan"},
            }
        )
        customer = await client.v1.customers.create_async({"name": "Ada"})
        sold = {"customer": customer.id, "items": [{"price": price.id}], "collection_method": "send_invoice"}
        await client.v1.subscriptions.create_async({**sold, "days_until_due": 10})  # type: ignore[typeddict-item]
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), END_S) == 0
    assert (tmp_path / "world").stat().st_mode & 0o077 == 0
    async with run(*kept) as (_, told, client):
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.post(f"{told['stripe']}/_sandbox/clock", json={"advance_s": 32 * 86400})
        renewed = await client.v1.invoices.list_async({"customer": customer.id})
        assert [invoice.billing_reason for invoice in renewed.data] == ["subscription_cycle", "subscription_create"]


async def test_it_is_saved_while_it_runs(run: Callable[..., Any], tmp_path: Path) -> None:
    async with run("--state", "world") as (process, _, client):
        await client.v1.customers.create_async({"name": "Ada"})
        for _ in range(400):
            if (tmp_path / "world").exists():
                break
            await asyncio.sleep(0.05)
        process.kill()
        await process.wait()
    async with run("--state", "world") as (_, _, client):
        assert [one.name for one in (await client.v1.customers.list_async()).data] == ["Ada"]


async def test_webhooks_are_registered_once_and_the_secret_stays(run: Callable[..., Any]) -> None:
    options = ("--state", "world", "--webhooks", "http://127.0.0.1:9/hook", "--key", "sk_test_mine")
    async with run(*options) as (process, first, client):
        assert first["webhook_secret"].startswith("whsec_")
        process.terminate()
        await process.wait()
    async with run(*options) as (_, second, client):
        assert second["webhook_secret"] == first["webhook_secret"]
        (endpoint,) = (await client.v1.webhook_endpoints.list_async()).data
        assert (endpoint.url, endpoint.enabled_events) == ("http://127.0.0.1:9/hook", ["*"])


async def test_faults_from_the_start(run: Callable[..., Any]) -> None:
    async with run("--latency", "practice=20,60", "--errors", "stripe=100%", "--seed", "4") as (_, told, client):
        with pytest.raises(stripe.APIError) as caught:
            await client.v1.customers.list_async()
        assert caught.value.http_status == 503
        async with httpx.AsyncClient(trust_env=False) as http:
            (latency,) = (await http.get(f"{told['practice']}/_sandbox/faults")).json()["data"]
            assert latency["latency"] == {"kind": "lognormal", "p50_ms": 20, "p99_ms": 60}
            assert latency["seed"] == 4


async def test_the_connection_is_lost_reset_and_refused(run: Callable[..., Any]) -> None:
    """The loop of the real process is another one than that of the tests."""
    async with run() as (_, told, _), httpx.AsyncClient(base_url=told["stripe"], trust_env=False) as http:
        auth = {"authorization": "Bearer sk_test_mine"}
        for effect, seen in (
            ("lost_after", httpx.RemoteProtocolError),
            ("reset_after", httpx.ReadError),
            ("refused", httpx.RemoteProtocolError),
        ):
            await http.post("/_sandbox/faults", json={"effect": effect, "delay_s": 1})
            with pytest.raises(seen):
                await http.get("/v1/customers", headers=auth)
        with pytest.raises(httpx.ConnectError):
            await http.get("/v1/customers", headers=auth)
        end = time.monotonic() + END_S
        while time.monotonic() < end:
            try:
                assert (await http.get("/v1/customers", headers=auth)).status_code == 200
                return
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
        raise AssertionError("nobody listens again")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--latency", "soon"), 2, "is no latency in ms"),
        (("--errors", "0.7"), 2, "write 0.7%"),
        (("--webhooks", "nowhere"), 2, "explicit scheme"),
        (("--webhooks", "http://x/", "--key", "sk_live_x"), 2, "Invalid API Key"),
        (("--state", "no/such/folder/world"), 1, "there is no folder"),
        (("--state", "text"), 1, "is no state of a sandbox"),
        (("clock", "--stripe-url", "http://127.0.0.1:9"), 1, "is the sandbox running?"),
    ],
)
async def test_what_can_not_be_is_one_sentence(tmp_path: Path, options: tuple[str, ...], code: int, said: str) -> None:
    (tmp_path / "text").write_text("not a pickle")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "sandbox", *options, env=env, cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), END_S * 2)
    assert process.returncode == code
    assert said in " ".join(err.decode().replace("│", " ").split())
    assert "Traceback" not in err.decode()
