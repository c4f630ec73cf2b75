"""`apply`: upsert by name, nothing else touched, one transaction, secrets by reference alone."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from db import sql
from gateway.accounts import accounts, connections, webhook_endpoints
from gateway.accounts.apply import apply, read
from gateway.accounts.audit import Author, Change
from gateway.accounts.errors import FieldError
from gateway.accounts.secrets import found
from gateway.accounts.webhook_endpoints import Endpoint
from gateway.addresses import UnresolvedError
from gateway.clock import business_now
from gateway.domain.routing import Display, Routing
from gateway.runtime import Runtime
from tests.support.canaries import leaks

FILE = """
[[account]]
name = "eu"
api_key = "env:STRIPE_KEY"
webhook_secrets = ["file:signing"]
policies = { margin_hours = 48 }

[[account.connection]]
name = "practice"
adapter = "practice"
credentials = { api_key = "env:PRACTICE_KEY", webhook_secret = "file:signing" }
options = { base_url = "http://127.0.0.1:1", account = "pa_1" }
currencies = ["eur"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIPE_KEY", "sk_test_hush")
    monkeypatch.setenv("STRIPE_KEY_US", "sk_test_hush_us")
    monkeypatch.setenv("PRACTICE_KEY", "hush_practice")
    (tmp_path / "signing").write_text("whsec_hush_4711\n")
    return tmp_path


async def applied(
    runtime: Runtime, folder: Path, text: str, *, prune: bool = False, dry_run: bool = False
) -> list[Change]:
    (folder / "gateway.toml").write_text(text)
    document = read(folder / "gateway.toml")
    return (await apply(runtime, Author("test"), document, beside=folder, prune=prune, dry_run=dry_run)).changes


async def test_it_makes_what_the_file_says_and_then_nothing(runtime: Runtime, folder: Path) -> None:
    changes = await applied(runtime, folder, FILE)
    assert [change.action for change in changes] == ["account.added", "webhook_secret.added", "connection.added"]
    account = await accounts.show("eu")
    assert (account.policies, len(account.webhook_secrets)) == ({"margin_hours": 48}, 1)
    assert [one.name for one in await connections.listed(account.id)] == ["practice"]
    assert await applied(runtime, folder, FILE) == []
    assert await applied(runtime, folder, FILE, prune=True) == []
    assert "hush" not in repr(changes)


async def test_a_dry_run_shows_the_same_and_changes_nothing(runtime: Runtime, folder: Path) -> None:
    shown = await applied(runtime, folder, FILE, dry_run=True)
    assert [change.action for change in shown] == ["account.added", "webhook_secret.added", "connection.added"]
    assert await accounts.listed() == []
    assert await sql.value("select count(*) from tollbridge.audit_log") == 0


async def test_what_is_absent_is_left_alone_unless_pruned(runtime: Runtime, folder: Path) -> None:
    await applied(runtime, folder, FILE)
    us = '[[account]]\nname = "us"\napi_key = "env:STRIPE_KEY_US"\n'
    assert [change.action for change in await applied(runtime, folder, us)] == ["account.added"]
    assert (await accounts.show("eu")).enabled
    changes = await applied(runtime, folder, us, prune=True)
    assert [(change.name, change.after) for change in changes] == [("eu", {"enabled": False})]


async def test_pruning_disables_connections_and_retires_secrets(runtime: Runtime, folder: Path) -> None:
    await applied(runtime, folder, FILE)
    (folder / "signing").write_text("whsec_hush_newer")
    without = FILE.partition("[[account.connection]]")[0]
    await applied(runtime, folder, without)
    account = await accounts.show("eu")
    assert len(account.webhook_secrets) == 2
    assert (await connections.show(account.id, "practice")).enabled
    await applied(runtime, folder, without, prune=True)
    assert len((await accounts.show("eu")).webhook_secrets) == 1
    assert not (await connections.show(account.id, "practice")).enabled


async def test_a_change_is_shown_from_and_to(runtime: Runtime, folder: Path) -> None:
    await applied(runtime, folder, FILE)
    changed = FILE.replace("48", "72").replace("pa_1", "pa_2")
    account, connection = await applied(runtime, folder, changed, dry_run=True)
    assert (account.before, account.after) == ({"policies": {"margin_hours": 48}}, {"policies": {"margin_hours": 72}})
    assert connection.after == {"options": {"base_url": "http://127.0.0.1:1", "account": "pa_2"}}


@pytest.mark.parametrize(
    ("old", "new", "param"),
    [
        ('name = "eu"', 'name = "eu"\ncolour = "red"', "account.0.colour"),
        ("margin_hours = 48", "margin_hours = -1", "account.0.policies.margin_hours"),
        ('"env:STRIPE_KEY"', '"sk_test_hush"', "account.0.api_key"),
        ('"env:STRIPE_KEY"', '"env:NOBODY"', "account.0.api_key"),
        ('"env:PRACTICE_KEY"', '"file:nowhere"', "account.0.connection.0.credentials.api_key"),
        ('adapter = "practice"', 'adapter = "nobody"', "account.0.connection.0.adapter"),
        ('["eur"]', '["EUR"]', "account.0.connection.0.currencies.0"),
        ('account = "pa_1"', "account = 1", "account.0.connection.0.options"),
    ],
)
async def test_a_mistake_is_named_and_changes_nothing(
    runtime: Runtime, folder: Path, old: str, new: str, param: str
) -> None:
    with pytest.raises(FieldError) as caught:
        await applied(runtime, folder, FILE.replace(old, new))
    assert caught.value.param.startswith(param)
    assert "hush" not in str(caught.value)
    assert await accounts.listed() == []


@pytest.mark.parametrize("old", ['["eur"]', '"env:PRACTICE_KEY"'])
async def test_a_mistake_in_a_connection_says_in_which(runtime: Runtime, folder: Path, old: str) -> None:
    """Counting tables in a file is nobody's pleasure."""
    with pytest.raises(FieldError, match=r"\(connection practice\)$"):
        await applied(runtime, folder, FILE.replace(old, {'["eur"]': '["EUR"]'}.get(old, '"env:NOBODY"')))


async def test_a_name_twice_is_refused(runtime: Runtime, folder: Path) -> None:
    with pytest.raises(FieldError, match="twice"):
        await applied(runtime, folder, FILE + FILE)


def test_what_is_no_toml_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("account = [")
    with pytest.raises(FieldError, match="no TOML"):
        read(tmp_path / "x.toml")


@pytest.mark.parametrize("reference", ["", "sk_test_hush", "env:", "file:", "vault:hush", "env:EMPTY"])
def test_a_secret_is_given_by_reference(reference: str) -> None:
    with pytest.raises(FieldError) as caught:
        found(reference, "api_key", environ={"EMPTY": " "})
    assert "hush" not in str(caught.value)


async def test_decline_codes_are_merged_and_pruned(runtime: Runtime, folder: Path) -> None:
    await applied(runtime, folder, FILE + 'declines = { x98 = "expired", x99 = "fraud" }\n')
    account = await accounts.show("eu")
    fewer = FILE + 'declines = { x99 = "limit_exceeded" }\n'
    await applied(runtime, folder, fewer)
    (known,) = await connections.listed(account.id)
    assert known.declines == {"x98": "expired", "x99": "limit_exceeded"}
    (change,) = await applied(runtime, folder, fewer, prune=True)
    assert change.after == {"declines": {"x99": "limit_exceeded"}}
    with pytest.raises(FieldError) as caught:
        await applied(runtime, folder, FILE + 'declines = { x99 = "hopeless" }\n')
    assert caught.value.param == "account.0.connection.0.declines.x99"


ENDPOINT = """
[[account.webhook_endpoint]]
url = "https://192.0.43.8/hook"
secret = "env:EVENTS_SECRET"
types = ["tollbridge.invoice.paid"]
"""


def given(monkeypatch: pytest.MonkeyPatch, letter: str) -> str:
    """A signing secret in the environment."""
    secret = f"whsec_{base64.b64encode(letter.encode() * 32).decode()}"
    monkeypatch.setenv("EVENTS_SECRET", secret)
    return secret


async def signing(runtime: Runtime) -> tuple[Endpoint, list[str]]:
    [endpoint] = await webhook_endpoints.listed((await accounts.show("eu")).id)
    secrets = await webhook_endpoints.signing_secrets(runtime.keyring, endpoint.id, await business_now())
    return endpoint, [one.reveal() for one in secrets]


async def test_an_endpoint_is_found_again_by_its_address(
    runtime: Runtime, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = given(monkeypatch, "a")
    changes = await applied(runtime, folder, FILE + ENDPOINT)
    assert changes[-1].action == "webhook_endpoint.added"
    assert (await signing(runtime))[1] == [old]
    assert await applied(runtime, folder, FILE + ENDPOINT) == []

    new = given(monkeypatch, "b")
    changes = await applied(runtime, folder, FILE + ENDPOINT.replace('"tollbridge.invoice.paid"', ""))
    assert [change.action for change in changes] == ["webhook_endpoint.updated", "webhook_endpoint.secret_rolled"]
    endpoint, secrets = await signing(runtime)
    assert (endpoint.types, secrets) == ((), [new, old])
    assert not leaks(repr(changes), {old, new})

    await applied(runtime, folder, FILE)
    assert (await signing(runtime))[0].enabled, "what the file does not mention stays"
    await applied(runtime, folder, FILE, prune=True)
    assert not (await signing(runtime))[0].enabled


@pytest.mark.parametrize(
    ("text", "secret", "param"),
    [
        (ENDPOINT.replace("192.0.43.8", "127.0.0.1"), None, "account.0.webhook_endpoint.0.url"),
        (ENDPOINT.replace("invoice.paid", "invoice.gone"), None, "account.0.webhook_endpoint.0.types.0"),
        (ENDPOINT, "whsec_short", "account.0.webhook_endpoint.0.secret"),
        (ENDPOINT + ENDPOINT, None, "account.0.webhook_endpoint.1.url"),
    ],
)
async def test_an_endpoint_that_cannot_be_is_refused_by_place(
    runtime: Runtime, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, secret: str | None, param: str
) -> None:
    given(monkeypatch, "a")
    if secret:
        monkeypatch.setenv("EVENTS_SECRET", secret)
    with pytest.raises(FieldError) as error:
        await applied(runtime, folder, FILE + text)
    assert error.value.param == param
    assert await accounts.listed() == []


async def test_an_endpoint_whose_name_has_no_address_now_is_kept_with_a_warning(
    runtime: Runtime, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shop that is not up yet. That a name is private is another matter, and is looked at before each delivery."""

    async def unknown(*_: object) -> None:
        raise UnresolvedError("shop.example can't be resolved now")

    monkeypatch.setattr("gateway.addresses.resolved", unknown)
    given(monkeypatch, "a")
    (folder / "gateway.toml").write_text(FILE + ENDPOINT.replace("192.0.43.8", "shop.example"))
    done = await apply(runtime, Author("test"), read(folder / "gateway.toml"), beside=folder)
    assert done.changes[-1].action == "webhook_endpoint.added"
    [warning] = done.warnings
    assert warning.startswith("account.0.webhook_endpoint.0.url: shop.example can't be resolved now")


async def test_routing_and_display_are_applied(runtime: Runtime, folder: Path) -> None:
    rules = (
        '[account.connection.routing]\ncountries = ["DE"]\nweight = 30\n[account.connection.display]\nlabel = "Card"\n'
    )
    await applied(runtime, folder, FILE + rules)
    [known] = await connections.listed((await accounts.show("eu")).id)
    assert (known.routing, known.display) == (Routing(countries=["DE"], weight=30), Display(label="Card"))
    assert await applied(runtime, folder, FILE + rules) == []
