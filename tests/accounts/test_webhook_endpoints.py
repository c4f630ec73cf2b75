"""Endpoints of the merchant's: saved within bounds, their secrets encrypted and rolled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db import sql
from gateway.accounts import webhook_endpoints
from gateway.accounts.accounts import Account
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.accounts.webhook_endpoints import EndpointChange
from gateway.clock import business_now, move_clock
from gateway.runtime import Runtime
from tests.support.canaries import leaks

URL = "https://192.0.43.8/hook"
HOUR = timedelta(hours=1)


async def add(runtime: Runtime, by: Author, account: Account, url: str = URL) -> tuple[str, str]:
    made, secret = await webhook_endpoints.add(runtime, by, account.id, EndpointChange(url=url))
    return made.id, secret.reveal()


async def secrets(runtime: Runtime, endpoint: str) -> list[str]:
    found = await webhook_endpoints.signing_secrets(runtime.keyring, endpoint, await business_now())
    return [one.reveal() for one in found]


async def test_its_secret_is_a_standard_one_and_stands_nowhere_in_the_clear(
    runtime: Runtime, by: Author, account: Account
) -> None:
    endpoint, secret = await add(runtime, by, account)
    assert secret.startswith("whsec_")
    assert await secrets(runtime, endpoint) == [secret]
    for table in ("webhook_endpoint", "webhook_endpoint_secret", "audit_log"):
        rows = [str(dict(row)) for row in await sql.rows(f"select * from tollbridge.{table}")]
        assert not leaks("\n".join(rows), {secret})


async def test_while_it_rolls_the_old_one_signs_beside_the_new_one(
    runtime: Runtime, by: Author, account: Account
) -> None:
    endpoint, old = await add(runtime, by, account)
    shown, new = await webhook_endpoints.roll_secret(runtime, by, account.id, endpoint, HOUR)
    assert await secrets(runtime, endpoint) == [new.reveal(), old]
    assert shown.old_secret_expires_at is not None
    await move_clock(HOUR)
    assert await secrets(runtime, endpoint) == [new.reveal()]


async def test_a_second_roll_does_not_lengthen_the_life_of_the_first(
    runtime: Runtime, by: Author, account: Account
) -> None:
    endpoint, first = await add(runtime, by, account)
    await webhook_endpoints.roll_secret(runtime, by, account.id, endpoint, HOUR)
    await webhook_endpoints.roll_secret(runtime, by, account.id, endpoint, 5 * HOUR)
    await move_clock(HOUR)
    assert first not in await secrets(runtime, endpoint)
    assert len(await secrets(runtime, endpoint)) == 2


async def test_one_that_leaked_is_gone_at_once(runtime: Runtime, by: Author, account: Account) -> None:
    endpoint, _ = await add(runtime, by, account)
    _, new = await webhook_endpoints.roll_secret(runtime, by, account.id, endpoint, timedelta(0))
    assert await secrets(runtime, endpoint) == [new.reveal()]
    assert await sql.value("select count(*) from tollbridge.webhook_endpoint_secret") == 1


@pytest.mark.parametrize(
    ("change", "param"),
    [
        (EndpointChange(), "url"),
        (EndpointChange(url="https://169.254.169.254/latest/meta-data"), "url"),
        (EndpointChange(url="http://192.0.43.8/"), "url"),
        (EndpointChange(url=URL, types=["tollbridge.invoice.paid", "invoice.paid"]), "types.1"),
        (EndpointChange(url=URL, description="x" * 501), "description"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    runtime: Runtime, by: Author, account: Account, change: EndpointChange, param: str
) -> None:
    with pytest.raises(FieldError) as error:
        await webhook_endpoints.add(runtime, by, account.id, change)
    assert error.value.param == param
    assert await webhook_endpoints.listed(account.id) == []


async def test_a_change_is_in_the_log_and_leaves_the_rest(runtime: Runtime, by: Author, account: Account) -> None:
    endpoint, _ = await add(runtime, by, account)
    change = EndpointChange(types=["tollbridge.invoice.paid"])
    shown = await webhook_endpoints.update(runtime, by, account.id, endpoint, change)
    assert (shown.url, shown.types, shown.enabled) == (URL, ("tollbridge.invoice.paid",), True)
    assert by.changes[-1].before == {"types": []}
    again = len(by.changes)
    await webhook_endpoints.update(runtime, by, account.id, endpoint, change)
    assert len(by.changes) == again


async def test_the_log_names_the_host_of_an_address_and_never_the_rest(
    runtime: Runtime, by: Author, account: Account
) -> None:
    """Often the rest is the only secret of whoever listens there."""
    endpoint, _ = await add(runtime, by, account, "https://192.0.43.8/made-up-secret")
    for url in ("https://192.0.43.8/made-up-other?key=1", "https://192.0.43.9:8443/hush?key=1"):
        await webhook_endpoints.update(runtime, by, account.id, endpoint, EndpointChange(url=url))
    await webhook_endpoints.remove(by, account.id, endpoint)
    told = [((one.before or {}).get("url"), (one.after or {}).get("url")) for one in by.changes[-4:]]
    old, new = "https://192.0.43.8", "https://192.0.43.9:8443"
    assert told == [(None, old), (old, "(changed)"), (old, new), (new, None)]
    log = [str(dict(row)) for row in await sql.rows("select * from tollbridge.audit_log")]
    assert not leaks("\n".join(log), {"made-up-secret", "made-up-other"})


async def test_it_can_be_removed_with_all_that_is_its_own(runtime: Runtime, by: Author, account: Account) -> None:
    endpoint, _ = await add(runtime, by, account)
    await webhook_endpoints.remove(by, account.id, endpoint)
    with pytest.raises(NotThereError):
        await webhook_endpoints.show(account.id, endpoint)
    assert await sql.value("select count(*) from tollbridge.webhook_endpoint_secret") == 0


async def test_an_account_has_not_any_number_of_them(
    runtime: Runtime, by: Author, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_endpoints, "MOST", 1)
    await add(runtime, by, account)
    with pytest.raises(FieldError, match="at most 1"):
        await add(runtime, by, account)
