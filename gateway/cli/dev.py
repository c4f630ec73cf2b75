"""`tollbridge dev`: everything in one process tree, wired together, for a developer at a desk.

PostgreSQL (unless an address is configured), both sandboxes, the API and the console, a worker, and a checkout page;
with an account `dev`, a connection `practice`, an API key and two users of the console, made where they are missing.
The database is kept between runs; the sandboxes forget, so what was made at Stripe in an earlier run is gone there
(`--fresh` starts anew).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from db import migrate as migrations
from db.engine import DB, PoolOptions
from gateway.accounts import keys as key_story
from gateway.cli.context import author, command_settings, failures, server_of
from gateway.cli.home import make_keys, read_notes, write_notes
from gateway.cli.output import ERR, OUT, as_json, fields
from gateway.cli.people import PASSWORDS, SECOND_FACTOR, introduce, shown
from gateway.cli.sandbox import PRACTICE_PORT, SHOP_KEY_VARIABLE, SHOP_PORT, STRIPE_PORT
from gateway.cli.servers import listen
from gateway.cli.tree import Tree
from gateway.cli.wiring import ACCOUNT, PRACTICE_KEY, STRIPE_KEY, Names, Wired, Wiring
from gateway.settings import Settings

LOGS: Final = "logs"
CONSOLE: Final = "/console"


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API (TOLLBRIDGE_PORT).")
@click.option("--stripe-port", type=click.IntRange(1, 65535), default=STRIPE_PORT, show_default=True)
@click.option("--practice-port", type=click.IntRange(1, 65535), default=PRACTICE_PORT, show_default=True)
@click.option("--shop-port", type=click.IntRange(1, 65535), default=SHOP_PORT, show_default=True)
@click.option("--fresh", is_flag=True, help="Forget what earlier runs kept in the embedded database.")
@as_json
def dev(port: int | None, stripe_port: int, practice_port: int, shop_port: int, fresh: bool, json_: bool) -> None:
    """Run everything here, wired together, until Ctrl-C. Prints the addresses, an API key and the console's users."""
    settings = command_settings("warning")
    settings = msgspec.structs.replace(settings, host="127.0.0.1", port=port or settings.port, public_url="")
    urls = {
        "gateway": settings.base_url,
        "stripe": f"http://127.0.0.1:{stripe_port}",
        "practice": f"http://127.0.0.1:{practice_port}",
        "shop": f"http://127.0.0.1:{shop_port}",
    }
    with failures():
        _refuse_taken(urls)
        if fresh:
            _forget(settings)
        with launched(settings, urls) as (tree, wired, _):
            _say(wired, urls, settings.home_path, json_)
            tree.watch()
        ERR.print("Stopped.")


def _refuse_taken(urls: dict[str, str]) -> None:
    """What listens at one of these addresses already would answer in the place of ours, and be wired."""
    for name, url in urls.items():
        host, _, port = url.removeprefix("http://").partition(":")
        try:
            listen(host, int(port)).close()
        except click.ClickException as error:
            option = "--port" if name == "gateway" else f"--{name}-port"
            raise click.ClickException(f"{error.message}; {option} takes another") from None


@contextmanager
def launched(
    settings: Settings, urls: dict[str, str], names: Names | None = None
) -> Iterator[tuple[Tree, Wired, Settings]]:
    """Everything running and wired: the tree, what it was wired with, and the settings with the database's address.
    `names`: of the account that the shop sells for, where it is not dev."""
    local_keys = make_keys(settings.home_path)
    with server_of(settings) as found:
        asyncio.run(_prepared(found))
        environment = {
            **local_keys.environment(),
            "TOLLBRIDGE_DATABASE_URL": found.database_url,
            "TOLLBRIDGE_HOME": str(settings.home_path),
            "TOLLBRIDGE_HOST": settings.host,
            "TOLLBRIDGE_PORT": str(settings.port),
            "TOLLBRIDGE_PUBLIC_URL": urls["gateway"],  # where the sandboxes reach it, whatever the environment says
            "TOLLBRIDGE_CORS_ORIGINS": urls["shop"],
            "TOLLBRIDGE_OUTBOUND_PRIVATE": "true",
            SECOND_FACTOR: os.environ.get(SECOND_FACTOR, "optional"),
        }
        with Tree(environment, settings.home_path / LOGS) as tree, _noted(settings.home_path, urls["gateway"]):
            yield tree, _start(tree, found, urls, names), found


@contextmanager
def _noted(home: Path, gateway: str) -> Iterator[None]:
    """For the other commands of this home: where the API is."""
    write_notes(home, gateway=gateway)
    try:
        yield
    finally:
        write_notes(home, gateway="")


def _start(tree: Tree, settings: Settings, urls: dict[str, str], names: Names | None) -> Wired:
    """Start the tree and wire it, in an order in which nothing meets what is not there yet."""
    ports = {name: url.rpartition(":")[2] for name, url in urls.items()}
    sandbox = ("sandbox", "--stripe-port", ports["stripe"], "--practice-port", ports["practice"])
    tree.start("sandbox", *sandbox, ready=f"{urls['practice']}/_sandbox/clock")
    tree.start("serve", "serve", ready=f"{urls['gateway']}/health/ready")
    wired = asyncio.run(_wired(settings, urls, names))
    tree.start("work", "work")
    shop = ("sandbox", "shop", "--port", ports["shop"], "--gateway-url", urls["gateway"], "--price", wired.price)
    tree.start(
        "shop",
        *(*shop, "--tax-rate", wired.tax_rate),
        ready=f"{urls['shop']}/checkout",
        environment={SHOP_KEY_VARIABLE: wired.api_key},
    )
    return wired


async def _prepared(settings: Settings) -> None:
    await migrations.migrate(settings.database_url)


async def _wired(settings: Settings, urls: dict[str, str], names: Names | None) -> Wired:
    DB.configure(settings.database_url, PoolOptions(max_size=2))
    await DB.open_pool()
    try:
        notes = read_notes(settings.home_path)
        async with Wiring(urls, names) as wiring:
            platform = notes.get("platform_key", "")
            if not await wiring.opens(platform, "/v1/accounts"):
                _, secret = await key_story.create(author("dev"), None, "dev", ["platform"])
                platform = secret.reveal()
                write_notes(settings.home_path, platform_key=platform)
            wired = await wiring.wire(platform, notes.get("api_key", ""))
        write_notes(settings.home_path, api_key=wired.api_key)
        people = await introduce(settings.home_path, wired.account)
        return msgspec.structs.replace(wired, people=people)
    finally:
        await DB.close_pool()


def _forget(settings: Settings) -> None:
    """Drop the schemas of the embedded server; the next migration makes them anew. An external one is not ours."""
    if settings.database_url:
        raise click.UsageError("--fresh is for the embedded database; drop the schemas of yours yourself")

    async def drop(dsn: str) -> None:
        DB.configure(dsn, PoolOptions(max_size=1))
        await DB.open_pool()
        try:
            await DB.run_ddl("drop schema if exists tollbridge cascade")
            await DB.run_ddl("drop schema if exists tollbridge_queue cascade")
        finally:
            await DB.close_pool()

    with server_of(settings) as found:
        asyncio.run(drop(found.database_url))
    write_notes(settings.home_path, platform_key="", api_key="", **{PASSWORDS: {}})
    shutil.rmtree(settings.home_path / LOGS, ignore_errors=True)


def _say(wired: Wired, urls: dict[str, str], home: Path, json_: bool) -> None:
    value: dict[str, Any] = {
        "gateway": urls["gateway"],
        "docs": f"{urls['gateway']}/docs",
        "console": f"{urls['gateway']}{CONSOLE}",
        "stripe": urls["stripe"],
        "practice": urls["practice"],
        "checkout_page": f"{urls['shop']}/checkout",
        "account": ACCOUNT,
        "api_key": wired.api_key,
        "price": wired.price,
        "tax_rate": wired.tax_rate,
        "stripe_key": STRIPE_KEY,
        "practice_key": PRACTICE_KEY,
        "logs": str(home / LOGS),
    }
    if json_:
        click.echo(msgspec.json.encode(value | {"console_users": wired.people}))
        return
    fields({name.replace("_", " "): one for name, one in value.items()} | shown(wired.people))
    OUT.print("\nMove time: tollbridge sandbox clock --advance 31d.   Stop: Ctrl-C.")
