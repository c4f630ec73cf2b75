"""Accounts: the mode for ever, policies, signing secrets, and what the audit log keeps of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from db import sql
from gateway.accounts import accounts, webhook_secrets
from gateway.accounts.accounts import Account, AccountChange
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NameTakenError, NotThereError
from gateway.clock import move_clock
from gateway.runtime import Runtime
from processors.values import Secret
from tests.accounts.conftest import STRIPE_KEY


async def audit() -> list[dict[str, Any]]:
    rows = await sql.rows("select * from tollbridge.audit_log order by created_at, id")
    return [dict(row) for row in rows]


@pytest.mark.parametrize(("key", "livemode"), [("sk_test_1", False), ("rk_live_1", True)])
async def test_the_key_decides_the_mode(runtime: Runtime, by: Author, key: str, livemode: bool) -> None:
    added = await accounts.add(runtime.keyring, by, "eu", Secret(key))
    assert added.livemode is livemode
    other = Secret("sk_test_2" if livemode else "sk_live_2")
    with pytest.raises(FieldError, match="stays so"):
        await accounts.update(runtime.keyring, by, added.id, AccountChange(api_key=other))


@pytest.mark.parametrize("key", ["", "sk_test_", "pk_test_1", "whsec_1", "sk_test_with blank", "sk_other_1"])
async def test_what_is_no_stripe_key_is_refused(runtime: Runtime, by: Author, key: str) -> None:
    with pytest.raises(FieldError) as caught:
        await accounts.add(runtime.keyring, by, "eu", Secret(key))
    assert caught.value.param == "api_key"
    assert len(key) < 9 or key not in str(caught.value)


@pytest.mark.parametrize("name", ["", "Eu", "-eu", "a" * 64, "e u", "e/u"])
async def test_a_name_fits_into_an_address(runtime: Runtime, by: Author, name: str) -> None:
    with pytest.raises(FieldError) as caught:
        await accounts.add(runtime.keyring, by, name, STRIPE_KEY)
    assert caught.value.param == "name"


async def test_the_name_stripe_is_taken_by_stripes_own_address(runtime: Runtime, by: Author) -> None:
    with pytest.raises(FieldError):
        await accounts.add(runtime.keyring, by, "stripe", STRIPE_KEY)


async def test_a_name_is_taken_once(runtime: Runtime, by: Author, account: Account) -> None:
    with pytest.raises(NameTakenError):
        await accounts.add(runtime.keyring, by, account.name, Secret("sk_test_other"))
    assert len(await accounts.listed()) == 1


async def test_an_account_is_found_by_id_and_by_name(account: Account) -> None:
    assert await accounts.show(account.id) == await accounts.show("eu") == account
    with pytest.raises(NotThereError):
        await accounts.show("us")


async def test_secrets_are_nowhere_but_in_their_column(runtime: Runtime, by: Author) -> None:
    secret = Secret("whsec_very_secret_4711")
    added = await accounts.add(runtime.keyring, by, "eu", Secret("sk_test_hush"), secrets=[secret])
    await accounts.update(runtime.keyring, by, added.id, AccountChange(api_key=Secret("sk_test_hush2")))
    seen = f"{added!r} {await accounts.listed()!r} {await audit()!r} {by.changes!r} {secret!r}"
    assert "hush" not in seen
    assert "very_secret" not in seen
    row = await sql.row("select api_key from tollbridge.account")
    assert row is not None
    assert runtime.keyring.decrypt(row["api_key"], table="account", column="api_key", row=added.id) == b"sk_test_hush2"


async def test_every_change_is_in_the_audit_log(runtime: Runtime, by: Author, account: Account) -> None:
    change = AccountChange(portal_url="https://portal.example", policies={"margin_hours": 48}, enabled=False)
    await accounts.update(runtime.keyring, by, account.id, change)
    added, updated = await audit()
    assert (added["action"], added["actor"], added["object"]) == ("account.added", "test:ada", account.id)
    assert (updated["action"], updated["reason"], updated["account"]) == ("account.updated", "because", account.id)
    assert msgspec.json.decode(updated["before"]) == {"portal_url": "", "policies": {}, "enabled": True}
    assert msgspec.json.decode(updated["after"]) == {
        "portal_url": "https://portal.example",
        "policies": {"margin_hours": 48},
        "enabled": False,
    }


async def test_the_same_again_changes_nothing(runtime: Runtime, by: Author, account: Account) -> None:
    same = AccountChange(api_key=STRIPE_KEY, api_base="", policies={}, enabled=True)
    assert await accounts.update(runtime.keyring, by, account.id, same) == account
    assert len(await audit()) == 1


async def test_a_change_that_fails_leaves_no_trace(runtime: Runtime, by: Author) -> None:
    with pytest.raises(FieldError):
        await accounts.add(runtime.keyring, by, "eu", STRIPE_KEY, secrets=[Secret("not a signing secret")])
    assert await accounts.listed() == []
    assert await audit() == []


async def test_policies_are_merged_and_defaults_come_back(runtime: Runtime, by: Author, account: Account) -> None:
    for policies in ({"margin_hours": 48}, {"finalize": "leave"}, {"margin_hours": None}):
        changed = await accounts.update(runtime.keyring, by, account.id, AccountChange(policies=policies))
    assert changed.policies == {"finalize": "leave"}
    assert changed.policy.margin_hours == 24


@pytest.mark.parametrize(
    ("policies", "param"),
    [
        ({"ladder_hours": [1, 2]}, "policies.ladder_hours"),
        ({"finalize": "never"}, "policies.finalize"),
        ({"ladder_hours": [0, "x"]}, "policies.ladder_hours.1"),
        ({"nonsense": 1}, "policies.nonsense"),
    ],
)
async def test_a_wrong_policy_is_named(
    runtime: Runtime, by: Author, account: Account, policies: dict[str, Any], param: str
) -> None:
    with pytest.raises(FieldError) as caught:
        await accounts.update(runtime.keyring, by, account.id, AccountChange(policies=policies))
    assert caught.value.param == param


async def test_a_live_key_goes_over_https_only(runtime: Runtime, by: Author) -> None:
    change = AccountChange(api_base="http://127.0.0.1:8251")
    with pytest.raises(FieldError, match="https"):
        await accounts.add(runtime.keyring, by, "eu", Secret("sk_live_1"), change=change)
    assert (await accounts.add(runtime.keyring, by, "eu", STRIPE_KEY, change=change)).api_base == change.api_base


async def test_no_live_account_where_time_was_moved(runtime: Runtime, by: Author) -> None:
    await move_clock(timedelta(days=1))
    with pytest.raises(FieldError, match="moved"):
        await accounts.add(runtime.keyring, by, "eu", Secret("sk_live_1"))


async def test_signing_secrets_rotate(runtime: Runtime, by: Author, account: Account) -> None:
    first = await webhook_secrets.add(runtime.keyring, by, account.id, Secret("whsec_first_0001"))
    second = await webhook_secrets.add(runtime.keyring, by, account.id, Secret("whsec_second_0002"))
    assert await webhook_secrets.add(runtime.keyring, by, account.id, Secret("whsec_first_0001")) == first
    assert [secret.id for secret in (await accounts.show(account.id)).webhook_secrets] == [first, second]
    await webhook_secrets.retire(by, account.id, first)
    assert [secret.id for secret in (await accounts.show(account.id)).webhook_secrets] == [second]
    with pytest.raises(NotThereError):
        await webhook_secrets.retire(by, account.id, first)
    assert [row["action"] for row in await audit()][1:] == [
        "webhook_secret.added",
        "webhook_secret.added",
        "webhook_secret.retired",
    ]


@pytest.mark.parametrize("secret", ["", " ", "whsec_", "4711", "whsec_short"])
async def test_an_empty_or_foreign_signing_secret_is_refused(
    runtime: Runtime, by: Author, account: Account, secret: str
) -> None:
    with pytest.raises(FieldError, match="secret"):
        await webhook_secrets.add(runtime.keyring, by, account.id, Secret(secret))
