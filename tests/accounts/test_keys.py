"""API keys: shown once, kept as a hash."""

from __future__ import annotations

import re

import pytest

from db import sql
from gateway.accounts import keys
from gateway.accounts.accounts import Account
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.runtime import Runtime


async def test_a_key_is_kept_as_a_hash(by: Author, account: Account) -> None:
    made, secret = await keys.create(by, account.id, "backend", ["server", "finance"])
    text = secret.reveal()
    assert re.fullmatch(r"tb_test_[0-9a-f]{48}", text)
    assert made.hint == text[-4:]
    assert made.scopes == ("finance", "server")
    row = await sql.row("select * from tollbridge.api_key")
    assert row is not None
    assert bytes(row["hash"]) == keys.digest(text)
    assert text not in f"{dict(row)!r} {made!r} {secret!r} {by.changes!r}"
    assert await keys.listed(account.id) == [made]


async def test_a_key_is_revoked_for_ever(by: Author, account: Account) -> None:
    made, _ = await keys.create(by, account.id, "backend", ["server"])
    revoked = await keys.revoke(by, account.id, made.id)
    assert revoked.revoked_at is not None
    assert await keys.revoke(by, account.id, made.id) == revoked
    assert [change.action for change in by.changes] == ["account.added", "key.created", "key.revoked"]


async def test_a_platform_key_is_of_no_account(runtime: Runtime, by: Author) -> None:
    made, secret = await keys.create(by, None, "platform", ["platform"])
    assert secret.reveal().startswith("tb_platform_")
    assert made.account is None
    assert await keys.listed(None) == [made]


@pytest.mark.parametrize("scopes", [[], ["root"], ["server", "platform"]])
async def test_scopes_are_a_closed_list(by: Author, account: Account, scopes: list[str]) -> None:
    with pytest.raises(FieldError) as caught:
        await keys.create(by, account.id, "x", scopes)
    assert caught.value.param == "scopes"


async def test_another_accounts_key_is_not_there(by: Author, account: Account) -> None:
    made, _ = await keys.create(by, account.id, "x", ["server"])
    with pytest.raises(NotThereError):
        await keys.revoke(by, "acc_other", made.id)
    with pytest.raises(NotThereError):
        await keys.create(by, "acc_other", "x", ["server"])


async def test_whoever_made_a_key_is_behind_it_and_behind_those_that_it_makes(by: Author, account: Account) -> None:
    platform, _ = await keys.create(by, None, "platform", ["platform"])
    admin, _ = await keys.create(Author(platform.id), account.id, "admin", ["admin"])
    finance, _ = await keys.create(Author(admin.id), account.id, "finance", ["finance"])
    people = [await keys.person_behind(account.id, actor) for actor in (by.name, admin.id, finance.id, "usr_other")]
    assert people == [by.name, by.name, by.name, "usr_other"]
