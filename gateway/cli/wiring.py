"""Gateway and sandboxes introduced to each other, through their APIs; what is there already is left as it is."""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import Any, Final, Self

import click
import httpx
import msgspec

from gateway.accounts.keys import ACCOUNT_SCOPES
from gateway.cli.people import Person
from gateway.clock import business_now
from processors.values import Unprinted

ACCOUNT: Final = "dev"
CONNECTION: Final = "practice"
STRIPE_KEY: Final = "sk_test_dev"
PRACTICE_KEY: Final = "practice_key_dev"
PRICE: Final = {
    "currency": "eur",
    "unit_amount": "1900",
    "recurring[interval]": "month",
    "product_data[name]": "Monthly plan",
}
TAX_RATE: Final = {"display_name": "VAT", "percentage": "19", "inclusive": "false", "country": "DE"}

Json = dict[str, Any]


class Names(Unprinted, frozen=True):
    """What an account and its connection are called, and the account's keys at either sandbox."""

    account: str = ACCOUNT
    connection: str = CONNECTION
    stripe_key: str = STRIPE_KEY
    practice_key: str = PRACTICE_KEY


class Wired(Unprinted, frozen=True):
    """What a developer needs to begin. The ids of price and tax rate are the local Stripe's; `people` sign in to the
    console."""

    account: str
    api_key: str
    price: str
    tax_rate: str
    people: tuple[Person, ...] = ()


class Wiring:
    """`urls` names gateway, stripe and practice. Calls that are refused end in click.ClickException."""

    def __init__(self, urls: dict[str, str], names: Names | None = None) -> None:
        self._urls = urls
        self._names = names or Names()
        self._http = httpx.AsyncClient(timeout=30, trust_env=False)
        self._platform = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def opens(self, key: str, path: str) -> bool:
        """Whether an API key opens an address of the gateway's."""
        if not key:
            return False
        answer = await self._http.get(self._urls["gateway"] + path, headers=_bearer(key))
        return answer.status_code == 200

    async def wire(self, platform_key: str, api_key: str) -> Wired:
        """Account, key, connection, webhook addresses both ways, and one plan to sell."""
        self._platform = platform_key
        await self._align_clocks()
        account = await self._account()
        if not await self.opens(api_key, "/v1/connections"):
            wanted = {"account": account["id"], "name": self._names.account, "scopes": sorted(ACCOUNT_SCOPES)}
            api_key = (await self._gateway("POST", "/v1/api_keys", wanted))["secret"]
        await self._gateway("POST", f"/v1/accounts/{account['id']}/setup_webhook", {})
        await self._practice(api_key)
        price = await self._first("/v1/prices", PRICE)
        return Wired(account["id"], api_key, price, await self._first("/v1/tax_rates", TAX_RATE))

    async def _align_clocks(self) -> None:
        """A gateway whose time was moved in an earlier run is ahead of sandboxes that have just begun."""
        now = (await business_now()).timestamp()
        for name in ("stripe", "practice"):
            ahead = now - (await self._call("GET", f"{self._urls[name]}/_sandbox/clock"))["now"]
            if ahead > 1:
                await self._call("POST", f"{self._urls[name]}/_sandbox/clock", json={"advance_s": int(ahead)})

    async def _account(self) -> Json:
        listed = (await self._gateway("GET", "/v1/accounts"))["data"]
        known = next((one for one in listed if one["name"] == self._names.account), None)
        wanted = {"api_base": self._urls["stripe"], "policies": {"finalize": "at_once"}}
        if known is None:
            new = {"name": self._names.account, "api_key": self._names.stripe_key, **wanted}
            return await self._gateway("POST", "/v1/accounts", new)
        moved = {"api_base": self._urls["stripe"], "api_key": self._names.stripe_key}
        return await self._gateway("POST", f"/v1/accounts/{known['id']}", moved)

    async def _practice(self, api_key: str) -> None:
        base, connection, api_key_there = self._urls["practice"], self._names.connection, self._names.practice_key
        opened = await self._call("POST", f"{base}/_sandbox/accounts", json={"api_key": api_key_there})
        secret = secrets.token_hex(16)
        url = f"{self._urls['gateway']}/webhooks/{self._names.account}/{connection}"
        endpoint = {"api_key": api_key_there, "url": url, "secret": secret}
        await self._call("POST", f"{base}/_sandbox/webhook_endpoint", json=endpoint)
        wanted = {
            "credentials": {"api_key": api_key_there, "webhook_secret": secret},
            "options": {"base_url": base, "account": opened["id"]},
        }
        listed = (await self._gateway("GET", "/v1/connections", key=api_key))["data"]
        if any(one["name"] == connection for one in listed):
            await self._gateway("POST", f"/v1/connections/{connection}", wanted, key=api_key)
        else:
            new = {"name": connection, "adapter": "practice", **wanted}
            await self._gateway("POST", "/v1/connections", new, key=api_key)

    async def _first(self, path: str, wanted: dict[str, str]) -> str:
        listed = (await self._stripe("GET", path))["data"]
        found = listed[0] if listed else await self._stripe("POST", path, wanted)
        return str(found["id"])

    async def _gateway(self, method: str, path: str, body: Json | None = None, *, key: str = "") -> Json:
        return await self._call(method, self._urls["gateway"] + path, json=body, headers=_bearer(key or self._platform))

    async def _stripe(self, method: str, path: str, data: dict[str, str] | None = None) -> Json:
        return await self._call(method, self._urls["stripe"] + path, data=data, headers=_bearer(self._names.stripe_key))

    async def _call(self, method: str, url: str, **options: Any) -> Json:
        try:
            answer = await self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise click.ClickException(f"{method} {url}: {type(error).__name__}") from None
        if answer.status_code >= 300:
            raise click.ClickException(f"{method} {url}: HTTP {answer.status_code} {answer.text[:300]}")
        return msgspec.json.decode(answer.content, type=Json)


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}
