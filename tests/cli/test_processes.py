"""Processes: served with several workers, with the database away, and `dev` without orphans."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.cli.home import read_notes
from tests.cli.conftest import KEYS, environment

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends children there")
START_S = 40


@asynccontextmanager
async def started(*arguments: str, env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", *arguments, env=env, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 40)


async def until(url: str, status: int) -> httpx.Response:
    """The first answer of this status."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http, asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await http.get(url)
                if answer.status_code == status:
                    return answer
            await asyncio.sleep(0.05)


async def first_line(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    return msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), START_S))


async def test_serve_with_two_processes_shares_its_metrics(
    database: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    env = environment(tmp_path, TOLLBRIDGE_DATABASE_URL=database, **KEYS)
    async with started("serve", "--port", str(port), "--workers", "2", "--json", env=env) as process:
        assert await first_line(process) == {"url": f"http://127.0.0.1:{port}"}
        await until(f"http://127.0.0.1:{port}/health/ready", 200)
        for _ in range(20):
            await until(f"http://127.0.0.1:{port}/v1/invoices", 401)
        text = (await until(f"http://127.0.0.1:{port}/metrics", 200)).text
        assert 'route="/v1/invoices",status="401"} 20.0' in text
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 40) in (0, -signal.SIGTERM)


async def test_serve_starts_while_the_database_is_away(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port, nowhere = free_port(), f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    env = environment(tmp_path, TOLLBRIDGE_DATABASE_URL=nowhere, **KEYS)
    async with started("serve", "--port", str(port), env=env):
        base = f"http://127.0.0.1:{port}"
        ready = await until(f"{base}/health/ready", 503)
        assert ready.json()["database"] == "down"
        assert (await until(f"{base}/health/live", 200)).status_code == 200
        async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
            webhook = await http.post("/webhooks/stripe/eu", content=b"{}", headers={"stripe-signature": "t=1,v1=0"})
            assert webhook.status_code == 503
            asked = await http.get("/v1/invoices", headers={"authorization": "Bearer tb_test_x"})
            assert asked.status_code == 503
            assert asked.json()["type"] == "urn:tollbridge:error:database_unavailable"
            assert asked.headers["retry-after"]


async def test_a_port_in_use_is_one_line(database: str, tmp_path: Path) -> None:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    env = environment(tmp_path, TOLLBRIDGE_DATABASE_URL=database, **KEYS)
    for command in (("serve", "--port"), ("sandbox", "--stripe-port")):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli", *command, str(port), env=env, stderr=asyncio.subprocess.PIPE
        )
        _, err = await asyncio.wait_for(process.communicate(), START_S)
        assert process.returncode == 1
        assert f"can't listen on 127.0.0.1:{port}" in err.decode()
        assert "Traceback" not in err.decode()
    listener.close()


def descendants(pid: int) -> list[int]:
    """Processes below this one, read from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == pid:
                    found += [int(entry.name), *descendants(int(entry.name))]
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@asynccontextmanager
async def developing(
    database: str, home: Path, free_port: Callable[[], int]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    names = ("--port", "--stripe-port", "--practice-port", "--shop-port")
    ports = [part for name in names for part in (name, str(free_port()))]
    env = environment(home, TOLLBRIDGE_DATABASE_URL=database)
    async with started("dev", *ports, "--json", env=env) as process:
        yield process, await first_line(process)


async def enters(said: dict[str, Any], user: dict[str, str]) -> str:
    """Where somebody is led by signing in to the console with the password that was printed."""
    fields = {"email": user["email"], "password": user["password"]}
    async with httpx.AsyncClient(headers={"sec-fetch-site": "same-origin"}, trust_env=False, timeout=30) as http:
        await http.post(f"{said['console']}/sign-in", data=fields)
        return (await http.get(said["console"])).headers.get("location", "")


@LINUX
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
    ids=["interrupted", "terminated", "killed"],
)
async def test_dev_is_wired_and_leaves_no_orphans(
    database: str, tmp_path: Path, free_port: Callable[[], int], number: signal.Signals
) -> None:
    async with developing(database, tmp_path, free_port) as (process, said):
        below = descendants(process.pid)
        assert len(below) >= 4
        assert read_notes(tmp_path)["gateway"] == said["gateway"], "for the commands of a second terminal"
        bearer = {"authorization": f"Bearer {said['api_key']}"}
        async with httpx.AsyncClient(base_url=said["gateway"], headers=bearer, trust_env=False, timeout=30) as http:
            checked = (await http.post("/v1/connections/practice/check")).json()
            assert checked["ok"] is True
            states = {one["about"]: one["state"] for one in checked["findings"]}
            assert (states["credentials"], states["webhook"]) == ("proved", "proved")
            order = {"client_reference": "r", "items": [{"price": said["price"]}], "customer_details": {"name": "A"}}
            session = (await http.post("/v1/checkout_sessions", json=order)).json()
            assert session["status"] == "open"
            assert session["invoice"]["amount_due"] == 1900
        assert "checkout" in (await until(said["checkout_page"], 200)).text.lower()
        assert [await enters(said, user) for user in said["console_users"]] == ["/console/a/dev"] * 2
        os.kill(process.pid, number)
        await asyncio.wait_for(process.wait(), 40)
        async with asyncio.timeout(30):
            while any(alive(pid) for pid in below):
                await asyncio.sleep(0.05)
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "dev.json").stat().st_mode & 0o077 == 0


@LINUX
@pytest.mark.slow
async def test_dev_again_keeps_its_key_and_follows_the_clock(
    database: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    async with developing(database, tmp_path, free_port) as (_, first):
        env = environment(tmp_path, TOLLBRIDGE_DATABASE_URL=database)
        moving = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli", "sandbox", "clock", "--advance", "31d", "--json", env=env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(moving.communicate(), START_S)
        moved = msgspec.json.decode(out)
        assert moved["advanced_s"] == 31 * 86400
    async with developing(database, tmp_path, free_port) as (_, second):
        assert second["api_key"] == first["api_key"]
        assert second["console_users"] == first["console_users"]
        for name in ("stripe", "practice"):
            clock = (await until(f"{second[name]}/_sandbox/clock", 200)).json()
            assert clock["now"] >= moved["sandbox_now"] - 2
