"""Users of the console from the command line."""

from __future__ import annotations

from db import sql
from tests.cli.conftest import Tollbridge
from tests.cli.test_commands import add_account


async def test_a_user_is_made_with_a_link_that_is_shown_once(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    added = await tollbridge("users", "add", "ada@example.com", "--name", "Ada", "--role", "finance")
    assert "/console/welcome#" in added.out
    secret = added.out.strip().partition("#")[2]
    listed = await tollbridge("users", "list")
    assert ("finance" in listed.out, "invitation is open" in " ".join(listed.out.split())) == (True, True)
    assert secret not in listed.out
    again = await tollbridge("users", "add", "ada@example.com", "--role", "wizard")
    assert again.code == 2


async def test_a_user_loses_a_role_and_is_shut_out(tollbridge: Tollbridge) -> None:
    await add_account(tollbridge)
    await tollbridge("users", "add", "ada@example.com", "--role", "admin", "--json")
    assert (await tollbridge("users", "take-role", "ada@example.com", "--json")).json["roles"] == {}
    assert "can no longer sign in" in (await tollbridge("users", "disable", "ada@example.com")).out
    assert (await tollbridge("users", "disable", "nobody@example.com")).code == 1
    assert await sql.value("select disabled_at is not null from tollbridge.console_user")
