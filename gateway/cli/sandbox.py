"""`tollbridge sandbox`: the local Stripe and the practice processor, for this gateway or beside any other project."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import httpx
import msgspec
import uvloop
from rich.progress import Progress

from db import sql
from gateway.cli.context import WORKING, command_settings, database, failures, run
from gateway.cli.home import read_notes, write_notes
from gateway.cli.local import made, preset, register, serve
from gateway.cli.output import ERR, OUT, as_json, fields, say, when
from gateway.cli.servers import serve_all
from gateway.cli.values import span
from gateway.clock import business_now, move_clock
from gateway.sandbox.shop.app import Shop
from gateway.sandbox.shop.app import create_app as create_shop
from gateway.settings import Settings

STRIPE_PORT: Final = 8251
PRACTICE_PORT: Final = 8252
SHOP_PORT: Final = 8253
SHOP_KEY_VARIABLE: Final = "SHOP_API_KEY"
KEY: Final = "sk_test_sandbox"
ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104  compared with, not listened on
STEP: Final = timedelta(days=1)
ON_THEIR_WAY_S: Final = 0.4
"""So long webhooks may be on their way."""
MOST_LOOKS: Final = 60
"""What a worker finds by its clock alone, its sweep finds within ten seconds, and then it is carried out."""
AT_WORK: Final = f"""
    {WORKING} and (
        exists (select 1 from tollbridge.delivery where state = 'stored' and try_at is null)
        or exists (select 1 from tollbridge.subscription where seen < poked)
        or exists (select 1 from tollbridge.checkout_session where seen < poked or due_at <= tollbridge.business_now())
        or exists (select 1 from tollbridge.invoice where seen < poked or due_at <= tollbridge.business_now()))
"""  # noqa: S608 (a constant of ours)
HTTP_TIMEOUT_S: Final = 120


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--stripe-port", type=click.IntRange(1, 65535), default=STRIPE_PORT, show_default=True)
@click.option("--practice-port", type=click.IntRange(1, 65535), default=PRACTICE_PORT, show_default=True)
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Keep everything in this file.")
@click.option("--webhooks", metavar="URL", help="Send all of Stripe's events there; prints the signing secret.")
@click.option("--key", default=KEY, show_default=True, help="The Stripe account, by its key, that --webhooks is for.")
@click.option(
    "--latency",
    "latencies",
    multiple=True,
    metavar="MS",
    help="All calls take so long: 120 always, 50-200 between, 120,380 p50 and p99. practice=120,380 slows one server.",
)
@click.option(
    "--errors",
    multiple=True,
    metavar="SHARE",
    help="So many of all calls are answered 503, before they had an effect: 0.7%, or stripe=0.7%.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The same chance again for --latency and --errors."
)
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="Serve page and controls under this name, too."
)
@as_json
@click.pass_context
def sandbox(
    ctx: click.Context,
    host: str,
    stripe_port: int,
    practice_port: int,
    state: Path | None,
    webhooks: str | None,
    key: str,
    latencies: tuple[str, ...],
    errors: tuple[str, ...],
    seed: int,
    hosts: tuple[str, ...],
    json_: bool,
) -> None:
    """Run the local Stripe and the practice processor, until Ctrl-C.

    Beside any project: point its Stripe package at the address that this prints, with any sk_test_ key. No gateway and
    no database is needed. Without --state everything is kept in memory.
    """
    if ctx.invoked_subcommand is not None:
        return
    settings = command_settings()
    reached = "localhost" if host in ANYWHERE else f"[{host}]" if ":" in host else host
    urls = {"stripe": f"http://{reached}:{stripe_port}", "practice": f"http://{reached}:{practice_port}"}
    with failures():
        local = made(urls, state, hosts)
        preset(local, latencies, errors, seed)
        secret = register(local, webhooks, key) if webhooks else None

        def started() -> None:
            _note(settings, urls)
            told = {**urls, "state": state and str(state), "webhook_secret": secret}
            say(
                {name: one for name, one in told.items() if one},
                json_,
                lambda: _greet(urls, state, webhooks, secret, key),
            )

        _run(serve(local, host, (stripe_port, practice_port), started))


def _note(settings: Settings, urls: dict[str, str]) -> None:
    """For `clock`: where they are, unless that is where it looks anyway. Another project's folder stays clean."""
    usual = {"stripe": f"http://127.0.0.1:{STRIPE_PORT}", "practice": f"http://127.0.0.1:{PRACTICE_PORT}"}
    if urls != usual or "sandbox" in read_notes(settings.home_path):
        write_notes(settings.home_path, sandbox=urls)


def _greet(urls: dict[str, str], state: Path | None, webhooks: str | None, secret: str | None, key: str) -> None:
    api = urls["stripe"]
    hooks = "register endpoints as at Stripe, POST /v1/webhook_endpoints, or start with --webhooks URL"
    if webhooks:
        hooks = f"all events of {key} go to {webhooks}; signing secret {secret}"
    fields(
        {
            "Stripe": f"{api}  (any sk_test_ key; live keys are refused)",
            "Practice processor": urls["practice"],
            "Pages": "open either address in a browser: objects, calls, webhooks, faults, time",
            "Python": f'stripe.StripeClient("{key}", base_addresses={{"api": "{api}"}}).v1.customers.create()',
            "Shell": f"curl -u {key}: {api}/v1/customers -d name=Ada",
            "Webhooks": hooks,
            "State": f"kept in {state}" if state else "in memory; --state FILE keeps it",
            "Time": "tollbridge sandbox clock --advance 31d",
        }
    )


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
        told = partial(say, {"url": url}, json_, lambda: ERR.print(f"Checkout page: {url}"))
        _run(serve_all([(app, host, port)], told))


@sandbox.command()
@click.option("--advance", "by", callback=span, metavar="SPAN", help="How far, such as 31d or 36h.")
@click.option("--stripe-url", default="", help="The local Stripe; else the one last started here.")
@click.option("--practice-url", default="", help="The practice processor; else the one last started here.")
@click.option("--without-gateway", is_flag=True, help="Leave the gateway's business time as it is.")
@as_json
def clock(by: timedelta | None, stripe_url: str, practice_url: str, without_gateway: bool, json_: bool) -> None:
    """Show the sandbox's time, or move it forward everywhere.

    Everywhere is both sandboxes, and the business time of a gateway whose database is configured here (never beside
    live accounts).
    """
    settings = command_settings("warning")
    notes = read_notes(settings.home_path).get("sandbox", {})
    urls = [
        stripe_url or notes.get("stripe", f"http://127.0.0.1:{STRIPE_PORT}"),
        practice_url or notes.get("practice", f"http://127.0.0.1:{PRACTICE_PORT}"),
    ]
    if by is None:
        seen = run(partial(_clocks, urls))
        say(seen, json_, lambda: fields({url: when(one["now"]) for url, one in seen.items()}))
        return

    async def work() -> dict[str, Any]:
        if without_gateway or not _has_database(settings):
            return await advance(urls, by, gateway=False)
        async with database(settings):
            return await advance(urls, by, waiting=True)

    moved = run(work)
    say(moved, json_, lambda: OUT.print(f"It is now {moved['now']}."))


async def _clocks(urls: list[str]) -> dict[str, dict[str, Any]]:
    """Raises click.ClickException where one does not answer."""
    async with httpx.AsyncClient(timeout=HTTP_TIMEOUT_S, trust_env=False) as http:
        return {url: await _call(http.get, f"{url}/_sandbox/clock") for url in urls}


async def advance(urls: list[str], by: timedelta, *, gateway: bool = True, waiting: bool = False) -> dict[str, Any]:
    """Move every clock on, a day at a time, so that none is ever far ahead. The gateway's goes first.

    `waiting`: after each day a living worker is given the time to do that day's work (half a minute at most).

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
                if waiting:
                    await _come_to_rest()
                left -= step
                progress.advance(task, step.total_seconds())
        seen = await _call(http.get, f"{urls[0]}/_sandbox/clock")
    now = f"{await business_now():%Y-%m-%d %H:%M:%S} UTC" if gateway else when(seen["now"])
    return {"advanced_s": int(by.total_seconds()), "now": now, "sandbox_now": seen["now"]}


async def _come_to_rest() -> None:
    """Wait until no worker has anything to do, if one lives at all."""
    for _ in range(MOST_LOOKS):
        await asyncio.sleep(ON_THEIR_WAY_S)
        if not await sql.value(AT_WORK):
            return


async def _call(send: Callable[..., Any], url: str, **options: Any) -> dict[str, Any]:
    try:
        answer = await send(url, **options)
    except httpx.HTTPError as error:
        raise click.ClickException(f"{url} does not answer ({type(error).__name__}): is the sandbox running?") from None
    if answer.status_code != 200:
        raise click.ClickException(f"{url}: HTTP {answer.status_code} {answer.text[:200]}")
    return msgspec.json.decode(answer.content, type=dict[str, Any])


def _run(serving: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)


def _has_database(settings: Settings) -> bool:
    return bool(settings.database_url) or (settings.home_path / "postgres").exists()
