"""Where secrets may stand, and that they stand nowhere else (law 12).

A world keeps record of all that it writes and says: its log, what it asks of others, what is asked of it and answered,
the payloads of its jobs. After a scenario every secret that took part, in each form that it may hide in, is looked for
in that record, in the metrics, and in every column of the database.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from prometheus_client import generate_latest

from db import sql
from gateway.logs import configure_logging

if TYPE_CHECKING:
    from tests.support.world import World

COLUMNS = """
    select table_schema as schema, table_name as name from information_schema.tables
    where table_schema in ('tollbridge', 'tollbridge_queue') and table_type = 'BASE TABLE' order by 1, 2
"""
OURS = ("uvicorn", "pgqueuer", "litestar", "asyncpg", "piccolo", "asyncio")
"""Loggers of what we run on that are heard at every level; HTTP clients' are never let below a warning."""


@dataclass
class Spoken:
    """One request and its answer, as they were on the wire."""

    method: str
    url: str
    headers: str
    body: bytes = b""
    status: int = 0
    answer: bytes = b""


@dataclass
class Record:
    """All that a world said. `with record.listening(): …` around it."""

    log: list[str] = field(default_factory=list)
    asked: dict[str, list[Spoken]] = field(
        default_factory=lambda: {"stripe": [], "practice": [], "gateway": [], "merchant": []}
    )
    payloads: list[bytes] = field(default_factory=list)
    given_away: set[str] = field(default_factory=set)
    """What a test itself has told to somebody whom it is none of their business."""

    def hearing(self, role: str, app: Any) -> Any:
        """`app` with every request to it on record, as one to this role."""

        async def heard(scope: Any, receive: Any, send: Any) -> None:
            query = scope["query_string"].decode("latin-1")
            headers = "\n".join(f"{n.decode('latin-1')}: {v.decode('latin-1')}" for n, v in scope["headers"])
            url = f"{scope['raw_path'].decode('latin-1')}?{query}"
            spoken = Spoken(scope["method"], url, headers)
            self.asked[role].append(spoken)

            async def taken() -> Any:
                message = await receive()
                spoken.body += message.get("body", b"")
                return message

            async def given(message: Any) -> None:
                spoken.status = message.get("status", spoken.status)
                spoken.answer += message.get("body", b"")
                await send(message)

            await app(scope, taken, given)

        return heard

    @contextmanager
    def listening(self, fmt: str = "json") -> Iterator[None]:
        """The product's own logging, at its most talkative, into the record."""
        root, config, stderr = logging.getLogger(), structlog.get_config(), sys.stderr
        handlers, level = root.handlers[:], root.level
        levels = {name: logging.getLogger(name).level for name in OURS}
        sys.stderr = _Tee(self.log)  # type: ignore[assignment]
        try:
            configure_logging("debug", fmt)
        finally:
            sys.stderr = stderr
        for name in OURS:
            logging.getLogger(name).setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
            for name, was in levels.items():
                logging.getLogger(name).setLevel(was)
            structlog.configure(**config)


class _Tee:
    """A standard error that keeps what is written, and shows it where pytest looks."""

    def __init__(self, kept: list[str]) -> None:
        self._kept = kept

    def write(self, text: str) -> int:
        self._kept.append(text)
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()

    def isatty(self) -> bool:
        return False


@dataclass
class Secrets:
    """The secrets of a world by what they open, each of them made up."""

    stripe: set[str] = field(default_factory=set)
    """Keys of Stripe's API."""
    processor: set[str] = field(default_factory=set)
    """Keys of the processor's API."""
    tokens: set[str] = field(default_factory=set)
    """Payment-method references."""
    signing: set[str] = field(default_factory=set)
    """Of webhooks, either side's."""
    api: set[str] = field(default_factory=set)
    """Our own API keys."""
    sessions: set[str] = field(default_factory=set)
    """Client secrets of sessions, and of the processor's set-ups in them, and tokens of organizations."""

    def all(self) -> set[str]:
        return self.stripe | self.processor | self.tokens | self.signing | self.api | self.sessions


async def secrets_of(world: World) -> Secrets:
    """Every secret that took part, asked of those who know it."""
    found = Secrets()
    for shop in world.shops:
        processor = world.practice.account(shop.practice_key)
        found.stripe.add(shop.stripe_key)
        found.processor.add(shop.practice_key)
        found.api.add(shop.api_key)
        found.tokens |= set(map(str, processor.methods))
        found.signing |= {str(e["_secret"]) for e in world.stripe_account(shop).webhook_endpoints.values()}
        found.signing |= {endpoint.secret for endpoint in processor.endpoints}
        found.sessions |= {setup.client_token for setup in processor.setups.values()}
    for said in world.record.asked["gateway"]:
        # We keep no more than a hash of these.
        if said.url.startswith("/v1/organization_tokens") and said.status == 200:
            found.sessions.add(str(json.loads(said.answer)["token"]))
    for row in await sql.rows("select id, secret from tollbridge.webhook_endpoint_secret"):
        place = {"table": "webhook_endpoint_secret", "column": "secret", "row": row["id"]}
        found.signing.add(world.runtime.keyring.decrypt(row["secret"], **place).decode())
    for table in ("checkout_session", "payment_method_session"):
        for row in await sql.rows(f"select id, client_secret from tollbridge.{table}"):
            place = {"table": table, "column": "client_secret", "row": row["id"]}
            found.sessions.add(world.runtime.keyring.decrypt(row["client_secret"], **place).decode())
    return found


@cache
def forms(secret: str) -> set[str]:
    """The secret as it is, and as the usual encodings would carry it, alone or inside something longer."""
    plain = secret.encode()
    found = {secret, quote(secret, safe=""), plain.hex(), plain.hex().upper(), repr(plain)[2:-1]}
    for before in range(3):
        # Of base64 only the middle is the same whatever stands before and after.
        text = base64.b64encode(b"\0" * before + plain).decode()[(0, 2, 3)[before] :]
        middle = text[:-4]
        found |= {middle, middle.replace("+", "-").replace("/", "_")}
    return found


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """Those of `secrets` that stand in the text in any form."""
    return sorted(secret for secret in secrets if any(form in text for form in forms(secret)))


async def check_secrets(world: World) -> None:
    """Raise AssertionError for the first secret that stands where none belongs."""
    secrets = await secrets_of(world)
    everything = secrets.all()
    everything -= world.record.given_away
    assert len(everything) >= 5, "a world without secrets shows nothing"
    _none(everything, "the metrics", generate_latest().decode())
    _none(everything, "a job's payload", b"\n".join(world.record.payloads).decode("latin-1"))
    _in_the_log(world.record.log, everything)
    _in_what_is_said(world.record, secrets)
    await _in_the_database(everything)


def _in_the_log(written: list[str], secrets: set[str]) -> None:
    assert written, "a log that is empty shows nothing"
    for secret in leaks("".join(written), secrets):
        line = next((line for line in written if leaks(line, {secret})), "over several lines")
        raise AssertionError(f"{secret} stands in the log: {line}")


def _in_what_is_said(record: Record, secrets: Secrets) -> None:
    everything = secrets.all() - record.given_away
    for said in record.asked["stripe"]:
        # Law 12: Stripe's guide asks for the reference in metadata; all else but its own key is none of its business.
        where = f"a request to Stripe, {said.method} {said.url}"
        _none(everything, f"the address of {where}", said.url)
        _none(everything - secrets.stripe, where, said.headers)
        told = {"customers"} & set(said.url.split("/"))
        _none(everything - (secrets.tokens if told else set()), where, said.body.decode("latin-1"))
    for said in record.asked["practice"]:
        where = f"a request to the processor, {said.method} {said.url}"
        _none(everything - secrets.tokens, f"the address of {where}", said.url)
        _none(everything - secrets.processor - secrets.sessions, where, said.headers)
        _none(everything - secrets.tokens, where, said.body.decode("latin-1"))
    for said in record.asked["merchant"]:
        where = f"a request to the merchant, {said.method} {said.url}"
        _none(everything, where, "\n".join((said.url, said.headers, said.body.decode("latin-1"))))
    for said in record.asked["gateway"]:
        where = f"{said.method} {said.url}"
        _none(everything, f"our address {where}", said.url)
        # A session shows its own secret to whoever may open it; an error shows nothing.
        shown = secrets.sessions if said.status < 400 else set()
        if said.method == "POST" and said.url.startswith("/v1/webhook_endpoints"):
            shown = shown | secrets.signing  # shown once, to who made it
        _none(everything - shown, f"the answer {said.status} to {where}", said.answer.decode("latin-1"))


async def _in_the_database(secrets: set[str]) -> None:
    for name in await _full_tables():
        columns: dict[str, list[str]] = defaultdict(list)
        for row in await sql.rows(f"select * from {name}"):
            for column, value in row.items():
                columns[column].append(
                    bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
                )
        for column, values in columns.items():
            _none(secrets, f"{name}.{column}", "\n".join(values))


async def _full_tables() -> list[str]:
    tables = [f'{table["schema"]}."{table["name"]}"' for table in await sql.rows(COLUMNS)]
    asked = " union all ".join(f"select '{name}' as name where exists (select from {name})" for name in tables)
    return [row["name"] for row in await sql.rows(asked)]


def _none(secrets: set[str], place: str, text: str) -> None:
    found = leaks(text, secrets)
    assert not found, f"{found[0]} stands in {place}"
