"""A house of real processes, and what its people do over HTTP: payers sign up, time passes, witnesses are asked."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from db.embedded import EmbeddedPostgres
from gateway.cli.dev import LOGS
from gateway.cli.home import read_notes
from gateway.cli.servers import free_ports
from gateway.cli.tree import Tree
from gateway.cli.wiring import STRIPE_KEY
from tests.database import connected
from tests.processes.stage import ROLES, Staged

START_S = 120.0
POLL_S = 0.1
WEEKLY = {"currency": "eur", "unit_amount": "1000", "recurring[interval]": "week", "product_data[name]": "Weekly plan"}
CHARGES = {"method": "POST", "path": "/v1/charges"}


def until(holds: Callable[[], Any], what: str, within_s: float) -> Any:
    """Wait for a condition and return what it is; whatever it raises on the way means: not yet."""
    end = time.monotonic() + within_s
    last: Any = None
    while time.monotonic() < end:
        try:
            if last := holds():
                return last
        except (httpx.HTTPError, AssertionError) as error:
            last = error
        time.sleep(POLL_S)
    raise AssertionError(f"not within {within_s:g} s: {what} (last seen: {last!r})")


@dataclass
class Payer:
    """Somebody who signed up, with the first invoice."""

    customer: str
    subscription: str
    invoice: str


@dataclass
class House:
    """The processes and their addresses. `tree` holds what a test starts beside the first processes."""

    home: Path
    urls: dict[str, str]
    staged: Staged
    tree: Tree
    http: httpx.Client
    price: str = ""
    names: Iterator[int] = field(default_factory=lambda: iter(range(2, 100)))

    # --- processes ---

    def pid(self, name: str) -> int:
        return self.staged.pids[name]

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; SIGKILL is waited for."""
        os.kill(pid, number)
        if number is signal.SIGKILL:
            until(lambda: not lives(pid), f"{pid} is gone", 10)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """One more worker, which is up when it has said that it lives."""
        before = len(self.rows("select id from tollbridge.worker"))
        child = self.tree.start(f"work{next(self.names)}", "work")
        until(
            lambda: child.poll() is not None or len(self.rows("select id from tollbridge.worker")) > before,
            "the worker beats",
            30,
        )
        assert child.poll() is None, f"the worker ended with exit code {child.returncode}"
        return child

    def start_server(self, port: int | None = None) -> str:
        """One more server, at the first one's port (where that is gone) or another; its address."""
        url = self.urls["gateway"] if port is None else f"http://127.0.0.1:{port}"
        arguments = ("serve", "--port", url.rpartition(":")[2])
        self.tree.start(f"serve{next(self.names)}", *arguments, ready=f"{url}/health/ready")
        return url

    @contextmanager
    def postgres(self) -> Iterator[EmbeddedPostgres]:
        """The embedded server of this house, started where it is gone, joined where it runs."""
        server = EmbeddedPostgres(self.home / "postgres")
        server.start()
        try:
            yield server
        finally:
            server.stop()

    # --- what people do ---

    def sign_up(self, kind: str = "ok") -> Payer:
        """Open a session, enter a payment method, confirm, as a shop and its payer do."""
        opened = self.gateway(
            "POST",
            "/v1/checkout_sessions",
            {
                "client_reference": uuid4().hex,
                "customer_details": {"name": "A. Payer", "address": {"country": "DE"}},
                "items": [{"price": self.price}],
                "default_tax_rates": [self.staged.wired.tax_rate],
            },
        )
        path, secret = f"/v1/checkout_sessions/{opened['id']}", opened["client_secret"]
        wanted = {"processor": "practice", "return_url": "http://127.0.0.1/"}
        client = self.gateway("POST", f"{path}/setup", wanted, secret)["client"]
        self.call(
            "POST",
            f"{self.urls['practice']}/v1/setups/{client['setup']}/complete",
            {"token_kind": kind},
            client["client_token"],
        )
        confirmed = self.gateway("POST", f"{path}/confirm", {}, secret)
        assert confirmed["status"] == "complete", confirmed
        return Payer(opened["customer"], opened["subscription"], opened["invoice"]["id"])

    def sign_up_many(self, count: int) -> list[Payer]:
        """Several payers, a few at a time."""
        with ThreadPoolExecutor(6) as pool:
            return list(pool.map(lambda _: self.sign_up(), range(count)))

    def move_time(self, by: str) -> None:
        """Every clock at once, by the command that a developer uses."""
        command = [sys.executable, "-m", "gateway.cli", "sandbox", "clock", "--advance", by, "--json"]
        environment = {**os.environ, **self.staged.environment, "TOLLBRIDGE_HOME": str(self.home)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr

    def practice_fault(self, effect: str, *, delay_s: float = 0, times: int = 1) -> None:
        """Something goes wrong with the next charges."""
        fault = {"match": CHARGES, "effect": effect, "delay_s": delay_s, "times": times}
        self.control("practice", "POST", "faults", fault)

    def stripe_fault(self, path: str, effect: str, *, delay_s: float = 0, times: int = 1) -> None:
        """Something goes wrong with the next calls to Stripe of this template."""
        fault = {"match": {"method": "POST", "path": path}, "effect": effect, "delay_s": delay_s, "times": times}
        self.control("stripe", "POST", "faults", fault)

    def delivery(self, sandbox: str, **changes: Any) -> None:
        """How a sandbox delivers its webhooks from now on."""
        self.control(sandbox, "POST", "delivery", changes)

    # --- witnesses ---

    def letters(self) -> list[dict[str, Any]]:
        """Every delivery that the local Stripe has tried."""
        return list(self.control("stripe", "GET", "deliveries")["data"])

    def charge_calls(self, fault: str = "") -> list[dict[str, Any]]:
        """Charge requests that reached the processor; with `fault`, those that met it."""
        calls = self.control("practice", "GET", "calls")["data"]
        return [
            one
            for one in calls
            if one["method"] == "POST" and one["path"] == "/v1/charges" and (not fault or one["fault"] == fault)
        ]

    def captures(self) -> Counter[str]:
        """Charges that took money at the processor, by invoice: our reference is `{invoice}.{number}`."""
        charges = self.control("practice", "GET", "charges")["data"]
        return Counter(one["reference"].rpartition(".")[0] for one in charges if one["status"] == "succeeded")

    def stripe_invoices(self) -> dict[str, dict[str, Any]]:
        """All invoices at Stripe by id."""
        listed = self.listed(f"{self.urls['stripe']}/v1/invoices", STRIPE_KEY)
        return {one["id"]: one for one in listed}

    def gateway_invoices(self, query: str = "") -> dict[str, dict[str, Any]]:
        """All invoices of the gateway by id, as its list shows them."""
        listed = self.listed(f"{self.urls['gateway']}/v1/invoices{query}", self.staged.wired.api_key)
        return {one["id"]: one for one in listed}

    def gateway_invoice(self, invoice: str) -> dict[str, Any]:
        return dict(self.gateway("GET", f"/v1/invoices/{invoice}"))

    def until_paid(self, count: int, within_s: float) -> None:
        """Wait until so many invoices are paid for the gateway."""
        until(lambda: len(self.gateway_invoices("?state=paid")) >= count, f"{count} invoices are paid", within_s)

    def reconcile(self, invoices: int) -> None:
        """So many invoices, all paid; on each Stripe, processor and ledger agree; one capture; no case."""
        live, known = self.stripe_invoices(), self.gateway_invoices()
        assert len(live) == invoices
        assert set(known) == set(live)
        charges = self.control("practice", "GET", "charges")["data"]
        for invoice, stripe in live.items():
            shown = self.gateway_invoice(invoice)
            taken = [c for c in charges if c["status"] == "succeeded" and c["reference"].rpartition(".")[0] == invoice]
            assert len(taken) == 1, f"{invoice}: {len(taken)} captures, attempts {shown['attempts']}"
            ledger = [m["amount"] for m in shown["movements"] if m["kind"] == "capture"]
            assert (stripe["status"], shown["state"]) == ("paid", "paid"), shown
            assert [stripe["amount_paid"]] == [taken[0]["amount_captured"]] == ledger
        assert sum(self.captures().values()) == invoices
        assert self.gateway("GET", "/v1/cases?state=open")["data"] == []

    def check_events(self, since: int = 0) -> None:
        """Every event of Stripe's stands once in the inbox and has ended; `since` leaves out those before."""
        events = {one["id"] for one in self.listed(f"{self.urls['stripe']}/v1/events", STRIPE_KEY)}
        until(lambda: not self.rows("select id from tollbridge.delivery where state = 'stored'"), "all are routed", 60)
        keys = Counter(row[0] for row in self.rows(STRIPE_KEYS))
        sent = {letter["event"] for letter in self.letters()[since:]}
        assert sent <= events
        assert {key: count for key, count in keys.items() if count > 1} == {}
        assert sent - set(keys) == set(), "events that never arrived"

    def rows(self, query: str) -> list[Any]:
        """A look into the database, for what no API shows."""

        async def fetch() -> list[Any]:
            async with connected(self.staged.database_url) as connection:
                return list(await connection.fetch(query))

        return asyncio.run(fetch())

    def log(self, name: str) -> str:
        """What one of the first processes has said until now."""
        return (self.home / LOGS / f"{name}.log").read_text(errors="replace")

    def notes(self) -> dict[str, Any]:
        """What the command that started the house has written down, the platform key among it."""
        return read_notes(self.home)

    # --- calls ---

    def gateway(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        return self.call(method, self.urls["gateway"] + path, body, key or self.staged.wired.api_key)

    def control(self, sandbox: str, method: str, path: str, body: Any = None) -> Any:
        return self.call(method, f"{self.urls[sandbox]}/_sandbox/{path}", body)

    def call(self, method: str, url: str, body: Any = None, key: str = "") -> Any:
        """One call that must be answered 2xx."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if method == "POST" and key:
            headers["idempotency-key"] = uuid4().hex
        answer = self.http.request(method, url, json=body, headers=headers)
        assert answer.status_code < 300, f"{method} {url}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def stripe(self, path: str, data: dict[str, str]) -> Any:
        """Make something at the local Stripe."""
        answer = self.http.post(
            self.urls["stripe"] + path, data=data, headers={"authorization": f"Bearer {STRIPE_KEY}"}
        )
        assert answer.status_code < 300, answer.text
        return answer.json()

    def listed(self, url: str, key: str) -> list[dict[str, Any]]:
        """Every page of a list in Stripe's manner."""
        found: list[dict[str, Any]] = []
        for _ in range(100):
            query = {"limit": "100"} | ({"starting_after": found[-1]["id"]} if found else {})
            page = self.call("GET", str(httpx.URL(url).copy_merge_params(query)), key=key)
            found += page["data"]
            if not page["has_more"]:
                return found
        raise AssertionError(f"{url} has no end")


STRIPE_KEYS = "select delivery_key from tollbridge.delivery where source = 'stripe'"


@contextmanager
def house(**settings: str) -> Iterator[House]:
    """A house in its own home at its own ports; `settings` are TOLLBRIDGE_* variables of all its processes."""
    home = Path(tempfile.mkdtemp(prefix="tollbridge-house-"))
    home.chmod(0o755)  # for the account that runs PostgreSQL, where that is not ours
    try:
        with _house(home, settings) as made:
            yield made
    except BaseException:
        for log in sorted(home.glob("*logs/*.log")):
            print(f"--- the end of {log.name}", *log.read_text(errors="replace").splitlines()[-30:], sep="\n")
        raise
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _house(home: Path, settings: dict[str, str]) -> Iterator[House]:
    urls = {role: f"http://127.0.0.1:{port}" for role, port in zip(ROLES, free_ports(len(ROLES)), strict=True)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBRIDGE_")}
    variables = {f"TOLLBRIDGE_{name.upper()}": value for name, value in settings.items()}
    variables["TOLLBRIDGE_HOME"] = str(home)
    with (home / "stage.log").open("wb") as log:
        stage = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.stage", *urls.values()],
            env=kept | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert stage.stdout is not None
        line = stage.stdout.readline()
        assert line, f"the house did not start: {(home / 'stage.log').read_text()[-2000:]}"
        staged = msgspec.json.decode(line, type=Staged)
        with (
            Tree(variables | staged.environment, home / "more-logs") as tree,
            httpx.Client(timeout=60, trust_env=False) as http,
        ):
            made = House(home, urls, staged, tree, http)
            made.price = made.stripe("/v1/prices", WEEKLY)["id"]
            yield made
    finally:
        stage.communicate(timeout=START_S)


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and is not reaped yet does not."""
    return pid in _running()


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    return [child for child, parent in _running().items() if parent == pid]


def kill_postgres(postmaster: int) -> None:
    """As when the machine's memory runs out: the postmaster and all its children, without a word."""
    children = children_of(postmaster)
    for pid in (postmaster, *children):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not set(_running()) & {postmaster, *children}, "PostgreSQL is gone", 10)


def _running() -> dict[int, int]:
    """Each process that runs, and its parent."""
    if Path("/proc/self/stat").exists():
        lines = []
        for file in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                number, _, rest = file.read_text(errors="replace").partition(" ")
                state, parent = rest.rpartition(")")[2].split()[:2]
                # Of a killed process the first thread may end before the others, which hold its files and ports.
                ending = state == "Z" and len(list((file.parent / "task").iterdir())) > 1
                lines.append((number, "R" if ending else state, parent))
    else:
        done = subprocess.run(["ps", "-A", "-o", "pid=,stat=,ppid="], capture_output=True, text=True)
        lines = [tuple(line.split()) for line in done.stdout.splitlines()]
    return {int(pid): int(parent) for pid, state, parent in lines if not state.startswith("Z")}
