"""The servers of `tollbridge sandbox`: made or loaded, told what is to go wrong, and served until a signal comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from gateway.cli.servers import serve_all
from gateway.sandbox import practice, stripe
from gateway.sandbox.kit.faults import Effect, Match
from gateway.sandbox.kit.latency import Latency, parse
from gateway.sandbox.kit.sandbox import Sandbox
from gateway.sandbox.kit.state import Keeper, StateError, load
from gateway.sandbox.stripe import endpoints
from gateway.sandbox.stripe.errors import Refusal
from gateway.sandbox.stripe.routes import Call

SERVERS: Final = ("stripe", "practice")
UNAVAILABLE: Final = 503


class Local(msgspec.Struct):
    """Both servers, and where they listen."""

    stripe: stripe.StripeSandbox
    practice: practice.PracticeProcessor
    urls: dict[str, str]
    state: Path | None = None

    def named(self) -> dict[str, Sandbox]:
        return {"stripe": self.stripe, "practice": self.practice}

    def apps(self, host: str, ports: Sequence[int]) -> list[tuple[Any, str, int]]:
        """What is to be served, each page with a way to the other."""
        apps = [stripe.create_app(self.stripe), practice.create_app(self.practice)]
        for name, app in zip(SERVERS, apps, strict=True):
            app.page.beside = {self.urls[other]: one for other, one in self.named().items() if other != name}
        return [(app, host, port) for app, port in zip(apps, ports, strict=True)]


def made(urls: dict[str, str], state: Path | None, hosts: Sequence[str]) -> Local:
    """Both servers, as the file says where there is one; raises click.ClickException."""
    found: dict[str, Any] = {}
    if state is not None:
        try:
            found = load(state)
        except FileNotFoundError:
            if not state.absolute().parent.is_dir():
                raise click.ClickException(
                    f"there is no folder {state.absolute().parent} to keep {state.name} in"
                ) from None
        except StateError as error:
            raise click.ClickException(str(error)) from None
    local = Local(
        found.get("stripe") or stripe.StripeSandbox(),
        found.get("practice") or practice.PracticeProcessor(),
        urls,
        state,
    )
    for one in local.named().values():
        one.allowed_hosts = frozenset(hosts)
    return local


async def serve(local: Local, host: str, ports: Sequence[int], started: Callable[[], None]) -> None:
    """Until SIGINT or SIGTERM; then what is to be kept is saved."""
    keeper = None if local.state is None else Keeper(local.state, local.named())
    saving = None if keeper is None else asyncio.create_task(keeper.run())
    try:
        await serve_all(local.apps(host, ports), started)
    finally:
        if keeper is not None and saving is not None:
            saving.cancel()
            keeper.save()


def register(local: Local, url: str, key: str) -> str:
    """A webhook endpoint at the local Stripe for all events, made unless it is there; its signing secret.

    Raises click.BadParameter.
    """
    try:
        account = local.stripe.account(key)
        known = (one for one in account.webhook_endpoints.values() if one["url"] == url and one["status"] == "enabled")
        found = next(known, None)
        if found is None:
            found = endpoints.create(Call(account, {"url": url, "enabled_events": ["*"]}))
    except Refusal as refusal:
        raise click.BadParameter(str(refusal), param_hint="'--webhooks'") from None
    return str(account.webhook_endpoints[found["id"]]["_secret"])


def preset(local: Local, latencies: Sequence[str], errors: Sequence[str], seed: int) -> None:
    """Faults for all calls from the start, instead of such from an earlier run; raises click.BadParameter."""
    for name, text in _named(latencies):
        book = local.named()[name].faults
        _forget(local.named()[name], Effect.LATENCY)
        book.add("latency", latency=_latency(text), seed=seed)
    for name, text in _named(errors):
        _forget(local.named()[name], Effect.ERROR_BEFORE)
        share = _share(text)
        if share:
            local.named()[name].faults.add("error_before", status=UNAVAILABLE, probability=share, times=None, seed=seed)


def _forget(sandbox: Sandbox, effect: Effect) -> None:
    for fault in [*sandbox.faults.pending]:
        if (fault.effect, fault.match, fault.times) == (effect, Match(), None):
            sandbox.faults.remove(fault.id)


def _named(given: Sequence[str]) -> list[tuple[str, str]]:
    """`stripe=…` or `practice=…` is for one server, anything else for both."""
    named = []
    for one in given:
        name, equals, value = one.partition("=")
        named += [(name, value)] if equals and name in SERVERS else [(server, one) for server in SERVERS]
    return named


def _latency(text: str) -> Latency:
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--latency'") from None


def _share(text: str) -> float:
    """`0.7%` as a part of one."""
    try:
        share = float(text.removesuffix("%")) / 100 if text.endswith("%") else float("nan")
    except ValueError:
        share = float("nan")
    if not 0 <= share <= 1:
        raise click.BadParameter(f"{text!r} is no share of the calls: write 0.7%", param_hint="'--errors'")
    return share
