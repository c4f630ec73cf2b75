"""`tollbridge sandbox`: the local Stripe and the practice processor, for this gateway or beside any other project."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import click
import httpx
import msgspec
import uvloop
from rich.progress import Progress

from gateway.cli.context import command_settings, database, failures, run
from gateway.cli.home import read_notes, write_notes
from gateway.cli.output import ERR, OUT, as_json, say
from gateway.cli.servers import serve_all
from gateway.cli.values import span
from gateway.clock import business_now, move_clock
from gateway.sandbox import practice, stripe
from gateway.sandbox.shop.app import Shop
from gateway.sandbox.shop.app import create_app as create_shop
from gateway.settings import Settings

STRIPE_PORT: Final = 8251
PRACTICE_PORT: Final = 8252
SHOP_PORT: Final = 8253
SHOP_KEY_VARIABLE: Final = "SHOP_API_KEY"
STEP: Final = timedelta(days=1)
HTTP_TIMEOUT_S: Final = 120


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--stripe-port", type=click.IntRange(1, 65535), default=STRIPE_PORT, show_default=True)
@click.option("--practice-port", type=click.IntRange(1, 65535), default=PRACTICE_PORT, show_default=True)
@as_json
@click.pass_context
def sandbox(ctx: click.Context, host: str, stripe_port: int, practice_port: int, json_: bool) -> None:
    """Run the local Stripe and the practice processor, until Ctrl-C. They keep everything in memory."""
    if ctx.invoked_subcommand is not None:
        return
    settings = command_settings()
    urls = {"stripe": f"http://{host}:{stripe_port}", "practice": f"http://{host}:{practice_port}"}

    def started() -> None:
        write_notes(settings.home_path, sandbox=urls)
        say(urls, json_, lambda: ERR.print(f"Stripe: {urls['stripe']}\nPractice processor: {urls['practice']}"))

    with failures():
        _run(_servers(host, stripe_port, practice_port), started)


@sandbox.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=SHOP_PORT, show_default=True)
@click.option("--gateway-url", required=True, help="Where the gateway's API is.")
@click.option("--price", required=True, help="A recurring price at the local Stripe.")
@click.option("--tax-rate", default="", help="A tax rate at the local Stripe.")
@as_json
def shop(host: str, port: int, gateway_url: str, price: str, tax_rate: str, json_: bool) -> None:
    """Run a plain checkout page. Its API key comes from the environment: SHOP_API_KEY."""
    command_settings()
    key = os.environ.get(SHOP_KEY_VARIABLE)
    if not key:
        raise click.UsageError(f"set {SHOP_KEY_VARIABLE} to an API key with the scope checkout")
    url = f"http://{host}:{port}/checkout"
    with failures():
        app = create_shop(Shop(gateway_url=gateway_url, api_key=key, price=price, tax_rate=tax_rate))
        _run([(app, host, port)], lambda: say({"url": url}, json_, lambda: ERR.print(f"Checkout page: {url}")))


@sandbox.command()
@click.option("--advance", "by", required=True, callback=span, metavar="SPAN", help="How far, such as 31d or 36h.")
@click.option("--stripe-url", default="", help="The local Stripe; else the one last started here.")
@click.option("--practice-url", default="", help="The practice processor; else the one last started here.")
@click.option("--without-gateway", is_flag=True, help="Leave the gateway's business time as it is.")
@as_json
def clock(by: timedelta, stripe_url: str, practice_url: str, without_gateway: bool, json_: bool) -> None:
    """Move time forward everywhere: both sandboxes, and the gateway's business time (never beside live accounts)."""
    settings = command_settings("warning")
    notes = read_notes(settings.home_path).get("sandbox", {})
    urls = [
        stripe_url or notes.get("stripe", f"http://127.0.0.1:{STRIPE_PORT}"),
        practice_url or notes.get("practice", f"http://127.0.0.1:{PRACTICE_PORT}"),
    ]

    async def work() -> dict[str, Any]:
        if without_gateway or not _has_database(settings):
            return await advance(urls, by, gateway=False)
        async with database(settings):
            return await advance(urls, by)

    moved = run(work)
    say(moved, json_, lambda: OUT.print(f"It is now {moved['now']}."))


async def advance(urls: list[str], by: timedelta, *, gateway: bool = True) -> dict[str, Any]:
    """Move every clock on, a day at a time, so that none is ever far ahead. The gateway's goes first.

    Raises click.ClickException where a sandbox does not answer, LiveClockError.
    """
    left = by
    async with httpx.AsyncClient(timeout=HTTP_TIMEOUT_S, trust_env=False) as http:
        for url in urls:
            await _call(http.get, f"{url}/_sandbox/clock")
        with Progress(console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
            task = progress.add_task("Moving time", total=by.total_seconds())
            while left > timedelta():
                step = min(left, STEP)
                if gateway:
                    await move_clock(step)
                for url in urls:
                    await _call(http.post, f"{url}/_sandbox/clock", json={"advance_s": int(step.total_seconds())})
                left -= step
                progress.advance(task, step.total_seconds())
        seen = await _call(http.get, f"{urls[0]}/_sandbox/clock")
    now = f"{await business_now():%Y-%m-%d %H:%M:%S} UTC" if gateway else str(seen["now"])
    return {"advanced_s": int(by.total_seconds()), "now": now, "sandbox_now": seen["now"]}


async def _call(send: Callable[..., Any], url: str, **options: Any) -> dict[str, Any]:
    try:
        answer = await send(url, **options)
    except httpx.HTTPError as error:
        raise click.ClickException(f"{url} does not answer ({type(error).__name__}): is the sandbox running?") from None
    if answer.status_code != 200:
        raise click.ClickException(f"{url}: HTTP {answer.status_code} {answer.text[:200]}")
    return msgspec.json.decode(answer.content, type=dict[str, Any])


def _servers(host: str, stripe_port: int, practice_port: int) -> list[tuple[Any, str, int]]:
    return [
        (stripe.create_app(stripe.StripeSandbox()), host, stripe_port),
        (practice.create_app(practice.PracticeProcessor()), host, practice_port),
    ]


def _run(servers: list[tuple[Any, str, int]], started: Callable[[], None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_all(servers, started))


def _has_database(settings: Settings) -> bool:
    return bool(settings.database_url) or (settings.home_path / "postgres").exists()
